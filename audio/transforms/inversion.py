"""From spectrograms back to waveforms: mel bands spread over frequencies again, and phases that fit magnitudes (Griffin-Lim).

torchaudio's definitions of both.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.transforms.checks import whole
from numzoo.audio.transforms.frames import hann, istft, stft
from numzoo.audio.transforms.mel import mel_filters

__all__ = ["GriffinLim", "InverseMelScale", "griffin_lim"]


class InverseMelScale:
    """Mel bands (..., n_mels, frames) to the spectrogram (..., `n_stft`, frames) of which they would be the bands.

    Of all that would the one of least squares is taken, and what is negative in it becomes 0. `n_stft` is n_fft // 2 + 1; the
    bands are those of `mel_filters`.
    """

    def __init__(
        self, n_stft: int, n_mels: int = 128, sample_rate: int = 16000, *, f_min: float = 0.0, f_max: float | None = None,
        norm: str | None = None, mel_scale: str = "htk",
    ) -> None:  # fmt: skip
        size = 2 * (whole(n_stft, "n_stft", least=2) - 1)
        self.inverse = _inverse(sample_rate, size, n_mels, f_min, f_max, norm, mel_scale)  # (n_stft, n_mels)

    def __call__(self, values: ArrayLike) -> NDArray[np.float32]:
        bands = np.asarray(values, np.float32)
        if bands.ndim < 2 or bands.shape[-2] != self.inverse.shape[1]:
            raise AudioError(
                f"InverseMelScale: wants mel bands (..., {self.inverse.shape[1]}, frames), not an array {bands.shape}"
            )
        return np.asarray(np.maximum(self.inverse @ bands, 0), np.float32)


class GriffinLim:
    """`griffin_lim` with its settings, as a callable: magnitudes to the `power` (..., n_fft // 2 + 1, frames) to waveforms."""

    def __init__(
        self, *, n_fft: int = 400, n_iter: int = 32, win_length: int | None = None, hop_length: int | None = None, power: float = 2.0,
        momentum: float = 0.99, length: int | None = None, rand_init: bool = True,
    ) -> None:  # fmt: skip
        self.n_fft = whole(n_fft, "n_fft")
        win_length = whole(win_length if win_length is not None else n_fft, "win_length")
        hop_length = whole(hop_length if hop_length is not None else max(1, win_length // 2), "hop_length")
        _check(n_iter, power, momentum)
        self.settings: dict[str, Any] = {
            "n_fft": n_fft, "n_iter": n_iter, "win_length": win_length, "hop_length": hop_length, "power": power, "momentum": momentum,
            "length": length, "rand_init": rand_init,
        }  # fmt: skip

    def __call__(self, values: ArrayLike, generator: np.random.Generator | None = None) -> NDArray[np.float32]:
        return griffin_lim(values, **self.settings, generator=generator)


def griffin_lim(
    values: ArrayLike, *, n_fft: int, hop_length: int | None = None, win_length: int | None = None, power: float = 2.0, n_iter: int = 32,
    momentum: float = 0.99, length: int | None = None, rand_init: bool = True, generator: np.random.Generator | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """A waveform (..., samples) whose spectra have about these magnitudes to the `power`: (..., n_fft // 2 + 1, frames).

    Phases begin at random (`generator`), or at 0; `n_iter` times the waveform of the spectra is made, and its own spectra's
    phases are taken, pushed on by `momentum` (Perraudin, Balazs, Soendergaard, "A Fast Griffin-Lim Algorithm", 2013). Windows as in `stft`.
    Raises AudioError where the sound would be shorter than half a window.
    """
    _check(n_iter, power, momentum)
    magnitudes = np.asarray(values, np.float32)
    width = whole(win_length if win_length is not None else n_fft, "win_length")
    hop = whole(hop_length if hop_length is not None else max(1, width // 2), "hop_length")
    if magnitudes.ndim < 2 or magnitudes.shape[-2] != n_fft // 2 + 1:
        raise AudioError(f"griffin_lim: wants spectra (..., {n_fft // 2 + 1}, frames), not an array {magnitudes.shape}")
    if not np.isfinite(magnitudes).all() or magnitudes.min(initial=0) < 0:
        raise AudioError("griffin_lim: magnitudes are numbers from 0, without NaN and infinity")
    samples = (magnitudes.shape[-1] - 1) * hop if length is None else length
    if samples <= n_fft // 2:
        least = -(-(n_fft // 2 + 1) // hop) + 1
        raise AudioError(f"griffin_lim: {magnitudes.shape[-1]} frames are too few, it takes {least} of {hop} samples")
    if samples // hop + 1 != magnitudes.shape[-1]:
        raise ValueError(
            f"griffin_lim: length is {length}, but {magnitudes.shape[-1]} frames are {(magnitudes.shape[-1] - 1) * hop} to "
            f"{magnitudes.shape[-1] * hop - 1} samples"
        )
    if power != 1:
        magnitudes = magnitudes ** np.float32(1 / power)
    settings: dict[str, Any] = {"n_fft": n_fft, "hop_length": hop, "win_length": width, "window": hann(width)}
    angles = np.ones(magnitudes.shape, np.complex64)
    if rand_init:
        draw = np.random.default_rng() if generator is None else generator
        angles.real, angles.imag = draw.random(angles.shape, np.float32), draw.random(angles.shape, np.float32)
    before, push = None, np.float32(momentum / (1 + momentum))
    for _ in range(n_iter):
        rebuilt = stft(istft(magnitudes * angles, **settings, length=length), **settings)
        angles = rebuilt if before is None or not momentum else rebuilt - push * before
        angles = angles / (np.abs(angles) + np.float32(1e-16))
        before = rebuilt
    return istft(magnitudes * angles, **settings, length=length)


@functools.lru_cache(maxsize=8)
def _inverse(
    sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float | None, norm: str | None, scale: str
) -> Any:
    """The pseudo-inverse of the mel filters, read-only."""
    filters = mel_filters(sample_rate, n_fft, n_mels, f_min=f_min, f_max=f_max, norm=norm, mel_scale=scale)
    made = np.linalg.pinv(filters.astype(np.float64)).astype(np.float32)
    made.setflags(write=False)
    return made


def _check(n_iter: int, power: float, momentum: float) -> None:
    whole(n_iter, "n_iter", least=0)
    if not power > 0:
        raise ValueError(f"power is {power!r} but must be above 0")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum is {momentum!r} but lies from 0 to below 1")
