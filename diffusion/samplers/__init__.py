"""Samplers: one reverse process, one file."""
