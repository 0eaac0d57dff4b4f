"""Relative positions in buckets: exact for near tokens, ever wider for far ones (section 2.1 of arXiv:1910.10683)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from numzoo.engine import Device, Tensor, nn, ops

__all__ = ["bucket_of", "earlier", "hidden", "relative_bias"]


def bucket_of(
    distance: NDArray[np.int64], buckets: int, farthest: int = 128, *, both_sides: bool = True
) -> NDArray[np.int64]:
    """The bucket of each distance (place of the key minus that of the query).

    Half of the buckets are for one step each, the others grow by the logarithm up to `farthest`; with `both_sides` half of all
    are for keys that come after the query, else those count as its own place. In float32, as the authors' code computes it.
    """
    side = np.zeros(distance.shape, np.int64)
    if both_sides:
        buckets //= 2
        side = np.where(distance > 0, buckets, 0)
        steps = np.abs(distance)
    else:
        steps = np.maximum(-distance, 0)
    exact = buckets // 2
    far = np.log(np.maximum(steps, 1).astype(np.float32) / np.float32(exact)) / np.float32(math.log(farthest / exact))
    grown = exact + (far * np.float32(buckets - exact)).astype(np.int64)
    return side + np.where(steps < exact, steps, np.minimum(grown, buckets - 1))


def relative_bias(
    table: nn.Embedding, queries: int, keys: int, *, past: int = 0, farthest: int = 128, both_sides: bool = True
) -> Tensor:
    """What each head adds to the scores (1, heads, queries, keys); the first query stands at place `past`."""
    find = _buckets if queries * keys <= _MOST_KEPT else _buckets.__wrapped__
    numbers = find(queries, keys, past, table.num_embeddings, farthest, both_sides, table.weight.device)
    return table(numbers).permute(2, 0, 1).unsqueeze(0)


def earlier(past: int, new: int, device: Device) -> Tensor:
    """Which of all places each of the `new` ones behind `past` others may see: itself and those before it, (new, past + new)."""
    find = _earlier if new * (past + new) <= _MOST_KEPT else _earlier.__wrapped__
    return find(past, new, device)


# What depends on lengths alone is kept where it is used, so that a step of the same lengths copies nothing to a GPU.
_MOST_KEPT = 1 << 20


@lru_cache(maxsize=4)
def _buckets(
    queries: int, keys: int, past: int, buckets: int, farthest: int, both_sides: bool, device: Device
) -> Tensor:
    distance = np.arange(keys)[None, :] - (np.arange(queries) + past)[:, None]
    return Tensor(bucket_of(distance, buckets, farthest, both_sides=both_sides)).to(device=device)


@lru_cache(maxsize=4)
def _earlier(past: int, new: int, device: Device) -> Tensor:
    order = np.arange(past + new)
    return Tensor(order <= order[past:, None]).to(device=device)


def hidden(bias: Tensor, allowed: Tensor) -> Tensor:
    """The bias with minus infinity where `allowed` is False; both broadcast to (batch, heads, queries, keys)."""
    return ops.where(allowed, bias, -math.inf)
