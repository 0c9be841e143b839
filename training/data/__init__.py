"""Corpora: rows of text with labels and sources, and treebanks."""
