"""What a training step does to all parameters at once."""
