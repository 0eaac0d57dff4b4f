"""A tokenizer for tests of what writes texts."""

from __future__ import annotations

from typing import Any

import tokenizers


def letters() -> Any:
    """A tokenizer in which every byte is a token, and a space before a dash, an apostrophe or the first byte of a note."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    pairs = [("\u0120", letter) for letter in "-'\xe2"]
    words = [*alphabet, *(space + letter for space, letter in pairs)]
    made = tokenizers.Tokenizer(tokenizers.models.BPE({word: number for number, word in enumerate(words)}, pairs))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    return made
