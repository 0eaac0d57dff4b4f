"""Pitch, speech and speakers: small models whose answers are known, the authors' figures, sounds of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.audio import models, pipelines, transforms
from numzoo.audio.errors import AudioError
from numzoo.audio.pipelines.activity import speeches
from numzoo.audio.pipelines.sounds import sound_of
from numzoo.audio.pipelines.speakers import _starts

CHANCES = [(i * i * 7 + i * 3) % 97 / 97 if i % 40 < 30 else (i % 7) / 40 for i in range(300)]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, [(1056, 15840), (20000, 36320), (40992, 56800), (60960, 77280), (81952, 97760), (101920, 118240), (122912, 138208), (143392, 153600)]),
        ({"threshold": 0.8, "pad": 0.2}, [(4992, 16512), (58240, 73856), (79744, 88832), (88832, 97920), (104320, 119424), (129408, 140416)]),
        (
            {"longest": 1.0, "silence": 0.4},
            [(1056, 16864), (20000, 28128), (29216, 36320), (40992, 49120), (50720, 56800), (60960, 76768), (81952, 88544), (89632, 97760),
             (101920, 117728), (122912, 127456), (128544, 138720), (143392, 153600)],
        ),
    ],
)  # fmt: skip
def test_speeches_begin_and_end_where_the_authors_code_says(settings: Any, wanted: list[tuple[int, int]]) -> None:
    assert speeches(CHANCES, 300 * 512, **settings) == wanted


def test_no_chance_is_no_speech_and_all_of_it_is_one() -> None:
    assert speeches([], 0) == []
    assert speeches([0.1] * 50, 50 * 512) == []
    assert speeches([0.9] * 50, 50 * 512 - 100) == [(0, 50 * 512 - 100)]


def test_speech_is_given_in_seconds_whatever_the_rate() -> None:
    model = models.silero_vad().eval()
    pipe = pipelines.VoiceActivity(model)
    model.chances = lambda sound: np.array([0.0] * 10 + [0.9] * 20 + [0.0] * 30, np.float32)  # type: ignore[method-assign]
    for rate in (8000, 16000, 44100):
        assert pipe((np.zeros(round(1.92 * rate), np.float32), rate)) == [pipelines.Speech(0.29, 0.99)]
    for settings in ({"threshold": 0.0}, {"off": 0.9}, {"pad": -1}, {"longest": 0.05}):
        with pytest.raises(ValueError, match=r"threshold|shortest"):
            pipe(np.zeros(9, np.float32), **settings)


@pytest.mark.parametrize(
    ("samples", "starts"), [(100, [0]), (25600, [0]), (36000, [0, 77]), (80000, [0, 77, 154, 231, 308])]
)
def test_a_sound_is_cut_into_the_parts_of_the_authors_code(samples: int, starts: list[int]) -> None:
    assert _starts(samples) == starts


def test_a_voice_is_the_mean_of_its_parts_however_quiet_it_is() -> None:
    engine.manual_seed(0)
    pipe = pipelines.SpeakerVerification(models.speaker_encoder(width=16, layers=1))
    sound = (np.random.default_rng(0).normal(size=40000) * 0.01).astype(np.float32)
    voice = pipe.embed(sound)
    assert voice.shape == (16,)
    assert np.linalg.norm(voice) == pytest.approx(1, abs=1e-5)
    parts = pipe.parts(sound)
    assert parts.shape == (2, 16)
    assert np.allclose(voice, parts.mean(axis=0) / np.linalg.norm(parts.mean(axis=0)), atol=1e-6)
    assert np.allclose(pipe.embed(sound / 50), voice, atol=1e-3)
    assert pipe(sound, np.stack([sound, sound])) == pytest.approx(1, abs=1e-4)
    with pytest.raises(AudioError, match="silent"):
        pipe.embed(np.zeros(16000, np.float32))


def test_a_pitch_comes_for_every_step_with_how_sure_it_is() -> None:
    engine.manual_seed(0)
    pipe = pipelines.PitchEstimation(models.crepe_tiny())
    found = pipe((np.sin(np.arange(1600) / 9), 8000), step=0.05)
    assert found.times.tolist() == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    assert found.pitch.shape == found.confidence.shape == (5,)
    assert ((found.confidence > 0) & (found.confidence < 1)).all()
    assert len(pipe(np.zeros(1, np.float32)).times) == 1
    for step in (0, -1, float("nan"), 1e-9):
        with pytest.raises(ValueError, match="step"):
            pipe(np.zeros(9, np.float32), step=step)


TONE = (np.sin(np.arange(3200) / 9) * 0.4).astype(np.float32)


@pytest.mark.parametrize(
    "sound",
    [
        TONE,
        TONE.tolist(),
        engine.tensor(TONE),
        (TONE, 16000),
        np.repeat(TONE[None], 8, axis=0),
        (transforms.resample(TONE, 16000, 384_000), 384_000),
        (TONE * 32768).astype(np.int16),
    ],
)
def test_sounds_come_in_every_shape(sound: Any) -> None:
    found = sound_of(sound, "a test")
    assert found.shape == (3200,)
    assert found.dtype == np.float32
    assert np.abs(found - TONE)[200:-200].max() < 2e-3


@pytest.mark.parametrize(
    ("sound", "says"),
    [
        ((TONE, 0), "rate is 0"),
        ((TONE, -3), "rate is -3"),
        ((TONE, 2.5), r"rate is 2\.5"),
        (TONE[None, None], "wants one sound"),
        (np.full(4, np.inf, np.float32), "inf"),
        (np.zeros((0, 4), np.float32), "at least 1"),
        (b"", "empty"),
        (b"<!DOCTYPE html>" * 9, "web page"),
    ],
)
def test_what_is_no_sound_is_an_error_that_says_why(sound: Any, says: str) -> None:
    with pytest.raises(AudioError, match=says):
        sound_of(sound, "a test")
