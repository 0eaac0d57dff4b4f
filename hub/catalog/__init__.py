"""The catalogue: a web site of what a registry holds, made of files alone."""
