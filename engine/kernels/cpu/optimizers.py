"""Steps of optimisers over one large parameter by oneDNN: three passes over a block that stays in the cache.

The bodies are the rules in ``optim``. A product with a number, a root, a quotient and two sums are one pass here, so memory is read and
written once; NumPy makes a dozen passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .epilogue import MULTIPLY, POWER, SQUARE_ROOT, Epilogue
from .library import Library
from .memory import FLOAT32, Array, Layout, address
from .plans import PLANS, Plan, plan, unsupported
from .primitive import DESTINATION, SOURCE, SOURCE_1, Primitive, describe

__all__ = ["RULES"]

BLOCK = 1 << 18
"""Numbers per block: 1 MB of each of four arrays. A step of AdamW over 110 million weights takes 79, 61, 47 and 42 ms with blocks of
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
    arrays = (p, g, *states)
    if len(states) != 2 or decay or eps < SMALLEST_EPS or kept < 0.5 or p.size < FEWEST:
        return False
    if not all(a.dtype == FLOAT32 and a.flags.c_contiguous for a in arrays):
        return False
    sizes = [min(BLOCK, p.size - start) for start in range(0, p.size, BLOCK)]
    settings = first, second, rest_of_squares
    plans = {size: PLANS.get((adam, size, *settings)) or plan((adam, size, *settings), _plan_adam, size, *settings) for size in set(sizes)}  # fmt: skip
    if unsupported in plans.values():
        return False
    numbers = np.zeros((4, LINE), FLOAT32)
    numbers[:, 0] = way * rest, eps, -rate / kept, kept
    at = [address(numbers) + place * numbers.strides[0] for place in range(len(numbers))]
    places = [address(a) for a in arrays]
    for size in sizes:
        plans[size](*places, at)
        places = [place + size * p.itemsize for place in places]
    return True


RULES: dict[str, Callable[[Array, Array, Sequence[Array], tuple[float, ...]], bool]] = {"adam": adam}


def _plan_adam(library: Library, size: int, first: float, second: float, rest_of_squares: float) -> Plan | None:
    """m = first m + (1 - first) g, v = second v + (1 - second) g^2, p = (p - rate / kept m / (sqrt(v) + eps)) kept."""
    vector, number = Layout(library, (size,), FLOAT32, (1,)), Layout(library, (1,), FLOAT32, (1,))

    def prepare(operand: Layout, epilogue: Epilogue, *names: int) -> Callable[..., None] | None:
        found = describe(library, "binary", MULTIPLY, vector, operand, vector, epilogue=epilogue)
        return None if found is None else Primitive(found, (SOURCE, SOURCE_1, DESTINATION, *names)).run

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
