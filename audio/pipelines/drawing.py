"""Pictures of what was heard, by matplotlib, which is an optional extra."""

from __future__ import annotations

import os
import textwrap
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.pipelines.sounds import RATE
from numzoo.audio.transforms import MelSpectrogram, amplitude_to_db

__all__ = ["draw_pitch", "draw_spectrogram", "draw_speech"]

Waveform = NDArray[np.float32]
Marks = Sequence[tuple[float, float, str]]
"""Pieces of a sound to mark: where they begin and end in seconds, and what is written beside them."""

_SURE = 0.5  # below it a pitch means nothing
_LETTERS = 140  # of the size that is written in, from one side of a picture to the other


def draw_speech(waveform: Waveform, marks: Marks, path: str | os.PathLike[str]) -> None:
    """The waveform (samples,) at 16 kHz over the seconds, its pieces marked; the suffix of `path` chooses the format."""
    figure = _figure(1)
    axes = figure.add_subplot()
    _waveform(axes, waveform)
    _marked(axes, marks)
    figure.savefig(os.fspath(path), dpi=120)


def draw_spectrogram(waveform: Waveform, marks: Marks, path: str | os.PathLike[str]) -> None:
    """The waveform and its mel spectrogram in decibels, one above the other, with the pieces marked."""
    figure = _figure(2)
    upper, lower = figure.subplots(2, 1, sharex=True)
    _waveform(upper, waveform)
    _marked(upper, marks)
    mels = MelSpectrogram(RATE, n_fft=400, hop_length=160, n_mels=80)(waveform)
    lower.imshow(
        amplitude_to_db(mels, top_db=80.0),
        origin="lower",
        aspect="auto",
        extent=(0, len(waveform) / RATE, 0, len(mels)),
    )
    lower.set_ylabel("mel band")
    lower.set_xlabel("seconds")
    figure.savefig(os.fspath(path), dpi=120)


def draw_pitch(waveform: Waveform, times: Any, pitch: Any, confidence: Any, path: str | os.PathLike[str]) -> None:
    """The waveform and the pitch in Hz over the seconds; where it is unsure there is a gap."""
    figure = _figure(2)
    upper, lower = figure.subplots(2, 1, sharex=True)
    _waveform(upper, waveform)
    sure = np.where(np.asarray(confidence) >= _SURE, pitch, np.nan)
    lower.plot(times, sure, linewidth=1.5)
    lower.set_yscale("log")
    _in_full(lower.yaxis)
    lower.set_ylabel("pitch, Hz")
    lower.set_xlabel("seconds")
    lower.grid(alpha=0.3)
    if np.isfinite(sure).any():
        lower.set_ylim(np.nanmin(sure) / 1.2, np.nanmax(sure) * 1.2)
    figure.savefig(os.fspath(path), dpi=120)


def _waveform(axes: Any, waveform: Waveform) -> None:
    axes.plot(np.arange(len(waveform)) / RATE, waveform, linewidth=0.4)
    axes.set_ylabel("amplitude")
    axes.set_xlim(0, max(len(waveform), 1) / RATE)


def _marked(axes: Any, marks: Marks) -> None:
    top, seconds = axes.get_ylim()[1], axes.get_xlim()[1]
    for start, end, text in marks:
        axes.axvspan(start, end, alpha=0.2, color="tab:orange")
        if text:  # texts are texts: a $ in one begins no formula
            letters = max(8, int(_LETTERS * (end - start) / seconds))
            lines = "\n".join(textwrap.wrap(text, letters, max_lines=4, placeholder=" ..."))
            axes.text(start, top, lines, fontsize=7, va="top", clip_on=True, parse_math=False)


def _in_full(axis: Any) -> None:
    """Numbers along a logarithmic axis as 400 and 500, not as powers."""
    from matplotlib.ticker import LogFormatter

    axis.set_major_formatter(LogFormatter())
    axis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.4)))


def _figure(panels: int) -> Any:
    """A figure that no window belongs to."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # theirs, at import
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
    except ImportError as error:
        raise AudioError(
            f'Pictures need matplotlib, which did not import ({error}); pip install "numzoo[plot]" brings it'
        ) from error
    figure = Figure(figsize=(9, 2 + 1.8 * panels), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
