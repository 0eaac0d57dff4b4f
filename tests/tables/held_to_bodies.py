"""Kernels of a GPU held to the bodies of their operations: the same arrays, in whatever memory order, give the same values, dtypes and shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from numzoo.engine.op import TABLE

TOLERANCE = {8: 1e-11, 4: 3e-5, 2: 2e-2}


def placed(here: Any, value: Any) -> Any:
    """The value on the GPU, with the strides that it has."""
    if not isinstance(value, np.ndarray):
        return value
    if value.base is None or not value.size or 0 in value.strides:
        return here.put(value)
    # A view is made again in a copy of what it is a view of.
    low, high = np.lib.array_utils.byte_bounds(value)
    room = np.zeros((high - low) // value.itemsize, value.dtype)
    start = (value.ctypes.data - low) // value.itemsize
    np.lib.stride_tricks.as_strided(room[start:], value.shape, value.strides)[...] = value
    return here.xp.lib.stride_tricks.as_strided(here.put(room)[start:], value.shape, value.strides)


def assert_kernel_is_body(here: Any, kernel: Any, name: str, *arrays: Any, scale: float = 1.0, **settings: Any) -> Any:
    """Call a kernel on the GPU, and the body on the CPU; gives the body's results."""
    given = kernel(*[placed(here, a) for a in arrays], **settings)
    assert given is not NotImplemented
    return assert_same(given, TABLE[name].body(np, *arrays, **settings), arrays[0].dtype.itemsize, scale)


def assert_same(given: Any, wanted: Any, itemsize: int, scale: float = 1.0) -> Any:
    given, wanted = (list(v) if isinstance(v, (tuple, list)) else [v] for v in (given, wanted))
    for there, here in zip(given, wanted, strict=True):
        if there is None or here is None:
            continue
        here = np.asarray(here)
        assert there.shape == here.shape
        assert there.dtype == here.dtype
        tolerance = TOLERANCE.get(itemsize, 1e-11) * scale
        a, b = (v if v.dtype.kind in "biuc" else v.astype(np.float64) for v in (there.get(), here))
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    return tuple(wanted)


def memory_orders(x: Any) -> Iterator[Any]:
    """The array as it may lie: in row order, turned, with gaps, backwards, at an odd place, and broadcast."""
    yield x
    yield np.asfortranarray(x)
    if x.ndim > 2:  # channels last
        yield np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    yield wide[..., ::2]
    yield np.ascontiguousarray(x[..., ::-1])[..., ::-1]


def at_odd_place(here: Any, x: Any) -> Any:
    """The array on the GPU, one element behind an allocation's start."""
    room = here.empty((x.size + 1,), x.dtype)
    view = room[1:].reshape(x.shape)
    view[...] = here.put(x)
    return view
