"""Making, shaping, joining and cutting tensors."""
