"""What a decoder keeps of the tokens so far, so that each new token costs one step; and which tokens a new one may see."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.engine import CPU, Tensor, ops
from numzoo.engine.device import Device, device_of, move, namespace, write_into
from numzoo.engine.dtype import Array
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
        self.mask: Array | None = None
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
        if self.layers:
            chosen = chosen.to(device=self.layers[0][0].device)
        self.layers = [(key[chosen], value[chosen]) for key, value in self.layers]
        self._room = {}
        if self.mask is not None:
            self.mask = self.mask[move(np.asarray(rows), device_of(self.mask))]


def _roomier(held: Tensor, places: int) -> Any:
    """An array like `held` (batch, heads, length, width) with room for `places`, which begins with it."""
    old = held.array
    batch, heads, length, width = old.shape
    array = ops.empty(batch, heads, places, width, dtype=old.dtype, device=held.device).array
    write_into(array[:, :, :length], old)
    return array


def seen(
    batch: int, new: int, attention_mask: Any, cache: KeyValueCache | None, window: int | None, device: Device
) -> tuple[Tensor | None, Tensor | None]:
    """The positions (batch, new) of the new tokens, and which tokens each of them may see (batch or 1, 1, new, all), on the device.

    Positions are None where they are the same for all texts: there is no padding. The mask is None where plain causal attention is meant: no
    padding, nothing cached before several new tokens, no window that is shorter than the text. A mask on a GPU is not looked at by
    the CPU, which would wait for it; so it counts as padding whatever it holds.
    """
    past = 0 if cache is None else cache.length
    there = None if attention_mask is None else _there(attention_mask, (batch, new), device)
    if cache is not None and (there is not None or cache.mask is not None):
        there = cache.mask = _joined(cache.mask, there, batch, past, new)
    total = past + new
    short = window is not None and total > window
    if there is None and not short and (past == 0 or new == 1):
        return None, None
    xp = namespace(ops.empty(0, device=device).array if there is None else there)
    order = xp.arange(total)
    places = order[past:, None]
    allowed = order <= places  # (new, all)
    if short:
        allowed &= order > places - (window or 0)
    if there is None:
        return None, Tensor(allowed[None, None])
    positions = xp.maximum(there.cumsum(axis=1) - 1, 0)[:, past:].astype("int64")
    seen_by = (allowed & there[:, None, :])[:, None]
    return Tensor(positions).to(device=device), Tensor(seen_by).to(device=device)


def _there(attention_mask: Any, shape: tuple[int, int], device: Device) -> Array | None:
    """Where a mask says that there is a token; None where it is seen at once that there is one everywhere."""
    given = as_tensor(attention_mask)
    if given.shape != shape:
        raise ValueError(f"attention_mask {tuple(given.shape)} must have the shape of input_ids {shape}")
    there = (given if given.device == CPU else given.to(device=device)).array != 0
    return None if isinstance(there, np.ndarray) and there.all() else there


def _joined(before: Array | None, there: Array | None, batch: int, past: int, new: int) -> Array:
    """What was there before, and what is new behind it; None stands for tokens everywhere."""
    xp = namespace(before if there is None else there)
    if before is None:
        before = xp.ones((batch, past), bool)
    elif there is not None:
        before = move(before, device_of(there))
    return xp.concatenate([before, xp.ones((batch, new), bool) if there is None else there], axis=1)
