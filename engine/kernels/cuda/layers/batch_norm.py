"""Normalisation of images by batches and by groups of channels, whether their channels or their planes lie side by side.

Statistics and sums take two stages, always in the same order: parts of the channels over the whole GPU, and the parts together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from ....dtype import Array, Dtype, accumulator, int64
from ....ops.layers.batching import Moving, check_batch_norm
from ....ops.layers.grouping import check_group_norm
from ...plans import Plans
from ..forms import VECTOR, form, gatherer, parameter, row_order
from ..layout import maker
from ..machine import Machine, machine
from ..program import SCALARS, Kernel, scalars

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_training",
    "group_norm",
    "group_norm_backward",
]

Result = Any
Plan = Callable[..., Result]

MOST = 256
"""Threads of a block."""
EACH_PROCESSOR = 4
NARROW = 3
"""Blocks for each multiprocessor that share an array, and of numbers of two bytes, whose threads hold more of them: what it has room for."""
SHORT, LONGEST = 8, 1 << 14
"""Accesses of each thread with which a warp takes a part of a plane, at most, and numbers of one that a block takes."""

MOST_PLANES = 1 << 30

PLANS: Plans[Plan] = Plans()


def batch_norm(
    x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array, residual: Array | None = None, *,
    epsilon: float = 1e-5, activation: str | None = None,
) -> Result:  # fmt: skip
    """(x - mean) / sqrt(variance + epsilon) * weight + bias, channel by channel, with given statistics."""
    if residual is not None or activation is not None:
        return NotImplemented
    # fmt: off
    key = (
        batch_norm, machine(), x.shape, x.strides, x.dtype, form(weight), form(bias), mean.shape, mean.strides, mean.dtype, form(variance),
        epsilon,
    )
    # fmt: on
    found = PLANS.get(key) or PLANS.make(key, _plan_inference, x, weight, bias, mean, variance, epsilon)
    return found(x, weight, bias, mean, variance)


def batch_norm_training(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    epsilon: float = 1e-5,
    moving: Moving | None = None,
    activation: str | None = None,
) -> Result:
    """batch_norm by the batch's own statistics; gives the result, the mean and the variance of each channel; ``moving`` ones are moved."""
    if residual is not None or activation is not None:
        return NotImplemented
    moved = None if moving is None else (form(moving.mean), form(moving.variance), form(moving.count))
    key = (batch_norm_training, machine(), x.shape, x.strides, x.dtype, form(weight), form(bias), epsilon, moved)
    found = PLANS.get(key) or PLANS.make(key, _plan_training, x, weight, bias, epsilon, moving)
    return found(x, weight, bias, moving)


def batch_norm_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, bias: Array | None = None, result: Array | None = None, *,
    epsilon: float, activation: str | None = None,
) -> Result:  # fmt: skip
    """The gradients of batch_norm_training for x, weight and bias."""
    if activation is not None:
        return NotImplemented
    # fmt: off
    key = (
        batch_norm_backward, machine(), flow.shape, flow.strides, flow.dtype, x.shape, x.strides, x.dtype, form(weight), form(mean),
        form(variance), epsilon,
    )
    # fmt: on
    found = PLANS.get(key) or PLANS.make(key, _plan_backward, flow, x, weight, mean, variance, 0, epsilon)
    return found(flow, x, weight, mean, variance)


def group_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, groups: int, epsilon: float = 1e-5
) -> Result:
    """(x - mean) / sqrt(variance + epsilon) of each example's groups of channels, times weight, plus bias."""
    key = (group_norm, machine(), form(x), form(weight), form(bias), groups, epsilon)
    return (PLANS.get(key) or PLANS.make(key, _plan_group_norm, x, weight, bias, groups, epsilon))(x, weight, bias)


def group_norm_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array, *, groups: int
) -> Result:
    """The gradients of group_norm for x, weight and bias."""
    key = (group_norm_backward, machine(), form(flow), form(x), form(weight), form(mean), form(inverse), groups)
    found = PLANS.get(key) or PLANS.make(key, _plan_backward, flow, x, weight, mean, inverse, groups, 0.0)
    return found(flow, x, weight, mean, inverse)


