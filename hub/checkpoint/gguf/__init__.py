"""GGUF, the files of llama.cpp: metadata with the tokenizer inside, and tensors in blocks of few bits."""
