"""A long row of tokens as examples for a model that foretells the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.engine.data import DataError, Dataset

__all__ = ["Blocks"]


class Blocks(Dataset[tuple[NDArray[np.int64], NDArray[np.int64]]]):
    """Example i is ``length`` tokens and those that follow each of them, (inputs, targets), both int64 (length,).

    Blocks begin `step` tokens apart (None: ``length``, so that every token is foretold once). What fills no block is left out.
    """

    def __init__(self, tokens: Sequence[int] | NDArray[Any], length: int, *, step: int | None = None) -> None:
        self.tokens = np.asarray(tokens)
        self.length, self.step = length, length if step is None else step
        if self.tokens.ndim != 1 or self.tokens.dtype.kind not in "iu":
            raise DataError(
                f"Blocks: tokens are a row of whole numbers, not {self.tokens.dtype} of shape {self.tokens.shape}"
            )
        if self.length < 1 or self.step < 1:
            raise DataError(f"Blocks: length and step are numbers from 1, not {length} and {step}")
        if len(self.tokens) <= self.length:
            raise DataError(
                f"Blocks: {len(self.tokens)} tokens make no block of {self.length} and the token after it; give more text or a "
                "smaller length"
            )

    def __len__(self) -> int:
        return (len(self.tokens) - 1 - self.length) // self.step + 1

    def __getitem__(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"Blocks: there is no block {index} among {len(self)}")
        start = index % len(self) * self.step
        row = self.tokens[start : start + self.length + 1].astype(np.int64)
        return row[:-1], row[1:]
