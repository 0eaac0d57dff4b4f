"""Einstein's sums: any product of tensors written with a letter for each axis, computed as products of matrices."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from ...dtype import result_type
from ...errors import ArgumentError, ShapeError
from ...tensor import Tensor, tensor_like
from ..reductions.reduction import sum as total
from ..shapes.diagonals import diagonal
from ..shapes.shape import broadcast_to, permute, reshape, squeeze, whole
from .matrix import matmul

__all__ = [
    "einsum",
]

Labels = list[int]
"""A number for each axis: letters by their place in the alphabet, the axes of an ellipsis from -1 downwards, the last axis being -1."""


def einsum(equation: Any, *operands: Any) -> Tensor:
    """The sum that ``equation`` writes: ``einsum("bij,bjk->bik", x, y)`` is x @ y.

    Axes of one letter run together; letters that the result does not name are summed over. A letter twice in one operand is its diagonal,
    ``...`` stands for axes that broadcast, and without ``->`` the result has the letters that occur once, in alphabetical order. Also
    ``einsum(x, [0, 1], y, [1, 2], [0, 2])``. Several operands are multiplied in pairs, the pair with the smallest product first.
    """
    terms, wanted, tensors = _parsed(equation, operands)
    if any(x.dtype != tensors[0].dtype for x in tensors):
        dtype = result_type(*(x.array for x in tensors))
        tensors = [x.to(dtype=dtype) for x in tensors]
    sizes: dict[int, int] = {}
    for term, x in zip(terms, tensors, strict=True):
        for label, size in zip(term, x.shape, strict=True):
            held = sizes.get(label, 1)
            if size != held and 1 not in (size, held):
                raise ShapeError(
                    f"einsum: {_name(label)} has size {held} in one place and {size} in another (shapes {_shapes(tensors)})"
                )
            sizes[label] = size if held == 1 else held
    parts = [_plain(x, term) for x, term in zip(tensors, terms, strict=True)]
    while len(parts) > 1:
        i, j = _next_pair(parts, wanted)
        second, first = parts.pop(j), parts.pop(i)
        kept = set(wanted).union(*(labels for _, labels in parts))
        parts.insert(i, _product(*_narrowed(first, sizes), *_narrowed(second, sizes), kept))
    x, labels = parts[0]
    extra = tuple(i for i, label in enumerate(labels) if label not in wanted)
    if extra:
        x, labels = total(x, extra), [label for label in labels if label in wanted]
    present = [label for label in wanted if label in labels]
    x = _ordered(x, labels, present)
    # Axes of size 1 that were dropped, or that stand for others, come back.
    shape = tuple(sizes[label] for label in wanted)
    if x.shape != shape:
        x = reshape(x, tuple(x.shape[present.index(label)] if label in present else 1 for label in wanted))
        x = broadcast_to(x, shape) if x.shape != shape else x
    return x


def _shapes(tensors: list[Tensor]) -> str:
    return ", ".join(str(tuple(x.shape)) for x in tensors)


def _name(label: int) -> str:
    return "the ellipsis" if label < 0 else f"{chr(label)!r}" if label > 64 else f"axis {label}"


# ---- reading the equation ---------------------------------------------------------------------------------------


def _parsed(equation: Any, operands: tuple[Any, ...]) -> tuple[list[Labels], Labels, list[Tensor]]:
    if not isinstance(equation, str):
        return _listed((equation, *operands))
    tensors = [
        tensor_like("einsum", x)
        for x in (operands[0] if len(operands) == 1 and isinstance(operands[0], (tuple, list)) else operands)
    ]
    terms, wanted = _read(equation, tuple([x.ndim for x in tensors]))
    return terms, wanted, tensors


@lru_cache(maxsize=256)
def _read(equation: str, axes: tuple[int, ...]) -> tuple[list[Labels], Labels]:
    """The labels of operands with so many axes, and of the result; nobody may change them."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(axes):
        raise ArgumentError(f"einsum: {equation!r} names {len(texts)} operand(s), but {len(axes)} were given")
    terms = [_labels(text, ndim, equation) for text, ndim in zip(texts, axes, strict=True)]
    dots = sorted({label for term in terms for label in term if label < 0})
    if not arrow:
        every = [label for term in terms for label in term if label >= 0]
        return terms, dots + sorted(label for label in set(every) if every.count(label) == 1)
    wanted = _letters(right.replace("...", "", 1), equation)
    place = right.find("...")
    if place >= 0:
        wanted[place:place] = dots
    _check_result(wanted, terms, repr(equation))
    return terms, wanted


def _listed(arguments: tuple[Any, ...]) -> tuple[list[Labels], Labels, list[Tensor]]:
    """Operands and lists of axis numbers in turn, perhaps with the result's list at the end."""
    given = list(arguments)
    result = given.pop() if len(given) % 2 else None
    tensors = [tensor_like("einsum", x) for x in given[::2]]
    if any(not isinstance(axes, (tuple, list)) for axes in given[1::2]):
        raise ArgumentError("einsum: wants an equation and operands, or operands each followed by a list of numbers")
    terms = []
    for x, axes in zip(tensors, given[1::2], strict=True):
        dots = [i for i, axis in enumerate(axes) if axis is Ellipsis]
        numbers = list(whole("einsum", [axis for axis in axes if axis is not Ellipsis]))
        terms.append(_spread(numbers, dots, x.ndim, f"{axes}"))
    every = [label for term in terms for label in term]
    shared = sorted({label for label in every if label < 0})
    if result is None:
        return terms, shared + sorted(v for v in set(every) if v >= 0 and every.count(v) == 1), tensors
    wanted: Labels = []
    for axis in result:
        wanted += shared if axis is Ellipsis else [whole("einsum", axis)]
    _check_result(wanted, terms, f"{result}")
    return terms, wanted, tensors


