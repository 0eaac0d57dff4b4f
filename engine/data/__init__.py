"""Feeding data: datasets, samplers and the loader."""
