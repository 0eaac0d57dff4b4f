"""Samples as a few classes, finer where they are quiet (ITU-T G.711's mu-law, as torchaudio defines it)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.transforms.checks import as_waveform, whole

__all__ = ["mu_law_decode", "mu_law_encode"]


def mu_law_encode(waveform: ArrayLike, classes: int = 256) -> NDArray[np.int64]:
    """Samples from -1 to 1 as classes from 0 to `classes` - 1: ((sign(x) log(1 + mu |x|) / log(1 + mu) + 1) mu / 2, rounded, mu = classes - 1."""
    mu = np.float32(whole(classes, "classes", least=2) - 1)
    sound = np.clip(as_waveform(waveform, "mu_law_encode"), -1, 1)
    bent = np.sign(sound) * np.log1p(mu * np.abs(sound)) / np.log1p(mu)
    return np.asarray((bent + 1) / 2 * mu + np.float32(0.5), np.int64)


def mu_law_decode(codes: ArrayLike, classes: int = 256) -> NDArray[np.float32]:
    """The samples, from -1 to 1, of classes from 0 to `classes` - 1; whole numbers, or what lies between them."""
    mu = np.float32(whole(classes, "classes", least=2) - 1)
    given: Any = np.asarray(codes)
    if given.size and not 0 <= given.min() <= given.max() <= mu:
        raise ValueError(f"mu_law_decode: classes run from 0 to {int(mu)}, not from {given.min()} to {given.max()}")
    bent = given.astype(np.float32) / mu * 2 - 1
    return np.asarray(np.sign(bent) * np.expm1(np.abs(bent) * np.log1p(mu)) / mu, np.float32)
