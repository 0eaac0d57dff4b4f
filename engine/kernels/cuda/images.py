"""Normalisation of images by batches and by groups of channels, whether their channels or their planes lie side by side.

Statistics and sums take two stages, always in the same order: parts of the channels over the whole GPU, and the parts together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from ...dtype import Array, Dtype, accumulator, float64, int64
from ...ops.layers.grouping import check_group_norm
from ...ops.layers.normalization import Moving, check_batch_norm
from ..plans import Plans
from .forms import VECTOR, fetcher, form, maker, parameter, row_order
from .machine import Machine, machine
from .program import SCALARS, Kernel, scalars

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
LONGEST = 1 << 14
"""Numbers of a plane that one block takes: they are read twice, the second time from the cache."""

PLANS: Plans[Plan] = Plans()


def batch_norm(
    x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array, *, epsilon: float = 1e-5
) -> Result:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias, channel by channel, with given statistics."""
    key = (batch_norm, form(x), form(weight), form(bias), form(mean), form(variance))
    found = PLANS.get(key) or PLANS.make(key, _plan_inference, x, weight, bias, mean, variance)
    return found(x, weight, bias, mean, variance, epsilon)


def batch_norm_training(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    epsilon: float = 1e-5,
    moving: Moving | None = None,
) -> Result:
    """batch_norm by the batch's own statistics; gives the result, the mean and the variance of each channel."""
    key: tuple[Any, ...] = (batch_norm_training, form(x), form(weight), form(bias))
    if moving is not None:
        key += (form(moving.mean), form(moving.variance), form(moving.count))
    found = PLANS.get(key) or PLANS.make(key, _plan_training, x, weight, bias, moving)
    return found(x, weight, bias, epsilon, moving)


def batch_norm_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, *, epsilon: float
) -> Result:
    """The gradients of batch_norm_training for x, weight and bias."""
    key = (batch_norm_backward, form(flow), form(x), form(weight), form(mean), form(variance))
    found = PLANS.get(key) or PLANS.make(key, _plan_backward, flow, x, weight, mean, variance, 0)
    return found(flow, x, weight, mean, variance, epsilon)


def group_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, groups: int, epsilon: float = 1e-5
) -> Result:
    """(x - mean) / sqrt(variance + epsilon) of each example's groups of channels, times weight, plus bias."""
    key = (group_norm, form(x), form(weight), form(bias), groups)
    return (PLANS.get(key) or PLANS.make(key, _plan_group_norm, x, weight, bias, groups))(x, weight, bias, epsilon)


def group_norm_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array, *, groups: int
) -> Result:
    """The gradients of group_norm for x, weight and bias."""
    key = (group_norm_backward, form(flow), form(x), form(weight), form(mean), form(inverse), groups)
    found = PLANS.get(key) or PLANS.make(key, _plan_backward, flow, x, weight, mean, inverse, groups)
    return found(flow, x, weight, mean, inverse, 0.0)


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
    block: int

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
        block = min(MOST, max(32, 1 << (size - 1).bit_length()))
        grid = min(number * channels * parts, 16 * blocks)
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
def _kernel(name: str, signature: str, dtype: Dtype, named: str, grouped: bool) -> Kernel:
    own = scalars(dtype)
    letters = signature.replace("W", "d" if own["WIDE"] == "double" else "f")
    return Kernel("images.cu", name, letters, **own, PARAM=named, GROUPED=int(grouped))


def _kernels(images: Images, dtype: Dtype, named: str, grouped: bool, *names: str) -> list[Kernel]:
    """Kernels by their last names, for images that lie so."""
    sizes = "qqqi" if images.columns else "qqqqq"
    tails = {
        "moments": "PPP" + sizes,
        "normalise": "PPPPPP" + sizes + "qW",
        "products": "PPPPPP" + sizes + "qW",
        "slopes": "PPPPPPPP" + sizes + "qWW",
    }
    first = "column" if images.columns else "plane"
    return [_kernel(f"{first}_{name}", tails[name], dtype, named, grouped) for name in names]


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _served(x: Array, *vectors: Array | None) -> str | None:
    """What weights are called, if x and they are served."""
    if x.dtype not in SCALARS or not x.size or x.shape[0] > 65535:
        return None
    return parameter(x.dtype, *vectors)


