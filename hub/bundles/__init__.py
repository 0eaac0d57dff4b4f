"""Bundles: models and data for machines without network, as a folder or one file, laid out like a static registry."""
