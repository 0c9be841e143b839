"""The papers: one file each."""
