"""Words hidden from a model that is to find them again: masked language modelling.

Devlin et al. (arXiv:1810.04805), section 3.1; whole words as in the authors' later models of 2019.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from numzoo.engine.data import sample_generator
from numzoo.text.errors import TokenizerError
from numzoo.text.tokenizers import Tokenizer

__all__ = ["MaskWords"]

_UNASKED = -100  # the target that cross_entropy passes over


class MaskWords:
    """``mask(text)`` gives {"input_ids", "labels"}, int64 (length,): some words hidden, and the tokens that stood there.

    Each word is chosen with the probability ``chance``; of the chosen tokens eight in ten become the mask token, one in ten a
    random token, one in ten stays. `labels` is -100 where nothing is asked. ``whole_words`` chooses all tokens of a word
    together, as the tokenizer cuts words before it cuts them into pieces; else every token is chosen for itself. At least one
    word of a text is chosen. Tokens that stand for no text are left alone. Random numbers are those of the item that a
    DataLoader reads, so that they are the same for any number of workers and others in every epoch.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, chance: float = 0.15, whole_words: bool = True, longest: int | None = None
    ) -> None:
        if "mask" not in tokenizer.special:
            raise TokenizerError(f"MaskWords: {tokenizer!r} has no mask token; take the tokenizer of a masked model")
        if not 0 < chance < 1:
            raise TokenizerError(f"MaskWords: chance is a probability between 0 and 1, not {chance!r}")
        self.tokenizer, self.chance, self.whole_words = tokenizer, chance, whole_words
        self.longest = tokenizer.longest if longest is None else longest
        added = {tokenizer.number(token) for token in tokenizer.special.values()}
        self.ordinary = np.array([number for number in range(len(tokenizer)) if number not in added], np.int64)

    def __call__(self, text: str, *, generator: np.random.Generator | None = None) -> dict[str, NDArray[np.int64]]:
        batch = self.tokenizer(text, padding=False, truncation=self.longest or False)
        return self.hide(batch.input_ids[0], batch.words[0], generator or sample_generator())

    def hide(
        self, tokens: NDArray[np.int64], words: NDArray[np.int64], generator: np.random.Generator
    ) -> dict[str, NDArray[np.int64]]:
        """The same for tokens and the number of the word that each belongs to, -1 for those of no word."""
        free = (words >= 0) & np.isin(tokens, self.ordinary)
        words = np.where(free, words, -1)
        if not self.whole_words:
            words = np.where(free, np.arange(len(tokens)), -1)
        there = np.unique(words[free])
        if not len(there):
            return {"input_ids": tokens.copy(), "labels": np.full(len(tokens), _UNASKED, np.int64)}
        chosen = there[generator.random(len(there)) < self.chance]
        hidden = np.isin(words, chosen if len(chosen) else generator.choice(there, 1))
        fate = generator.random(len(tokens))
        found = np.where(hidden & (fate < 0.8), self.tokenizer.number("mask"), tokens)
        found = np.where(hidden & (fate >= 0.9), generator.choice(self.ordinary, len(tokens)), found)
        return {"input_ids": found, "labels": np.where(hidden, tokens, _UNASKED)}
