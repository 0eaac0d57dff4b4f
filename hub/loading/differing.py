"""`compare`: two checkpoints tensor by tensor, whatever they are written in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from numzoo.hub.loading.tensors import Tensors
from numzoo.hub.registry.keys import Keys

__all__ = ["Difference", "compare"]

_BLOCK = 1 << 20

Kind = Literal["only in A", "only in B", "shape", "values", "dtype", "equal"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One tensor of two checkpoints.

    `largest` is the largest absolute difference and `relative` the largest of |a - b| / max(|a|, |b|); `norm` is the
    length of a - b over the length of a. They are None where nothing can be compared. A NaN equals a NaN only. `kind` is "dtype" where only the type
    differs and the values agree.
    """

    name: str
    kind: Kind
    a: str = ""
    b: str = ""
    largest: float | None = None
    relative: float | None = None
    norm: float | None = None


def compare(a: Tensors, b: Tensors, *, tolerance: float = 0.0, renames: Keys | None = None) -> list[Difference]:
    """Every tensor of both, in A's order and then B's. Values agree where |a - b| <= `tolerance` * max(|a|, |b|).

    `renames` spells A's names as B does. Memory holds one tensor of each at a time.
    """
    keys = renames or Keys()
    names: Mapping[str, str] = {keys.model_name(name): name for name in a}
    found = []
    for name, own in names.items():
        first = a.infos[own]
        if name not in b:
            found.append(Difference(name, "only in A", _said(first)))
            continue
        second = b.infos[name]
        if first.shape != second.shape:
            found.append(Difference(name, "shape", _said(first), _said(second)))
            continue
        largest, relative, norm, agree = _measured(a[own], b[name], tolerance)
        kind: Kind = "values" if not agree else "equal" if first.dtype == second.dtype else "dtype"
        found.append(Difference(name, kind, _said(first), _said(second), largest, relative, norm))
    found += [Difference(name, "only in B", b=_said(b.infos[name])) for name in b if name not in names]
    return found


def _measured(a: NDArray[Any], b: NDArray[Any], tolerance: float) -> tuple[float, float, float, bool]:
    """The largest difference, the largest relative one, the norm of it relative to a's, whether all agree."""
    largest = relative = squares = own = 0.0
    agree = True
    wide: Any = np.complex128 if "c" in (a.dtype.kind, b.dtype.kind) else np.float64
    flat_a, flat_b = a.reshape(-1), b.reshape(-1)
    for start in range(0, flat_a.size, _BLOCK):
        raw_x, raw_y = flat_a[start : start + _BLOCK], flat_b[start : start + _BLOCK]
        x, y = raw_x.astype(wide), raw_y.astype(wide)
        same = (x == y) | (np.isnan(x) & np.isnan(y))
        if a.dtype == b.dtype and a.dtype.kind in "iu":
            same = raw_x == raw_y  # float64 does not tell all whole numbers apart
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            gap = np.where(same, 0.0, np.abs(x - y))
            gap = np.where(np.isnan(gap), math.inf, gap)
            if a.dtype.kind in "iu" and b.dtype.kind in "iu":
                gap = np.where(same, 0.0, np.maximum(gap, 1.0))
            scale = np.maximum(np.abs(x), np.abs(y))
            share = np.where(same, 0.0, np.where(np.isfinite(scale) & (scale > 0), gap / scale, math.inf))
        largest, relative = max(largest, float(gap.max())), max(relative, float(share.max()))
        squares += float(np.square(gap).sum())
        own += float(np.square(np.abs(x)).sum())
        agree = agree and bool((same | (share <= tolerance)).all())
    norm = 0.0 if squares == 0 else math.sqrt(squares) / math.sqrt(own) if own > 0 else math.inf
    return largest, relative, norm, agree


def _said(info: Any) -> str:
    return f"{info.dtype} {tuple(info.shape)}"
