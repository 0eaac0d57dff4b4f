"""Products of vectors and matrices under their own names, and of tensors over several axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...dtype import kind
from ...errors import DtypeError, SettingError, ShapeError
from ...modes import is_narrowing
from ...tensor import Tensor, tensor_like
from ..elementwise.complex_numbers import conj
from ..reductions.reduction import normal_axes, one_axis
from ..shapes.create import eye
from ..shapes.diagonals import diagonal
from ..shapes.shape import broadcast_to, permute, reshape, roll, unsqueeze, whole
from .matrix import matmul

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bmm",
    "chain_matmul",
    "cross",
    "dot",
    "ger",
    "inner",
    "kron",
    "matrix_power",
    "mm",
    "mv",
    "outer",
    "tensordot",
    "trace",
    "vdot",
]


def _with_axes(name: str, *operands: tuple[Any, int]) -> list[Tensor]:
    found = [tensor_like(name, x) for x, _ in operands]
    if any(x.ndim != count for x, (_, count) in zip(found, operands, strict=True)):
        wanted = ", ".join(("vector", "matrix", "batch of matrices")[count - 1] for _, count in operands)
        given = ", ".join(str(tuple(x.shape)) for x in found)
        raise ShapeError(f"{name}: wants ({wanted}), but the shapes are {given}; matmul takes any")
    return found


def mm(x: Tensor, y: Tensor) -> Tensor:
    """The product of two matrices, (m, k) and (k, n) to (m, n)."""
    x, y = _with_axes("mm", (x, 2), (y, 2))
    return matmul(x, y)


def bmm(x: Tensor, y: Tensor) -> Tensor:
    """The products of two batches of matrices, (b, m, k) and (b, k, n) to (b, m, n)."""
    x, y = _with_axes("bmm", (x, 3), (y, 3))
    if x.shape[0] != y.shape[0]:
        raise ShapeError(f"bmm: the batches differ: x {tuple(x.shape)}, y {tuple(y.shape)}; matmul broadcasts")
    return matmul(x, y)


def mv(x: Tensor, y: Tensor) -> Tensor:
    """A matrix times a vector, (m, k) and (k) to (m)."""
    x, y = _with_axes("mv", (x, 2), (y, 1))
    return matmul(x, y)


def dot(x: Tensor, y: Tensor) -> Tensor:
    """The sum of x y over two vectors; complex numbers are not conjugated (``vdot`` does)."""
    x, y = _with_axes("dot", (x, 1), (y, 1))
    return matmul(x, y)


def vdot(x: Tensor, y: Tensor) -> Tensor:
    """The sum of conj(x) y over two vectors."""
    x, y = _with_axes("vdot", (x, 1), (y, 1))
    return matmul(conj(x), y)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The sum of conj(x) y over one axis; the others broadcast."""
    x, y = tensor_like("vecdot", x), tensor_like("vecdot", y)
    return (conj(x) * y).sum(dim)


def outer(x: Tensor, y: Tensor) -> Tensor:
    """All products of the elements of two vectors, (m) and (n) to (m, n)."""
    x, y = _with_axes("outer", (x, 1), (y, 1))
    return unsqueeze(x, 1) * y


ger = outer


def inner(x: Tensor, y: Tensor) -> Tensor:
    """The sum of x y over the last axes of both, (..., k) and (..., k): the other axes of x, then those of y."""
    x, y = tensor_like("inner", x), tensor_like("inner", y)
    if not x.ndim or not y.ndim:
        return x * y
    return tensordot(x, y, ([-1], [-1]))


