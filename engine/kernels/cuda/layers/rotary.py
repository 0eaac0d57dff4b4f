"""Rotary positions: every pair of numbers is read once and written once, whatever the order of the axes before the last."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ....dtype import Array, Dtype, accumulator
from ....modes import is_narrowing
from ...plans import Plans
from ..forms import form
from ..layout import blocks_for, empty_like, maker, walk
from ..machine import machine
from ..program import SCALARS, Kernel, scalars

__all__ = ["rotary"]

Result = Any
Plan = Callable[..., Result]

PLANS: Plans[Plan] = Plans()


def rotary(x: Array, cosine: Array, sine: Array, *, interleaved: bool = False) -> Result:
    """(a cos - b sin, b cos + a sin) for each pair (a, b) of the last axis."""
    here = machine()
    low = (here.address(x) | here.address(cosine) | here.address(sine)) & 15
    stays = is_narrowing()
    key = (rotary, here, form(x), form(cosine), form(sine), interleaved, low == 0, stays)
    found = PLANS.get(key) or PLANS.make(key, _plan, x, cosine, sine, interleaved, low == 0, stays)
    return found(x, cosine, sine)


@lru_cache(256)
def _kernel(dtype: Dtype, angle: Dtype, result: Dtype, group: int, interleaved: bool) -> Kernel:
    return Kernel(
        "rotary.cu", "rotary", "PPPP" + "q" * 16, **scalars(dtype), ANGLE=SCALARS[angle][0], RESULT=SCALARS[result][0], GROUP=group,
        INTERLEAVED=int(interleaved),
    )  # fmt: skip


def _plan(x: Array, cosine: Array, sine: Array, interleaved: bool, aligned: bool, stays: bool) -> Plan:
    """``stays`` says that narrow numbers stay narrow beside angles of float32: where ``precision`` narrows what reads them."""
    refuse: Plan = lambda *_: NotImplemented  # noqa: E731
    if not x.ndim or x.dtype not in SCALARS or not x.size or cosine.dtype not in (x.dtype, accumulator(x.dtype)):
        return refuse
    pairs = x.shape[-1] // 2
    if x.shape[-1] % 2 or sine.shape != cosine.shape or sine.dtype != cosine.dtype or cosine.shape[-1:] != (pairs,):
        return refuse  # the body says what is wrong
    lead = x.shape[:-1]
    try:
        fits = np.broadcast_shapes(lead, cosine.shape[:-1]) == lead
    except ValueError:
        return refuse
    ends = [array.strides[-1] == array.itemsize or array.shape[-1] == 1 for array in (x, cosine, sine)]
    if not fits or not all(ends):
        return refuse
    result = x.dtype if cosine.dtype == x.dtype or stays else accumulator(x.dtype)

    def steps(out: Array) -> tuple[tuple[int, ...], list[list[int]]] | None:
        found = walk(lead, *(array[..., 0] for array in (x, out, cosine, sine)))
        if len(found.shape) > 3:
            return None
        short = 3 - len(found.shape)
        return (1,) * short + found.shape, [[0] * short + list(each) for each in found.strides]

    sample = empty_like(machine(), x, result)
    if sample.strides[-1] != sample.itemsize and sample.shape[-1] != 1:
        return refuse
    found = steps(sample)
    if found is None:
        return refuse
    sizes, strides = found
    # As many pairs at once as 16 bytes of the widest of the three hold, if everything is a multiple of it.
    group = 16 // max(x.itemsize, cosine.itemsize, result.itemsize)
    if interleaved:
        group //= 2
    whole = aligned and pairs % group == 0 and all(step % group == 0 for each in strides for step in each)
    if interleaved:
        whole = whole and all(step % (2 * group) == 0 for each in strides[:2] for step in each)
    group = group if whole and group else 1
    if interleaved and group == 1 and not _paired(x, sample, aligned):
        return refuse
    kernel = _kernel(x.dtype, cosine.dtype, result, group, interleaved)
    rows = math.prod(sizes)
    given = (rows, pairs, *sizes[1:], *(step for each in strides for step in each))

    order = tuple(sorted(range(x.ndim), key=lambda axis: (-sample.strides[axis], axis)))
    here = machine()
    make, blocks, address = maker(here, x.shape, result, order), blocks_for(here, rows * pairs, group), here.address

    def compute(x: Array, cosine: Array, sine: Array) -> Array:
        out = make()
        kernel(blocks, 256, address(x), address(cosine), address(sine), address(out), *given)
        return out

    return compute


def _paired(x: Array, out: Array, aligned: bool) -> bool:
    """Whether neighbours can be read two at a time."""
    return aligned and all(step % (2 * array.itemsize) == 0 for array in (x, out) for step in array.strides[:-1])