Gather = Callable[..., "tuple[list[int], Any]"]


def _addresses(*samples: Array | None) -> Gather:
    """For a plan: a function that gives where vectors lie, made dense, and the vectors, to be held until the kernels are launched."""
    fetch = [fetcher(sample) for sample in samples]
    if all(each is fetch[0] for each in fetch):  # nothing needs a copy
        return lambda here, *vectors: ([0 if v is None else here.address(v) for v in vectors], None)

    def gather(here: Machine, *vectors: Array | None) -> tuple[list[int], Any]:
        held = [each(here, vector) for each, vector in zip(fetch, vectors, strict=True)]
        return [0 if vector is None else here.address(vector) for vector in held], held

    return gather


def _plan_inference(x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array) -> Plan:
    check_batch_norm("batch_norm", x, weight, bias, mean, variance)
    named, wide = _served(x, weight, bias), accumulator(x.dtype)
    if named is None or mean.dtype != wide or variance.dtype != wide:
        return _refuse
    images, shape, dtype = images_of(machine(), x, False), x.shape, x.dtype
    (normalise,) = _kernels(images, dtype, named, False, "normalise")
    fetch, make, gather = (
        fetcher(x, images.order),
        maker(shape, dtype, images.order),
        _addresses(mean, variance, weight, bias),
    )
    grid, block, sizes = images.grid, images.block, images.sizes

    def compute(
        x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array, epsilon: float
    ) -> Array:
        here = machine()
        source, out = fetch(here, x), make(here)
        given, held = gather(here, mean, variance, weight, bias)
        normalise(grid, block, here.address(source), *given, here.address(out), *sizes, 1, epsilon)
        del held
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


