"""Sounds to vectors, by VGGish: 128 numbers for every 0.96 s, alike for sounds that are alike."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.io import Raw
from numzoo.audio.pipelines.sounds import RATE, finite, given_to, sound_of
from numzoo.audio.transforms.vggish_examples import FRAMES, HOP, LEAST, VggishMel
from numzoo.engine import inference_mode

__all__ = ["SoundEmbedding", "audio_embedding"]

_AT_ONCE = 32  # examples


class SoundEmbedding:
    """``pipe(sound)`` gives the embeddings of a sound, float32 (examples, 128): of 0 to 0.96 s, of 0.96 to 1.92 s, and so on.

    >>> embed = hub.pipeline("vggish", trust_first_use=True)    # doctest: +SKIP
    >>> embed("music.wav").shape                                # doctest: +SKIP
    (31, 128)

    What is left over at the end has no embedding, and a sound of less than 0.975 s, the last frame of an example included, is refused;
    with `pad` the end is filled with silence. A sound is a path, bytes, an array at 16 kHz or a pair (array, rate); a file without a
    header needs `raw`. The numbers are those of the network; its authors publish embeddings after a further step (PCA,
    whitening, 8 bits), whose matrix is no part of torchaudio's file.
    """

    task = "audio-embedding"

    seconds = FRAMES * HOP / RATE
    """From one example to the next."""

    def __init__(self, model: Any) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model, self.hear = model, VggishMel()

    def __call__(self, sound: Any, *, pad: bool = False, raw: Raw | None = None) -> NDArray[np.float32]:
        waveform = sound_of(sound, self.task, raw=raw)
        step = FRAMES * HOP
        if pad:
            missing = LEAST - len(waveform) if len(waveform) < LEAST else -(len(waveform) - LEAST) % step
            waveform = np.pad(waveform, (0, missing))
        if len(waveform) < LEAST:
            raise AudioError(
                f"{self.task}: the sound has {len(waveform)} samples at 16 kHz, but an embedding is of {LEAST}, 0.975 s; give a longer "
                "one, or say pad=True (--whole on the command line) to fill it with silence"
            )
        found = []
        with inference_mode():
            for start in range(0, len(waveform) - LEAST + 1, _AT_ONCE * step):
                heard = self.hear(waveform[start : start + (_AT_ONCE - 1) * step + LEAST])
                examples = given_to(self.model, heard)
                found.append(np.asarray(self.model(examples).numpy(), np.float32))
        return finite(np.concatenate(found), self.task)

    def draw(self, sound: Any, path: str | os.PathLike[str], *, raw: Raw | None = None) -> None:
        """The waveform and its mel spectrogram, as a picture. Wants matplotlib."""
        from numzoo.audio.pipelines.drawing import draw_spectrogram

        draw_spectrogram(sound_of(sound, self.task, raw=raw), [], path)


def audio_embedding(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> SoundEmbedding:
    """The pipeline of an entry for ``audio-embedding``."""
    return SoundEmbedding(model)
