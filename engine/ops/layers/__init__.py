"""What layers are made of: activations, normalisations, attention, dropout."""
