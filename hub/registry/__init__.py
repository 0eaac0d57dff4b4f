"""What is known: the manifest, its names, its records, and what a person has come to trust."""
