"""Losses, distances, and the parts they are made of."""
