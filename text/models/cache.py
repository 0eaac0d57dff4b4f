"""What a decoder keeps of the tokens so far, so that each new token costs one step; and which tokens a new one may see."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.engine import Tensor, ops
from numzoo.engine.device import write_into
from numzoo.text.models.inputs import as_tensor

__all__ = ["KeyValueCache", "seen"]

_FEWEST = 64
"""Places that a cache has room for at first."""


class KeyValueCache:
    """The keys and values of the tokens so far, layer by layer, in memory that grows by halves.

    `length` tokens are held; ``mask`` (batch, length) is 0 at padding, None where there is none.
    """

    def __init__(self) -> None:
        self.layers: list[tuple[Tensor, Tensor]] = []
        self.mask: NDArray[np.bool_] | None = None
        self.length = 0
        self._room: dict[int, tuple[Any, Any]] = {}  # of each layer, the arrays that its tensors are the beginning of

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add the new tokens' keys and values (batch, heads, new, width) of a layer, and give all of them.

        Where gradients are recorded, they flow through what is kept; else the new ones are written behind the old.
        """
        if layer == len(self.layers):
            self.layers.append((key, value))
        elif key.requires_grad or value.requires_grad or self.layers[layer][0].requires_grad:
            old_key, old_value = self.layers[layer]
            self.layers[layer] = ops.cat([old_key, key], 2), ops.cat([old_value, value], 2)
        else:
            self.layers[layer] = self._written(layer, key, value)
        return self.layers[layer]

    def _written(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        held = self.layers[layer][0].shape[2]
        total = held + key.shape[2]
        room = self._room.get(layer)
        if room is None or room[0].shape[2] < total:
            places = max(total + total // 2, _FEWEST)
            room = self._room[layer] = (
                _roomier(self.layers[layer][0], places),
                _roomier(self.layers[layer][1], places),
            )
        for array, new in zip(room, (key, value), strict=True):
            write_into(array[:, :, held:total], new.array)
        return Tensor(room[0][:, :, :total]), Tensor(room[1][:, :, :total])

    def select(self, rows: NDArray[np.integer[Any]]) -> None:
        """Keep these rows of the batch, in this order, as beam search wants it."""
        chosen = Tensor(np.asarray(rows))
        self.layers = [(key[chosen], value[chosen]) for key, value in self.layers]
        self._room = {}
        if self.mask is not None:
            self.mask = self.mask[rows]


def _roomier(held: Tensor, places: int) -> Any:
    """An array like `held` (batch, heads, length, width) with room for `places`, which begins with it."""
    old = held.array
    batch, heads, length, width = old.shape
    array = ops.empty(batch, heads, places, width, dtype=old.dtype, device=held.device).array
    write_into(array[:, :, :length], old)
    return array


def seen(
    batch: int, new: int, attention_mask: Any, cache: KeyValueCache | None, window: int | None
) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """The positions (batch, new) of the new tokens, and which tokens each of them may see (batch, 1, new, all).

    The mask is None where plain causal attention is meant: no padding, nothing cached before several new tokens, no window
    that is shorter than the text.
    """
    past = 0 if cache is None else cache.length
    there = None
    if attention_mask is not None:
        there = as_tensor(attention_mask).numpy() != 0
        if there.shape != (batch, new):
            raise ValueError(f"attention_mask {there.shape} must have the shape of input_ids {(batch, new)}")
        there = None if there.all() else there
    if cache is not None and (there is not None or cache.mask is not None):
        before = np.ones((batch, past), bool) if cache.mask is None else cache.mask
        there = np.concatenate([before, np.ones((batch, new), bool) if there is None else there], axis=1)
        cache.mask = there
    total = past + new
    places = np.arange(past, total)
    short = window is not None and total > window
    if there is None and not short and (past == 0 or new == 1):
        return np.broadcast_to(places, (batch, new)).astype(np.int64), None
    order = np.arange(total)
    allowed = order <= places[:, None]  # (new, all)
    if short:
        allowed &= order > places[:, None] - (window or 0)
    if there is None:
        return np.broadcast_to(places, (batch, new)).astype(np.int64), np.broadcast_to(allowed, (batch, 1, new, total))
    positions = np.maximum(there.cumsum(axis=1) - 1, 0)[:, past:]
    return positions.astype(np.int64), (allowed & there[:, None, :])[:, None]
