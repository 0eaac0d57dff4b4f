"""The short-time Fourier transform of waveforms and its inverse, as arrays: torch.stft's and librosa's definitions.

The engine has both as differentiable operations (`numzoo.engine.ops.stft`); these go through long sounds in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.transforms.checks import as_waveform, whole
from numzoo.engine import Tensor, ops

__all__ = ["hann", "istft", "stft"]

_AT_ONCE = 1 << 16  # samples of frames: 256 KiB, which stays in the processor's cache
_MODES = {"reflect": "reflect", "constant": "constant", "edge": "edge", "replicate": "edge"}


def stft(
    waveform: ArrayLike, *, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: ArrayLike | None = None,
    center: bool = True, pad_mode: str = "reflect",
) -> NDArray[np.complex64]:  # fmt: skip
    """The spectra of frames, `hop_length` (n_fft // 4) apart: (..., samples) to complex (..., n_fft // 2 + 1, frames).

    Each frame of `n_fft` samples is multiplied by `window` (a periodic Hann window of `win_length` samples, in the middle).
    With `center` the t-th frame lies around sample t * hop_length, and the ends are padded by `pad_mode`: "reflect" as
    torchaudio does, "constant" (zeros) as librosa does. Raises AudioError.
    """
    sound, hop, taper = _prepared(waveform, n_fft, hop_length, win_length, window, center, pad_mode)
    pieces = [np.fft.rfft(frames * taper).astype(np.complex64, copy=False) for frames in pieces_of(sound, n_fft, hop)]
    return np.ascontiguousarray(np.concatenate(pieces, axis=-2).swapaxes(-1, -2))


def istft(
    spectra: ArrayLike, *, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: ArrayLike | None = None,
    center: bool = True, length: int | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """The waveform (..., samples) whose `stft` this is, cut or filled up to `length` samples."""
    given = np.asarray(spectra, np.complex64)
    width = whole(win_length if win_length is not None else n_fft, "win_length")
    taper = hann(width) if window is None else np.asarray(window, np.float32)
    flat = Tensor(given.reshape(-1, *given.shape[-2:]))
    sound = ops.istft(flat, n_fft, hop_length, width, Tensor(taper), center=center, length=length).numpy()
    return np.asarray(sound, np.float32).reshape(*given.shape[:-2], -1)


def hann(length: int) -> NDArray[np.float32]:
    """sin^2(pi t / length): the periodic window, of which shifted copies add up to a constant."""
    return np.asarray(np.sin(np.pi * np.arange(length) / length) ** 2, np.float32)


def power_of(
    waveform: ArrayLike, power: float | None, *, n_fft: int, hop_length: int | None, win_length: int | None, window: ArrayLike | None = None,
    center: bool = True, pad_mode: str = "reflect", filters: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """|stft|^power, times `filters` (bands, frequencies) where they are given: (..., bands or frequencies, frames)."""
    sound, hop, taper = _prepared(waveform, n_fft, hop_length, win_length, window, center, pad_mode)
    found = []
    for frames in pieces_of(sound, n_fft, hop):
        pairs = np.fft.rfft(frames * taper)
        parts = np.asarray(pairs.view(pairs.real.dtype), np.float32)  # real and imaginary, in turn
        np.multiply(parts, parts, out=parts)
        squares = parts[..., ::2] + parts[..., 1::2]
        values = squares if power == 2 else np.sqrt(squares) if power == 1 else squares ** np.float32((power or 1) / 2)
        found.append(values if filters is None else values @ filters.T)
    return np.ascontiguousarray(np.concatenate(found, axis=-2).swapaxes(-1, -2))


def pieces_of(sound: NDArray[np.float32], n_fft: int, hop: int) -> Iterator[NDArray[np.float32]]:
    """Views (..., some frames, n_fft) of all frames of `sound`, in order."""
    every = np.lib.stride_tricks.sliding_window_view(sound, n_fft, axis=-1)[..., ::hop, :]
    rows = int(np.prod(every.shape[:-2], dtype=np.int64))
    step = max(1, _AT_ONCE // (n_fft * max(1, rows)))
    for start in range(0, every.shape[-2], step):
        yield every[..., start : start + step, :]


def _prepared(
    waveform: ArrayLike, n_fft: int, hop_length: int | None, win_length: int | None, window: Any, center: bool, pad_mode: str
) -> tuple[NDArray[np.float32], int, NDArray[np.float32]]:  # fmt: skip
    """The padded sound, the step between frames, and the window in the middle of zeros."""
    size = whole(n_fft, "n_fft")
    hop = whole(hop_length if hop_length is not None else max(1, size // 4), "hop_length")
    width = whole(win_length if win_length is not None else size, "win_length")
    if width > size:
        raise ValueError(f"win_length is {width}, more than a frame of n_fft={size}")
    taper = hann(width) if window is None else np.asarray(window, np.float32)
    if taper.shape != (width,):
        raise ValueError(f"window is {taper.shape} but must have one weight for each of {width} samples")
    left = (size - width) // 2
    taper = np.pad(taper, (left, size - width - left))
    least = size // 2 + 1 if center and pad_mode == "reflect" else 1 if center else size
    sound = as_waveform(waveform, "stft", least=least)
    if center:
        if pad_mode not in _MODES:
            raise ValueError(f"pad_mode is {pad_mode!r} but must be one of {', '.join(_MODES)}")
        ends: Any = [*((0, 0) for _ in sound.shape[:-1]), (size // 2, size // 2)]
        sound = np.pad(sound, ends, mode=_MODES[pad_mode])  # type: ignore[call-overload]
        if sound.shape[-1] < size:  # of one sample
            sound = np.pad(sound, [*((0, 0) for _ in sound.shape[:-1]), (0, size - sound.shape[-1])])
    return sound, hop, taper
