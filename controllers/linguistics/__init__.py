"""Reads and judges language: taggers, parsers and the slot matcher."""
