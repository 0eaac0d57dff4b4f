"""What kernels share that treat an array as one stretch of memory, however many axes it has and in whatever order."""

from __future__ import annotations

import mmap

import numpy as np

from . import pool
from .library import Library
from .memory import FLOATS, Array, Layout, Result, address, element_strides, is_dense
from .plans import PLANS, Plan, plan
from .primitive import DESTINATION, DESTINATION_GRADIENT, SOURCE, SOURCE_GRADIENT, Primitive, describe
from .reorder import as_layout

FORWARD_INFERENCE = 96
FORWARD_TRAINING = 64

# Numbers of the eltwise algorithms (dnnl_alg_kind_t).
RELU = 0x20
TANH = 0x21
LOGISTIC = 0x29
GELU_TANH = 0x2B
SWISH = 0x2C
GELU_ERF = 0x31
HARDSWISH = 0x34
TANH_FROM_RESULT = 0x101
LOGISTIC_FROM_RESULT = 0x104
CLIP = 0x2F
CLIP_FROM_RESULT = 0x106


def forward(algorithm: int, x: Array, fewest: int, alpha: float = 0.0, beta: float = 0.0) -> Result:
    """An eltwise algorithm on each element of a dense array of `fewest` elements or more."""
    key = (algorithm, x.shape, x.strides, x.dtype, alpha, beta)
    return (PLANS.get(key) or plan(key, _plan_forward, x, algorithm, fewest, alpha, beta))(x)


def backward(algorithm: int, grad: Array, data: Array, fewest: int, alpha: float = 0.0, beta: float = 0.0) -> Result:
    """The gradient of an eltwise algorithm; `data` is its input, or its result for the algorithms that say so."""
    key = (~algorithm, grad.shape, grad.strides, grad.dtype, data.shape, data.strides, data.dtype, alpha, beta)
    return (PLANS.get(key) or plan(key, _plan_backward, grad, data, algorithm, fewest, alpha, beta))(grad, data)


def flat_layout(library: Library, array: Array) -> Layout | None:
    """A dense array of floats as a vector; None for what is not one."""
    if array.dtype not in FLOATS or not array.size or not is_dense(array):
        return None
    return Layout(library, (array.size,), array.dtype, (1,))


def _plan_forward(library: Library, x: Array, algorithm: int, fewest: int, alpha: float, beta: float) -> Plan | None:
    layout = flat_layout(library, x) if x.size >= fewest else None
    if layout is None:
        return None
    description = describe(library, "eltwise_forward", FORWARD_INFERENCE, algorithm, layout, layout, alpha, beta)
    if description is None:
        return None
    run = Primitive(description, (SOURCE, DESTINATION)).run
    allocate = pool.allocator(x.shape, x.dtype, x.strides)

    def compute(x: Array) -> Array:
        result = allocate()
        run(address(x), address(result))
        return result

    return compute


def _plan_backward(
    library: Library, grad: Array, data: Array, algorithm: int, fewest: int, alpha: float, beta: float
) -> Plan | None:
    if data.size < fewest or grad.shape != data.shape or grad.dtype != data.dtype:
        return None
    layout, strides = flat_layout(library, data), element_strides(data)
    if layout is None or strides is None:
        return None
    fetch = as_layout(library, grad, strides)
    plain = algorithm if algorithm < TANH_FROM_RESULT else _INPUT_FORM[algorithm]
    hint = describe(library, "eltwise_forward", FORWARD_TRAINING, plain, layout, layout, alpha, beta)
    if hint is None:
        return None
    description = describe(library, "eltwise_backward", algorithm, layout, layout, layout, alpha, beta, hint)
    if description is None:
        return None
    # What is called "data" is the source or, where the algorithm starts from the result, the destination of the forward
    # pass.
    name = SOURCE if algorithm < TANH_FROM_RESULT else DESTINATION
    run = Primitive(description, (name, DESTINATION_GRADIENT, SOURCE_GRADIENT)).run
    allocate = pool.allocator(data.shape, data.dtype, data.strides)

    def compute(grad: Array, data: Array) -> Array:
        upstream, result = fetch(grad), allocate()
        run(address(data), address(upstream), address(result))
        return result

    return compute


def zeros_address(size: int) -> int:
    """Memory that reads as `size` zero bytes. Nobody writes to it, so the system backs all of it with one page."""
    global _zeros
    if _zeros.nbytes < size:
        _kept.append(_zeros)  # primitives that run now may still read it
        _zeros = _untouched(max(size, 2 * _zeros.nbytes))
    return address(_zeros)


def _untouched(size: int) -> Array:
    try:
        private = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
    except (AttributeError, TypeError):
        return np.zeros(size, np.uint8)
    return np.frombuffer(private, np.uint8)


_zeros: Array = np.zeros(0, np.uint8)
_kept: list[Array] = []
_INPUT_FORM = {TANH_FROM_RESULT: TANH, LOGISTIC_FROM_RESULT: LOGISTIC, CLIP_FROM_RESULT: CLIP}
