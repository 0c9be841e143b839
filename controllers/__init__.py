"""Steering: wishes about the finished text, read from and written to beliefs. Knows the port, no paper."""