def _letters(text: str, equation: str) -> Labels:
    if not all(letter.isascii() and letter.isalpha() for letter in text):
        raise ArgumentError(
            f"einsum: {equation!r} is made of letters, commas, one '...' for each operand, and one '->'"
        )
    return [ord(letter) for letter in text]


def _labels(text: str, ndim: int, equation: str) -> Labels:
    dots = [text.find("...")] if "..." in text else []
    return _spread(_letters(text.replace("...", "", 1), equation), dots, ndim, repr(text))


def _spread(labels: Labels, dots: list[int], ndim: int, text: str) -> Labels:
    """The ellipsis at the place ``dots`` filled with the axes that no letter names."""
    rest = ndim - len(labels)
    if rest < 0 or (rest and not dots) or len(dots) > 1:
        raise ShapeError(f"einsum: {text} does not name the {ndim} axes of its operand")
    return labels[: dots[0]] + list(range(-rest, 0)) + labels[dots[0] :] if dots else labels


def _check_result(wanted: Labels, terms: list[Labels], text: str) -> None:
    known = {label for term in terms for label in term}
    if len(set(wanted)) != len(wanted) or not known.issuperset(wanted):
        raise ArgumentError(f"einsum: the result of {text} may name each letter of the operands once, and no other")


# ---- computing --------------------------------------------------------------------------------------------------


def _plain(x: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
    """A letter that stands twice in one operand made once: its diagonal."""
    if len(set(labels)) == len(labels):
        return x, labels
    labels = list(labels)
    for label in labels[:]:
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ShapeError(
                    f"einsum: {_name(label)} stands for axes of sizes {x.shape[first]} and {x.shape[second]} of one operand"
                )
            x = diagonal(x, 0, first, second)
            labels = [v for i, v in enumerate(labels) if i not in (first, second)] + [label]
    return x, labels


def _next_pair(parts: list[tuple[Tensor, Labels]], wanted: Labels) -> tuple[int, int]:
    """The pair whose product is smallest beside its operands: the greedy order of Smith and Gray's opt_einsum (2018)."""
    best, found = math.inf, (0, 1)
    if len(parts) == 2:
        return found
    for j in range(len(parts)):
        for i in range(j):
            others = set(wanted).union(*(labels for k, (_, labels) in enumerate(parts) if k not in (i, j)))
            sizes: dict[int, int] = {}
            for x, labels in (parts[i], parts[j]):
                for label, size in zip(labels, x.shape, strict=True):
                    sizes[label] = max(size, sizes.get(label, 1))
            made = math.prod(size for label, size in sizes.items() if label in others)
            cost = made - parts[i][0].numel() - parts[j][0].numel()
            if cost < best:
                best, found = cost, (i, j)
    return found


def _narrowed(part: tuple[Tensor, Labels], sizes: dict[int, int]) -> tuple[Tensor, Labels]:
    """Without axes of size 1 that only broadcast against longer ones."""
    x, labels = part
    single = tuple(i for i, label in enumerate(labels) if x.shape[i] == 1 and sizes[label] != 1)
    if not single:
        return part
    return squeeze(x, single), [label for i, label in enumerate(labels) if i not in single]


def _ordered(x: Tensor, labels: Labels, order: Labels) -> Tensor:
    return x if labels == order else permute(x, tuple(labels.index(label) for label in order))


def _product(x: Tensor, left: Labels, y: Tensor, right: Labels, kept: set[int]) -> tuple[Tensor, Labels]:
    """Two operands as one batched product of matrices: (both kept, left's own, summed) and (both kept, summed, right's own)."""
    # What one operand alone has and nobody wants is summed first.
    for labels, others in ((left, right), (right, left)):
        extra = tuple(i for i, label in enumerate(labels) if label not in others and label not in kept)
        if extra and labels is left:
            x, left = total(x, extra), [label for i, label in enumerate(left) if i not in extra]
        elif extra:
            y, right = total(y, extra), [label for i, label in enumerate(right) if i not in extra]
    batch = [label for label in left if label in right and label in kept]
    inside = [label for label in left if label in right and label not in kept]
    rows = [label for label in left if label not in right]
    columns = [label for label in right if label not in left]
    a = _ordered(x, left, batch + rows + inside)
    b = _ordered(y, right, batch + inside + columns)
    size = {**dict(zip(left, x.shape, strict=True)), **dict(zip(right, y.shape, strict=True))}
    lead, over, under = ([size[label] for label in labels] for labels in (batch, rows, columns))
    labels = batch + rows + columns
    if not inside:
        a = reshape(a, (*lead, *over, *(1,) * len(under)))
        b = reshape(b, (*lead, *(1,) * len(over), *under))
        return a * b, labels
    count = math.prod(size[label] for label in inside)
    if not (len(rows) == len(inside) == len(columns) == 1):
        a = reshape(a, (*lead, math.prod(over), count))
        b = reshape(b, (*lead, count, math.prod(under)))
        return reshape(matmul(a, b), (*lead, *over, *under)), labels
    return matmul(a, b), labels
