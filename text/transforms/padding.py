"""Tokenised texts of different lengths, as one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from numzoo.engine import Tensor
from numzoo.engine.data import DataError, default_collate
from numzoo.text.tokenizers import Tokenizer
from numzoo.text.tokenizers.tokenizer import Side

__all__ = ["Pad"]

_FILL = {"token_type_ids": 0, "labels": -100}


class Pad:
    """A ``collate_fn``: items {"input_ids", ...}, or pairs of such an item and a target, become one batch.

    Arrays (length,) become tensors (items, longest), filled up at ``side`` (None: as the tokenizer has it) with its token for
    padding, `labels` with -100, which cross_entropy passes over; `attention_mask` is 0 there. Targets are collated as usual.
    ``multiple`` makes lengths multiples of a number, so that fewer shapes occur.
    """

    def __init__(self, tokenizer: Tokenizer, *, side: Side | None = None, multiple: int = 1) -> None:
        if side not in (None, "left", "right") or multiple < 1:
            raise DataError(
                f"Pad: side is 'left' or 'right' and multiple a number from 1, not {side!r} and {multiple!r}"
            )
        self.fill = {**_FILL, "input_ids": tokenizer.number("pad")}
        self.left, self.multiple = (side or tokenizer.side) == "left", multiple

    def __call__(self, items: Sequence[Any]) -> Any:
        if items and isinstance(items[0], (tuple, list)):
            inputs, *targets = zip(*items, strict=True)
            return self.batch(inputs), *(default_collate(list(column)) for column in targets)
        return self.batch(items)

    def batch(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """The same for items without targets."""
        for item in items:
            if not isinstance(item, Mapping) or "input_ids" not in item:
                raise DataError(
                    f'Pad: an item is {{"input_ids": ...}}, as Tokenize and MaskWords make it, not {item!r:.60}'
                )
        unknown = set().union(*items) - set(self.fill)
        if not items or unknown or any(item.keys() != items[0].keys() for item in items):
            raise DataError(
                f"Pad: items hold the same arrays, of {', '.join(sorted(self.fill))}, and there is at least one; these hold "
                f"{', '.join(sorted(set().union(*items))) or 'nothing'}"
            )
        sizes = [len(item["input_ids"]) for item in items]
        length = -(-max(sizes) // self.multiple) * self.multiple
        found = {name: np.full((len(items), length), self.fill[name], np.int64) for name in items[0]}
        mask = np.zeros((len(items), length), np.int64)
        for row, (item, size) in enumerate(zip(items, sizes, strict=True)):
            place = slice(length - size, length) if self.left else slice(0, size)
            mask[row, place] = 1
            for name, values in item.items():
                if np.shape(values) != (size,):
                    raise DataError(
                        f"Pad: {name} of item {row} has the shape {np.shape(values)}, but input_ids ({size},)"
                    )
                found[name][row, place] = values
        return {name: Tensor(array) for name, array in {**found, "attention_mask": mask}.items()}
