"""Spectrograms and cepstra against figures of torchaudio 2.9 and librosa 0.11, and what is random against what it draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ramps import ramp

from numzoo.audio import transforms
from numzoo.audio.errors import AudioError

SOUND = ramp(8000) * np.linspace(0.1, 1, 8000, dtype=np.float32)
LIBROSA = {"n_fft": 2048, "hop_length": 512, "mel_scale": "slaney", "norm": "slaney", "pad_mode": "constant"}
CASES: dict[str, tuple[Any, list[float]]] = {
    "spectrogram": (transforms.Spectrogram(), [201, 41, 4.644275, 80.16502, 0.1735709, 1.28982, 0.04990022]),
    "magnitudes": (
        transforms.Spectrogram(n_fft=512, hop_length=100, win_length=300, power=1.0),
        [257, 81, 1.49085, 7.382235, 0.1618202, 0.1782887, 0.5650895],
    ),
    "normalized": (
        transforms.Spectrogram(n_fft=512, normalized=True),
        [257, 32, 0.03069715, 0.5778013, 0.0005803981, 0.001535445, 0.002329428],
    ),
    "cubes": (
        transforms.Spectrogram(n_fft=256, power=3.0),
        [129, 63, 7.671174, 249.4316, 0.08405329, 3.298518, 0.267285],
    ),
    "mel": (transforms.MelSpectrogram(16000, n_mels=64), [64, 41, 14.2637, 170.4975, 0.1597303, 148.6274, 0.270063]),
    "mfcc": (
        transforms.MFCC(16000, n_mfcc=20, melkwargs={"n_mels": 64}),
        [20, 41, 0.3336034, 106.6416, -3.565161, 6.060469, -23.04168],
    ),
    "log mfcc": (
        transforms.MFCC(16000, log_mels=True, melkwargs={"n_mels": 64}),
        [40, 41, 0.1150297, 24.55515, -0.8209025, 0.1932283, -5.299344],
    ),
    "librosa's mfcc": (
        transforms.MFCC(22050, n_mfcc=20, melkwargs=LIBROSA),
        [20, 16, -1.704301, 55.06313, 5.029293, 0.1597378, -1.190743],
    ),
}


def figures(values: Any) -> list[float]:
    """The shape, the mean, the largest, and some values of an array (rows, columns)."""
    return [*values.shape, values.mean(), values.max(), values[3, 5], values[-1, -2], values[7, 0]]


@pytest.mark.parametrize("name", CASES)
def test_features_are_those_of_their_libraries(name: str) -> None:
    transform, wanted = CASES[name]
    assert figures(transform(SOUND)) == pytest.approx(wanted, rel=2e-4, abs=2e-4)


def test_channels_go_side_by_side() -> None:
    both = transforms.MFCC(16000, melkwargs={"n_mels": 64})(np.stack([SOUND, SOUND]))
    assert both.shape == (2, 40, 41)
    assert np.array_equal(both[0], both[1])
    spectra = transforms.Spectrogram(power=None)(SOUND)
    assert np.allclose(np.abs(spectra) ** 2, transforms.Spectrogram()(SOUND), rtol=1e-4, atol=1e-6)


def test_decibels_have_a_floor_and_a_reference() -> None:
    assert transforms.amplitude_to_db([1, 10, 0]).tolist() == pytest.approx([0, 10, -100])
    assert transforms.amplitude_to_db([1, 10, 0], stype="magnitude", amin=1e-5).tolist() == pytest.approx([0, 20, -100])
    assert transforms.AmplitudeToDB(ref=10.0, top_db=30)([1, 10, 0]).tolist() == pytest.approx([-10, 0, -30])
    for wrong in ({"stype": "energy"}, {"amin": 0}, {"ref": -1.0}, {"top_db": -3}):
        with pytest.raises(ValueError, match=r"stype|amin"):
            transforms.AmplitudeToDB(**wrong)


@pytest.mark.parametrize("rate", [0.8, 1.3, 2.0, 1.0])
def test_the_phase_vocoder_follows_its_definition(rate: float) -> None:
    spectra = transforms.stft(SOUND, n_fft=256, hop_length=64)
    found = transforms.phase_vocoder(spectra, rate, hop_length=64)
    frames = np.pad(spectra.astype(np.complex128), ((0, 0), (0, 2)))
    advance = 2 * np.pi * 64 * np.arange(129) / 256
    phase = np.angle(frames[:, 0])
    for column, place in enumerate(np.arange(0, spectra.shape[1], rate)):
        one, other = frames[:, int(place)], frames[:, int(place) + 1]
        part = place - int(place)
        wanted = ((1 - part) * np.abs(one) + part * np.abs(other)) * np.exp(1j * phase)
        assert np.abs(found[:, column] - wanted).max() < 2e-4
        turn = np.angle(other) - np.angle(one) - advance
        phase = phase + advance + turn - 2 * np.pi * np.round(turn / (2 * np.pi))
    with pytest.raises(ValueError, match="rate"):
        transforms.phase_vocoder(spectra, 0, hop_length=64)


def test_a_stretched_tone_keeps_its_pitch() -> None:
    tone = np.sin(np.arange(16000) * (2 * np.pi * 1000 / 16000)).astype(np.float32)
    for rate in (0.5, 2.0):
        slow = transforms.time_stretch(tone, rate, n_fft=512)
        assert slow.shape == (round(16000 / rate),)
        middle = slow[1000:-1000] * np.hanning(len(slow) - 2000)
        assert np.abs(np.fft.rfft(middle)).argmax() / len(middle) * 16000 == pytest.approx(1000, abs=5)
    spectra = transforms.stft(tone, n_fft=400, hop_length=200)
    assert transforms.TimeStretch(2.0)(spectra).shape == (201, 41)


@pytest.mark.parametrize(("mask", "axis"), [(transforms.FrequencyMasking, 1), (transforms.TimeMasking, 2)])
def test_masks_hide_one_stretch_of_one_axis(mask: Any, axis: int) -> None:
    values = np.ones((4, 30, 50), np.float32)
    generator = np.random.default_rng(0)
    widths = []
    for _ in range(50):
        hidden = mask(10)(values, generator) == 0
        line = hidden.all(axis=tuple({0, 1, 2} - {axis}))
        assert hidden.sum() == line.sum() * values.size / values.shape[axis]
        assert np.abs(np.diff(np.pad(line.astype(int), 1))).sum() in (0, 2)  # in one piece
        widths.append(int(line.sum()))
    assert 0 <= min(widths) < 3
    assert 6 < max(widths) < 10
    apart = mask(20, iid_masks=True, value=-1.0)(values, generator)
    assert len({tuple(np.argwhere(each == -1).ravel()) for each in apart}) > 1
    short = mask(1000, p=0.1)(values, generator)
    assert (short == 0).sum() <= values.size * 0.1
    assert (values == 1).all()
    with pytest.raises(ValueError, match="wants spectrograms"):
        mask(3, iid_masks=True)(values[0])


def test_a_draw_can_be_shared_and_repeated() -> None:
    steps = transforms.Compose(
        [transforms.Volume(-6, 6, gain_type="db"), transforms.AddNoise(), transforms.Spectrogram()]
    )
    one, other = (steps(SOUND, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one, other)
    louder = transforms.Volume(0.5, 2).seed(3)
    drawn = louder.draw(np.random.default_rng(1), SOUND.shape)
    assert np.array_equal(louder.apply(SOUND, drawn), transforms.volume(SOUND, drawn))
    with pytest.raises(TypeError, match=r"numpy\.random\.Generator"):
        louder(SOUND, 3)
    with pytest.raises(TypeError, match="step 1"):
        transforms.Compose([louder, 3])


def test_loudness_has_three_units_and_a_ceiling() -> None:
    for gain, kind in ((2, "amplitude"), (4, "power"), (6.020599913279624, "db")):
        assert np.allclose(transforms.volume(SOUND / 2, gain, gain_type=kind), SOUND, atol=1e-6)
    assert transforms.volume(SOUND, 10).max() == 1
    assert transforms.volume(SOUND, 10, clip=False).max() > 1
    for wrong in ({"gain": -1}, {"gain": float("nan")}, {"gain": 1, "gain_type": "sone"}):
        with pytest.raises(ValueError, match="gain"):
            transforms.volume(SOUND, **wrong)


@pytest.mark.parametrize("snr", [-5.0, 0.0, 20.0])
def test_noise_is_weaker_by_so_many_decibels(snr: float) -> None:
    noise = ramp(8000)[::-1] * 3
    mixed = transforms.add_noise(SOUND, noise, snr)
    added = mixed.astype(float) - SOUND
    assert 10 * np.log10((SOUND.astype(float) ** 2).sum() / (added**2).sum()) == pytest.approx(snr, abs=1e-3)
    drawn = transforms.AddNoise([noise[:300]], low=snr, high=snr)(SOUND, np.random.default_rng(0)) - SOUND
    assert 10 * np.log10((SOUND**2).sum() / (drawn**2).sum()) == pytest.approx(snr, abs=1e-2)
    assert np.array_equal(transforms.add_noise(SOUND, np.zeros(8000, np.float32), snr), SOUND)
    with pytest.raises(AudioError, match="8000 samples but the noise 10"):
        transforms.add_noise(SOUND, np.zeros(10, np.float32), snr)


def test_a_room_is_a_convolution_with_its_response() -> None:
    click = ramp(700)
    wanted = np.convolve(SOUND.astype(float), click / np.linalg.norm(click))
    assert np.allclose(transforms.reverberate(SOUND, click, tail=True), wanted, atol=1e-5)
    assert np.allclose(transforms.Reverberation([click])(SOUND), wanted[:8000], atol=1e-5)
    with pytest.raises(AudioError, match="not silent"):
        transforms.reverberate(SOUND, np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="at least one room"):
        transforms.Reverberation([])
