"""Runs, models, queue, links: everything the app and the command line stand on. Nothing here knows Gradio."""
