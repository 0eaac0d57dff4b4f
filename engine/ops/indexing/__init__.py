"""Picking elements by number or by mask, and writing and adding at places."""
