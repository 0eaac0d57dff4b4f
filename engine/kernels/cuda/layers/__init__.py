"""Normalisation, dropout, the softmax, gates and rotary positions."""
