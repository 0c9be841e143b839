"""Trains and measures taggers and parsers."""
