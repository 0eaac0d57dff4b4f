"""What follows a normalisation in the same pass over memory: scale and shift by channel, a sum, a ReLU; and the ReLU's mask on the way back.

Images lie in memory as (N, ..., C), so they are rows of channels here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import pool
from .activation import plan_bounds
from .elementwise import CLIP, HARDSWISH, SWISH
from .epilogue import MULTIPLY, Epilogue
from .library import Library
from .memory import FLOAT32, Array, Layout, address
from .primitive import DESTINATION, MEAN, SOURCE, SOURCE_1, VARIANCE, WORKSPACE, Primitive, describe

__all__ = [
    "CURVES",
    "FORWARD_INFERENCE",
    "FORWARD_TRAINING",
    "FUSE_RELU",
    "GIVEN_STATISTICS",
    "LIMITS",
    "factors",
    "plan_affine",
    "plan_mask",
]

FORWARD_INFERENCE = 96
FORWARD_TRAINING = 64
GIVEN_STATISTICS = 1
FUSE_RELU = 8

LIMITS: dict[str, tuple[float, float | None]] = {"relu": (0.0, None), "relu6": (0.0, 6.0)}
"""The activations that may follow, and between which numbers they keep theirs."""

CURVES: dict[str, tuple[int, float, float]] = {"silu": (SWISH, 1.0, 0.0), "hardswish": (HARDSWISH, 1 / 6, 0.5)}
"""Those that oneDNN takes within the step before them, with its numbers for them; NaN passes."""

BLOCK = 4 << 20  # bytes: what is written is bounded once more, so rows are taken in blocks that stay in the cache
NARROW_BLOCK = 1 << 19  # elements of which a mask is made at a time

Affine = Callable[..., None]


def factors(
    weight: Array | None, bias: Array | None, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array]:
    """What a normalisation multiplies each channel by, and what it adds, in float32."""
    scale = 1 / np.sqrt(variance.astype(FLOAT32, copy=False) + FLOAT32.type(epsilon))
    if weight is not None:
        scale *= weight.astype(FLOAT32, copy=False)
    shift = mean.astype(FLOAT32, copy=False) * -scale
    if bias is not None:
        shift += bias.astype(FLOAT32, copy=False)
    return scale, shift


def plan_affine(
    library: Library,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    residual: bool,
    activation: str | None,
    *,
    finite: bool = False,
) -> Affine | None:
    """A function of addresses, ``run(x, scale, shift, residual, result)``: x scale + shift by channel, the sum, the activation.

    x is (N, C, ...) of such a shape; the result may lie where x does. Where no result is NaN, ``finite``, the activation is a part
    of the same step, which would take a NaN for a 0.
    """
    channels = shape[1]
    rows, width = math.prod(shape) // channels, channels * dtype.itemsize
    limits, curve = LIMITS.get(activation or ""), CURVES.get(activation or "")
    most = rows if limits is None or finite else max(1, min(rows, BLOCK // width))
    steps: dict[int, tuple[Any, Any]] = {}
    for count in {most, rows % most or most}:
        layout, vector = (
            Layout(library, (count, channels), dtype, (channels, 1)),
            Layout(library, (1, channels), FLOAT32, (channels, 1)),
        )
        epilogue = Epilogue(library)
        names = [epilogue.add(vector)] + ([epilogue.add(layout)] if residual else [])
        if curve is not None:
            epilogue.apply(*curve)
        if limits is not None and finite:
            epilogue.apply(CLIP, limits[0], np.inf if limits[1] is None else limits[1])
        description = describe(library, "binary", MULTIPLY, layout, vector, layout, epilogue=epilogue)
        bound = None if limits is None or finite else plan_bounds(library, count * channels, dtype, *limits)
        if description is None or (bound is None and limits is not None and not finite):
            return None
        steps[count] = Primitive(description, (SOURCE, SOURCE_1, DESTINATION, *names)).run, bound
    pieces = [(start * width, *steps[min(most, rows - start)]) for start in range(0, rows, most)]

    def run(source: int, scale: int, shift: int, beside: int, result: int) -> None:
        for offset, multiply, bound in pieces:
            more = (beside + offset,) if residual else ()
            multiply(source + offset, scale, result + offset, shift, *more)
            if bound is not None:
                bound(result + offset, result + offset)

    return run


def plan_mask(library: Library, result: Array, activation: str) -> Callable[[Array], Array] | None:
    """A function that gives oneDNN's mask of such an activation's result: a bit for each number through which its gradient flows."""
    channels = result.shape[1]
    rows = result.size // channels
    most = min(rows, max(NARROW_BLOCK // channels // 8 * 8, 8))
    zeros, ones = np.zeros(channels, FLOAT32), np.ones(channels, FLOAT32)
    steps: dict[int, tuple[Any, Any]] = {}
    for count in {most, rows % most or most}:
        rows_of, flat = (
            Layout(library, (count, channels), result.dtype, (channels, 1)),
            Layout(library, (count * channels,), result.dtype, (1,)),
        )
        # Normalising by mean 0 and variance 1 changes nothing; its ReLU is asked for the sake of the mask.
        found = describe(
            library,
            "batch_normalization_forward",
            FORWARD_TRAINING,
            rows_of,
            rows_of,
            0.0,
            GIVEN_STATISTICS | FUSE_RELU,
        )
        if found is None or found.layout_bytes(WORKSPACE) < -(-count * channels // 8):
            return None
        inside = None
        if activation == "relu6":  # x min(max(6 - x, 0), 1) is above 0 just between 0 and 6
            description = describe(library, "eltwise_forward", FORWARD_INFERENCE, HARDSWISH, flat, flat, -1.0, 6.0)
            if description is None:
                return None
            inside = Primitive(description, (SOURCE, DESTINATION)).run
        steps[count] = Primitive(found, (SOURCE, DESTINATION, MEAN, VARIANCE, WORKSPACE)).run, inside
    pieces = [(start, *steps[min(most, rows - start)]) for start in range(0, rows, most)]
    room, size, width = pool.allocator((most, channels), result.dtype), result.size, channels * result.itemsize

    def make(result: Array) -> Array:
        mask, block = np.empty(-(-size // 8), np.uint8), room()
        start, bits, scratch = address(result), address(mask), address(block)
        for row, normalise, inside in pieces:
            source = start + row * width
            if inside is not None:
                inside(source, scratch)
                source = scratch
            normalise(source, scratch, address(zeros), address(ones), bits + row * channels // 8)
        return mask

    return make
