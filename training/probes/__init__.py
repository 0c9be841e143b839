"""Trains the probes that controllers read beliefs with, and finds phrases for content control."""
