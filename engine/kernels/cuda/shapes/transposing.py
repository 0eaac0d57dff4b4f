"""Copies between layouts: images to channels last and back, heads to rows, into a part of another array. Every copy here goes this way.

Where the two arrays have other axes innermost, tiles in shared memory let both be walked as they lie; else as many bytes are taken at once
as both allow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ....dtype import Array
from ....op import TABLE
from ...plans import Plans
from ..elementwise.operations import MOST_AXES, WALK, Lying, walk_numbers
from ..layout import blocks_for, dense_order, maker, walk
from ..machine import machine
from ..program import Kernel

__all__ = ["clone", "copier", "copy_into", "copy_like", "in_order", "in_rows", "kept_order", "reshape", "row_strides"]

Launch = Callable[[int, int], None]
"""Given the addresses of what is copied and of where to."""

TILE = 32
VECTOR = 16
"""Bytes that a thread writes at once."""
LEAST = 8
"""Elements along both ways from which on tiles pay."""
UNITS = {1: "unsigned char", 2: "unsigned short", 4: "unsigned", 8: "unsigned long long", 16: "quad"}
"""What is copied at once, by its bytes."""

_plans: Plans[Callable[..., Any]] = Plans()


def in_rows(x: Array) -> Any:
    """A copy in row order; NotImplemented for arrays of too many axes."""
    key = (machine(), x.dtype, x.shape, x.strides)
    return (_plans.get(key) or _plans.make(key, _plan_rows, x))(x)


def in_order(x: Array, order: tuple[int, ...]) -> Any:
    """A copy without gaps whose axes lie in memory in this order, the outermost first."""
    key = (machine(), x.dtype, x.shape, x.strides, order)
    return (_plans.get(key) or _plans.make(key, _plan_order, x, order))(x)


def clone(x: Array) -> Any:
    """A copy without gaps, its axes in the same order in memory."""
    key = (clone, machine(), x.dtype, x.shape, x.strides)
    return (_plans.get(key) or _plans.make(key, _plan_clone, x))(x)


def copy_into(out: Array, x: Array) -> None:
    """out[...] = x, of one shape and dtype, whatever the layouts; what no kernel takes CuPy assigns."""
    key = (copy_into, machine(), out.shape, out.dtype, out.strides, x.shape, x.dtype, x.strides)
    (_plans.get(key) or _plans.make(key, _plan_into, out, x))(out, x)


def copy_like(x: Array, order: tuple[int, ...] | None = None) -> Array:
    """A copy in an order of axes (row order if None), whoever makes it."""
    found = in_rows(x) if order is None else in_order(x, order)
    if found is not NotImplemented:
        return found
    ascontiguousarray = machine().xp.ascontiguousarray
    if order is None:
        return ascontiguousarray(x)
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    return ascontiguousarray(x.transpose(order)).transpose(back)


def copier(x: Array, order: tuple[int, ...] | None = None) -> Callable[[Array], Array]:
    """For a plan: what copies arrays that lie like x, in an order of axes, on the machine of now."""
    run = _plan_rows(x) if order is None else _plan_order(x, order)
    return (lambda x: copy_like(x, order)) if run is _refuse else run


def reshape(x: Array, shape: tuple[int, ...]) -> Any:
    """What cannot be a view is copied by a kernel; views, and what is wrong, are the body's."""
    if x.flags.c_contiguous or type(shape) is not tuple:
        return NotImplemented
    key = (reshape, machine(), x.dtype, x.shape, x.strides, shape)
    return (_plans.get(key) or _plans.make(key, _plan_reshape, x, shape))(x)


def row_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """The strides in bytes of an array without gaps in row order."""
    steps, step = [], itemsize
    for size in reversed(shape):
        steps.append(step)
        step *= size
    return tuple(reversed(steps))


def kept_order(x: Any) -> tuple[int, ...]:
    """The order of the axes in memory, the outermost first, for a result that lies like x; row order for what is broadcast."""
    if any(size > 1 and not step for size, step in zip(x.shape, x.strides, strict=True)):
        return tuple(range(x.ndim))
    order = dense_order(x)
    return order or tuple(sorted(range(x.ndim), key=lambda axis: (-abs(x.strides[axis]), axis)))


# ---- plans -------------------------------------------------------------------------------------------------------


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _plan_rows(x: Array) -> Callable[[Array], Any]:
    shape, dtype = x.shape, x.dtype
    launch = launcher(x, Lying(shape, row_strides(shape, x.itemsize), x.itemsize))
    if launch is None:
        return _refuse

    here = machine()
    make, address = maker(here, shape, dtype), here.address

    def run(x: Array) -> Any:
        out = make()
        launch(address(x), address(out))
        return out

    return run


def _plan_order(x: Array, order: tuple[int, ...]) -> Callable[[Array], Any]:
    inner = tuple(x.shape[axis] for axis in order)
    turned = Lying(inner, tuple(x.strides[axis] for axis in order), x.itemsize)
    launch = launcher(turned, Lying(inner, row_strides(inner, x.itemsize), x.itemsize))
    if launch is None:
        return _refuse
    here = machine()
    make, address = maker(here, x.shape, x.dtype, order), here.address

    def run(x: Array) -> Any:
        out = make()
        launch(address(x), address(out))
        return out

    return run


def _plan_clone(x: Array) -> Callable[[Array], Any]:
    order = kept_order(x)
    return _plan_rows(x) if order == tuple(range(x.ndim)) else _plan_order(x, order)