def _sum_of(x: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """beta x + alpha product; with beta 0 nothing of x is looked at, not even NaN."""
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    return (x if beta == 1 else x * beta) + product


def addmm(x: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta x + alpha mat1 mat2; x broadcasts to the product."""
    return _sum_of(*_fitting("addmm", x, mm(mat1, mat2)), beta, alpha)


def addmv(x: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta x + alpha mat vec; x broadcasts to the product."""
    return _sum_of(*_fitting("addmv", x, mv(mat, vec)), beta, alpha)


def addr(x: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta x + alpha times the outer product of two vectors; x broadcasts to it."""
    return _sum_of(*_fitting("addr", x, outer(vec1, vec2)), beta, alpha)


def baddbmm(x: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta x + alpha times the products of two batches of matrices; x broadcasts to them."""
    return _sum_of(*_fitting("baddbmm", x, bmm(batch1, batch2)), beta, alpha)


def addbmm(x: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta x + alpha times the sum of the products of two batches of matrices, (m, n)."""
    left, right = _with_axes("addbmm", (batch1, 3), (batch2, 3))
    if left.shape[0] != right.shape[0]:
        raise ShapeError(f"addbmm: the batches differ: {tuple(left.shape)} and {tuple(right.shape)}")
    # Side by side the batch is part of the sum that one product makes.
    wide = reshape(permute(left, (1, 0, 2)), (left.shape[1], left.shape[0] * left.shape[2]))
    tall = reshape(right, (right.shape[0] * right.shape[1], right.shape[2]))
    return _sum_of(*_fitting("addbmm", x, matmul(wide, tall)), beta, alpha)


def _fitting(name: str, x: Tensor, product: Tensor) -> tuple[Tensor, Tensor]:
    x = tensor_like(name, x)
    if x.dtype != product.dtype and not is_narrowing():
        raise DtypeError(f"{name}: x is of {x.dtype} but the product of {product.dtype}; convert one with .to(dtype)")
    if x.shape != product.shape:
        if x.ndim > product.ndim or any(
            a not in (1, b) for a, b in zip(x.shape[::-1], product.shape[::-1], strict=False)
        ):
            raise ShapeError(f"{name}: x {tuple(x.shape)} does not broadcast to the product {tuple(product.shape)}")
        x = broadcast_to(x, product.shape)
    return x, product


def tensordot(x: Tensor, y: Tensor, dims: Any = 2) -> Tensor:
    """The sum of x y over pairs of axes: the last ``dims`` of x with the first of y, or lists of axes, one for each tensor."""
    x, y = tensor_like("tensordot", x), tensor_like("tensordot", y)
    if isinstance(dims, (tuple, list)):
        first, second = (whole("tensordot", list(d) if isinstance(d, (tuple, list)) else [d]) for d in dims)
        left, right = normal_axes("tensordot", first, x.ndim), normal_axes("tensordot", second, y.ndim)
    else:
        count = whole("tensordot", dims)
        if not 0 <= count <= min(x.ndim, y.ndim):
            raise SettingError(
                f"tensordot: dims is a number of axes that both tensors have, not {dims} (x {tuple(x.shape)}, y {tuple(y.shape)})"
            )
        left, right = tuple(range(x.ndim - count, x.ndim)), tuple(range(count))
    if len(left) != len(right) or any(x.shape[a] != y.shape[b] for a, b in zip(left, right, strict=True)):
        raise ShapeError(
            f"tensordot: the axes {left} of x {tuple(x.shape)} and {right} of y {tuple(y.shape)} must be as many, and of equal sizes"
        )
    rows, columns = ([i for i in range(t.ndim) if i not in axes] for t, axes in ((x, left), (y, right)))
    inside = math.prod(x.shape[a] for a in left)
    over, under = [x.shape[i] for i in rows], [y.shape[i] for i in columns]
    a = reshape(permute(x, (*rows, *left)) if x.ndim else x, (math.prod(over), inside))
    b = reshape(permute(y, (*right, *columns)) if y.ndim else y, (inside, math.prod(under)))
    return reshape(matmul(a, b), (*over, *under))


def trace(x: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    (x,) = _with_axes("trace", (x, 2))
    return diagonal(x).sum()


def kron(x: Tensor, y: Tensor) -> Tensor:
    """Kronecker's product: each element of x times the whole of y, laid out as blocks; axes are added in front."""
    x, y = tensor_like("kron", x), tensor_like("kron", y)
    n = max(x.ndim, y.ndim)
    over, under = (1,) * (n - x.ndim) + x.shape, (1,) * (n - y.ndim) + y.shape
    a = reshape(x, tuple(v for size in over for v in (size, 1)))
    b = reshape(y, tuple(v for size in under for v in (1, size)))
    return reshape(a * b, tuple(p * q for p, q in zip(over, under, strict=True)))


def cross(x: Tensor, y: Tensor, dim: int | None = None) -> Tensor:
    """The cross product along an axis of size 3: the first such axis unless ``dim`` names one; the others broadcast."""
    x, y = tensor_like("cross", x), tensor_like("cross", y)
    if dim is None:
        dim = next((i for i, size in enumerate(x.shape) if size == 3), None)
    if dim is None or x.ndim != y.ndim:
        raise ShapeError(
            f"cross: wants tensors of as many axes, one of them of size 3 (x {tuple(x.shape)}, y {tuple(y.shape)})"
        )
    axis = one_axis("cross", dim, x.ndim)
    if x.shape[axis] != 3 or y.shape[axis] != 3:
        raise ShapeError(f"cross: axis {dim} must have size 3 (x {tuple(x.shape)}, y {tuple(y.shape)})")
    return roll(x, -1, axis) * roll(y, -2, axis) - roll(x, -2, axis) * roll(y, -1, axis)


def square(name: str, x: Any) -> Tensor:
    """Square matrices of floating-point or complex numbers, (..., n, n); checked."""
    x = tensor_like(name, x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: wants square matrices, (..., n, n), not shape {tuple(x.shape)}")
    return x  # type: ignore[no-any-return]


def matrix_power(x: Tensor, n: int) -> Tensor:
    """The product of ``n`` copies of square matrices; of their inverses where n is negative."""
    x, times = square("matrix_power", x), whole("matrix_power", n)
    if times < 0:
        from .solving import inverse

        return matrix_power(inverse(x), -times)
    if times == 0:
        return broadcast_to(eye(x.shape[-1], dtype=x.dtype, device=x.device), x.shape)
    result: Tensor | None = None
    while times:
        if times & 1:
            result = x if result is None else matmul(result, x)
        times >>= 1
        x = matmul(x, x) if times else x
    assert result is not None
    return result


def chain_matmul(*matrices: Any) -> Tensor:
    """The product of several matrices, in the order that costs least; the first and the last may be vectors."""
    listed: Sequence[Any] = matrices[0] if len(matrices) == 1 and isinstance(matrices[0], (tuple, list)) else matrices
    found = [tensor_like("multi_dot", x) for x in listed]
    if not found:
        raise ShapeError("multi_dot: needs at least one matrix")
    ends = (0, len(found) - 1)
    if any(x.ndim != 2 and not (x.ndim == 1 and i in ends) for i, x in enumerate(found)):
        raise ShapeError(
            f"multi_dot: wants matrices (the first and the last may be vectors), not {', '.join(str(tuple(x.shape)) for x in found)}"
        )
    if any(kind(x.dtype) != kind(found[0].dtype) for x in found):
        raise DtypeError("multi_dot: all matrices must have one dtype; convert with .to(dtype)")
    sizes = [1 if found[0].ndim == 1 else found[0].shape[0], *(x.shape[0] for x in found[1:])]
    sizes.append(1 if found[-1].ndim == 1 else found[-1].shape[-1])
    return _chain(found, _cuts(sizes), 0, len(found) - 1)


def _cuts(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut each stretch of a chain so that it costs least; Cormen et al., Introduction to Algorithms, 14.2."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    cuts: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for first in range(count - length):
            last = first + length
            cost[first, last], cuts[first, last] = min(
                (cost[first, k] + cost[k + 1, last] + sizes[first] * sizes[k + 1] * sizes[last + 1], k)
                for k in range(first, last)
            )
    return cuts


def _chain(found: list[Tensor], cuts: dict[tuple[int, int], int], first: int, last: int) -> Tensor:
    if first == last:
        return found[first]
    cut = cuts[first, last]
    return matmul(_chain(found, cuts, first, cut), _chain(found, cuts, cut + 1, last))
