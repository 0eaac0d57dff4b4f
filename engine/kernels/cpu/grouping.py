"""Normalisation by groups: the rows by oneDNN's layer normalisation, the channels' scale by NumPy; and by the root of the mean square."""

from __future__ import annotations

import math

import numpy as np

from . import one_example, pool
from .batching import batch_norm
from .memory import FLOAT32, Array, Result, channels_last_strides
from .normalization import layer_norm, layer_norm_backward
from .statistics import channel_statistics

FEWEST = 1 << 14


def group_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, groups: int, epsilon: float = 1e-5
) -> Result:
    """Each example's groups of channels brought to mean 0 and variance 1, scaled and shifted by channel."""
    if not _is_served(x, groups, weight, bias):
        return NotImplemented
    if not x.flags.c_contiguous and _lies_channels_last(x):
        result = _by_channels(x, weight, bias, groups, epsilon)
        if result is not NotImplemented:
            return result
    normal = layer_norm(x.reshape(x.shape[0] * groups, -1), epsilon=epsilon)
    if normal is NotImplemented:
        return NotImplemented
    hat, mean, inverse = normal
    out = hat.reshape(x.shape[0], x.shape[1], -1)
    if weight is not None:
        np.multiply(out, weight[:, None], out=out)
    if bias is not None:
        np.add(out, bias[:, None], out=out)
    return out.reshape(x.shape), mean, inverse


def _by_channels(x: Array, weight: Array | None, bias: Array | None, groups: int, epsilon: float) -> Result:
    """The same where channels come last in memory: a group's statistics are put together from those of its channels."""
    batch, channels = x.shape[:2]
    each = channels // groups
    kept = np.empty((2, batch * groups, 1), FLOAT32)
    outs = []
    for example in range(batch):
        image = x[example : example + 1]
        found = channel_statistics(image)
        if found is NotImplemented:
            return NotImplemented
        means, variances = (vector.astype(np.float64).reshape(groups, each) for vector in found)
        mean = means.mean(1)
        variance = (variances + (means - mean[:, None]) ** 2).mean(1)
        spread = (np.repeat(vector.astype(FLOAT32), each) for vector in (mean, variance))
        out = batch_norm(image, weight, bias, *spread, epsilon=epsilon)
        if out is NotImplemented:
            return NotImplemented
        outs.append(out)
        kept[0, example * groups : (example + 1) * groups, 0] = mean
        kept[1, example * groups : (example + 1) * groups, 0] = 1 / np.sqrt(variance + epsilon)
    if batch == 1:
        return outs[0], kept[0], kept[1]
    result = pool.empty((batch, *x.shape[2:], channels), FLOAT32)
    result = np.moveaxis(result, -1, 1)
    for example, out in enumerate(outs):
        result[example] = out[0]
    return result, kept[0], kept[1]


def _lies_channels_last(x: Array) -> bool:
    wanted = channels_last_strides(x.shape)
    return all(n == 1 or have == want * x.itemsize for n, have, want in zip(x.shape, x.strides, wanted, strict=True))


def group_norm_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array, *, groups: int
) -> Result:
    """The gradients of group_norm for x, weight and bias."""
    if not _is_served(x, groups, weight, None) or flow.dtype != FLOAT32:
        return NotImplemented
    batch, channels = x.shape[:2]
    values, arrived = x.reshape(batch, channels, -1), flow.reshape(batch, channels, -1)
    scaled = arrived
    if weight is not None:
        scaled = np.multiply(arrived, weight[:, None], out=pool.empty(arrived.shape, FLOAT32))
    rows = (batch * groups, -1)
    result = layer_norm_backward(scaled.reshape(rows), x.reshape(rows), None, mean, inverse)
    if result is NotImplemented:
        return NotImplemented
    # The sum of flow (x - mean) inverse, from those of flow x and of flow: neither needs the normalised numbers.
    total = arrived.sum(-1)
    along = np.einsum("ncl,ncl->nc", arrived, values).reshape(batch, groups, -1)
    along -= mean.reshape(batch, groups, 1) * total.reshape(batch, groups, -1)
    along *= inverse.reshape(batch, groups, 1)
    return result[0].reshape(x.shape), along.reshape(batch, channels).sum(0), total.sum(0)


def rms_norm(x: Array, weight: Array | None = None, *, epsilon: float = 1e-6, axes: int = 1) -> Result:
    """The last `axes` axes over the root of their mean square, times weight."""
    if one_example.is_one(x, axes, weight):
        return one_example.rms_norm(x, weight, epsilon)
    if not _has_rows(x, weight, axes):
        return NotImplemented
    rows = x.reshape(-1, math.prod(x.shape[x.ndim - axes :]))
    inverse = np.einsum("ij,ij->i", rows, rows)
    inverse *= FLOAT32.type(1 / rows.shape[1])
    inverse += FLOAT32.type(epsilon)
    inverse = np.reciprocal(np.sqrt(inverse, out=inverse), out=inverse)[:, None]
    out = np.multiply(rows, inverse, out=pool.empty(rows.shape, FLOAT32))
    if weight is not None:
        np.multiply(out, weight.reshape(-1), out=out)
    return out.reshape(x.shape), inverse.reshape(x.shape[: x.ndim - axes] + (1,) * axes)


def rms_norm_backward(flow: Array, x: Array, weight: Array | None, inverse: Array, *, axes: int = 1) -> Result:
    """The gradients of rms_norm for x and weight."""
    if not _has_rows(x, weight, axes) or flow.dtype != FLOAT32:
        return NotImplemented
    shape = x.shape[x.ndim - axes :]
    rows, arrived = (array.reshape(-1, math.prod(shape)) for array in (x, flow))
    factor = inverse.reshape(-1, 1)
    out, spare = (pool.empty(rows.shape, FLOAT32) for _ in range(2))
    scaled = arrived if weight is None else np.multiply(arrived, weight.reshape(-1), out=out)
    along = np.einsum("ij,ij->i", scaled, rows)[:, None]
    along *= factor * factor * factor * FLOAT32.type(1 / rows.shape[1])
    np.multiply(scaled, factor, out=out)
    np.subtract(out, np.multiply(rows, along, out=spare), out=out)
    np.multiply(rows, factor, out=spare)
    np.multiply(spare, arrived, out=spare)
    return out.reshape(x.shape), spare.sum(0).reshape(shape)


def _has_rows(x: Array, weight: Array | None, axes: int) -> bool:
    return (
        x.dtype == FLOAT32
        and 1 <= axes <= x.ndim
        and x.size >= FEWEST
        and (weight is None or (weight.dtype == FLOAT32 and weight.shape == x.shape[x.ndim - axes :]))
    )


def _is_served(x: Array, groups: int, *vectors: Array | None) -> bool:
    given = [vector for vector in vectors if vector is not None]
    return (
        x.dtype == FLOAT32
        and x.ndim >= 2
        and x.size > 0
        and groups > 0
        and x.shape[1] % groups == 0
        and all(vector.shape == x.shape[1:2] and vector.dtype == FLOAT32 for vector in given)
    )
