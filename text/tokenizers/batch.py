"""Tokenised texts, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batch"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What models take: arrays (texts, length), int64.

    `input_ids` are the tokens; `attention_mask` is 0 at padding; `token_type_ids` is 1 in the second text of a pair.
    `offsets` (texts, length, 2) says where in its text each token begins and ends, in characters; (0, 0) for a token that
    is in no text. `special` is 1 where a token was added. `words` says which word of its text a token belongs to, counted
    from 0 as the tokenizer cuts words before it cuts them into pieces; -1 for none.
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    special: NDArray[np.int64]
    words: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.input_ids)

    def of(self, rows: NDArray[np.intp]) -> Batch:
        """Those rows alone, without the columns that are padding in all of them."""
        used = np.flatnonzero(self.attention_mask[rows].any(0))
        columns = slice(used[0], used[-1] + 1) if len(used) else slice(0)
        arrays = (self.input_ids, self.attention_mask, self.token_type_ids, self.offsets, self.special, self.words)
        return Batch(*(array[rows, columns] for array in arrays))

    def inputs(self, *names: str) -> Mapping[str, NDArray[np.int64]]:
        """The arrays of these names (all three that models take, if none is given), as keyword arguments of a model."""
        return {name: getattr(self, name) for name in names or ("input_ids", "attention_mask", "token_type_ids")}
