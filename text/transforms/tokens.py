"""One text, or a pair of texts, as the arrays that a model takes, without padding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.text.tokenizers import Tokenizer

__all__ = ["Tokenize"]


class Tokenize:
    """``tokenize(text)`` or ``tokenize((text, second))`` gives {"input_ids", "token_type_ids"}, int64 (length,).

    Texts of more than ``longest`` tokens are cut (None: to what the tokenizer's files say, where they say it).
    """

    def __init__(self, tokenizer: Tokenizer, *, longest: int | None = None) -> None:
        self.tokenizer = tokenizer
        self.longest = tokenizer.longest if longest is None else longest

    def __call__(self, text: str | tuple[str, str]) -> dict[str, NDArray[np.int64]]:
        first, second = (text, None) if isinstance(text, str) else _pair(text)
        batch = self.tokenizer(first, second, padding=False, truncation=self.longest or False)
        return {"input_ids": batch.input_ids[0], "token_type_ids": batch.token_type_ids[0]}

    def __repr__(self) -> str:
        return f"Tokenize({self.tokenizer!r}, longest={self.longest})"


def _pair(given: Any) -> tuple[str, str]:
    if isinstance(given, (tuple, list)) and len(given) == 2 and all(isinstance(part, str) for part in given):
        return given[0], given[1]
    raise TypeError(f"Tokenize: wants a string or a pair of strings, not {given!r:.60}")
