"""Pitch, speech and speakers: small models whose answers are known, the authors' figures, sounds of every kind."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.audio import models, pipelines, transforms
from numzoo.audio.errors import AudioError, MissingLibraryError
from numzoo.audio.pipelines import silences
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
    pipe = small_encoder()
    sound = (np.random.default_rng(0).normal(size=40000) * 0.01).astype(np.float32)
    voice = pipe.embed(sound, speech="all")
    assert voice.shape == (16,)
    assert np.linalg.norm(voice) == pytest.approx(1, abs=1e-5)
    parts = pipe.parts(sound, speech="all")
    assert parts.shape == (2, 16)
    assert np.allclose(voice, parts.mean(axis=0) / np.linalg.norm(parts.mean(axis=0)), atol=1e-6)
    assert np.allclose(pipe.embed(sound / 50, speech="all"), voice, atol=1e-3)
    assert pipe(sound, np.stack([sound, sound]), speech="all") == pytest.approx(1, abs=1e-4)
    with pytest.raises(AudioError, match="silent"):
        pipe.embed(np.zeros(16000, np.float32), speech="all")


def small_encoder() -> Any:
    engine.manual_seed(0)
    return pipelines.SpeakerVerification(models.speaker_encoder(width=16, layers=1))


STAYS = [
    ("..........", ""),
    ("#", "0"),
    ("#......#", "01234567"),  # six silent windows stay
    ("#.......#", "01235678"),  # of seven the middle one goes
    ("....#........", "1234567"),
]


@pytest.mark.parametrize(("voiced", "wanted"), STAYS)
def test_long_silences_go_and_what_lies_near_speech_stays(voiced: str, wanted: str) -> None:
    waveform = np.repeat(np.arange(len(voiced), dtype=np.float32), silences.WINDOW)
    flags = np.array([letter == "#" for letter in voiced])
    if not wanted:
        with pytest.raises(AudioError, match="no speech"):
            silences.shortened(waveform, flags)
        return
    found = silences.shortened(np.append(waveform, np.float32(99)), flags)  # what follows the last window goes
    assert found.reshape(-1, silences.WINDOW)[:, 0].tolist() == [int(digit) for digit in wanted]


def test_speeches_in_seconds_are_the_windows_that_they_touch() -> None:
    waveform = np.zeros(silences.WINDOW * 10 + 7, np.float32)
    for speeches_, wanted in (
        ([(0.03, 0.06)], [1]),
        ([(0.031, 0.0601)], [1, 2]),
        ([(0.0, 0.01), (0.28, 9.0)], [0, 9]),
        ([], []),
    ):
        assert np.flatnonzero(silences.voiced_by_speeches(waveform, speeches_)).tolist() == wanted


def test_the_detector_hears_no_speech_in_silence_and_noise_and_some_in_a_vowel() -> None:
    pytest.importorskip(
        "webrtcvad", reason="the detector of speech is measured where webrtcvad is installed (the voices extra)"
    )
    assert not silences.voiced_by_detector(np.zeros(16000, np.float32)).any()
    voiced = silences.voiced_by_detector(with_a_vowel())
    assert len(voiced) == len(with_a_vowel()) // silences.WINDOW
    assert voiced[40:60].all()
    assert not voiced[85:].any()


def with_a_vowel() -> Any:
    """0.9 s of almost nothing, 0.9 s of a vowel at 120 Hz, 1.2 s of almost nothing."""
    time = np.arange(14400) / 16000
    formants = ((700, 90), (1220, 110), (2600, 160))
    tones = [
        (120 * k, sum(1 / (1 + ((120 * k - middle) / width) ** 2) for middle, width in formants)) for k in range(1, 30)
    ]
    vowel = sum(loud * np.sin(2 * np.pi * pitch * time) for pitch, loud in tones) * (
        1 + 0.5 * np.sin(2 * np.pi * 4 * time)
    )
    quiet = np.random.default_rng(0).normal(size=48000) * 1e-4
    quiet[14400:28800] += 0.1 * vowel
    return quiet.astype(np.float32)


def test_silences_are_cut_by_whatever_is_asked_to_find_the_speech() -> None:
    pipe, sound = small_encoder(), with_a_vowel()
    only = sound[14400 - 3 * 480 : 28800 + 3 * 480]
    found = pipe.parts(sound, speech=lambda given: [pipelines.Speech(0.9, 1.8)])
    assert np.allclose(found, pipe.parts(only, speech="all"), atol=2e-2)
    assert len(pipe.parts(sound, speech="all")) == 3
    assert len(found) == 1
    with pytest.raises(AudioError, match="no speech"):
        pipe(sound, sound, speech=lambda given: [])
    with pytest.raises(AudioError, match="'webrtc', 'all' or a pipeline"):
        pipe.embed(sound, speech="silero")


def test_without_the_detector_the_pipeline_says_that_silences_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, sound = small_encoder(), with_a_vowel()
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    monkeypatch.setattr("numzoo.audio.pipelines.speakers.has_detector", lambda: False)
    with pytest.warns(UserWarning, match="webrtcvad is not installed"):
        found = pipe.embed(sound)
    assert (found == pipe.embed(sound, speech="all")).all()
    with pytest.raises(MissingLibraryError, match="webrtcvad"):
        pipe.embed(sound, speech="webrtc")


def test_with_the_detector_silences_are_cut_without_being_asked() -> None:
    pytest.importorskip(
        "webrtcvad", reason="the detector of speech is measured where webrtcvad is installed (the voices extra)"
    )
    pipe, sound = small_encoder(), with_a_vowel()
    assert (pipe.embed(sound) == pipe.embed(sound, speech="webrtc")).all()
    assert not np.allclose(pipe.embed(sound), pipe.embed(sound, speech="all"))


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
