"""Reductions over any axes of arrays that lie anyhow: sums, means, products, extremes and their places, variances, norms.

Floating-point numbers are added in float64, in an order that does not depend on chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ....dtype import NARROW, Array, Dtype, as_dtype, bool_, float32, float64, int64
from ....op import TABLE
from ....ops.reductions.reduction import normal_axes
from ...plans import Plans
from ..elementwise.operations import MOST_AXES, STORED, Lying, divider
from ..layout import maker, walk
from ..machine import Machine, machine
from ..program import SCALARS, Kernel

__all__ = ["plan_total", "reduced"]

Result = Any
Run = Callable[[Array], "tuple[Array, Array | None]"]

SHORT, MANY = 1024, 8192
"""Terms up to which a warp is enough for a result, and where there are results for the warps of all processors."""
WARPS = 32
"""Of a processor, which keep it busy."""
FOUR = 4
"""Results side by side that a thread takes at once."""
LINES, TALL = 32, 512
"""Rows of threads that add up columns in one launch, and terms up to which they do: a second launch costs the host more than it saves."""
LONG = 2048
"""Terms that a part of a long row has at least."""
STEPS = "ii8q8I8I8q"
SIGNATURE = "4P4q2d" + 2 * STEPS

NORMS: dict[float, tuple[str, dict[str, Any]]] = {
    2.0: ("Totals", {"MAP": "(Added)x*(Added)x", "END": "sqrt(total)"}),
    1.0: ("Totals", {"MAP": "fabs_of(x)"}),
    0.0: ("Totals", {"MAP": "x!=W(0)"}),
    math.inf: ("Largest", {"MAP": "fabs_of(x)"}),
    -math.inf: ("Smallest", {"MAP": "fabs_of(x)"}),
}
"""By their order."""

_plans: Plans[Any] = Plans()
_kernels: dict[Any, Kernel] = {}


class _Work:
    """One reduction: what it is compiled with, and how its threads are laid over an array."""

    def __init__(
        self, here: Machine, x: Array, axes: tuple[int, ...], in_order: bool, aligned: bool, adds: bool
    ) -> None:
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        self.shape = tuple(x.shape[axis] for axis in kept)
        self.results, self.terms = math.prod(self.shape), math.prod(x.shape[axis] for axis in axes)
        outer = _walked(x, kept, True)
        inner = _walked(x, axes, in_order)
        self.fits = len(outer[0]) <= MOST_AXES and len(inner[0]) <= MOST_AXES
        nearest = min((abs(s) for s in inner[1] if s), default=1)
        beside = min((abs(s) for s in outer[1] if s), default=1 << 62)
        processors, self.lines = here.processors, 8
        short = self.terms <= (MANY if self.results >= WARPS * processors else SHORT)
        if nearest <= beside and short and self.results >= processors:
            self.entry, self.block, parts, most = "rows_by_warp", (32, 8, 1), 1, -(-self.results // 8)
        elif nearest <= beside:
            parts = (
                min(-(-4 * processors // self.results), -(-self.terms // LONG)) if self.results < 2 * processors else 1
            )
            self.entry, self.block, most = "rows_by_block", (256, 1, 1), self.results
        else:
            fours = (
                aligned
                and outer[1] == (1,)
                and x.itemsize <= 4
                and not any(n % FOUR for n in (self.results, *inner[1]))
            )
            columns = -(-self.results // (32 * FOUR if fours else 32))
            parts = min(-(-8 * processors // columns), -(-self.terms // 64)) if columns < 8 * processors else 1
            if fours and adds and parts > 1 and self.terms <= TALL:
                self.lines, parts = LINES, 1
            self.entry, self.block, most = "columns_in_fours" if fours else "columns", (32, self.lines, 1), columns
        # Parts begin where 16 bytes can be read if the first does.
        self.each = -(-self.terms // (16 * parts)) * 16
        self.parts = max(1, -(-self.terms // self.each))
        self.grid = min(most * self.parts, 16 * processors)
        self.steps = (*_steps(*outer), *_steps(*inner))
        self.index = "unsigned" if max(self.results, self.terms) < 2**31 else "index_t"


def _walked(x: Array, axes: Any, in_order: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes and strides of a walk over some axes, in row order or in that of the memory."""
    shape = tuple(x.shape[axis] for axis in axes)
    own = Lying(shape, tuple(x.strides[axis] for axis in axes), x.itemsize)
    steps, step = [], x.itemsize
    for size in reversed(shape):
        steps.append(step)
        step *= size
    arrays = [Lying(shape, tuple(reversed(steps)), x.itemsize), own] if in_order else [own]
    found = walk(shape, *arrays)
    return found.shape or (1,), found.strides[-1] or (0,)


