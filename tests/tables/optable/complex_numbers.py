"""The rows of ``ops/elementwise/complex_numbers.py``: of complex numbers made from pairs of real ones, since the table draws real numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row


def pair(function: Any) -> Any:
    """A function of one complex tensor as one of its two parts, giving the parts of what it gives."""

    def call(a: Any, b: Any) -> Any:
        result = function(_whole(ops.complex, a, b))
        return ops.view_as_real(result) if result.is_complex() else result

    return call


def pair_reference(function: Any) -> Any:
    def call(a: Any, b: Any) -> Any:
        result = function(a + 1j * b)
        return np.stack([result.real, result.imag], -1) if np.iscomplexobj(result) else result

    return call


def _whole(join: Any, a: Any, b: Any) -> Any:
    # Half types have no complex partner: they are widened, as the table's tolerances allow.
    if a.dtype.itemsize < 4:
        a, b = a.float(), b.float()
    return join(a, b)


SHAPES = ((3, 4), (3, 4))
ROWS = [
    *(Row(name, SHAPES, pair_reference(reference), call=pair(function), low=0.3) for name, function, reference in (
        ("conjugate", ops.conj, np.conj),
        ("real_part", ops.real, np.real),
        ("imaginary_part", ops.imag, np.imag),
        ("sgn", ops.sgn, lambda z: z / np.abs(z)),
        ("angle", ops.angle, np.angle),
        ("complex", lambda z: z * z, lambda z: z * z),
        ("pairs", ops.view_as_real, lambda z: np.stack([z.real, z.imag], -1)),
        ("of_pairs", lambda z: ops.view_as_complex(ops.view_as_real(z)), lambda z: z),
    )),
    Row("polar", SHAPES, lambda a, b: np.stack([a * np.cos(b), a * np.sin(b)], -1), low=0.3,
        call=lambda a, b: ops.view_as_real(_whole(ops.polar, a, b))),
    Row("isreal", SHAPES, lambda a, b: b == 0, call=lambda a, b: ops.isreal(_whole(ops.complex, a, b)), smooth=False),
]  # fmt: skip

# Complex numbers of half types are those of float32.
WIDE = {"angle", "complex", "conjugate", "imaginary_part", "of_pairs", "pairs", "polar", "real_part", "sgn"}
