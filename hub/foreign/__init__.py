"""Checkpoints of other libraries: their config.json, the words of it that numzoo's builders know, and where their files lie."""
