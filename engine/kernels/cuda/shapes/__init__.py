"""Copies between layouts, joins and borders."""
