"""The short-time Fourier transform and its inverse: the spectra of overlapping, windowed stretches of a signal."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...bounds import LARGEST, left_to_gpu
from ...dtype import kind
from ...errors import DtypeError, SettingError, ShapeError
from ...tensor import Tensor, tensor_like, tensor_of
from ..elementwise.complex_numbers import real_dtype, view_as_real
from ..indexing.index import items
from ..shapes.diagonals import overlapped, windows
from ..shapes.padding import pad, padded
from ..shapes.shape import whole
from .fourier import fourier, of_real, signal, sized, to_real

__all__ = [
    "istft",
    "stft",
]


def _frame(
    name: str, n_fft: int, hop_length: int | None, win_length: int | None, window: Any, like: Tensor
) -> tuple[int, int, Tensor | None]:
    """The length of a frame, the step between frames, and the window in the middle of zeros, or None for a flat one."""
    size = whole(name, n_fft)
    hop = size // 4 if hop_length is None else whole(name, hop_length)
    width = size if win_length is None else whole(name, win_length)
    if size < 1 or hop < 1 or not 1 <= width <= size:
        raise SettingError(
            f"{name}: n_fft and hop_length are at least 1, and win_length between 1 and n_fft, not {size}, {hop} and {width}"
        )
    if window is None:
        if width == size:
            return size, hop, None
        taper = tensor_of(np.ones(width, real_dtype(like.dtype))).to(device=like.device)
    else:
        taper = tensor_like(name, window)
        if taper.shape != (width,):
            raise ShapeError(f"{name}: window {tuple(taper.shape)} must have one weight for each of {width} samples")
        if taper.dtype not in (like.dtype, real_dtype(like.dtype)):
            raise DtypeError(f"{name}: window is of {taper.dtype}, but the signal of {like.dtype}; convert one")
    left = (size - width) // 2
    return size, hop, taper if width == size else padded(taper, ((left, size - width - left),))


def stft(
    x: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Tensor | None = None,
    center: bool = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None, return_complex: bool = True,
) -> Tensor:  # fmt: skip
    """The spectra of frames of ``n_fft`` samples, ``hop_length`` (n_fft // 4) apart: (..., samples) to (..., frequencies, frames).

    Each frame is multiplied by ``window`` (``win_length`` weights, in the middle). ``center`` pads the signal by half a frame at both ends, in
    ``pad_mode``; ``normalized`` divides by the root of n_fft. Real signals give n_fft // 2 + 1 frequencies unless ``onesided`` is False.
    Without ``return_complex`` real and imaginary parts lie along a new last axis.
    """
    x = signal("stft", x)
    if x.ndim > 2:
        raise ShapeError(f"stft: wants one signal or a batch of them, not shape {tuple(x.shape)}")
    size, hop, taper = _frame("stft", n_fft, hop_length, win_length, window, x)
    is_complex = kind(x.dtype) == 3 or (taper is not None and kind(taper.dtype) == 3)
    half = not is_complex if onesided is None else bool(onesided)
    if half and is_complex:
        raise SettingError("stft: the spectrum of a complex signal or window has two sides; leave out onesided=True")
    if center:
        x = pad(x, (size // 2, size // 2), pad_mode)
    if x.shape[-1] < size:
        raise ShapeError(
            f"stft: {x.shape[-1]} samples are fewer than one frame of n_fft={size}; give a longer signal, or center=True"
        )
    axis = x.ndim - 1
    frames = windows(x, axis, size, hop)  # (..., frames, n_fft)
    frames = frames if taper is None else frames * taper
    norm = "ortho" if normalized else "backward"
    out = of_real(frames, axis + 1, norm) if half else fourier(frames, (axis + 1,), norm)
    out = out.mT
    return out if return_complex else view_as_real(out)


def istft(
    x: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Tensor | None = None,
    center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """The signal whose ``stft`` with the same settings this is, in the sense of least squares: (..., frequencies, frames) to (..., samples).

    Frames are added up and divided by the sum of the squared windows, which must nowhere be 0 (D. Griffin and J. Lim, 1984). The signal is cut
    or filled up with zeros to ``length``.
    """
    x = tensor_like("istft", x)
    if kind(x.dtype) != 3:
        raise DtypeError(f"istft: wants complex spectra, not {x.dtype}; view_as_complex makes them of pairs")
    if x.ndim not in (2, 3) or not x.numel():
        raise ShapeError(f"istft: wants (frequencies, frames), or a batch of them, not shape {tuple(x.shape)}")
    size, hop, taper = _frame("istft", n_fft, hop_length, win_length, window, x)
    half = (x.shape[-2] != size) if onesided is None else bool(onesided)
    if x.shape[-2] != (size // 2 + 1 if half else size):
        raise ShapeError(
            f"istft: n_fft={size} has {size // 2 + 1 if half else size} frequencies{' on one side' if half else ''}, but x {tuple(x.shape)} has {x.shape[-2]}"
        )
    if return_complex and half:
        raise SettingError(
            "istft: a complex signal has spectra of two sides; give onesided=False, or leave out return_complex"
        )
    norm = "ortho" if normalized else "backward"
    frames = x.mT  # (..., frames, frequencies)
    last = x.ndim - 1
    frames = _samples(frames, size, last, norm, return_complex)
    count = frames.shape[-2]
    whole_length = size + hop * (count - 1)
    lead = x.shape[:-2]
    taper = tensor_of(np.ones(size, real_dtype(x.dtype))).to(device=x.device) if taper is None else taper
    signals = overlapped(frames * taper, (*lead, whole_length), last - 1, size, hop)
    weights = overlapped((taper * taper).expand(count, size), (whole_length,), 0, size, hop)
    start = size // 2 if center else 0
    stop = start + whole("istft", length) if length is not None else whole_length - start
    end = min(stop, whole_length)
    signals, weights = items(signals, (..., slice(start, end))), items(weights, (slice(start, end),))
    wrong = "istft: the windows leave samples uncovered, which cannot be known; take a smaller hop_length, or a window without zeros inside"
    lengths = weights.detach().abs()
    if not weights.numel():
        raise SettingError(wrong)
    if not left_to_gpu(lengths.array, 1e-11, LARGEST, wrong, SettingError) and float(lengths.amin().item()) < 1e-11:
        raise SettingError(wrong)
    out = signals / weights
    if stop > end:
        out = padded(out, (*((0, 0) for _ in lead), (0, stop - end)))
    return out


def _samples(spectra: Tensor, size: int, axis: int, norm: str, is_complex: bool) -> Tensor:
    """The frames that have these spectra."""
    if is_complex:
        return fourier(spectra, (axis,), norm, inverse=True)
    return to_real(sized("istft", spectra, size // 2 + 1, axis), size, axis, norm)
