"""A mixture to its sources: drums, bass, voices and the rest of a song, or the voices of people who speak at once.

Long sounds go through the model in windows that overlap; where two meet, one fades out while the other fades in.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.errors import AudioAccessError, AudioError, MissingAudioError
from numzoo.audio.io import Raw
from numzoo.audio.pipelines.sounds import channels_of, finite, given_to
from numzoo.audio.writing import write_audio
from numzoo.engine import inference_mode

__all__ = ["SourceSeparation", "Sources", "source_separation"]

Waveform = NDArray[np.float32]


class Sources(NamedTuple):
    """What a mixture was made of: name -> waveform (channels, samples), and how many samples a second they have."""

    waveforms: dict[str, Waveform]
    rate: int

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``NAME.wav`` for each source (32-bit floats) into a new `folder`, which appears whole or not at all; the paths.

        Raises AudioError where `folder` is there already, MissingAudioError where the folder around it is not.
        """
        target = Path(folder)
        check_absent(target)
        for name in self.waveforms:
            if not re.fullmatch(r"\w[\w .-]*", name):
                raise AudioError(f"a source called {name!r:.80} cannot be the name of a file")
        part = target.with_name(f".{target.name[:80]}.{os.urandom(6).hex()}.part")
        try:
            part.mkdir()
            try:
                for name, waveform in self.waveforms.items():
                    write_audio(waveform, part / f"{name}.wav", self.rate)
                part.rename(target)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingAudioError(f"{str(target.parent)!r} is no folder; make it first") from error
        except PermissionError as error:
            raise AudioAccessError(f"{str(target)!r} cannot be written: permission denied") from error
        return [target / f"{name}.wav" for name in self.waveforms]


class SourceSeparation:
    """``pipe(sound)`` gives the `Sources` of a sound of any length and rate, at the model's rate.

    >>> separate = hub.pipeline("hdemucs_high")                 # doctest: +SKIP
    >>> separate("song.flac").waveforms["vocals"]               # doctest: +SKIP

    A sound is a path, bytes, an array at the model's rate, or a pair (array, rate); a file without a header needs `raw`. One
    channel is copied to all that the model hears; of a model that hears one, it is the mean. Windows of `seconds` meet over `overlap` seconds.
    Where a model does not tell its sources apart by name, those of a window follow those of the one before that they are most like.
    """

    task = "source-separation"

    def __init__(self, model: Any, rate: int, *, seconds: float, overlap: float, normalize: bool = False) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model, self.rate, self.normalize = model, rate, normalize
        self.seconds, self.overlap = seconds, overlap
        self.channels: int = getattr(model.config, "audio_channels", 1)
        self.named = hasattr(model, "sources")
        self.sources: list[str] = (
            list(model.sources) if self.named else [f"source{place + 1}" for place in range(model.config.num_sources)]
        )
        self._frames(seconds, overlap)

    def __call__(
        self, sound: Any, *, seconds: float | None = None, overlap: float | None = None, raw: Raw | None = None
    ) -> Sources:
        size, shared = self._frames(
            self.seconds if seconds is None else seconds, self.overlap if overlap is None else overlap
        )
        mixture = channels_of(sound, self.task, self.channels, self.rate, raw=raw)
        mean, spread = np.float32(0), np.float32(1)
        if self.normalize:
            middle = mixture.mean(axis=0)
            mean = middle.mean()
            spread = middle.std(ddof=1) if len(middle) > 1 else spread
            spread = spread if spread > 0 else np.float32(1)
        found = np.zeros((len(self.sources), *mixture.shape), np.float32)
        before: Waveform | None = None
        for start, end in windows(mixture.shape[1], size, shared):
            piece = self._separated((mixture[:, start:end] - mean) / spread)
            faded = min(shared, piece.shape[2]) if start else 0
            if before is not None and not self.named:
                piece = piece[_order(before[:, :, -shared:], piece[:, :, :shared])]
            rising = np.linspace(0, 1, shared, dtype=np.float32)[:faded]
            whole = piece[:, :, faded:]
            found[:, :, start : start + faded] *= 1 - rising
            found[:, :, start : start + faded] += piece[:, :, :faded] * rising
            found[:, :, start + faded : end] = whole
            before = piece if shared else None
        found *= spread
        found += mean
        return Sources(dict(zip(self.sources, found, strict=True)), self.rate)

    def _separated(self, mixture: Waveform) -> Waveform:
        """The sources (sources, channels, samples) of what the model hears at once."""
        with inference_mode():  # these models narrow what they must themselves; spectra are made in float32
            out = np.asarray(self.model(given_to(self.model, mixture[None], narrow=False)).numpy(), np.float32)
        return finite(out.reshape(len(self.sources), *mixture.shape), self.task)

    def _frames(self, seconds: Any, overlap: Any) -> tuple[int, int]:
        """How many samples a window has, and how many of them it shares with the next."""
        numbers = all(isinstance(each, Real) and math.isfinite(each) for each in (seconds, overlap))
        if not numbers or not 0 <= round(overlap * self.rate) * 2 < round(seconds * self.rate):
            raise ValueError(
                f"{self.task}: seconds is how long a window is, and overlap, less than half of it, how much it shares with the next, not "
                f"{seconds!r:.40} and {overlap!r:.40}"
            )
        return round(seconds * self.rate), round(overlap * self.rate)


def windows(samples: int, size: int, shared: int) -> Iterator[tuple[int, int]]:
    """From where to where each window goes: they end at multiples of `size`, and begin `shared` before the last one's end."""
    yield 0, min(size, samples)
    for place in range(size, samples, size):
        yield place - shared, min(place + size, samples)


def check_absent(folder: Path) -> None:
    """Refuse to write where something is."""
    if os.path.lexists(folder):
        raise AudioError(f"{str(folder)!r} is there already; take it away, or give another folder")


def _order(before: Waveform, now: Waveform) -> list[int]:
    """For each source of `before` the one of `now` that goes on with it: pairs by how like they are over the same samples."""
    flat, other = before.reshape(len(before), -1).astype(np.float64), now.reshape(len(now), -1).astype(np.float64)
    length = min(flat.shape[1], other.shape[1])
    alike = flat[:, :length] @ other[:, :length].T
    order = [0] * len(before)
    for _ in order:
        row, column = np.unravel_index(np.argmax(alike), alike.shape)
        order[int(row)] = int(column)
        alike[row, :] = alike[:, column] = -np.inf
    return order


def source_separation(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> SourceSeparation:
    """The pipeline of an entry for ``source-separation``, whose settings say the model's rate, its windows, and whether mixtures are normalised."""
    said = {"rate": None, "seconds": 11, "overlap": 0.1, "normalize": False, **(settings or {})}
    rate, numbers = said["rate"], (said["seconds"], said["overlap"])
    if isinstance(rate, bool) or not isinstance(rate, int) or not 1 <= rate < 1 << 31:
        raise AudioError(f"source-separation: the entry's rate is {rate!r:.40}, not a number of samples a second")
    if not all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in numbers):
        raise AudioError(f"source-separation: the entry's seconds and overlap are {numbers!r:.80}, not two numbers")
    if not isinstance(said["normalize"], bool):
        raise AudioError(f"source-separation: the entry's normalize is {said['normalize']!r:.40}, not true or false")
    return SourceSeparation(
        model, rate, seconds=float(numbers[0]), overlap=float(numbers[1]), normalize=said["normalize"]
    )
