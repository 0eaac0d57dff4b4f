"""Gated products and what flows back to both of their parts, each in one launch. Nothing is kept but the two inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ....dtype import Array, Dtype
from ...plans import Plans
from ..forms import fetcher, form
from ..layout import blocks_for, maker
from ..machine import machine
from ..program import SCALARS, Kernel, scalars
from ..shapes.transposing import kept_order

__all__ = ["gated_product", "gated_product_backward"]

Result = Any
GATES = {"silu": 0, "gelu": 1, "gelu_tanh": 2}
VECTOR = 16

PLANS: Plans[Callable[..., Result]] = Plans()


def gated_product(x: Array, y: Array, *, activation: str, keep: bool = True) -> Result:
    """activation(x) y, and nothing to keep."""
    key = (activation, machine(), form(x), form(y))
    return (PLANS.get(key) or PLANS.make(key, _plan, activation, x, y))(x, y)


def gated_product_backward(flow: Array, x: Array, y: Array, bent: Array | None = None, *, activation: str) -> Result:
    """The gradients for x and y; activation(x) is computed again."""
    key = (activation, machine(), form(flow), form(x), form(y))
    return (PLANS.get(key) or PLANS.make(key, _plan, activation, x, y, flow))(flow, x, y)


@lru_cache
def _kernel(name: str, signature: str, dtype: Dtype, gate: int) -> Kernel:
    return Kernel("gating.cu", name, signature, **scalars(dtype), GATE=gate)


def _plan(activation: str, x: Array, y: Array, flow: Array | None = None) -> Callable[..., Result]:
    given = (x, y) if flow is None else (flow, x, y)
    if x.dtype not in SCALARS or not x.size or any(a.dtype != x.dtype or a.shape != x.shape for a in given):
        return lambda *_: NotImplemented
    order = kept_order(x)
    fetches = [fetcher(array, order) for array in given]
    here = machine()
    make, count, address = maker(here, x.shape, x.dtype, order), x.size, here.address
    name, signature = ("gated", "PPPqq") if flow is None else ("gated_backward", "PPPPPqq")
    kernel, each = _kernel(name, signature, x.dtype, GATES[activation]), VECTOR // x.itemsize
    blocks = blocks_for(here, count, each)
    results = len(given) - 1

    def compute(*arrays: Array) -> Result:
        held = [fetch(here, array) for fetch, array in zip(fetches, arrays, strict=True)]
        outs = [make() for _ in range(results)]
        low, places = 0, []
        for array in (*held, *outs):
            place = address(array)
            places.append(place)
            low |= place
        kernel(blocks, 256, *places, count, 0 if low % VECTOR else count // each)
        return (outs[0], None) if results == 1 else (outs[0], outs[1])

    return compute