def _plan_training(x: Array, weight: Array | None, bias: Array | None, moving: Moving | None) -> Plan:
    check_batch_norm("batch_norm_training", x, weight, bias)
    named, wide = _served(x, weight, bias), accumulator(x.dtype)
    if named is None:
        return _refuse
    images, shape, dtype = images_of(machine(), x, False), x.shape, x.dtype
    moments, normalise = _kernels(images, dtype, named, False, "moments", "normalise")
    united, moves = (
        _kernel("channel_moments", "PPPPqqqqqPPPWWW", dtype, named, False),
        _moves(moving, x.shape[1], named),
    )
    channels, numbers = images.channels, images.number * images.parts
    fetch, make, gather = fetcher(x, images.order), maker(shape, dtype, images.order), _addresses(weight, bias)
    grid, block, sizes = images.grid, images.block, images.sizes

    def compute(x: Array, weight: Array | None, bias: Array | None, epsilon: float, moving: Moving | None) -> Result:
        here = machine()
        address = here.address
        source, out = fetch(here, x), make(here)
        partial, mean, variance = here.empty((2, numbers, channels), float64), here.empty((channels,), wide), here.empty((channels,), wide)  # fmt: skip
        start = address(partial)
        middle = start + numbers * channels * 8
        moments(grid, block, address(source), start, middle, *sizes)
        running: tuple[float, ...] = (0, 0, 0, 0.0, 0.0, 0.0)
        if moves and moving is not None:
            count, share = moving.count, moving.momentum
            places = address(moving.mean), address(moving.variance), 0 if count is None else address(count)
            running = (*places, 1 - share, share, share * moving.unbiased)
            moving.moved = True
        united(
            -(-channels // 4), 256, start, middle, address(mean), address(variance), images.number, images.parts, channels, images.size,
            images.per, *running,
        )  # fmt: skip
        given, held = gather(here, weight, bias)
        normalise(
            grid, block, address(source), address(mean), address(variance), *given, address(out), *sizes, 1, epsilon
        )  # fmt: skip
        del held
        return out, mean, variance

    return compute


def _plan_group_norm(x: Array, weight: Array | None, bias: Array | None, groups: int) -> Plan:
    check_group_norm(x, weight, bias, groups)
    named, wide = _served(x, weight, bias), accumulator(x.dtype)
    if named is None:
        return _refuse
    images, shape, dtype = images_of(machine(), x, True), x.shape, x.dtype
    moments, normalise = _kernels(images, dtype, named, True, "moments", "normalise")
    united = _kernel("group_moments", "PPPPqqqqqW", dtype, named, True)
    channels, numbers, each = images.channels, images.number * images.parts, images.channels // groups
    kept = shape[0] * groups
    fetch, make, gather = fetcher(x, images.order), maker(shape, dtype, images.order), _addresses(weight, bias)
    grid, block, sizes = images.grid, images.block, images.sizes

    def compute(x: Array, weight: Array | None, bias: Array | None, epsilon: float) -> Result:
        here = machine()
        address = here.address
        source, out = fetch(here, x), make(here)
        partial, mean, inverse = here.empty((2, numbers, channels), float64), here.empty((kept, 1), wide), here.empty((kept, 1), wide)  # fmt: skip
        start = address(partial)
        middle = start + numbers * channels * 8
        moments(grid, block, address(source), start, middle, *sizes)
        united(
            kept, 128, start, middle, address(mean), address(inverse), groups, each, images.parts, images.size, images.per, epsilon
        )  # fmt: skip
        given, held = gather(here, weight, bias)
        normalise(
            grid, block, address(source), address(mean), address(inverse), *given, address(out), *sizes, groups, epsilon,
        )  # fmt: skip
        del held
        return out, mean, inverse

    return compute


def _plan_backward(flow: Array, x: Array, weight: Array | None, mean: Array, factor: Array, groups: int) -> Plan:
    """The way back of both: ``groups`` 0 is the batch's, whose factors are variances."""
    named, wide, grouped = _served(x, weight), accumulator(x.dtype), groups > 0
    kept = (x.shape[0] * groups, 1) if grouped else (x.shape[1],)
    if named is None or flow.dtype != x.dtype or flow.shape != x.shape:
        return _refuse
    if any(vector.dtype != wide or vector.shape != kept for vector in (mean, factor)):
        return _refuse
    images, shape, dtype = images_of(machine(), x, grouped), x.shape, x.dtype
    products, slopes = _kernels(images, dtype, named, grouped, "products", "slopes")
    totals = Kernel("columns.cu", "column_totals", "PPPPqq", **scalars(dtype))
    united = _kernel("group_products", "PPPPPqqqq", dtype, named, True)
    channels, numbers = images.channels, images.number * images.parts
    share = channels / x.size
    fetch_flow, fetch, make = fetcher(flow, images.order), fetcher(x, images.order), maker(shape, dtype, images.order)
    gather, grid, block, sizes = _addresses(mean, factor, weight), images.grid, images.block, images.sizes

    def compute(flow: Array, x: Array, weight: Array | None, mean: Array, factor: Array, epsilon: float) -> Result:
        here = machine()
        address = here.address
        arrived, source, out = fetch_flow(here, flow), fetch(here, x), make(here)
        (means, factors, scale), held = gather(here, mean, factor, weight)
        partial, along, total = here.empty((2, numbers, channels), wide), here.empty((channels,), wide), here.empty((channels,), wide)  # fmt: skip
        start, step = address(partial), numbers * channels * wide.itemsize
        products(
            grid, block, address(arrived), address(source), means, factors, start, start + step, *sizes, groups or 1,
            epsilon,
        )  # fmt: skip
        totals(-(-channels // 8), 256, start, start + step, address(along), address(total), numbers, channels)
        seen = [address(along), address(total)]
        if grouped:
            of_groups = here.empty((2, *kept), wide)
            seen = [address(of_groups), address(of_groups) + kept[0] * wide.itemsize]
            united(
                kept[0], 128, start, start + step, scale, *seen, groups, channels // groups, images.parts, images.size
            )  # fmt: skip
        slopes(
            grid, block, address(arrived), address(source), means, factors, scale, *seen, address(out), *sizes,
            groups or 1, epsilon, share,
        )  # fmt: skip
        del held
        return out, along, total

    return compute
