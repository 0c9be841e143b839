"""Measures control: targets, what they ask of a text, runs under control beside free ones, tables with bars."""
