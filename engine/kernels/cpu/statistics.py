"""The mean and variance of each channel of images, which lie in memory as (N, H, W, C), by oneDNN and in float64 between its blocks."""

from __future__ import annotations

import numpy as np

from . import pool
from .library import Library
from .memory import FLOAT32, FLOATS, Array, Layout, Result, address, channels_last_strides
from .plans import PLANS, Plan, plan
from .primitive import DESTINATION, MEAN, SOURCE, VARIANCE, Primitive, describe
from .reorder import as_channels_last

__all__ = ["FEWEST", "channel_statistics", "images", "is_slow", "plan_survey"]

FORWARD_TRAINING = 64
FEWEST = 1 << 12
MOST_ADDED = 256  # numbers that are added one after another where a batch's statistics are taken
MOST_STATISTICS = 1 << 15  # and how many statistics of groups there may be
BLOCK = (
    2 << 20
)  # bytes: statistics take three passes, so rows are taken in blocks of about this size, which stay in the cache
LANES = 16  # oneDNN's fast code for narrow types wants a number of channels that this divides


def channel_statistics(x: Array) -> Result:
    """The mean and the biased variance of each channel of such images, in float32."""
    key = channel_statistics, x.shape, x.strides, x.dtype
    return (PLANS.get(key) or plan(key, _plan_channel_statistics, x))(x)


def images(library: Library, x: Array) -> Layout | None:
    """The layout of such images, channels last; None for what is not served."""
    if x.dtype not in FLOATS or not 2 <= x.ndim <= 5 or x.size < FEWEST:
        return None
    return Layout(library, x.shape, x.dtype, channels_last_strides(x.shape))


def is_slow(x: Array) -> bool:
    """Whether oneDNN has only its plain code for such images, which takes ten times as long as casts both ways."""
    return x.dtype != FLOAT32 and x.shape[1] % LANES != 0


def _plan_channel_statistics(library: Library, x: Array) -> Plan | None:
    survey = None if images(library, x) is None or is_slow(x) else plan_survey(library, x)
    if survey is None:
        return None
    fetch, taken = as_channels_last(library, x), survey
    return lambda x: taken(fetch(x))


def plan_survey(library: Library, x: Array) -> Plan | None:
    """A function that gives the mean and variance of each channel of such images, which lie in memory channels last."""
    rows, channels = x.size // x.shape[1], x.shape[1]
    # oneDNN adds a channel's numbers one after another in float32, and an error grows with every addition. So the rows
    # are dealt to groups, each with channels of its own; the groups' statistics are put together in float64.
    cut = _cut(rows, channels, x.itemsize)
    if cut is None:  # Few numbers divide this one: what is left over is a block of its own.
        left = rows % MOST_ADDED
        pieces = [(rows - left, _cut(rows - left, channels, x.itemsize)), (left, _cut(left, channels, x.itemsize))]
    else:
        pieces = [(rows, cut)]
    surveys, start = [], 0
    for count, found in pieces:
        blocks, groups = found or (1, 1)
        each = count // blocks
        folded = Layout(library, (each // groups, groups * channels), x.dtype, (groups * channels, 1))
        description = describe(library, "batch_normalization_forward", FORWARD_TRAINING, folded, folded, 0.0, 0)
        if description is None:
            return None
        run = Primitive(description, (SOURCE, DESTINATION, MEAN, VARIANCE)).run
        surveys.append((run, start, blocks, groups, each * channels * x.itemsize, each // groups))
        start += count * channels * x.itemsize
    most = max(count // (found or (1, 1))[0] for count, found in pieces)
    room = pool.allocator((most, channels), x.dtype)

    def survey(source: Array) -> tuple[Array, Array]:
        normalised = room()  # of no use, but oneDNN gives no statistics without it
        found = []
        for run, start, blocks, groups, step, added in surveys:
            means, variances = np.empty((2, blocks, groups * channels), FLOAT32)
            for block in range(blocks):
                place = address(source) + start + block * step
                run(place, address(normalised), address(means[block]), address(variances[block]))
            found.append((means.reshape(-1, channels), variances.reshape(-1, channels), added))
        return _united(found)

    return survey


def _cut(rows: int, channels: int, itemsize: int) -> tuple[int, int] | None:
    """Into how many blocks the rows are cut, and into how many groups each; None where they cannot be cut evenly."""
    least = -(-rows * channels * itemsize // BLOCK)
    for blocks in range(least, min(4 * least, rows) + 1):
        if rows % blocks == 0:
            each = rows // blocks
            groups = _groups(each, channels * blocks)
            if each // groups <= 4 * MOST_ADDED or groups * channels * blocks > MOST_STATISTICS // 4:
                return blocks, groups
    return None if rows > MOST_ADDED else (1, 1)


def _groups(rows: int, channels: int) -> int:
    """Into how many groups the rows are dealt: so many that none has more than MOST_ADDED, if it can be."""
    most = max(1, min(rows // MOST_ADDED, MOST_STATISTICS // channels))
    return next(groups for groups in range(most, 0, -1) if rows % groups == 0)


def _united(found: list[tuple[Array, Array, int]]) -> tuple[Array, Array]:
    """The mean and variance over all groups from those of each, (groups, channels), with how many rows each has."""
    total = sum(len(means) * added for means, _, added in found)
    # In one pass: a sum that widens on its way takes NumPy longer.
    wide = [(means.astype(np.float64), variances, added) for means, variances, added in found]
    mean: Array = sum(means.sum(0) * (added / total) for means, _, added in wide)
    variance: Array = np.zeros_like(mean)
    for means, variances, added in wide:
        means -= mean
        means *= means
        means += variances
        variance += means.sum(0) * (added / total)
    return mean.astype(FLOAT32), variance.astype(FLOAT32)
