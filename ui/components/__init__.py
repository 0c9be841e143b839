"""Gradio components and what they share."""
