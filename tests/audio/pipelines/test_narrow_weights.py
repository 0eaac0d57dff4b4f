"""Weights of 16 bits below pipelines of sounds: sounds are turned into their type, and answers are ordinary numbers, nearly the same.

Separation, quality and speech as it comes have such tests beside their others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from integers import integer_weights
from sequences import HEARS_ALL, WAV2VEC2, WAVLM, WHISPER
from speaking import HIFIGAN
from streaming_sounds import BASE

from numzoo.audio import models
from numzoo.audio.pipelines import (
    AudioClassification,
    CtcRecognition,
    PitchEstimation,
    SoundEmbedding,
    SpeakerVerification,
    VoiceActivity,
)
from numzoo.audio.pipelines.classifying import MelClassification
from numzoo.audio.pipelines.letters import Letters
from numzoo.audio.pipelines.sounds import given_to
from numzoo.audio.pipelines.speaking.vocoders import HiFiGANVocoder
from numzoo.engine import nn
from numzoo.engine.nn import functional as F

SOUND = (np.random.default_rng(0).normal(size=16_000) * np.hanning(16_000)).astype(np.float32) * 0.1
MEL = np.random.default_rng(1).normal(size=(10, 13)).astype(np.float32)
LETTERS = Letters(["<pad>", "|", "a", "b", "c", "d"])
MELS = {"n_mels": 80, **{name: size for name, size in WHISPER.items() if name != "n_mels"}}


class Few(nn.Module):
    """A small convolution in place of VGGish's many."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 128, 8, 8)

    def forward(self, examples: Any) -> Any:
        return F.relu(self.convolution(examples)).mean(axis=(2, 3))


def chances(pipe: Any) -> Any:
    return np.array([chance for _, chance in sorted(pipe(SOUND))])


CASES: dict[str, tuple[Callable[[Any], Any], Callable[[], Any], Callable[[Any], Any]]] = {
    "pitch": (PitchEstimation, models.crepe_tiny, lambda pipe: pipe(SOUND, step=0.1).confidence),
    "voice activity": (VoiceActivity, models.silero_vad, lambda pipe: pipe.chances(SOUND)),
    "voices": (
        SpeakerVerification,
        lambda: models.speaker_encoder(width=16, layers=1),
        lambda pipe: pipe.embed(SOUND, speech="all"),
    ),
    "embeddings": (SoundEmbedding, Few, lambda pipe: pipe(SOUND)),
    "letters": (
        lambda model: CtcRecognition(model, LETTERS),
        lambda: models.wav2vec2_ctc(**WAV2VEC2, vocab_size=len(LETTERS)),
        lambda pipe: pipe.log_probabilities(SOUND),
    ),
    "classes": (
        lambda model: AudioClassification(model, "abcde"),
        lambda: models.wavlm_sequence_classification(**{**WAV2VEC2, **WAVLM, **HEARS_ALL}),
        chances,
    ),
    "classes by Whisper": (
        lambda model: MelClassification(model, "abcde"),
        lambda: models.whisper_classification(classes=5, projected=8, seconds=0.5, **MELS),
        chances,
    ),
    "vocoder": (
        HiFiGANVocoder,
        lambda: models.hifigan_vocoder(**HIFIGAN),
        lambda speak: speak(MEL, np.random.default_rng(0), 1.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("narrow", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", CASES)
def test_answers_are_nearly_those_of_float32(name: str, narrow: str) -> None:
    pipeline, build, ask = CASES[name]
    model = build()
    shapes = {key: tuple(value.shape) for key, value in sorted(model.state_dict().items()) if value.dtype.kind == "f"}
    model.load_state_dict({**model.state_dict(), **integer_weights(shapes, 1.0)}, assign=True)
    wanted = ask(pipeline(model))
    model.to(dtype=narrow)
    found = ask(pipeline(model))
    assert found.dtype == wanted.dtype
    assert found.dtype in (np.float32, np.float64)
    assert np.abs(found - wanted).max() < 0.04 * np.abs(wanted).max()


def test_a_model_that_only_holds_weights_in_16_bits_is_given_float32() -> None:
    model = models.emformer_rnnt_model(**BASE)
    model.hold_narrow({name: np.dtype(np.float16) for name, _ in model.named_parameters()})
    assert next(model.parameters()).dtype == np.float16
    assert given_to(model, MEL).dtype == np.float32
    assert given_to(model.to(dtype="float16"), MEL).dtype == np.float16
