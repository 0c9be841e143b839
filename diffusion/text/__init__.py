"""Text as models see it: vocabularies, labels and sources."""
