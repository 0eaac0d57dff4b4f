"""Features of sounds against figures of librosa 0.11, torchaudio 2.9 and openai-whisper, on a sound made from integers."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from ramps import ramp

from numzoo import hub
from numzoo.audio import transforms
from numzoo.audio.errors import AudioError
from numzoo.audio.transforms.frames import power_of


@pytest.mark.parametrize(
    ("settings", "sums"),
    [
        ((16000, 400, 80, None, "htk"), [196.152, 130.5148, 0.915595, 45]),
        ((16000, 400, 80, "slaney", "slaney"), [1.999024, 0.02118552, 0.01473557, 43]),
        ((22050, 2048, 128, "slaney", "htk"), [11.88308, 0.1711167, 0.01579038, 204]),
        ((44100, 1024, 64, None, "slaney"), [495.4561, 330.2348, 0.9502261, 67]),
    ],
)
def test_mel_bands_are_the_ones_of_both_definitions(settings: Any, sums: list[float]) -> None:
    rate, n_fft, bands, norm, scale = settings
    filters = transforms.mel_filters(rate, n_fft, bands, norm=norm, mel_scale=scale)
    middle = filters[bands // 2]
    assert filters.shape == (bands, n_fft // 2 + 1)
    assert [filters.sum(), (filters**2).sum(), middle.max(), middle.argmax()] == pytest.approx(sums, rel=1e-5)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mels_and_hertz_go_back_and_forth(scale: str) -> None:
    hertz = np.array([0, 20, 440, 999.9, 1000, 1000.1, 8000, 22050])
    assert transforms.mel_to_hz(transforms.hz_to_mel(hertz, scale), scale) == pytest.approx(hertz)


@pytest.mark.parametrize(
    ("bands", "figures"),
    [
        (80, [-0.8655605, 0.9046936, 0.8130058, 0.9309566, -0.9251676]),
        (128, [-0.8286227, 0.3597136, 0.8771921, 0.950457, -0.8862323]),
    ],
)
def test_whisper_hears_what_its_authors_compute(bands: int, figures: list[float]) -> None:
    mel = transforms.whisper_mel(n_mels=bands)(ramp(16000))
    assert mel.shape == (bands, 3000)
    assert mel.dtype == np.float32
    assert [mel.mean(), mel[3, 10], mel[40, 50], mel[-1, 99], mel[0, 2999]] == pytest.approx(figures, abs=2e-5)


def test_the_speaker_encoder_hears_what_its_authors_compute() -> None:
    mel = transforms.ge2e_mel()(ramp(16000))
    assert mel.shape == (101, 40)
    assert [mel.sum(), mel[0, 3], mel[50, 20], mel[100, 39]] == pytest.approx(
        [1187.685, 0.23918, 0.1554683, 0.2788025], rel=1e-4
    )


def test_presets_are_data_and_say_their_settings() -> None:
    from numzoo.hub.loading.resolve import build

    for preset in (transforms.whisper_mel(n_mels=128), transforms.ge2e_mel()):
        settings = preset.settings()
        again = build(settings.pop("preset"), "transforms", settings, who="a test")
        assert again.settings() == preset.settings()
    assert hub.transform("whisper_base").settings() == transforms.whisper_mel().settings()


def test_a_spectrum_turns_back_into_its_sound() -> None:
    sound = np.stack([ramp(5000), ramp(5000)[::-1]])
    for center, mode in ((True, "reflect"), (True, "constant"), (True, "edge")):
        spectra = transforms.stft(sound, n_fft=512, hop_length=128, win_length=400, center=center, pad_mode=mode)
        assert spectra.shape == (2, 257, 40)
        again = transforms.istft(spectra, n_fft=512, hop_length=128, win_length=400, length=5000)
        assert np.abs(again - sound).max() < 1e-5


@pytest.mark.parametrize(
    ("sound", "says"),
    [
        (np.zeros(0, np.float32), "0 samples"),
        (np.array([0, np.nan], np.float32), "nan"),
        (np.array([0, np.inf], np.float32), "inf"),
        (np.array([0, -1e30], np.float32), r"-1e\+30, which no sound can hold"),
        (np.array([0, 1e300]), r"1e\+300, which no sound can hold"),
        (np.zeros(4, complex), "complex128"),
        (np.zeros(4, np.int64), "int64"),
        ("speech.wav", "read the file first"),
        (3.5, "wants a waveform"),
    ],
)
def test_what_is_no_sound_is_refused_with_a_reason(sound: Any, says: str) -> None:
    with pytest.raises(AudioError, match=says):
        transforms.whisper_mel()(sound)


def test_short_silent_and_stereo_sounds_have_features() -> None:
    hear = transforms.whisper_mel()
    assert np.isfinite(hear(np.zeros(1, np.float32))).all()
    stereo = np.stack([ramp(4000), np.zeros(4000, np.float32)])
    assert np.array_equal(hear(stereo), hear(ramp(4000) / 2))
    assert np.allclose(hear((ramp(4000) * 32768).astype(np.int16)), hear(ramp(4000)), atol=1e-3)
    assert transforms.whisper_mel(seconds=0)(ramp(16000)).shape == (80, 100)


@pytest.mark.parametrize("silence", [0, 1, 199, 300, 4800])
@pytest.mark.parametrize("length", [0, 1, 250, 401, 16000, 16119])
def test_a_long_sound_is_heard_in_blocks_as_in_one_piece(length: int, silence: int, monkeypatch: Any) -> None:
    hear, sound = transforms.whisper_mel(), np.random.default_rng(0).normal(size=length).astype(np.float32)
    if length + silence > 200:
        given = np.pad(sound, (0, silence))
        power = power_of(given, 2, n_fft=400, hop_length=160, win_length=None, filters=hear.filters)
        logs = np.log10(np.maximum(power[:, : len(given) // 160], 1e-10))
        wanted = (np.maximum(logs, logs.max(initial=-10) - 8) + 4) / 4
        np.testing.assert_allclose(hear.whole(sound, silence), wanted, atol=2e-6)
    whole = hear.whole(sound, silence)
    monkeypatch.setattr("numzoo.audio.transforms.presets._AT_ONCE", 7)
    np.testing.assert_allclose(hear.whole(sound, silence), whole, atol=2e-6)


def test_the_features_of_a_long_sound_take_little_more_memory_than_themselves(monkeypatch: Any) -> None:
    hear, sound = transforms.whisper_mel(), np.zeros(16_000 * 400, np.float32)
    monkeypatch.setattr("numzoo.audio.transforms.presets._AT_ONCE", 3000)
    tracemalloc.start()
    mel = hear.whole(sound)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < mel.nbytes + 12_000_000  # the sound itself takes 26 MB
