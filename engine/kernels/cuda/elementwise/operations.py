"""Elementwise operations: one source, compiled for each expression and dtype, walked in the way that the arrays' layouts allow.

Where all arrays lie in one piece and alike, each thread takes 16 bytes at a time; where they are broadcast or cut along outer
axes only, it does so along the innermost; else it takes an element at a time. Numbers travel with the launch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ....dtype import NARROW, Array, Dtype, bool_, float32
from ....op import TABLE
from ...plans import Plans
from ..layout import blocks_for, dense_order, maker, walk
from ..machine import machine
from ..program import SCALARS, Kernel
from .expressions import EXPRESSIONS, Expression

__all__ = [
    "STORED",
    "Computation",
    "cast",
    "compute_type",
    "divider",
    "elementwise_kernel",
    "launcher",
    "ones_like",
    "walk_numbers",
]

Result = Any
Run = Callable[..., Result]

STORED: dict[Dtype, str] = {
    np.dtype(dtype): name
    for dtype, name in (
        ("bool", "bool"), ("int8", "signed char"), ("uint8", "unsigned char"), ("int16", "short"), ("uint16", "unsigned short"),
        ("int32", "int"), ("uint32", "unsigned"), ("int64", "long long"), ("uint64", "unsigned long long"),
    )
}  # fmt: skip
"""How the sources call the dtypes of whole numbers."""
STORED.update({dtype: scalar for dtype, (scalar, _) in SCALARS.items()})
MOST_AXES = 8
IMAGE = 4
"""Axes of images, which may well lie channels last; with fewer they are sequences and matrices."""
VECTOR = 16
"""Bytes that a thread takes at once."""
AT_ONCE = 2
"""Such accesses that a thread has under way where all arrays lie alike."""
THREADS = 256
WALK = "ii8q8I8I32q"
"""The layout of a Walk in ``walking.cuh``."""

ndarray = np.ndarray
_plans: Plans[Run] = Plans()
_kernels: dict[Any, dict[str, Kernel]] = {}


def unserved(*arrays: Array) -> Result:
    """What stands for a plan where the body computes."""
    return NotImplemented


class Computation:
    """An expression with the dtypes of its operands and its result: the kernels compiled for them."""

    def __init__(
        self, text: str, operands: Sequence[Dtype], result: Dtype, wide: str, masks: Sequence[int] = (), each_wide: str = ""
    ) -> None:  # fmt: skip
        self.result = result
        self.operands = tuple(operands)
        self.each = max(1, VECTOR // max(dtype.itemsize for dtype in (*operands, result)))
        self.number = {"float": "f", "double": "d"}.get(wide, "q")
        definitions: dict[str, Any] = {
            "EXPRESSION": f"({text})",
            "INPUTS": len(operands),
            "EACH": self.each,
            "RESULT": STORED[result],
            "WIDE": wide,
            "NUMBER": {"f": "float", "d": "double", "q": "long long"}[self.number],
        }
        for position, name in enumerate(("FIRST", "SECOND", "THIRD", "FOURTH")):
            there = position < len(operands)
            definitions[name] = STORED[operands[position]] if there else "char"
            definitions[f"WIDE_{name}"] = "char" if not there else "bool" if position in masks else each_wide or wide
        self.definitions = definitions
        key = tuple(definitions.values())
        if key not in _kernels:
            plain = f"4PP8{self.number}q"
            _kernels[key] = {
                name: Kernel("elementwise.cu", name, plain + (WALK if name != "flat" else ""), **definitions)
                for name in ("flat", "rows", "rows_long", "strided", "strided_long")
            }
        self.kernels = _kernels[key]


def compute_type(dtype: Dtype) -> str:
    """The type in which numbers of a dtype are computed with."""
    return SCALARS[dtype][1] if dtype in SCALARS else STORED[dtype]


def elementwise_kernel(name: str) -> Callable[..., Result]:
    """The kernel of an operation of ``EXPRESSIONS``."""
    expression = EXPRESSIONS[name]

    def compute(*arrays: Array, **settings: Any) -> Result:
        key: tuple[Any, ...] = (name, machine())
        for array in arrays:
            if type(array) is ndarray and not array.ndim:
                # Of a whole number it counts whether it divides, and whether it can be a power.
                key += (array.dtype, array.dtype.kind in "iu" and int(np.sign(array)))
            else:
                key += (array.dtype, array.shape, array.strides)
        for value in settings.values():
            # -0.0 is not 0.0, though they are equal.
            key += (str(value) if value.__class__ is float and not value else value, type(value))
        try:
            run = _plans.get(key)
        except TypeError:  # a setting that no key can hold, which the body refuses
            return NotImplemented
        return (run or _plans.make(key, _plan, name, expression, arrays, settings))(*arrays)

    def one(a: Array) -> Result:
        key = (name, machine(), a.dtype, a.shape, a.strides)
        return (_plans.get(key) or _plans.make(key, _plan, name, expression, (a,), {}))(a)

    def two(a: Array, b: Array) -> Result:
        if type(b) is ndarray:
            if type(a) is ndarray or b.ndim or b.dtype.kind in "iu":
                return compute(a, b)
            key: Any = (name, machine(), a.dtype, a.shape, a.strides, b.dtype, False)
        elif type(a) is ndarray:
            return compute(a, b)
        else:
            key = (name, machine(), a.dtype, a.shape, a.strides, b.dtype, b.shape, b.strides)
        return (_plans.get(key) or _plans.make(key, _plan, name, expression, (a, b), {}))(a, b)

    found: Callable[..., Result] = compute
    op = TABLE[name]
    if not op.setting_names and not op.keeps and op.required == op.count:
        found = one if op.count == 1 else two if op.count == 2 else compute
    found.__name__ = name
    return found


def _plan(name: str, expression: Expression, arrays: tuple[Array, ...], settings: dict[str, Any]) -> Run:
    masks = expression.masks
    plain = [array.dtype for position, array in enumerate(arrays) if position not in masks]
    dtype = plain[0]
    mixed = len(set(plain)) > 1 and all(other in (float32, *NARROW) for other in plain)
    if mixed:
        plain = [dtype := float32]  # narrower ones are widened on their way
    text = expression.text(dtype)
    if not text or any(other != dtype for other in plain) or any(array.dtype not in STORED for array in arrays):
        return unserved
    numbers = _settings(expression, arrays, settings)
    if numbers is None or len(arrays) > 4:
        return unserved
    computation = Computation(
        text, [a.dtype for a in arrays], bool_ if expression.asks else dtype, compute_type(dtype), masks
    )
    found = launcher(computation, arrays, numbers)
    if mixed and found is unserved:
        return _body_of_widened(name)
    return found


def _body_of_widened(name: str) -> Run:
    """The body, on operands of one dtype."""
    return lambda *arrays: TABLE[name].body(machine().xp, *[array.astype(float32, copy=False) for array in arrays])


def _settings(expression: Expression, arrays: tuple[Array, ...], settings: dict[str, Any]) -> tuple[float, ...] | None:
    """The settings as numbers, rounded as the body rounds them; None where they are for the body."""
    given = expression.settings
    if not isinstance(given, str):
        values = given(arrays, settings)
    else:
        names = given.split()
        if not names:
            return ()
        values = tuple(settings[name] for name in names) if all(name in settings for name in names) else None
    if values is None or any(isinstance(value, complex) for value in values):
        return None
    dtype = arrays[0].dtype
    if dtype.kind in "iub" or expression.wide:
        return values
    with np.errstate(all="ignore"):
        return tuple(float(dtype.type(value)) for value in values)


def launcher(
    computation: Computation, arrays: tuple[Array, ...], settings: tuple[float, ...] = (), order: tuple[int, ...] | None = None
) -> Run:  # fmt: skip
    """How to compute on arrays that lie like these; the result lies as ``_common_order`` says, or in an ``order`` of axes."""
    held = [array for array in arrays if not _is_number(array)]
    if not held or any(isinstance(array, np.ndarray) for array in held):
        return unserved  # arrays of the host: the body says what is wrong
    shape = np.broadcast_shapes(*(array.shape for array in held))
    if order is None:
        order = _common_order(shape, held)
    dtype = computation.result
    inner = tuple(shape[axis] for axis in order)
    count = int(np.prod(shape, dtype=np.int64))
    turned = [None if _is_number(array) else _turned(array, shape, order) for array in arrays]
    path, walked = _path(computation, inner, turned, count)
    if not path:
        return unserved
    here = machine()
    kernel = computation.kernels[path]
    each = 1 if path.startswith("strided") else computation.each
    letter, width = computation.number, len(arrays)
    is_number = [_is_number(array) for array in arrays]
    # Numbers of the host are open only where there are some: what follows them is packed once.
    numbers = (None,) * width if any(is_number) else (0,) * width
    fixed = tuple(_plain(value, letter) for value in settings) + (0,) * (4 - len(settings))
    tail = (*numbers, *(0,) * (4 - width), *fixed, count, *walked)
    # A grid walks in strides, so that it serves whatever the number of processors is.
    grid = blocks_for(here, count, each * AT_ONCE if path == "flat" else each, THREADS)
    launch = kernel.prepared(here, grid, THREADS, *(None,) * 5, *tail)
    make = maker(here, shape, dtype, order)
    masks = [array.dtype.itemsize * computation.each - 1 if each > 1 else 0 for array in arrays]
    address = here.address

    def careful(*arrays: Array) -> Result:
        """The same an element at a time, for arrays that begin where 16 bytes cannot be read."""
        path, walked = _path(computation, inner, turned, count, aligned=False)
        result = make()
        values = [_plain(a.item(), letter) if n else 0 for a, n in zip(arrays, is_number, strict=True)]
        places = [0 if n else address(array) for array, n in zip(arrays, is_number, strict=True)]
        spare = (0,) * (4 - width)
        computation.kernels[path](
            blocks_for(here, count, 1, THREADS), THREADS, *places, *spare, address(result), *values, *spare, *fixed, count, *walked
        )  # fmt: skip
        return result

    def one(a: Array) -> Result:
        place = address(a)
        if place & first:
            return careful(a)
        result = make()
        launch(place, 0, 0, 0, address(result))
        return result

    def two(a: Array, b: Array) -> Result:
        place, other = address(a), address(b)
        if place & first or other & second:
            return careful(a, b)
        result = make()
        launch(place, other, 0, 0, address(result))
        return result

    def with_number(a: Array, b: Array) -> Result:
        place = address(a)
        if place & first:
            return careful(a, b)
        result = make()
        launch(place, 0, 0, 0, address(result), 0, b.item())
        return result

    def several(*arrays: Array) -> Result:
        places = [0 if n else address(array) for n, array in zip(is_number, arrays, strict=True)]
        for place, mask in zip(places, masks, strict=True):
            if place & mask:
                return careful(*arrays)
        result = make()
        values = (
            [_plain(a.item(), letter) if n else 0 for n, a in zip(is_number, arrays, strict=True)]
            if numbers[0] is None
            else ()
        )
        launch(*places, *(0,) * (4 - width), address(result), *values)
        return result

    first, second = (*masks, 0)[:2]
    if is_number == [False]:
        return one
    if is_number == [False, False]:
        return two
    return with_number if is_number == [False, True] and letter != "q" else several


class Lying:
    """How an array lies, its axes in another order and broadcast to a shape; without its memory."""

    __slots__ = ("itemsize", "ndim", "shape", "strides")

    def __init__(self, shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> None:
        self.shape, self.strides, self.itemsize, self.ndim = shape, strides, itemsize, len(shape)


def _turned(array: Array, shape: tuple[int, ...], order: tuple[int, ...]) -> Lying:
    lead = len(shape) - array.ndim
    strides = [0] * lead + [0 if size == 1 else stride for size, stride in zip(array.shape, array.strides, strict=True)]
    return Lying(tuple(shape[axis] for axis in order), tuple(strides[axis] for axis in order), array.itemsize)


def _path(
    computation: Computation, shape: tuple[int, ...], turned: list[Lying | None], count: int, aligned: bool = True
) -> tuple[str, tuple[int, ...]]:
    """The entry point, and the numbers of its walk: the result lies in one piece in the order of ``shape``. Empty for too many axes."""
    if not count:
        return "flat", ()
    steps: list[int] = []
    step = computation.result.itemsize
    for size in reversed(shape):
        steps.append(step)
        step *= size
    result = Lying(shape, tuple(reversed(steps)), computation.result.itemsize)
    found = walk(shape, result, *(array for array in turned if array is not None))
    if found.is_flat and aligned:
        return "flat", ()
    each = computation.each
    sizes, rows = found.shape or (1,), iter(found.strides[1:])
    strides = [(0,) * len(sizes) if array is None else next(rows) or (0,) for array in turned]
    along_rows = aligned and sizes[-1] % each == 0 and all(row[-1] in (0, 1) for row in strides)
    # Every row begins at a multiple of what is taken at once.
    along_rows = along_rows and all(all(stride % each == 0 for stride in row[:-1]) for row in strides if row[-1] == 1)
    if len(sizes) > MOST_AXES:
        return "", ()
    name = ("rows" if along_rows and each > 1 else "strided") + ("_long" if count >= 2**31 else "")
    return name, walk_numbers(sizes, strides)


def walk_numbers(sizes: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """A Walk of ``walking.cuh`` over up to four arrays, as the numbers that it is made of."""
    spare = MOST_AXES - len(sizes)
    multipliers, shifts = zip(*(divider(size) for size in sizes), strict=True)
    rows = [[*row, *(0,) * spare] for row in strides] + [[0] * MOST_AXES] * (4 - len(strides))
    return (
        len(sizes), 0, *sizes, *(1,) * spare, *multipliers, *(0,) * spare, *shifts, *(0,) * spare,
        *(stride for row in rows for stride in row),
    )  # fmt: skip


def divider(size: int) -> tuple[int, int]:
    """A factor and a shift that divide numbers below 2^31 by ``size``: (high word of i factor, plus i) >> shift.

    T. Granlund and P. Montgomery, "Division by invariant integers using multiplication" (1994).
    """
    if size >= 2**31:
        return 0, 0  # walked with whole divisions
    shift = max(size - 1, 0).bit_length()
    return (2**32 * (2**shift - size) // size + 1) & 0xFFFFFFFF, shift


def _common_order(shape: tuple[int, ...], arrays: list[Array]) -> tuple[int, ...]:
    """The order of axes in memory of the first array of this shape. Of sequences, if any lies by rows, rows: what follows wants them so."""
    rows = tuple(range(len(shape)))
    orders = [_order(array) for array in arrays if array.shape == shape]
    count = math.prod(shape)
    if len(shape) < IMAGE and any(array.size == count and array.flags.c_contiguous for array in arrays):
        return rows
    return orders[0] if orders else rows


def _order(array: Array) -> tuple[int, ...]:
    order = dense_order(array)
    return order or tuple(sorted(range(array.ndim), key=lambda axis: (-abs(array.strides[axis]), axis)))


def _is_number(array: Array) -> bool:
    return type(array) is np.ndarray and not array.ndim


def _plain(value: Any, letter: str) -> float | int:
    if letter != "q":
        return float(value)
    whole = int(value)
    return whole if whole < 2**63 else whole - 2**64


def cast(x: Array, *, dtype: Dtype) -> Result:
    """The values in another dtype, in the same memory order."""
    dtype = np.dtype(dtype)
    key = ("cast", machine(), x.dtype, dtype, x.shape, x.strides)
    return (_plans.get(key) or _plans.make(key, _plan_cast, x, dtype))(x)


def ones_like(x: Array) -> Result:
    """As many ones, in the same memory order: without reading x."""
    key = ("ones", machine(), x.dtype, x.shape, x.strides)
    return (_plans.get(key) or _plans.make(key, _plan_ones, x))(x)


def _plan_ones(x: Array) -> Run:
    return (
        launcher(Computation("W(1)", [x.dtype], x.dtype, compute_type(x.dtype)), (x,))
        if x.dtype in STORED
        else unserved
    )


def _plan_cast(x: Array, dtype: Dtype) -> Run:
    if x.dtype not in STORED or dtype not in STORED:
        return unserved
    return launcher(Computation("a", [x.dtype], dtype, compute_type(x.dtype)), (x,))


TABLE["cast"].kernel("cuda")(cast)
for _name in EXPRESSIONS:
    TABLE[_name].kernel("cuda")(elementwise_kernel(_name))
for _name in ("add", "sub", "mul", "div", "maximum", "minimum"):
    TABLE[_name].mixes = True
