"""Attention of few queries, as a decoder's steps ask for it: one launch, and one plan for however many keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....dtype import Array
from ....ops.layers import blockwise
from ...plans import Plans
from ..layout import dense_order, maker
from ..machine import Machine
from ..program import Kernel, scalars
from .operands import is_one_attention

__all__ = ["MOST_QUERIES", "attend"]

Plan = Callable[..., Any]
PLANS: Plans[Plan] = Plans()

MOST_QUERIES = 8
"""More are products of matrices, which tensor cores compute."""
BYTES = 16
"""That a thread reads at a time."""
THREADS = 256


def attend(here: Machine, query: Array, key: Array, value: Array, bias: Array | None, scale: float) -> Any:
    """The result of an attention without causal order and dropout, or NotImplemented."""
    shape, sizes = query.shape, key.shape
    if len(sizes) != 4 or value.shape != sizes or not sizes[2]:
        return NotImplemented
    address = here.address
    a, b, c = address(query), address(key), address(value)
    name = (
        here, shape, query.strides, query.dtype, sizes[0], sizes[1], sizes[3], key.strides, key.dtype, value.strides, value.dtype, scale,
        (a | b | c) % BYTES,
    )  # fmt: skip
    plan = PLANS.get(name) or PLANS.make(name, _plan, here, query, key, value, scale)
    if bias is None:
        return plan(a, b, c, 0, sizes[2], 0, 0, 0, 0)
    if bias.ndim != 4 or not is_one_attention(query, key, value, bias) or (bias.shape[0] not in (1, shape[0])):
        return NotImplemented
    if bias.shape[1] not in (1, shape[1]):
        return NotImplemented
    steps = (0 if n == 1 else step // bias.itemsize for n, step in zip(bias.shape, bias.strides, strict=True))
    return plan(a, b, c, address(bias), sizes[2], *steps)


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _plan(here: Machine, query: Array, key: Array, value: Array, scale: float) -> Plan:
    entries, heads, queries, width = query.shape
    dtype, size = query.dtype, query.itemsize
    if not is_one_attention(query, key, value, None) or key.shape[:2] != (entries, heads) or size > 4:
        return _refuse
    lanes = 1
    while lanes * BYTES < width * size:
        lanes *= 2
    if lanes > 32 or width * size % BYTES or not all(map(_is_read_in_pieces, (query, key, value))):
        return _refuse
    example = blockwise.maker_like(query, query.shape)(here.empty, dtype)
    make, address = maker(here, query.shape, dtype, dense_order(example)), here.address
    steps = [step // size for array in (query, key, value, example) for step in array.strides[:3]]
    kernel = Kernel("attention_few.cu", "attention_few", "P" * 5 + "q" * 20 + "f", LANES=lanes, **scalars(dtype))
    launch = kernel.prepared(
        here, entries * heads * queries, THREADS, *(None,) * 10, heads, queries, width, *steps, scale
    )

    def compute(a: int, b: int, c: int, added: int, keys: int, *bias_steps: int) -> Array:
        out = make()
        launch(a, b, c, added, address(out), keys, *bias_steps)
        return out

    return compute


def _is_read_in_pieces(array: Array) -> bool:
    """Whether rows lie without gaps, each at a multiple of 16 bytes where the array does."""
    outer = zip(array.shape[:3], array.strides[:3], strict=True)
    return array.strides[3] == array.itemsize and all(n == 1 or step % BYTES == 0 for n, step in outer)
