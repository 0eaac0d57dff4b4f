"""Losses whose rows are read once."""
