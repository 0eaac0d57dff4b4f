"""Fourier transforms, spectrograms and window functions beside PyTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from numzoo import engine

from .case import Case, Drawn, Random, axis_of, shape_of, uniform
from .linalg import both, flag, numbers, one_of
from .shape import few

NORMS = one_of(None, "backward", "ortho", "forward")


def line(least: int, whole: Any) -> Callable[[Random], Drawn]:
    """A signal along one axis, a size (at least ``least``) and a scale."""

    def draw(random: Random) -> Drawn:
        shape = shape_of(random, 1, 3, 6, empty=False)
        dim = axis_of(random, len(shape))
        if least > 1:
            shape = tuple(max(n, 2) for n in shape)
        n = few(random, least, 9) if flag(random) else None
        return [numbers(random, *shape, whole=whole(random))], {"n": n, "dim": dim, "norm": NORMS(random)}

    return draw


def several(axes: int | None, whole: Any, least: int = 1) -> Callable[[Random], Drawn]:
    """A signal along several axes: ``axes`` of them, or any number."""

    def draw(random: Random) -> Drawn:
        shape = tuple(max(n, least) for n in shape_of(random, axes or 1, 3, 5, empty=False))
        count = axes or few(random, 1, len(shape) + 1)
        dim: Any = tuple(int(v) for v in random.permutation(len(shape))[:count])
        s: Any = tuple(few(random, least, 7) for _ in dim) if flag(random) else None
        if flag(random):
            # The last axes, by default.
            dim = None if axes is None else (-2, -1)
        return [numbers(random, *shape, whole=whole(random))], {"s": s, "dim": dim, "norm": NORMS(random)}

    return draw


def always(value: bool) -> Any:
    return lambda random: value


def transform(name: str, draw: Any) -> Case:
    return both(name, draw, lambda e, x, **s: getattr(e.fft, name)(x, **s), tolerance=1e-9, repeats=40)


def shifted(random: Random) -> Drawn:
    shape = shape_of(random, 1, 3)
    return [uniform(random, *shape)], {"dim": one_of(None, axis_of(random, len(shape)), tuple(range(len(shape))))(random)}  # fmt: skip


def spectrum(random: Random) -> Drawn:
    """A signal, a window, and every setting of the short-time transform."""
    n_fft = few(random, 2, 12)
    win_length = one_of(None, few(random, 1, n_fft + 1))(random)
    settings = {
        "n_fft": n_fft, "hop_length": one_of(None if n_fft > 3 else 1, few(random, 1, n_fft + 1))(random), "win_length": win_length,
        "center": flag(random), "pad_mode": one_of("reflect", "constant", "replicate")(random), "normalized": flag(random),
        "onesided": one_of(None, False)(random), "pairs": flag(random),
    }  # fmt: skip
    shape = (few(random, n_fft, 30),) if flag(random) else (few(random, 1, 3), few(random, n_fft, 30))
    window = one_of(None, uniform(random, win_length or n_fft, low=0.1))(random)
    return [numbers(random, *shape, whole=random.random() < 0.25), window], settings


def stft(torch: Any, x: Any, window: Any, pairs: bool, **settings: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of rectangular windows
        return torch.stft(x, window=window, return_complex=not pairs, **settings)


def inverse(random: Random) -> Drawn:
    n_fft = few(random, 3, 10)
    hop = few(random, 1, max(n_fft // 2, 2))
    win_length = one_of(None, few(random, hop, n_fft + 1))(random)
    width = n_fft if win_length is None else win_length
    center = flag(random) or width < n_fft  # else the first samples are not covered
    frames = few(random, 4, 9)
    has_window = flag(random)
    window = uniform(random, width, low=0.5) if has_window or width < n_fft else None
    whole = not flag(random)
    n = n_fft if whole else n_fft // 2 + 1
    lead = () if flag(random) else (2,)
    settings = {
        "n_fft": n_fft, "hop_length": hop, "win_length": win_length, "center": center, "normalized": flag(random), "onesided": not whole,
        "length": one_of(None, few(random, 1, hop * (frames - 1) + 1 + (2 * n_fft if width == n_fft else 0)))(random), "return_complex": whole and flag(random),
    }  # fmt: skip
    return [numbers(random, *lead, n, frames, whole=True), window], settings


def istft(torch: Any, x: Any, window: Any, **settings: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.istft(x, window=window, **settings)


def window(name: str, **more: Any) -> Case:
    def draw(random: Random) -> Drawn:
        dtype = one_of("float32", "float64")(random)
        given = {key: value(random) for key, value in more.items()}
        return [], {"window_length": few(random, 0, 20), "periodic": flag(random), "dtype": dtype, **given}

    def theirs(torch: Any, dtype: str, **settings: Any) -> Any:
        return getattr(torch, name)(dtype=getattr(torch, dtype), **settings)

    return Case(name, draw, getattr(engine, name), theirs, dtypes=(), tolerance=2e-6)


CASES = [
    transform("fft", line(1, flag)),
    transform("ifft", line(1, flag)),
    transform("rfft", line(1, always(False))),
    transform("irfft", line(2, flag)),
    transform("hfft", line(2, flag)),
    transform("ihfft", line(1, always(False))),
    transform("fft2", several(2, flag)),
    transform("ifft2", several(2, flag)),
    transform("rfft2", several(2, always(False))),
    transform("irfft2", several(2, always(True), 2)),
    transform("fftn", several(None, flag)),
    transform("ifftn", several(None, flag)),
    transform("rfftn", several(None, always(False))),
    transform("irfftn", several(None, always(True), 2)),
    transform("hfft2", several(2, always(True), 2)),
    transform("hfftn", several(None, always(True), 2)),
    transform("ihfft2", several(2, always(False))),
    transform("ihfftn", several(None, always(False))),
    both("fftshift", shifted, lambda e, x, dim: e.fft.fftshift(x, dim), dtypes=("float32", "bfloat16")),
    both("ifftshift", shifted, lambda e, x, dim: e.fft.ifftshift(x, dim), dtypes=("float32", "bfloat16")),
    both("fftfreq", lambda r: ([], {"n": few(r, 1, 9), "d": 0.25 * few(r, 1, 5)}), lambda e, **s: e.fft.fftfreq(**s)),
    both("rfftfreq", lambda r: ([], {"n": few(r, 1, 9), "d": 0.25 * few(r, 1, 5)}), lambda e, **s: e.fft.rfftfreq(**s)),
    both(
        "rfft in float32",
        lambda r: ([uniform(r, 5, 6).astype("float32")], {}),
        lambda e, x: (e.fft.rfft(x), e.fft.fft(x), e.fft.irfft(e.fft.rfft(x))),
        tolerance=1e-5,
        second=False,
    ),
    both("fft of whole numbers", lambda r: ([r.integers(0, 5, 6)], {}), lambda e, x: e.fft.fft(x), tolerance=1e-5),
    both("stft", spectrum, stft, repeats=60),
    both("istft", inverse, istft, repeats=60),
    window("hann_window"),
    window("hamming_window", alpha=one_of(0.54, 0.5), beta=one_of(0.46, 0.4)),
    window("blackman_window"),
    window("bartlett_window"),
    window("kaiser_window", beta=one_of(12.0, 5.0)),
]
