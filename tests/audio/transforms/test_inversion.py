"""Spectrograms made heard again, against figures of torchaudio 2.8, and against the sounds that they came from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ramps import ramp

from numzoo.audio import transforms
from numzoo.audio.errors import AudioError

SOUND = ramp(8000) * np.linspace(0.1, 1, 8000, dtype=np.float32)
TONES = (np.sin(np.arange(22050) * 0.1) * np.linspace(0, 0.6, 22050) + np.sin(np.arange(22050) * 0.23) * 0.2).astype(
    np.float32
)
SPEECH: dict[str, Any] = {"f_max": 8000.0, "norm": "slaney", "mel_scale": "slaney"}


def test_mel_bands_of_the_inverse_are_the_bands() -> None:
    mel = transforms.MelSpectrogram(22050, n_fft=1024, hop_length=256, n_mels=80, power=1.0, **SPEECH)
    bands = mel(TONES)
    inverse = transforms.InverseMelScale(513, 80, 22050, **SPEECH)
    spectra = inverse(bands)
    assert spectra.shape == (513, bands.shape[1])
    assert spectra.min() == 0
    again = mel.filters @ spectra
    assert np.abs(again - bands).mean() < 0.1 * bands.mean()  # what was negative is lost
    assert np.array_equal(inverse(np.stack([bands, bands]))[1], spectra)
    with pytest.raises(AudioError, match=r"wants mel bands \(\.\.\., 80, frames\)"):
        inverse(bands[:79])


@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_the_spectra_of_the_waveform_have_the_magnitudes(momentum: float) -> None:
    spectra = transforms.Spectrogram(n_fft=512, hop_length=128, power=1.0)
    wanted = spectra(TONES)
    settings: dict[str, Any] = {"n_fft": 512, "hop_length": 128, "power": 1.0, "momentum": momentum}
    misses = []
    for times in (1, 32):
        sound = transforms.griffin_lim(wanted, **settings, n_iter=times, generator=np.random.default_rng(0))
        assert sound.shape == ((wanted.shape[1] - 1) * 128,)
        misses.append(np.linalg.norm(spectra(sound) - wanted) / np.linalg.norm(wanted))
    assert misses[1] < 0.5 * misses[0]
    assert misses[1] < 0.2


def test_phases_that_begin_at_0_or_from_a_seed_end_alike() -> None:
    power = transforms.Spectrogram(n_fft=256, hop_length=64)(SOUND)
    still = transforms.GriffinLim(n_fft=256, hop_length=64, n_iter=3, rand_init=False, length=8000)
    assert np.array_equal(still(power), still(power))
    assert still(power).shape == (8000,)
    drawn = transforms.GriffinLim(n_fft=256, hop_length=64, n_iter=3)
    one, other = (drawn(np.stack([power, power]), np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(one, other)
    assert np.abs(one[0] - one[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("values", "settings", "message"),
    [
        (np.ones((129, 3)), {}, "3 frames are too few, it takes 4 of 64 samples"),
        (np.ones((128, 30)), {}, r"wants spectra \(\.\.\., 129, frames\)"),
        (np.full((129, 30), np.nan), {}, "without NaN"),
        (np.full((129, 30), -1.0), {}, "numbers from 0"),
        (np.ones((129, 30)), {"momentum": 1.0}, "momentum"),
        (np.ones((129, 30)), {"power": 0}, "power"),
        (np.ones((129, 30)), {"n_iter": -1}, "n_iter"),
        (np.ones((129, 30)), {"length": 1920}, "length is 1920, but 30 frames are 1856 to 1919 samples"),
    ],
)
def test_bad_spectra_are_named(values: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, AudioError), match=message):
        transforms.griffin_lim(values, n_fft=256, hop_length=64, **settings)


@pytest.mark.parametrize("classes", [16, 256, 512])
def test_every_class_of_a_sample_is_that_of_what_it_stands_for(classes: int) -> None:
    samples = transforms.mu_law_decode(np.arange(classes), classes)
    assert (samples[0], samples[-1]) == pytest.approx((-1, 1), abs=1e-6)
    assert (np.diff(samples) > 0).all()
    assert np.array_equal(transforms.mu_law_encode(samples, classes), np.arange(classes))
    with pytest.raises(ValueError, match=f"run from 0 to {classes - 1}"):
        transforms.mu_law_decode([classes], classes)


def test_the_mel_of_hifigan_has_a_frame_for_every_256_samples() -> None:
    preset = transforms.hifigan_mel()
    mel = preset(TONES)
    assert (mel.dtype, mel.shape) == (np.float32, (80, 22050 // 256))
    assert preset(np.zeros(5000, np.float32)).max() < -5
    assert preset.settings()["preset"] == "audio.transforms.hifigan_mel"
    with pytest.raises(AudioError, match="384 samples are too few"):
        preset(np.zeros(384, np.float32))
