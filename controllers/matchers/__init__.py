"""Matchers judge finished text: does it say the value of a slot? They never steer."""
