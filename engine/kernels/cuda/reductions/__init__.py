"""Reductions, running ones and orders."""