def _steps(sizes: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    """Steps of ``reductions.cu``, as the numbers that they are made of."""
    spare = MOST_AXES - len(sizes)
    multipliers, shifts = zip(*(divider(size) for size in sizes), strict=True)
    tail = (0,) * spare
    return (len(sizes), 0, *sizes, *(1,) * spare, *multipliers, *tail, *shifts, *tail, *strides, *tail)


def reduced(
    x: Array, axes: tuple[int, ...], keepdim: bool, result: Dtype, how: str, setting: float = 0.0, *, values: bool = False, **more: Any
) -> Any:  # fmt: skip
    """The result and, of extremes with ``values``, those too; NotImplemented for what the source does not serve."""
    if x.dtype not in STORED or x.dtype == np.dtype(np.uint64) or not axes or not x.size:
        return NotImplemented
    here = machine()
    aligned = not here.address(x) % 16
    key = (how, here, aligned, x.dtype, x.shape, x.strides, axes, keepdim, result, setting, values, *more.values())
    return (_plans.get(key) or _plans.make(key, _plan, aligned, x, axes, keepdim, result, how, setting, values, more))(
        x
    )


def plan_total(x: Array, axes: tuple[int, ...], result: Dtype) -> Callable[[Array], Any]:
    """For plans: what adds floating-point arrays that lie like x, and begin where 16 bytes are read if x does, along axes; x itself along none."""
    if not axes:
        return lambda x: x
    return _plan(not machine().address(x) % 16, x, axes, False, result, "Totals", 0.0, False, {})


def _plan(
    aligned: bool, x: Array, axes: tuple[int, ...], keepdim: bool, result: Dtype, how: str, setting: float, values: bool, more: dict[str, Any]
) -> Callable[..., Any]:  # fmt: skip
    floating, here = x.dtype in SCALARS, machine()
    work = _Work(here, x, axes, bool(more.get("PLACE")), aligned, how == "Totals")
    if not work.fits:
        return lambda x: NotImplemented
    wide = SCALARS[x.dtype][1] if floating else "long long"
    total = "double" if floating and how != "Powers" else wide
    definitions = {
        "SCALAR": STORED[x.dtype], "WIDE": wide, "TOTAL": total, "RESULT": STORED[result], "HOW": how, "INDEX": work.index, **more,
    }  # fmt: skip
    if work.lines != 8:
        definitions["LINES"] = work.lines
    size = {"Spread": 16, "Largest": 16, "Smallest": 16, "Powers": 16}.get(how, 8)
    shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape)) if keepdim else work.shape
    job = (work.results, work.terms, work.parts, work.each, float(work.terms), setting)
    launch = _kernel(work.entry, SIGNATURE, definitions).prepared(
        here, work.grid, work.block, None, None, None, None, *job, *work.steps
    )
    make, address, memory = maker(here, shape, result), here.address, here.memory
    choose = maker(here, shape, x.dtype) if values else None
    finish, room = None, work.results * work.parts * size
    if work.parts > 1:
        grid = min(-(-work.results // 8), 16 * here.processors)
        finish = _kernel("parts", "3P4q2d", definitions).prepared(here, grid, (32, 8, 1), None, None, None, *job)

    def run(x: Array) -> Any:
        out = make()
        chosen = None if choose is None else choose()
        place, at = address(out), 0 if chosen is None else address(chosen)
        if finish is None:
            launch(address(x), place, at, 0)
        else:
            kept = memory(room)
            launch(address(x), place, at, kept.ptr)
            finish(kept.ptr, place, at)
        return (out, chosen) if values else out

    return run


def _kernel(entry: str, signature: str, definitions: dict[str, Any]) -> Kernel:
    key = (entry, *definitions.items())
    found = _kernels.get(key)
    if found is None:
        found = _kernels[key] = Kernel("reductions.cu", entry, signature, **definitions)
    return found


# ---- the operations


def _axes(name: str, x: Array, axis: Any) -> tuple[int, ...]:
    known = type(axis) is int or axis is None or (type(axis) is tuple and {*map(type, axis)} == _INT)
    return _known_axes(name, axis, x.ndim) if known else normal_axes(name, axis, x.ndim)


_INT = {int}

_known_axes = lru_cache(512)(normal_axes)


def sum_of(x: Array, axis: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Result:
    """The sum."""
    result = x.dtype if x.dtype in SCALARS else int64
    if dtype is not None and as_dtype(dtype) != result:
        if x.dtype not in NARROW or as_dtype(dtype) != float32:
            return NotImplemented
        result = float32  # as it is added up in any case
    return reduced(x, _axes("sum", x, axis), keepdim, result, "Totals")


def mean_of(x: Array, axis: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Result:
    """The mean; of whole images, as those kernels give it."""
    found = _whole_images(x, axis, keepdim, dtype=dtype) if _whole_images is not None else NotImplemented
    if found is not NotImplemented or dtype is not None or x.dtype not in SCALARS:
        return found
    return reduced(x, _axes("mean", x, axis), keepdim, x.dtype, "Totals", END="total/count")


def prod_of(x: Array, axis: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Result:
    """The product."""
    if dtype is not None:
        return NotImplemented
    return reduced(x, _axes("prod", x, axis), keepdim, x.dtype if x.dtype in SCALARS else int64, "Products")


def all_of(x: Array, axis: Any = None, keepdim: bool = False) -> Result:
    """Whether every element is other than 0."""
    return reduced(x, _axes("all", x, axis), keepdim, bool_, "Totals", MAP="x!=W(0)", END="total==count")


def any_of(x: Array, axis: Any = None, keepdim: bool = False) -> Result:
    """Whether some element is other than 0."""
    return reduced(x, _axes("any", x, axis), keepdim, bool_, "Totals", MAP="x!=W(0)", END="total!=Added(0)")


def count_nonzero(x: Array, axis: Any = None) -> Result:
    """How many elements are other than 0."""
    return reduced(x, _axes("count_nonzero", x, axis), False, int64, "Totals", MAP="x!=W(0)")


def _extreme(name: str, how: str) -> Callable[..., Result]:
    def compute(x: Array, axis: Any = None, keepdim: bool = False) -> Result:
        return reduced(x, _axes(name, x, axis), keepdim, x.dtype, how)

    return compute


def _place(name: str, how: str) -> Callable[..., Result]:
    def compute(x: Array, axis: Any = None, keepdim: bool = False) -> Result:
        if isinstance(axis, (tuple, list)):
            return NotImplemented  # which the body refuses
        return reduced(x, _axes(name, x, axis), keepdim, int64, how, PLACE=1)

    return compute


def _along(name: str, how: str) -> Callable[..., Result]:
    def compute(x: Array, axis: Any, keepdim: bool = False) -> Result:
        if not x.ndim:
            return NotImplemented
        found = reduced(x, _axes(name, x, (axis,)), True, int64, how, values=True, PLACE=1)
        if found is NotImplemented:
            return found
        place, values = found
        if keepdim:
            return values, place, place
        axis %= x.ndim
        shape = x.shape[:axis] + x.shape[axis + 1 :]
        return values.reshape(shape), place.reshape(shape), place

    return compute


def variance(x: Array, axis: Any = None, keepdim: bool = False, *, correction: float = 1) -> Result:
    """The variance of numbers that float64 holds with room to spare."""
    if x.dtype not in SCALARS or x.dtype == float64:
        return NotImplemented
    return reduced(x, _axes("var", x, axis), keepdim, x.dtype, "Spread", float(correction))


def vector_norm_of(x: Array, axis: Any = None, keepdim: bool = False, *, p: float = 2.0) -> Result:
    """The norms that are sums, counts or extremes."""
    if x.dtype not in SCALARS:
        return NotImplemented
    how, definitions = NORMS.get(float(p), ("", {}))
    return reduced(x, _axes("norm", x, axis), keepdim, x.dtype, how, **definitions) if how else NotImplemented


def logsumexp_of(x: Array, axis: Any, keepdim: bool = False) -> Result:
    """The logarithm of the sum of exp(x)."""
    if x.dtype not in SCALARS:
        return NotImplemented
    return reduced(x, _axes("logsumexp", x, axis), keepdim, x.dtype, "Powers")


_whole_images = TABLE["mean"].kernels.get("cuda")
_served: dict[str, Callable[..., Result]] = {
    "sum": sum_of, "mean": mean_of, "prod": prod_of, "all": all_of, "any": any_of, "count_nonzero": count_nonzero,
    "amax": _extreme("amax", "Largest"), "amin": _extreme("amin", "Smallest"),
    "argmax": _place("argmax", "Largest"), "argmin": _place("argmin", "Smallest"),
    "max_along": _along("max", "Largest"), "min_along": _along("min", "Smallest"),
    "variance": variance, "vector_norm_of": vector_norm_of, "logsumexp_of": logsumexp_of,
}  # fmt: skip
for _name, _kernel_of in _served.items():
    TABLE[_name].kernel("cuda")(_kernel_of)
