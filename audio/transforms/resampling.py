"""Sounds at another rate: Smith's bandlimited interpolation, by torchaudio's definition, or by libsoxr where it is installed.

J. O. Smith, "Digital Audio Resampling" (https://ccrma.stanford.edu/~jos/resample/). An output sample is the sum of the input
around it, weighted by a sinc under a window; the weights repeat with the rates' common period.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.errors import MissingLibraryError
from numzoo.audio.transforms.checks import as_waveform, whole

__all__ = ["Resample", "resample"]

_PHASES = 64  # outputs computed together, as one product of matrices
_AT_ONCE = 1 << 20  # input samples copied at a time


def resample(
    waveform: ArrayLike, orig_freq: int, new_freq: int, *, lowpass_filter_width: int = 6, rolloff: float = 0.99,
    resampling_method: str = "sinc_interp_hann", beta: float = 14.769656459379492,
) -> NDArray[np.float32]:  # fmt: skip
    """A waveform (..., samples) at `new_freq` in place of `orig_freq` samples a second: (..., ceil(samples * new / orig)).

    The sinc has `lowpass_filter_width` zeros on each side; it lets pass what lies below `rolloff` of the lower rate's half.
    `resampling_method` is its window, "sinc_interp_hann" or "sinc_interp_kaiser" (with `beta`), or "soxr": libsoxr's high
    quality, which is faster and sharper (`pip install "numzoo[soxr]"`). Raises AudioError.
    """
    before, after = whole(orig_freq, "orig_freq"), whole(new_freq, "new_freq")
    sound = as_waveform(waveform, "resample")
    if resampling_method == "soxr":
        return _by_soxr(sound, before, after)
    window = resampling_method.removeprefix("sinc_interp_")
    if window not in ("hann", "kaiser") or window == resampling_method:
        raise ValueError(
            f"resampling_method is {resampling_method!r} but must be 'sinc_interp_hann', 'sinc_interp_kaiser' or 'soxr'"
        )
    if not 0 < rolloff <= 1:
        raise ValueError(f"rolloff is {rolloff!r} but must lie above 0 and at most at 1")
    if before == after:
        return sound.copy()
    divisor = math.gcd(before, after)
    taper = beta if window == "kaiser" else None
    plan = _plan(
        before // divisor, after // divisor, whole(lowpass_filter_width, "lowpass_filter_width"), rolloff, taper
    )
    return _filtered(sound, plan, -(-sound.shape[-1] * after // before))


class Resample:
    """`resample` with its settings, as a callable."""

    def __init__(self, orig_freq: int, new_freq: int, **settings: Any) -> None:
        self.orig_freq, self.new_freq, self.settings = orig_freq, new_freq, settings

    def __call__(self, waveform: ArrayLike) -> NDArray[np.float32]:
        return resample(waveform, self.orig_freq, self.new_freq, **self.settings)

    def __repr__(self) -> str:
        more = "".join(f", {name}={value!r}" for name, value in self.settings.items())
        return f"Resample({self.orig_freq}, {self.new_freq}{more})"


class _Plan(NamedTuple):
    """Every `before` input samples give `after` output samples; `width` input samples around each matter."""

    before: int
    after: int
    width: int
    blocks: tuple[tuple[int, int, NDArray[np.float32]], ...]
    """Of each block of outputs the first, the first input (from `width` before), and the weights (inputs, outputs)."""


@functools.lru_cache(maxsize=8)
def _plan(before: int, after: int, zeros: int, rolloff: float, beta: float | None) -> _Plan:
    base = min(before, after) * rolloff
    width = math.ceil(zeros * before / base)
    periods = -(-_PHASES // after)
    blocks = []
    for first in range(0, periods * after, _PHASES):
        outputs = np.arange(first, min(first + _PHASES, periods * after))
        start = int(outputs[0]) * before // after
        stop = int(outputs[-1]) * before // after + 2 * width + 2
        inputs = np.arange(start, stop)
        t = np.clip(((inputs[:, None] - width) / before - outputs / after) * base, -zeros, zeros)
        window = np.cos(t * np.pi / zeros / 2) ** 2 if beta is None else _kaiser(t / zeros, beta)
        blocks.append((first, start, np.asarray(np.sinc(t) * window * (base / before), np.float32)))
    return _Plan(before * periods, after * periods, width, tuple(blocks))


def _kaiser(t: Any, beta: float) -> Any:
    return np.i0(beta * np.sqrt(1 - t**2)) / np.i0(beta)


def _filtered(sound: NDArray[np.float32], plan: _Plan, wanted: int) -> NDArray[np.float32]:
    flat = sound.reshape(-1, sound.shape[-1])
    rows = -(-wanted // plan.after)  # periods
    reach = max(start + len(weights) for _, start, weights in plan.blocks)
    behind = max(0, (rows - 1) * plan.before + reach - plan.width - flat.shape[1])
    made = np.empty((len(flat), rows, plan.after), np.float32)
    for number, channel in enumerate(flat):
        padded = np.pad(channel, (plan.width, behind))
        for first, start, weights in plan.blocks:
            inputs, outputs = weights.shape
            every = np.lib.stride_tricks.sliding_window_view(padded[start:], inputs)[:: plan.before]
            step = max(1, _AT_ONCE // inputs)
            for row in range(0, rows, step):
                end = min(row + step, rows)
                np.matmul(
                    np.ascontiguousarray(every[row:end]), weights, out=made[number, row:end, first : first + outputs]
                )
    return np.ascontiguousarray(made.reshape(len(flat), -1)[:, :wanted]).reshape(*sound.shape[:-1], wanted)


def _by_soxr(sound: NDArray[np.float32], before: int, after: int) -> NDArray[np.float32]:
    try:
        import soxr
    except ImportError as error:
        raise MissingLibraryError(
            f'resampling_method="soxr" needs the library soxr ({error}): pip install "numzoo[soxr]"'
        ) from error
    flat = sound.reshape(-1, sound.shape[-1])
    made = [soxr.resample(channel, before, after, quality="HQ") for channel in flat]
    return np.asarray(made, np.float32).reshape(*sound.shape[:-1], -1)
