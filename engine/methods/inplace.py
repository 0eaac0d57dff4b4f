"""The methods that write into a tensor in place, under the rule of assignment: never where a graph could notice.

A computed tensor is refused, and so is one that requires a gradient while graphs are recorded: write inside ``no_grad()``, or
build a new tensor. What was written to is noted, so that a graph that kept the old values refuses to go backward. Results are
brought to the tensor's dtype within their kind: integers into floats, but no floats into integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..dtype import float32, float64, kind
from ..errors import DtypeError, ShapeError

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


def _overwrite(name: str, x: Tensor, function: Any, *others: Any, **settings: Any) -> Tensor:
    """Write what the function makes of the tensor and others into the tensor, and give it."""
    ops.indexing.index.refuse_writing(name, x, *others, *settings.values())
    result = function(x.detach(), *others, **settings)
    if result.shape != x.shape:
        raise ShapeError(
            f"{name}: the result of shape {tuple(result.shape)} does not fit into a tensor of {tuple(x.shape)}; "
            f"use .{name[:-1]}, which makes a new one"
        )
    if kind(result.dtype) > kind(x.dtype):
        raise DtypeError(
            f"{name}: the result of {result.dtype} does not fit into a tensor of {x.dtype}; use .{name[:-1]}, which makes a new one"
        )
    with np.errstate(over="ignore"):
        x.array[...] = result.array
    ops.indexing.index.touch(x)
    return x


def _combined(name: str, x: Tensor, ufunc: Any, function: Any, other: Any) -> Tensor:
    """The same for a sum, difference, product or quotient: without a copy where NumPy can write to the place itself."""
    array = x.array
    raw = getattr(other, "array", other)
    fits = type(raw) in (int, float) or (type(raw) is np.ndarray and raw.dtype == array.dtype)
    if type(array) is not np.ndarray or array.dtype not in (float32, float64) or not fits:
        return _overwrite(name, x, function, other)
    ops.indexing.index.refuse_writing(name, x, other)
    try:
        with np.errstate(all="ignore"):
            ufunc(array, raw, out=array)
    except (ValueError, OverflowError):
        return _overwrite(name, x, function, other)  # which says what is wrong
    ops.indexing.index.touch(x)
    return x


def _turned(name: str, x: Tensor, function: Any, *arguments: Any) -> Tensor:
    """Give the tensor another view of its memory."""
    ops.indexing.index.refuse_writing(name, x)
    x.array = function(x.detach(), *arguments).array
    ops.indexing.index.touch(x)
    return x


class InplaceMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def copy_(self: Any, source: Any, non_blocking: Any = False) -> Any:
        ops.assign(self, ..., source.to(device=self.device) if hasattr(source, "to") else source, name="copy_")
        return self

    def fill_(self: Any, value: Any) -> Any:
        if getattr(value, "ndim", 0):
            raise ShapeError(f"fill_: wants one number, not shape {tuple(value.shape)}; use copy_")
        ops.assign(self, ..., value, name="fill_")
        return self

    def zero_(self: Any) -> Any:
        ops.assign(self, ..., 0, name="zero_")
        return self

    def add_(self: Any, other: Any, *, alpha: Any = 1) -> Any:
        return _combined("add_", self, np.add, ops.add, other if alpha == 1 else other * alpha)

    def sub_(self: Any, other: Any, *, alpha: Any = 1) -> Any:
        return _combined("sub_", self, np.subtract, ops.sub, other if alpha == 1 else other * alpha)

    def mul_(self: Any, other: Any) -> Any:
        return _combined("mul_", self, np.multiply, ops.mul, other)

    def div_(self: Any, other: Any, *, rounding_mode: Any = None) -> Any:
        if rounding_mode is not None:
            return _overwrite("div_", self, ops.div, other, rounding_mode=rounding_mode)
        return _combined("div_", self, np.divide, ops.div, other)

    def floor_divide_(self: Any, other: Any) -> Any:
        return _overwrite("floor_divide_", self, ops.floor_divide, other)

    def remainder_(self: Any, other: Any) -> Any:
        return _overwrite("remainder_", self, ops.remainder, other)

    def fmod_(self: Any, other: Any) -> Any:
        return _overwrite("fmod_", self, ops.fmod, other)

    def pow_(self: Any, exponent: Any) -> Any:
        return _overwrite("pow_", self, ops.pow, exponent)

    def logical_and_(self: Any, other: Any) -> Any:
        return _overwrite("logical_and_", self, ops.logical_and, other)

    def logical_or_(self: Any, other: Any) -> Any:
        return _overwrite("logical_or_", self, ops.logical_or, other)

    def logical_xor_(self: Any, other: Any) -> Any:
        return _overwrite("logical_xor_", self, ops.logical_xor, other)

    def bitwise_and_(self: Any, other: Any) -> Any:
        return _overwrite("bitwise_and_", self, ops.bitwise_and, other)

    def bitwise_or_(self: Any, other: Any) -> Any:
        return _overwrite("bitwise_or_", self, ops.bitwise_or, other)

    def bitwise_xor_(self: Any, other: Any) -> Any:
        return _overwrite("bitwise_xor_", self, ops.bitwise_xor, other)

    def bitwise_left_shift_(self: Any, other: Any) -> Any:
        return _overwrite("bitwise_left_shift_", self, ops.bitwise_left_shift, other)

    def bitwise_right_shift_(self: Any, other: Any) -> Any:
        return _overwrite("bitwise_right_shift_", self, ops.bitwise_right_shift, other)

    def clamp_(self: Any, min: Any = None, max: Any = None) -> Any:
        return _overwrite("clamp_", self, ops.clamp, min, max)

    def clip_(self: Any, min: Any = None, max: Any = None) -> Any:
        return _overwrite("clip_", self, ops.clamp, min, max)

    def clamp_min_(self: Any, min: Any) -> Any:
        return _overwrite("clamp_min_", self, ops.clamp_min, min)

    def clamp_max_(self: Any, max: Any) -> Any:
        return _overwrite("clamp_max_", self, ops.clamp_max, max)

    def lerp_(self: Any, end: Any, weight: Any) -> Any:
        return _overwrite("lerp_", self, ops.lerp, end, weight)

    def addcmul_(self: Any, first: Any, second: Any, *, value: Any = 1) -> Any:
        return _overwrite("addcmul_", self, ops.addcmul, first, second, value=value)

    def addcdiv_(self: Any, first: Any, second: Any, *, value: Any = 1) -> Any:
        return _overwrite("addcdiv_", self, ops.addcdiv, first, second, value=value)

    def masked_fill_(self: Any, mask: Any, value: Any) -> Any:
        return _overwrite("masked_fill_", self, ops.masked_fill, mask, value)

    def masked_scatter_(self: Any, mask: Any, source: Any) -> Any:
        return _overwrite("masked_scatter_", self, ops.masked_scatter, mask, source)

    def scatter_(self: Any, dim: Any, index: Any, src: Any = None, *, value: Any = None, reduce: Any = None) -> Any:
        return _overwrite("scatter_", self, ops.scatter, dim, index, src, value=value, reduce=reduce)

    def scatter_add_(self: Any, dim: Any, index: Any, src: Any) -> Any:
        return _overwrite("scatter_add_", self, ops.scatter_add, dim, index, src)

    def index_add_(self: Any, dim: Any, index: Any, source: Any, *, alpha: Any = 1) -> Any:
        return _overwrite("index_add_", self, ops.index_add, dim, index, source, alpha=alpha)

    def index_copy_(self: Any, dim: Any, index: Any, source: Any) -> Any:
        return _overwrite("index_copy_", self, ops.index_copy, dim, index, source)

    def index_fill_(self: Any, dim: Any, index: Any, value: Any) -> Any:
        return _overwrite("index_fill_", self, ops.index_fill, dim, index, value)

    def index_put_(self: Any, indices: Any, values: Any, accumulate: Any = False) -> Any:
        return _overwrite("index_put_", self, ops.index_put, indices, values, accumulate)

    def scatter_reduce_(self: Any, dim: Any, index: Any, src: Any, reduce: Any, *, include_self: Any = True) -> Any:
        return _overwrite(
            "scatter_reduce_", self, ops.scatter_reduce, dim, index, src, reduce, include_self=include_self
        )

    def index_reduce_(self: Any, dim: Any, index: Any, source: Any, reduce: Any, *, include_self: Any = True) -> Any:
        return _overwrite(
            "index_reduce_", self, ops.index_reduce, dim, index, source, reduce, include_self=include_self
        )

    def put_(self: Any, index: Any, source: Any, accumulate: Any = False) -> Any:
        return _overwrite("put_", self, ops.put, index, source, accumulate)

    def fill_diagonal_(self: Any, fill_value: Any, wrap: Any = False) -> Any:
        if self.ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1):
            raise ShapeError(f"fill_diagonal_: wants a matrix, or more axes of one size, not shape {tuple(self.shape)}")
        ops.indexing.index.refuse_writing("fill_diagonal_", self)
        np.fill_diagonal(self.array, fill_value, wrap)
        ops.indexing.index.touch(self)
        return self

    def nan_to_num_(self: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
        return _overwrite("nan_to_num_", self, ops.nan_to_num, nan, posinf, neginf)

    def round_(self: Any, *, decimals: Any = 0) -> Any:
        return _overwrite("round_", self, ops.round, decimals=decimals)

    def tril_(self: Any, diagonal: Any = 0) -> Any:
        return _overwrite("tril_", self, ops.tril, diagonal)

    def triu_(self: Any, diagonal: Any = 0) -> Any:
        return _overwrite("triu_", self, ops.triu, diagonal)

    def abs_(self: Any) -> Any:
        return _overwrite("abs_", self, ops.abs)

    def ceil_(self: Any) -> Any:
        return _overwrite("ceil_", self, ops.ceil)

    def cos_(self: Any) -> Any:
        return _overwrite("cos_", self, ops.cos)

    def erf_(self: Any) -> Any:
        return _overwrite("erf_", self, ops.erf)

    def exp_(self: Any) -> Any:
        return _overwrite("exp_", self, ops.exp)

    def exp2_(self: Any) -> Any:
        return _overwrite("exp2_", self, ops.exp2)

    def expm1_(self: Any) -> Any:
        return _overwrite("expm1_", self, ops.expm1)

    def floor_(self: Any) -> Any:
        return _overwrite("floor_", self, ops.floor)

    def frac_(self: Any) -> Any:
        return _overwrite("frac_", self, ops.frac)

    def log_(self: Any) -> Any:
        return _overwrite("log_", self, ops.log)

    def log1p_(self: Any) -> Any:
        return _overwrite("log1p_", self, ops.log1p)

    def log2_(self: Any) -> Any:
        return _overwrite("log2_", self, ops.log2)

    def log10_(self: Any) -> Any:
        return _overwrite("log10_", self, ops.log10)

    def logical_not_(self: Any) -> Any:
        return _overwrite("logical_not_", self, ops.logical_not)

    def neg_(self: Any) -> Any:
        return _overwrite("neg_", self, ops.neg)

    def reciprocal_(self: Any) -> Any:
        return _overwrite("reciprocal_", self, ops.reciprocal)

    def relu_(self: Any) -> Any:
        return _overwrite("relu_", self, ops.relu)

    def rsqrt_(self: Any) -> Any:
        return _overwrite("rsqrt_", self, ops.rsqrt)

    def sigmoid_(self: Any) -> Any:
        return _overwrite("sigmoid_", self, ops.sigmoid)

    def sign_(self: Any) -> Any:
        return _overwrite("sign_", self, ops.sign)

    def sin_(self: Any) -> Any:
        return _overwrite("sin_", self, ops.sin)

    def sqrt_(self: Any) -> Any:
        return _overwrite("sqrt_", self, ops.sqrt)

    def square_(self: Any) -> Any:
        return _overwrite("square_", self, ops.square)

    def tan_(self: Any) -> Any:
        return _overwrite("tan_", self, ops.tan)

    def tanh_(self: Any) -> Any:
        return _overwrite("tanh_", self, ops.tanh)

    def trunc_(self: Any) -> Any:
        return _overwrite("trunc_", self, ops.trunc)

    def acos_(self: Any) -> Any:
        return _overwrite("acos_", self, ops.acos)

    def acosh_(self: Any) -> Any:
        return _overwrite("acosh_", self, ops.acosh)

    def asin_(self: Any) -> Any:
        return _overwrite("asin_", self, ops.asin)

    def asinh_(self: Any) -> Any:
        return _overwrite("asinh_", self, ops.asinh)

    def atan_(self: Any) -> Any:
        return _overwrite("atan_", self, ops.atan)

    def atanh_(self: Any) -> Any:
        return _overwrite("atanh_", self, ops.atanh)

    def cosh_(self: Any) -> Any:
        return _overwrite("cosh_", self, ops.cosh)

    def sinh_(self: Any) -> Any:
        return _overwrite("sinh_", self, ops.sinh)

    def sinc_(self: Any) -> Any:
        return _overwrite("sinc_", self, ops.sinc)

    def digamma_(self: Any) -> Any:
        return _overwrite("digamma_", self, ops.digamma)

    def lgamma_(self: Any) -> Any:
        return _overwrite("lgamma_", self, ops.lgamma)

    def erfc_(self: Any) -> Any:
        return _overwrite("erfc_", self, ops.erfc)

    def erfinv_(self: Any) -> Any:
        return _overwrite("erfinv_", self, ops.erfinv)

    def bitwise_not_(self: Any) -> Any:
        return _overwrite("bitwise_not_", self, ops.bitwise_not)

    def atan2_(self: Any, other: Any) -> Any:
        return _overwrite("atan2_", self, ops.atan2, other)

    def copysign_(self: Any, other: Any) -> Any:
        return _overwrite("copysign_", self, ops.copysign, other)

    def hypot_(self: Any, other: Any) -> Any:
        return _overwrite("hypot_", self, ops.hypot, other)

    def xlogy_(self: Any, other: Any) -> Any:
        return _overwrite("xlogy_", self, ops.xlogy, other)

    def cumsum_(self: Any, dim: Any) -> Any:
        return _overwrite("cumsum_", self, ops.cumsum, dim)

    def cumprod_(self: Any, dim: Any) -> Any:
        return _overwrite("cumprod_", self, ops.cumprod, dim)

    def addmm_(self: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        return _overwrite("addmm_", self, ops.addmm, mat1, mat2, beta=beta, alpha=alpha)

    def addmv_(self: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        return _overwrite("addmv_", self, ops.addmv, mat, vec, beta=beta, alpha=alpha)

    def addr_(self: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        return _overwrite("addr_", self, ops.addr, vec1, vec2, beta=beta, alpha=alpha)

    def baddbmm_(self: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        return _overwrite("baddbmm_", self, ops.baddbmm, batch1, batch2, beta=beta, alpha=alpha)

    def addbmm_(self: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        return _overwrite("addbmm_", self, ops.addbmm, batch1, batch2, beta=beta, alpha=alpha)

    def sgn_(self: Any) -> Any:
        return _overwrite("sgn_", self, ops.sgn)

    def squeeze_(self: Any, dim: Any = None) -> Any:
        return _turned("squeeze_", self, ops.squeeze, dim)

    def unsqueeze_(self: Any, dim: Any) -> Any:
        return _turned("unsqueeze_", self, ops.unsqueeze, dim)

    def t_(self: Any) -> Any:
        return _turned("t_", self, ops.t)

    def transpose_(self: Any, dim0: Any, dim1: Any) -> Any:
        return _turned("transpose_", self, ops.transpose, dim0, dim1)

    def swapaxes_(self: Any, axis0: Any, axis1: Any) -> Any:
        return _turned("swapaxes_", self, ops.swapaxes, axis0, axis1)

    def swapdims_(self: Any, dim0: Any, dim1: Any) -> Any:
        return _turned("swapdims_", self, ops.swapdims, dim0, dim1)


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    globals()["ops"] = operations
