"""The three formats of torch.save, read by a machine for the few opcodes of pickle that state dicts need."""
