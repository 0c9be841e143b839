"""Builds the checkpoints: data, recipes, the loop, evaluation. Never imports the app."""
