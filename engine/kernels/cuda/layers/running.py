"""The running statistics of batch normalisations: both vectors and the count of batches in one launch, in their own memory."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....dtype import Array, Dtype
from ..layout import blocks_for
from ..machine import machine
from ..program import SCALARS, Kernel, scalars

__all__ = ["move_statistics"]

COUNT = np.dtype(np.int64)
THREADS = 256


@cache
def _kernel(dtype: Dtype) -> Kernel:
    wide = "d" if scalars(dtype)["WIDE"] == "double" else "f"
    return Kernel("running.cu", "move_statistics", f"PPPPP{wide * 3}q", **scalars(dtype))


def move_statistics(
    mean: Array, variance: Array, count: Array | None, batch_mean: Array, batch_variance: Array, momentum: float, unbiased: float
) -> bool:  # fmt: skip
    """mean and variance (C) moved by ``momentum`` towards the batch's, its variance times ``unbiased``; 1 more in ``count``.

    False, and nothing is changed, where the arrays are not dense vectors of one floating dtype beside statistics of its wide one.
    """
    if mean.dtype not in SCALARS:
        return False
    wide = np.float64 if mean.dtype == np.float64 else np.float32
    dense = all(array.flags.c_contiguous for array in (mean, variance, batch_mean, batch_variance))
    if not dense or mean.dtype != variance.dtype or not batch_mean.dtype == batch_variance.dtype == wide:
        return False
    if count is not None and (count.dtype != COUNT or count.size != 1):
        return False
    here = machine()
    address, channels = here.address, mean.size
    # fmt: off
    _kernel(mean.dtype)(
        max(1, blocks_for(here, channels, threads=THREADS)), THREADS,
        address(mean), address(variance), 0 if count is None else address(count), address(batch_mean), address(batch_variance),
        1 - momentum, momentum, momentum * unbiased, channels,
    )
    # fmt: on
    return True