def _plan_into(out: Array, x: Array) -> Callable[[Array, Array], Any]:
    launch = None
    if out.dtype == x.dtype and out.shape == x.shape:
        launch = launcher(x, out)
    if launch is None:

        def assign(out: Array, x: Array) -> None:
            out[...] = x

        return assign
    run, address = launch, machine().address

    def copy(out: Array, x: Array) -> None:
        run(address(x), address(out))

    return copy


def _plan_reshape(x: Array, shape: tuple[int, ...]) -> Callable[[Array], Any]:
    unknown = shape.count(-1)
    known = math.prod(size for size in shape if size != -1)
    if unknown > 1 or min(shape, default=0) < -1 or (known != x.size if not unknown else not known or x.size % known):
        return _refuse
    address = machine().address
    found: Any = x.reshape(shape)
    if address(found) == address(x) or not x.size:
        return lambda x: x.reshape(shape)
    whole, copy = found.shape, _plan_rows(x)
    return copy if copy is _refuse else lambda x: copy(x).reshape(whole)


def launcher(x: Any, out: Any) -> Launch | None:
    """What copies an array that lies like x to where one lies like ``out``; None for axes that cannot be walked."""
    found = walk(x.shape, out, x)
    sizes, (own, strides) = found.shape or (1,), tuple(row or (0,) for row in found.strides)
    if len(sizes) > MOST_AXES or x.itemsize not in UNITS:
        return None
    if not math.prod(x.shape):
        return lambda source, target: None
    last = len(sizes) - 1
    beside = [axis for axis, stride in enumerate(strides[:-1]) if stride == 1 and sizes[axis] >= LEAST]
    if beside and own[-1] == 1 and strides[-1] not in (0, 1) and sizes[-1] >= LEAST:
        return _tiled(x.itemsize, sizes, own, strides, beside[-1])
    most = x.itemsize
    while own[last] == strides[last] == 1 and most < 16:
        # Twice as much at once, if rows and steps allow it.
        times = 2 * most // x.itemsize
        if any(number % times for number in (sizes[last], *own[:last], *strides[:last])):
            break
        most *= 2
    launches: dict[int, Launch] = {}

    def launch_narrower(source: int, target: int) -> None:
        unit = most
        while (source | target) % unit:
            unit //= 2
        found = launches.get(unit) or launches.setdefault(unit, _copied(x_size, unit, sizes, own, strides))
        found(source, target)

    x_size, widest = x.itemsize, _copied(x.itemsize, most, sizes, own, strides)
    each = VECTOR // x_size
    if own[last] == 1 and not strides[last] and each > 1 and not any(n % each for n in (sizes[last], *own[:last])):
        spread = _spread(x_size, each, sizes, own, strides)
        return lambda source, target: (launch_narrower if target % VECTOR else spread)(source, target)

    def launch(source: int, target: int) -> None:
        if (source | target) & most - 1:
            launch_narrower(source, target)
        else:
            widest(source, target)

    return launch


@lru_cache(64)
def _kernel(name: str, unit: int, index: str) -> Kernel:
    arguments = "PP5q" if name == "transposed" else "PPq"
    return Kernel("transposing.cu", name, arguments + WALK, UNIT=UNITS[unit], INDEX=index)


def _copied(itemsize: int, unit: int, sizes: tuple[int, ...], own: tuple[int, ...], strides: tuple[int, ...]) -> Launch:
    times = unit // itemsize
    if times > 1:
        sizes = (*sizes[:-1], sizes[-1] // times)
        own, strides = ((*(step // times for step in row[:-1]), 1) for row in (own, strides))
    count = math.prod(sizes)
    kernel = _kernel("copied", unit, "unsigned" if count < 2**31 else "index_t")
    numbers = (count, *walk_numbers(sizes, [strides, own]))
    here = machine()
    return kernel.prepared(here, blocks_for(here, count), 256, None, None, *numbers)


def _spread(itemsize: int, each: int, sizes: tuple[int, ...], own: tuple[int, ...], strides: tuple[int, ...]) -> Launch:
    """One element again and again along the innermost axis."""
    sizes = (*sizes[:-1], sizes[-1] // each)
    count = math.prod(sizes)
    kernel = _kernel("spread", itemsize, "unsigned" if count < 2**31 else "index_t")
    numbers = (count, *walk_numbers(sizes, [strides, (*own[:-1], each)]))
    here = machine()
    return kernel.prepared(here, blocks_for(here, count), 256, None, None, *numbers)


def _tiled(itemsize: int, sizes: tuple[int, ...], own: tuple[int, ...], strides: tuple[int, ...], axis: int) -> Launch:
    last = len(sizes) - 1
    rest = [a for a in range(last) if a != axis]
    kernel = _kernel("transposed", itemsize, "unsigned" if math.prod(sizes) < 2**31 else "index_t")
    tiles = -(-sizes[axis] // TILE) * -(-sizes[last] // TILE) * math.prod(sizes[a] for a in rest)
    walked = walk_numbers(
        [sizes[a] for a in rest] or [1], [[strides[a] for a in rest] or [0], [own[a] for a in rest] or [0]]
    )
    numbers = (sizes[axis], sizes[last], strides[last], own[axis], tiles, *walked)
    here = machine()
    return kernel.prepared(here, min(tiles, 32 * here.processors), (TILE, 8, 1), None, None, *numbers)


TABLE["_rows"].kernel("cuda")(in_rows)
TABLE["clone"].kernel("cuda")(clone)
TABLE["reshape"].kernel("cuda")(reshape)
