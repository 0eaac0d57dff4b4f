"""A sound without its long silences, which are no part of a voice: as Resemblyzer cuts them before the GE2E speaker encoder.

Speech is found in windows of 30 ms by WebRTC's detector, or by any pipeline that gives speeches; the rules of what stays are those
of Resemblyzer's ``trim_long_silences``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.errors import AudioError, MissingLibraryError
from numzoo.audio.pipelines.sounds import RATE

__all__ = ["WINDOW", "has_detector", "shortened", "voiced_by_detector", "voiced_by_speeches"]

WINDOW = 480
"""Samples of a window, 30 ms."""

_SMOOTHED = 8  # windows of which more than half must be speech
_LONGEST = 6  # silent windows that stay between two that are heard
_STRICTEST = 3  # of the detector's modes: what it calls speech is speech

Windows = NDArray[np.bool_]


def shortened(waveform: NDArray[np.float32], voiced: Windows) -> NDArray[np.float32]:
    """The windows of a waveform (samples,) that hold speech, and up to three on either side of each; `voiced` says which hold it.

    Samples behind the last whole window are left out. Raises AudioError where nobody speaks.
    """
    near = np.convolve(voiced.astype(np.int64), np.ones(_LONGEST + 1, np.int64), "same")[: len(voiced)] > 0
    if not near.any():
        raise AudioError(
            "speaker-verification: no speech was found in the sound; to compare it whole, whatever is in it, say speech='all' (--whole)"
        )
    return waveform[: len(voiced) * WINDOW].reshape(-1, WINDOW)[near].reshape(-1)


def voiced_by_detector(waveform: NDArray[np.float32]) -> Windows:
    """Which windows of a waveform at 16 kHz hold speech, by WebRTC's detector at its strictest, smoothed over eight windows.

    Wants the package webrtcvad (pip install "numzoo[voices]"). Raises MissingLibraryError.
    """
    speaks = _detector()
    whole = waveform[: len(waveform) // WINDOW * WINDOW]
    samples = np.round(np.clip(whole, -1, 1) * np.float32(32767)).astype("<i2").reshape(-1, WINDOW)
    flags = np.array([speaks(window.tobytes()) for window in samples], np.int64)
    return np.asarray(np.convolve(flags, np.ones(_SMOOTHED, np.int64))[4 : 4 + len(flags)] > _SMOOTHED // 2)


def voiced_by_speeches(waveform: NDArray[np.float32], speeches: Iterable[tuple[float, float]]) -> Windows:
    """Which windows hold any of the `speeches`, (start, end) pairs in seconds."""
    voiced = np.zeros(len(waveform) // WINDOW, np.bool_)
    for start, end in speeches:
        voiced[int(start * RATE) // WINDOW : -int(-end * RATE // WINDOW)] = True
    return voiced


def has_detector() -> bool:
    """Whether WebRTC's detector is installed."""
    return importlib.util.find_spec("webrtcvad") is not None


def _detector() -> Callable[[bytes], bool]:
    try:
        import webrtcvad
    except ImportError as error:
        raise MissingLibraryError(
            "Cutting silences as Resemblyzer does needs the package webrtcvad: pip install 'numzoo[voices]'. Or give the speech by "
            "another detector, speech=hub.pipeline('silero_vad'), or take all of the sound, speech='all'."
        ) from error
    detector: Any = webrtcvad.Vad(_STRICTEST)
    return lambda window: bool(detector.is_speech(window, RATE))
