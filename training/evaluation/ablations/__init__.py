"""What each part of a paper contributes."""
