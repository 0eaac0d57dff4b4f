"""The rows of ``ops/signals/fourier.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import fft, ops

from .row import Row

WIDE = {"fourier", "of_real", "to_real", "stft", "istft"}


def parts(result: Any) -> Any:
    if isinstance(result, np.ndarray):
        return np.stack([result.real, result.imag], -1) if np.iscomplexobj(result) else result
    return ops.view_as_real(result) if result.is_complex() else result


def wide(function: Any) -> Any:
    """Half types have no transforms: they are widened, as the table's tolerances allow."""
    return lambda *x: parts(function(*(t.float() if t.dtype.itemsize < 4 else t for t in x)))


def frames(x: Any) -> Any:
    padded = np.pad(x, ((0, 0), (4, 4)), mode="reflect")
    window = np.sin(np.pi * np.arange(8) / 8) ** 2
    return np.stack([np.fft.rfft(padded[:, i : i + 8] * window, axis=1) for i in range(0, 13, 3)], -1)


def spectra(x: Any) -> Any:
    return ops.stft(x, 8, 3, window=ops.hann_window(8, dtype=x.dtype).to(device=x.device))


def back(x: Any) -> Any:
    return ops.istft(spectra(x) * 2.0, 8, 3, window=ops.hann_window(8, dtype=x.dtype).to(device=x.device))


PAIR = ((3, 4), (3, 4))
ROWS = [
    Row("fourier", PAIR, lambda a, b: parts(np.fft.fft2(a + 1j * b)), call=wide(lambda a, b: fft.fft2(ops.complex(a, b)))),
    Row("fourier", ((3, 5),), lambda x: parts(np.fft.ifft(x, axis=0, norm="ortho")), call=wide(lambda x: fft.ifft(x, dim=0, norm="ortho")), label="of reals"),
    Row("of_real", ((3, 5),), lambda x: parts(np.fft.rfft(x, norm="forward")), call=wide(lambda x: fft.rfft(x, norm="forward"))),
    Row("of_real", ((3, 6),), lambda x: parts(np.fft.rfft(x)), call=wide(fft.rfft), label="even"),
    Row("to_real", PAIR, lambda a, b: np.fft.irfft(a + 1j * b), call=wide(lambda a, b: fft.irfft(ops.complex(a, b)))),
    Row("to_real", PAIR, lambda a, b: np.fft.irfft(a + 1j * b, 7), call=wide(lambda a, b: fft.irfft(ops.complex(a, b), 7)), label="odd"),
    Row("stft", ((2, 12),), lambda x: parts(frames(x)), call=wide(spectra)),
    Row("istft", ((2, 12),), lambda x: 2 * x, call=wide(back)),
]  # fmt: skip
