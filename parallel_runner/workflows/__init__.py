"""Batch files: what they say, checked before anything starts."""
