"""How good free texts, and texts from a source, are."""