class Images(NamedTuple):
    """How images lie, and how the GPU shares them."""

    order: tuple[int, ...]
    columns: bool
    """Whether channels lie side by side; else planes do."""
    number: int
    """Of images; 1 where the rows of all of them can be taken as one's."""
    channels: int
    size: int
    per: int
    parts: int
    across: int
    grid: int | tuple[int, int, int]
    block: int | tuple[int, int, int]

    @property
    def sizes(self) -> tuple[int, ...]:
        """What kernels are told of them."""
        if self.columns:
            return self.size, self.channels, self.per, self.across
        return self.number * self.channels, self.channels, self.size, self.per, self.parts


def images_of(here: Machine, x: Array, each_alone: bool) -> Images:
    """How x (batch, channels, ...) is taken: by rows of channels, or in row order plane by plane; ``each_alone`` keeps its images apart."""
    ndim, channels = x.ndim, x.shape[1]
    number, size = x.shape[0], math.prod(x.shape[2:])
    blocks = here.processors * (NARROW if x.itemsize == 2 else EACH_PROCESSOR)
    if x.flags.c_contiguous and channels > 1 and size > 1:
        per = min(size, LONGEST)
        parts = -(-size // per)
        # A warp for each part where they are short, else a block.
        block = (32, MOST // 32, 1) if per * x.itemsize <= 32 * VECTOR * SHORT else (MOST, 1, 1)
        grid = min(-(-number * channels * parts // block[1]), 16 * blocks)
        return Images(tuple(range(ndim)), False, number, channels, size, per, parts, 0, grid, block)
    turned = (0, *range(2, ndim), 1)
    rows = row_order(x.transpose(turned), 1)
    order = turned if rows is None else tuple(turned[axis] for axis in rows.order)
    if each_alone:
        # An image's rows must follow one another.
        order = turned if order[0] != 0 else order
    else:
        number, size = 1, number * size
    vectors = -(-channels * x.itemsize // VECTOR)
    across = -(-vectors // -(-vectors // 32))
    wide = -(-vectors // across)
    wanted = max(1, min(-(-size // (MOST // across * 8)), -(-blocks // (wide * number)), 65535))
    per = -(-size // wanted)
    parts = -(-size // per)
    return Images(order, True, number, channels, size, per, parts, across, (wide, parts, number), MOST)


@lru_cache(512)
def _kernel(name: str, signature: str, dtype: Dtype, named: str, grouped: bool, running: str = "") -> Kernel:
    own = scalars(dtype)
    letters = signature.replace("W", "d" if own["WIDE"] == "double" else "f")
    more = {"RUNNING": running} if running not in ("", own["WIDE"]) else {}
    source = "planes.cu" if name.startswith("plane_") else "images.cu"
    return Kernel(source, name, letters, **own, PARAM=named, GROUPED=int(grouped), **more)


class _Launches:
    """Prepared launches of kernels for images that lie so: the addresses are open, what follows the sizes is given."""

    def __init__(
        self, here: Machine, images: Images, dtype: Dtype, named: str, grouped: bool, running: str = ""
    ) -> None:
        self._here, self._images, self._named = here, images, (dtype, named, grouped, running)

    def __call__(self, name: str, addresses: int, more: str = "", *given: float) -> Callable[..., None]:
        images = self._images
        first, sizes = ("column", "qqqi") if images.columns else ("plane", "qqqqq")
        kernel = _kernel(f"{first}_{name}", "P" * addresses + sizes + more, *self._named)
        return kernel.prepared(self._here, images.grid, images.block, *(None,) * addresses, *images.sizes, *given)


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _served(x: Array, *vectors: Array | None) -> str | None:
    """What weights are called, if x and they are served."""
    if x.dtype not in SCALARS or not x.size or x.shape[0] > 65535 or x.shape[0] * x.shape[1] > MOST_PLANES:
        return None
    return parameter(x.dtype, *vectors)


def _plan_inference(
    x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array, epsilon: float
) -> Plan:
    check_batch_norm("batch_norm", x, weight, bias, mean, variance)
    named = _served(x, weight, bias)
    if named is None or mean.dtype not in (x.dtype, accumulator(x.dtype)) or variance.dtype != mean.dtype:
        return _refuse
    here = machine()
    images = images_of(here, x, False)
    launches = _Launches(here, images, x.dtype, named, False, SCALARS[mean.dtype][0])
    normalise = launches("normalise", 6, "qW", 1, epsilon)
    gather = gatherer(here, (x, images.order), *((vector, None) for vector in (weight, bias, mean, variance)))
    make, address = maker(here, x.shape, x.dtype, images.order), here.address

    def compute(x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array) -> Array:
        if gather is not None:
            x, weight, bias, mean, variance = gather(x, weight, bias, mean, variance)
        out = make()
        normalise(
            address(x), address(mean), address(variance), 0 if weight is None else address(weight), 0 if bias is None else address(bias),
            address(out),
        )  # fmt: skip
        return out

    return compute


def _moves(moving: Moving | None, channels: int, named: str) -> bool:
    """Whether the kernel moves these running statistics: dense vectors of the weights' dtype, and a count of int64."""
    if moving is None:
        return False
    count = moving.count
    if count is not None and (count.dtype != int64 or count.size != 1):
        return False
    held = (moving.mean, moving.variance)
    return all(
        v.shape == (channels,) and v.flags.c_contiguous and SCALARS.get(v.dtype, ("",))[0] == named for v in held
    )


def _plan_training(x: Array, weight: Array | None, bias: Array | None, epsilon: float, moving: Moving | None) -> Plan:
    check_batch_norm("batch_norm_training", x, weight, bias)
    named, wide = _served(x, weight, bias), accumulator(x.dtype)
    if named is None:
        return _refuse
    here = machine()
    images = images_of(here, x, False)
    launches = _Launches(here, images, x.dtype, named, False)
    moments, normalise = launches("moments", 3), launches("normalise", 6, "qW", 1, epsilon)
    channels, numbers = images.channels, images.number * images.parts
    moves = _moves(moving, channels, named)
    fixed = (images.number, images.parts, channels, images.size, images.per)
    united = _kernel("channel_moments", "PPPPqqqqqPPPWWW", x.dtype, named, False).prepared(
        here, -(-channels // 4), 256, *(None,) * 4, *fixed, *((None,) * 6 if moves else (0, 0, 0, 0.0, 0.0, 0.0))
    )
    gather = gatherer(here, (x, images.order), (weight, None), (bias, None))
    make, keep = maker(here, x.shape, x.dtype, images.order), maker(here, (channels,), wide)
    address, memory, half = here.address, here.memory, numbers * channels * 8

    def compute(x: Array, weight: Array | None, bias: Array | None, moving: Moving | None) -> Result:
        if gather is not None:
            x, weight, bias = gather(x, weight, bias)
        out, mean, variance, partial = make(), keep(), keep(), memory(2 * half)
        source, start, middles, spreads = address(x), partial.ptr, address(mean), address(variance)
        moments(source, start, start + half)
        if moves and moving is not None:
            count, share = moving.count, moving.momentum
            united(
                start, start + half, middles, spreads, address(moving.mean), address(moving.variance), 0 if count is None else address(count),
                1 - share, share, share * moving.unbiased,
            )  # fmt: skip
            moving.moved = True
        else:
            united(start, start + half, middles, spreads)
        normalise(
            source, middles, spreads, 0 if weight is None else address(weight), 0 if bias is None else address(bias), address(out)
        )  # fmt: skip
        return out, mean, variance

    return compute


def _plan_group_norm(x: Array, weight: Array | None, bias: Array | None, groups: int, epsilon: float) -> Plan:
    check_group_norm(x, weight, bias, groups)
    named, wide = _served(x, weight, bias), accumulator(x.dtype)
    if named is None:
        return _refuse
    here = machine()
    images = images_of(here, x, True)
    launches = _Launches(here, images, x.dtype, named, True)
    moments, normalise = launches("moments", 3), launches("normalise", 6, "qW", groups, epsilon)
    channels, numbers, each = images.channels, images.number * images.parts, images.channels // groups
    kept = x.shape[0] * groups
    united = _kernel("group_moments", "PPPPqqqqqW", x.dtype, named, True).prepared(
        here, kept, 128, *(None,) * 4, groups, each, images.parts, images.size, images.per, epsilon
    )
    gather = gatherer(here, (x, images.order), (weight, None), (bias, None))
    make, keep = maker(here, x.shape, x.dtype, images.order), maker(here, (kept, 1), wide)
    address, memory, half = here.address, here.memory, numbers * channels * 8

    def compute(x: Array, weight: Array | None, bias: Array | None) -> Result:
        if gather is not None:
            x, weight, bias = gather(x, weight, bias)
        out, mean, inverse, partial = make(), keep(), keep(), memory(2 * half)
        source, start, middles, factors = address(x), partial.ptr, address(mean), address(inverse)
        moments(source, start, start + half)
        united(start, start + half, middles, factors)
        normalise(
            source, middles, factors, 0 if weight is None else address(weight), 0 if bias is None else address(bias), address(out)
        )  # fmt: skip
        return out, mean, inverse

    return compute


def _plan_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, factor: Array, groups: int, epsilon: float
) -> Plan:
    """The way back of both: ``groups`` 0 is the batch's, whose factors are variances."""
    named, wide, grouped = _served(x, weight), accumulator(x.dtype), groups > 0
    kept = (x.shape[0] * groups, 1) if grouped else (x.shape[1],)
    if named is None or flow.dtype != x.dtype or flow.shape != x.shape:
        return _refuse
    if any(vector.dtype != wide or vector.shape != kept for vector in (mean, factor)):
        return _refuse
    here = machine()
    images = images_of(here, x, grouped)
    launches = _Launches(here, images, x.dtype, named, grouped)
    channels, numbers = images.channels, images.number * images.parts
    products = launches("products", 6, "qW", groups or 1, epsilon)
    slopes = launches("slopes", 8, "qWW", groups or 1, epsilon, channels / x.size)
    totals = Kernel("columns.cu", "column_totals", "PPPPqq", **scalars(x.dtype)).prepared(
        here, -(-channels // 8), 256, None, None, None, None, numbers, channels
    )
    united = None
    if grouped:
        united = _kernel("group_products", "PPPPPqqqq", x.dtype, named, True).prepared(
            here, kept[0], 128, *(None,) * 5, groups, channels // groups, images.parts, images.size
        )
    gather = gatherer(here, (flow, images.order), (x, images.order), (weight, None), (mean, None), (factor, None))
    make, keep = maker(here, x.shape, x.dtype, images.order), maker(here, (channels,), wide)
    address, memory, half, share = here.address, here.memory, numbers * channels * wide.itemsize, kept[0] * wide.itemsize  # fmt: skip

    def compute(flow: Array, x: Array, weight: Array | None, mean: Array, factor: Array) -> Result:
        if gather is not None:
            flow, x, weight, mean, factor = gather(flow, x, weight, mean, factor)
        out, along, total, partial = make(), keep(), keep(), memory(2 * half)
        arrived, source, middles, factors = address(flow), address(x), address(mean), address(factor)
        scale = 0 if weight is None else address(weight)
        start, first, second = partial.ptr, address(along), address(total)
        products(arrived, source, middles, factors, start, start + half)
        totals(start, start + half, first, second)
        if united is not None:
            of_groups = memory(2 * share)
            first = of_groups.ptr
            second = first + share
            united(start, start + half, scale, first, second)
        slopes(arrived, source, middles, factors, scale, first, second, address(out))
        return out, along, total

    return compute
