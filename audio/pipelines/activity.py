"""Where in a sound somebody speaks, by Silero VAD and its authors' rules for what begins and ends a speech."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.io import Raw
from numzoo.audio.models.silero import CHUNK, RATE
from numzoo.audio.pipelines.sounds import sound_of
from numzoo.engine import inference_mode

__all__ = ["Speech", "VoiceActivity", "speeches", "voice_activity_detection"]

_PAUSE = 0.098  # seconds of silence at which a speech that is too long may be cut


class Speech(NamedTuple):
    """From where to where somebody speaks, in seconds."""

    start: float
    end: float


class VoiceActivity:
    """``pipe(sound)`` gives the `Speech`es of a sound in order; ``pipe.chances(sound)`` the chance of speech in every 32 ms.

    A speech begins where the chance reaches `threshold` and ends where it stays below `off` (0.15 less) for `silence`
    seconds. Those of at most `shortest` seconds are left out, longer ones than `longest` are cut at their longest pause; each
    grows by `pad` seconds at both ends. Sounds as `SpeechRecognition` takes them.
    """

    task = "voice-activity-detection"

    def __init__(self, model: Any) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model = model

    def __call__(
        self, sound: Any, *, threshold: float = 0.5, off: float | None = None, shortest: float = 0.25, longest: float = float("inf"),
        silence: float = 0.1, pad: float = 0.03, raw: Raw | None = None,
    ) -> list[Speech]:  # fmt: skip
        if not 0 < threshold <= 1 or (off is not None and not 0 < off <= threshold):
            raise ValueError(
                f"threshold and off lie above 0 and at most at 1, off not above threshold, not {threshold!r} and {off!r}"
            )
        if min(shortest, silence, pad) < 0 or not longest > 2 * pad + CHUNK / RATE:
            raise ValueError(
                f"shortest, silence and pad are seconds from 0, and longest is more than two pads, not {shortest!r}, {silence!r}, {pad!r} "
                f"and {longest!r}"
            )
        waveform = sound_of(sound, "voice-activity-detection", raw=raw)
        found = speeches(
            self.chances((waveform, RATE)), len(waveform), threshold=threshold, off=off, shortest=shortest, longest=longest,
            silence=silence, pad=pad,
        )  # fmt: skip
        return [Speech(start / RATE, end / RATE) for start, end in found]

    def draw(self, sound: Any, path: str | os.PathLike[str], *, raw: Raw | None = None) -> None:
        """The waveform with the speech marked, as a picture. Wants matplotlib."""
        from numzoo.audio.pipelines.drawing import draw_speech

        waveform = sound_of(sound, self.task, raw=raw)
        draw_speech(waveform, [(each.start, each.end, "") for each in self((waveform, RATE))], path)

    def chances(self, sound: Any, *, raw: Raw | None = None) -> NDArray[np.float32]:
        """The chance of speech in each 32 ms."""
        with inference_mode():
            found: NDArray[np.float32] = self.model.chances(sound_of(sound, "voice-activity-detection", raw=raw))
        return found


def speeches(
    chances: Sequence[float] | NDArray[np.floating[Any]], samples: int, *, threshold: float = 0.5, off: float | None = None,
    shortest: float = 0.25, longest: float = float("inf"), silence: float = 0.1, pad: float = 0.03,
) -> list[tuple[int, int]]:  # fmt: skip
    """From the chance of speech in each 512 samples to the first and last sample of each speech; seconds as above."""
    off = max(threshold - 0.15, 0.01) if off is None else off
    most = RATE * longest - CHUNK - 2 * RATE * pad
    found: list[tuple[int, int]] = []
    pauses: list[tuple[int, int]] = []  # (length, where it begins) in the speech that goes on
    start: int | None = None
    quiet: int | None = None  # since when the speech pauses
    for place, chance in enumerate(chances):
        here = place * CHUNK
        if chance >= threshold:
            if quiet is not None and here - quiet > RATE * _PAUSE:
                pauses.append((here - quiet, quiet))
            quiet = None
            if start is None:
                start = here
                continue
        if start is None:
            continue
        if here - start > most:
            if not pauses:
                found.append((start, here))
                start = quiet = None
                continue
            length, end = max(pauses, key=lambda pause: pause[0])
            found.append((start, end))
            start, quiet, pauses = end + length, None, []
        if chance < off:
            quiet = here if quiet is None else quiet
            if here - quiet >= RATE * silence:
                if quiet - start > RATE * shortest:
                    found.append((start, quiet))
                start, quiet, pauses = None, None, []
    if start is not None and samples - start > RATE * shortest:
        found.append((start, samples))
    return _padded(found, samples, RATE * pad)


def _padded(found: list[tuple[int, int]], samples: int, pad: float) -> list[tuple[int, int]]:
    """Each speech grown by `pad` samples, or to the middle of the gap to its neighbour."""
    starts, ends = [start for start, _ in found], [end for _, end in found]
    for place in range(len(found)):
        if place == 0:
            starts[0] = int(max(0, starts[0] - pad))
        if place == len(found) - 1:
            ends[place] = int(min(samples, ends[place] + pad))
            continue
        gap = starts[place + 1] - ends[place]
        if gap < 2 * pad:
            ends[place] += gap // 2
            starts[place + 1] -= gap // 2
        else:
            ends[place] = int(min(samples, ends[place] + pad))
            starts[place + 1] = int(starts[place + 1] - pad)
    return list(zip(starts, ends, strict=True))


def voice_activity_detection(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> VoiceActivity:
    """The pipeline of an entry for ``voice-activity-detection``."""
    return VoiceActivity(model)
