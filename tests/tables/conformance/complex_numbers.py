"""Complex numbers beside PyTorch's: their own functions, and what the rest of the engine does to them and to their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numzoo import engine

from .case import Case, Drawn, Random, axis_of, broadcast_shapes, elementwise, shape_of, uniform


def whole(random: Random, *shape: int, low: float = 0.2, high: float = 2.0) -> Any:
    """Complex numbers with sizes between low and high, away from the cuts along the negative real axis."""
    return uniform(random, *shape, low=low, high=high) * np.exp(1j * uniform(random, *shape, low=-3.0, high=3.0))


def mapped(
    name: str, ours: Any, theirs: Callable[..., Any] | None = None, count: int = 1, mixed: bool = False, high: float = 2.0
) -> Case:  # fmt: skip
    """A case of ``count`` complex tensors that broadcast; of a real and a complex one in turn where ``mixed``."""

    def draw(random: Random) -> Drawn:
        shapes = [shape_of(random)] if count == 1 else broadcast_shapes(random, count)
        kinds = [bool(random.random() < 0.5) for _ in shapes] if mixed else [False] * count
        if all(kinds):
            kinds[0] = False
        return [
            uniform(random, *s, low=0.2, high=high) if real else whole(random, *s, high=high)
            for s, real in zip(shapes, kinds, strict=True)
        ], {}

    return Case(
        f"complex {name}", draw, ours, theirs or (lambda torch, *x: getattr(torch, name)(*x)), dtypes=(), tolerance=1e-8
    )


def products(random: Random) -> Drawn:
    m, k, n = (int(random.integers(1, 5)) for _ in range(3))
    left, right = ((2, m, k), (k, n)) if random.random() < 0.5 else ((m, k), (3, k, n))
    x = uniform(random, *left) if random.random() < 0.2 else whole(random, *left)
    return [x + 0j, whole(random, *right)], {}


def reduced(random: Random) -> Drawn:
    shape = shape_of(random, least=1)
    return [whole(random, *shape)], {"axis": axis_of(random, len(shape)), "keepdim": bool(random.random() < 0.5)}


def along(random: Random) -> Drawn:
    shape = tuple(n + 1 for n in shape_of(random, least=1, size=4, empty=False))
    return [whole(random, *shape)], {"axis": axis_of(random, len(shape))}


def reduction(name: str, ours: Any) -> Case:
    return Case(
        f"complex {name}", reduced, ours, lambda torch, x, axis, keepdim: getattr(torch, name)(x, axis, keepdim), dtypes=()
    )  # fmt: skip


def real_pair(random: Random) -> Drawn:
    return [uniform(random, *s, low=0.1) for s in broadcast_shapes(random)], {}


def pairs(random: Random) -> Drawn:
    return [uniform(random, *shape_of(random, most=3, empty=False), 2)], {}


def mixture(torch: Any, x: Any, y: Any) -> Any:
    """A real loss that goes through complex numbers, from a real and a complex input."""
    z = (x * y).exp() / (y + 3.0)
    return (z * z.conj()).real.sum() + (z.abs() * 2).sin().sum() + z.imag.sum() + (z.angle() * x).sum()


def mixed_draw(random: Random) -> Drawn:
    a, b = broadcast_shapes(random)
    return [uniform(random, *a), whole(random, *b)], {}


CASES = [
    *(mapped(name, getattr(engine, name)) for name in ("exp", "log", "sin", "cos", "tanh", "abs", "real", "imag", "conj", "angle", "sgn", "neg")),
    *(mapped(name, getattr(engine, name)) for name in ("view_as_real", "sigmoid")),
    *(mapped(name, getattr(engine, name)) for name in ("reciprocal", "square", "tan", "asin", "acos", "atan", "sinh", "cosh")),
    *(mapped(name, getattr(engine, name)) for name in ("asinh", "acosh", "atanh", "log2", "log10", "log1p", "expm1", "exp2")),
    mapped("sqrt", engine.sqrt),
    mapped("rsqrt", engine.rsqrt),
    mapped("square", lambda x: x * x),
    mapped("real power", lambda x: x**2.5, lambda torch, x: x**2.5),
    mapped("integer power", lambda x: x**3, lambda torch, x: x**3),
    *(mapped(name, getattr(engine, name), count=2, mixed=True) for name in ("add", "sub", "mul", "div", "pow")),
    mapped("where", lambda x, y: engine.where(engine.abs(x) > 1, x, y), lambda torch, x, y: torch.where(x.abs() > 1, x, y), count=2),
    mapped("adjoint", lambda x: (x.reshape(-1, 1) * 1j).mH, lambda torch, x: (x.reshape(-1, 1) * 1j).mH),
    mapped("reshape, flip, cat", lambda x: engine.cat([x.flatten(), x.flatten().flip(0)]), lambda torch, x: torch.cat([x.flatten(), x.flatten().flip(0)])),
    Case("complex matmul", products, engine.matmul, lambda torch, x, y: x @ y, dtypes=()),
    reduction("sum", engine.sum),
    reduction("mean", engine.mean),
    reduction("logsumexp", engine.logsumexp),
    Case("complex cumsum", along, engine.cumsum, lambda torch, x, axis: x.cumsum(axis), dtypes=()),
    Case("complex cumprod", along, engine.cumprod, lambda torch, x, axis: x.cumprod(axis), dtypes=(), second=False),
    Case("complex std", along, engine.std, lambda torch, x, axis: x.std(axis), dtypes=(), second=False),
    Case("complex norm", along, lambda x, axis: x.norm(dim=axis), lambda torch, x, axis: x.norm(dim=axis), dtypes=()),
    Case("complex prod", reduced, engine.prod, lambda torch, x, axis, keepdim: x.prod(axis, keepdim), dtypes=(), second=False),
    Case("complex", real_pair, engine.complex, lambda torch, x, y: torch.complex(x, y), dtypes=("float32",)),
    Case("polar", real_pair, engine.polar, lambda torch, x, y: torch.polar(x, y), dtypes=("float32",)),
    Case("view_as_complex", pairs, engine.view_as_complex, lambda torch, x: torch.view_as_complex(x.contiguous()), dtypes=("float32",)),
    Case("complex mixture", mixed_draw, lambda x, y: mixture(engine, x, y), mixture, dtypes=(), tolerance=1e-8),
    elementwise("angle", engine.angle, low=0.1, dtypes=("float32", "bfloat16", "float16")),
    elementwise("sgn", engine.sgn, low=0.1),
    elementwise("isreal", engine.isreal, gradient=False),
]  # fmt: skip
