"""How likely a model finds held-out text."""
