"""Steps of optimisers over one large parameter by oneDNN: two or three passes over a block that stays in the cache.

The bodies are the rules in ``optim``. A product with a number, a root, a quotient and two sums are one pass here, so memory is read and
written once; NumPy makes a dozen passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .epilogue import MULTIPLY, POWER, SQUARE_ROOT, Epilogue
from .library import Library
from .memory import FLOAT32, Array, Layout, address
from .plans import PLANS, Plan, plan, unsupported
from .primitive import DESTINATION, SOURCE, SOURCE_1, Primitive, describe

__all__ = ["RULES"]

BLOCK = 1 << 19
"""Numbers per block: 2 MB of each of four arrays. A step of AdamW over 110 million weights takes 79, 61, 47 and 42 ms with blocks of
2^16, 2^17, 2^18 and 2^19 numbers, two threads; by NumPy 212."""
FEWEST = 1 << 16
"""Numbers from which on a parameter is changed here."""
SMALLEST_EPS = 1e-30
"""The quotient is a product with 1 / (sqrt(v) + eps), which must not overflow."""
LINE = 16
"""Numbers of a cache line: each number of a step has one of its own."""


def adam(p: Array, g: Array, states: Sequence[Array], constants: tuple[float, ...]) -> bool:
    """Change a parameter and its running means in place; False, with nothing changed, for what is not served."""
    rate, eps, first, rest, second, rest_of_squares, decay, way, kept = constants
    if len(states) != 2 or decay or eps < SMALLEST_EPS or kept < 0.5:
        return False
    return _change((p, g, *states), (adam, first, second, rest_of_squares), (way * rest, eps, -rate / kept, kept))


def sgd(p: Array, g: Array, states: Sequence[Array], constants: tuple[float, ...]) -> bool:
    """Change a parameter and its velocity in place, likewise."""
    rate, momentum, share, decay, way, fresh, nesterov = constants
    if len(states) != 1 or fresh or nesterov or (decay and share != 1) or way != 1:
        return False
    return _change((p, g, *states), (sgd, momentum, decay != 0), (decay or share, -rate))


def _change(arrays: tuple[Array, ...], form: tuple[Any, ...], settings: Sequence[float]) -> bool:
    """Change arrays of one size block by block, by the plan of this form; False where that is not served."""
    p = arrays[0]
    if p.size < FEWEST or not all(a.dtype == FLOAT32 and a.flags.c_contiguous for a in arrays):
        return False
    sizes = [min(BLOCK, p.size - start) for start in range(0, p.size, BLOCK)]
    build, details = _PLANS[form[0]], form[1:]
    plans = {size: PLANS.get((size, *form)) or plan((size, *form), build, size, *details) for size in set(sizes)}
    if unsupported in plans.values():
        return False
    numbers = np.zeros((len(settings), LINE), FLOAT32)
    numbers[:, 0] = settings
    at = [address(numbers) + place * numbers.strides[0] for place in range(len(numbers))]
    places = [address(a) for a in arrays]
    for size in sizes:
        plans[size](*places, at)
        places = [place + size * p.itemsize for place in places]
    return True


RULES: dict[str, Callable[[Array, Array, Sequence[Array], tuple[float, ...]], bool]] = {"adam": adam, "sgd": sgd}


def _plan_adam(library: Library, size: int, first: float, second: float, rest_of_squares: float) -> Plan | None:
    """m = first m + (1 - first) g, v = second v + (1 - second) g^2, p = (p - rate / kept m / (sqrt(v) + eps)) kept."""
    vector, number, prepare = _products(library, size)
    averaging = Epilogue(library)
    averaging.add_to(first)
    squaring = Epilogue(library)
    squaring.scale(rest_of_squares)
    squaring.add_to(second)
    stepping = Epilogue(library)
    stepping.apply(SQUARE_ROOT)
    names = [stepping.add(number)]
    stepping.apply(POWER, 1.0, -1.0)
    names += [stepping.multiply(vector), stepping.multiply(number), stepping.add(vector), stepping.multiply(number)]
    average, square, step = (
        prepare(number, averaging), prepare(vector, squaring), prepare(number, stepping, *names)
    )  # fmt: skip
    if average is None or square is None or step is None:
        return None
    one = np.ones(1, FLOAT32)

    def compute(p: int, g: int, mean: int, squares: int, numbers: list[int]) -> None:
        share, eps, rate, kept = numbers
        average(g, share, mean)
        square(g, g, squares)
        step(squares, address(one), p, eps, mean, rate, p, kept)

    return compute


def _plan_sgd(library: Library, size: int, momentum: float, decays: bool) -> Plan | None:
    """v = momentum v + share g, or momentum v + g + decay p; p = p - rate v."""
    vector, number, prepare = _products(library, size)
    moving, stepping = Epilogue(library), Epilogue(library)
    names = [moving.add(vector)] if decays else []
    moving.add_to(momentum)
    stepping.add_to(1.0)
    move, step = prepare(number, moving, *names), prepare(number, stepping)
    if move is None or step is None:
        return None

    def compute(p: int, g: int, velocity: int, numbers: list[int]) -> None:
        share, rate = numbers
        if decays:
            move(p, share, velocity, g)
        else:
            move(g, share, velocity)
        step(velocity, rate, p)

    return compute


def _products(library: Library, size: int) -> tuple[Layout, Layout, Callable[..., Callable[..., None] | None]]:
    """The layouts of a vector and of a number, and a function that prepares products of a vector with either."""
    vector, number = Layout(library, (size,), FLOAT32, (1,)), Layout(library, (1,), FLOAT32, (1,))

    def prepare(operand: Layout, epilogue: Epilogue, *names: int) -> Callable[..., None] | None:
        found = describe(library, "binary", MULTIPLY, vector, operand, vector, epilogue=epilogue)
        return None if found is None else Primitive(found, (SOURCE, SOURCE_1, DESTINATION, *names)).run

    return vector, number, prepare


_PLANS: dict[Any, Callable[..., Plan | None]] = {adam: _plan_adam, sgd: _plan_sgd}
