"""Louder, noisier, in a room: what training makes of clean sounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.transforms.base import Transform
from numzoo.audio.transforms.checks import as_waveform

__all__ = ["AddNoise", "Reverberation", "Volume", "add_noise", "reverberate", "volume"]


def volume(waveform: ArrayLike, gain: float, *, gain_type: str = "amplitude", clip: bool = True) -> NDArray[np.float32]:
    """A waveform made louder: times `gain` ("amplitude"), its root ("power"), or by so many decibels ("db").

    What goes beyond -1 and 1 is cut off there, unless `clip` is False.
    """
    if gain_type not in ("amplitude", "power", "db"):
        raise ValueError(f"gain_type is {gain_type!r} but must be 'amplitude', 'power' or 'db'")
    if not np.isfinite(gain) or (gain_type != "db" and gain < 0):
        raise ValueError(f"gain is {gain!r} but must be a number from 0, or of decibels")
    factor = gain if gain_type == "amplitude" else gain**0.5 if gain_type == "power" else 10 ** (gain / 20)
    louder = as_waveform(waveform, "volume") * np.float32(factor)
    return np.asarray(np.clip(louder, -1, 1) if clip else louder, np.float32)


def add_noise(waveform: ArrayLike, noise: ArrayLike, snr: ArrayLike) -> NDArray[np.float32]:
    """A waveform (..., samples) with `noise` (..., samples), scaled so that the sound is `snr` (...) decibels stronger.

    The strength of either is the sum of its squares over the last axis (torchaudio's definition). A silent noise adds nothing.
    """
    sound, other = as_waveform(waveform, "add_noise"), as_waveform(noise, "add_noise")
    if sound.shape[-1] != other.shape[-1]:
        raise AudioError(
            f"add_noise: the sound has {sound.shape[-1]} samples but the noise {other.shape[-1]}; cut or repeat it"
        )
    wanted = np.asarray(snr, np.float64)[..., None]
    energy, hum = (np.sum(each.astype(np.float64) ** 2, axis=-1, keepdims=True) for each in (sound, other))
    scale = np.sqrt(energy / np.where(hum == 0, 1, hum)) * 10 ** (-wanted / 20)
    return np.asarray(sound + (scale * other).astype(np.float32), np.float32)


def reverberate(waveform: ArrayLike, response: ArrayLike, *, tail: bool = False) -> NDArray[np.float32]:
    """A waveform (..., samples) as it sounds where a click sounds like `response` (length,), which is scaled to length 1.

    The result is as long as the waveform, with `tail` by the response's length - 1 longer.
    """
    sound, click = as_waveform(waveform, "reverberate"), as_waveform(response, "reverberate")
    if click.ndim != 1 or not click.any():
        raise AudioError(f"reverberate: response is one sound (length,) that is not silent, not {click.shape}")
    click = click / np.linalg.norm(click)
    length = sound.shape[-1] + len(click) - 1
    size = 1 << (length - 1).bit_length()
    mixed = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(click, size), size)
    return np.asarray(mixed[..., : length if tail else sound.shape[-1]], np.float32)


class Volume(Transform[float]):
    """`volume` by a gain drawn evenly between `low` and `high`, in the unit of `gain_type`."""

    def __init__(
        self, low: float, high: float | None = None, *, gain_type: str = "amplitude", clip: bool = True
    ) -> None:
        self.low, self.high = low, low if high is None else high
        if not self.low <= self.high:
            raise ValueError(f"Volume: low is {low!r} and high {high!r}, but low <= high must hold")
        volume(np.zeros(1, np.float32), self.low, gain_type=gain_type)
        self.gain_type, self.clip = gain_type, clip

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> float:
        return float(generator.uniform(self.low, self.high))

    def apply(self, values: ArrayLike, parameters: float) -> NDArray[np.float32]:
        return volume(values, parameters, gain_type=self.gain_type, clip=self.clip)


class AddNoise(Transform["tuple[NDArray[np.float32], float]"]):
    """A stretch of one of `noises` (each (samples,), repeated where it is short), or white noise where there are none.

    The sound is between `low` and `high` decibels stronger than it.
    """

    def __init__(self, noises: Sequence[ArrayLike] = (), *, low: float = 5.0, high: float = 20.0) -> None:
        self.noises = [as_waveform(noise, "AddNoise").reshape(-1) for noise in noises]
        if not low <= high:
            raise ValueError(f"AddNoise: low is {low!r} and high {high!r} decibels, but low <= high must hold")
        self.low, self.high = low, high

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], float]:
        """The noise, and how many decibels it is weaker."""
        length, snr = shape[-1], float(generator.uniform(self.low, self.high))
        if not self.noises:
            return generator.standard_normal(length, np.float32), snr
        noise = self.noises[int(generator.integers(len(self.noises)))]
        start = int(generator.integers(max(1, len(noise) - length + 1)))
        return np.resize(noise[start : start + length], length), snr

    def apply(self, values: ArrayLike, parameters: tuple[NDArray[np.float32], float]) -> NDArray[np.float32]:
        return add_noise(values, *parameters)


class Reverberation(Transform[int]):
    """`reverberate` in one of several rooms, each given by its response (length,)."""

    def __init__(self, responses: Sequence[ArrayLike]) -> None:
        self.responses = [as_waveform(response, "Reverberation") for response in responses]
        if not self.responses:
            raise ValueError("Reverberation: wants the response of at least one room")

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> int:
        return int(generator.integers(len(self.responses)))

    def apply(self, values: ArrayLike, parameters: int) -> NDArray[np.float32]:
        return reverberate(values, self.responses[parameters])
