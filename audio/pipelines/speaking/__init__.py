"""From texts to sounds: symbols, the dictionary of pronunciations, vocoders, and the pipeline that joins them."""
