"""Features of sounds beside librosa, torchaudio and openai-whisper, where they are installed, on random sounds and settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo.audio import transforms

SOUND = (np.random.default_rng(0).normal(size=(2, 16000)) * 0.1).astype(np.float32)


def near(found: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    wanted = np.asarray(wanted)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= tolerance * max(1, np.abs(wanted).max())


@pytest.mark.parametrize("seed", range(8))
def test_mel_bands_and_spectra_are_librosas(seed: int) -> None:
    librosa = pytest.importorskip("librosa")
    draw = np.random.default_rng(seed)
    rate, n_fft, bands = (
        int(draw.choice([8000, 16000, 22050, 44100])),
        int(draw.integers(256, 2049)),
        int(draw.integers(4, 128)),
    )
    scale, norm = draw.choice(["htk", "slaney"]), draw.choice([None, "slaney"])
    wanted = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=bands, htk=scale == "htk", norm=norm)
    near(transforms.mel_filters(rate, n_fft, bands, norm=norm, mel_scale=str(scale)), wanted, 1e-7)
    hop = int(draw.integers(50, 300))
    spectra = transforms.stft(SOUND, n_fft=n_fft, hop_length=hop, pad_mode="constant")
    near(spectra, librosa.stft(SOUND, n_fft=n_fft, hop_length=hop))
    for speed in (0.7, 1.5):
        slow = librosa.phase_vocoder(spectra.astype(np.complex128), rate=speed, hop_length=hop, n_fft=n_fft)
        near(transforms.phase_vocoder(spectra, speed, hop_length=hop), slow, 1e-4) if n_fft % 2 == 0 else None


def test_decibels_and_cepstra_are_librosas() -> None:
    librosa = pytest.importorskip("librosa")
    settings = {"n_fft": 2048, "hop_length": 512, "mel_scale": "slaney", "norm": "slaney", "pad_mode": "constant"}
    near(transforms.MFCC(22050, n_mfcc=20, melkwargs=settings)(SOUND[0]), librosa.feature.mfcc(y=SOUND[0], sr=22050))
    mel = transforms.ge2e_mel()(SOUND[0])
    near(mel, librosa.feature.melspectrogram(y=SOUND[0], sr=16000, n_fft=400, hop_length=160, n_mels=40).T)
    near(transforms.amplitude_to_db(mel, top_db=80), librosa.power_to_db(mel))
    near(transforms.amplitude_to_db(mel, stype="magnitude", amin=1e-5, top_db=80), librosa.amplitude_to_db(mel))


@pytest.mark.parametrize(("before", "after"), [(44100, 16000), (8000, 16000), (3, 2), (16000, 11025)])
@pytest.mark.parametrize("method", ["sinc_interp_hann", "sinc_interp_kaiser"])
def test_resampling_is_torchaudios(before: int, after: int, method: str) -> None:
    torch, functional = pytest.importorskip("torch"), pytest.importorskip("torchaudio.functional")
    wanted = functional.resample(torch.from_numpy(SOUND).double(), before, after, resampling_method=method)
    near(transforms.resample(SOUND, before, after, resampling_method=method), wanted.numpy())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("Spectrogram", {}),
        ("Spectrogram", {"n_fft": 512, "hop_length": 100, "win_length": 300, "power": 1.0}),
        ("Spectrogram", {"n_fft": 512, "normalized": True}),
        ("Spectrogram", {"n_fft": 256, "power": None}),
        ("MelSpectrogram", {"n_mels": 64}),
        ("MelSpectrogram", {"n_fft": 1024, "n_mels": 40, "f_min": 50.0, "f_max": 7000.0, "norm": "slaney", "mel_scale": "slaney"}),
        ("MFCC", {"n_mfcc": 20, "melkwargs": {"n_mels": 64}}),
        ("MFCC", {"log_mels": True, "melkwargs": {"n_mels": 64}}),
    ],
)  # fmt: skip
def test_spectrograms_are_torchaudios(name: str, settings: dict[str, Any]) -> None:
    torch, theirs = pytest.importorskip("torch"), pytest.importorskip("torchaudio.transforms")
    near(
        getattr(transforms, name)(**settings)(SOUND),
        getattr(theirs, name)(**settings)(torch.from_numpy(SOUND)).numpy(),
        2e-5,
    )


def test_noise_and_loudness_are_torchaudios() -> None:
    torch, functional = pytest.importorskip("torch"), pytest.importorskip("torchaudio.functional")
    theirs = pytest.importorskip("torchaudio.transforms")
    given, noise = torch.from_numpy(SOUND), np.ascontiguousarray(SOUND[::-1])
    wanted = functional.add_noise(given, torch.from_numpy(noise), torch.tensor([3.0, 10.0]))
    near(transforms.add_noise(SOUND, noise, [3.0, 10.0]), wanted.numpy())
    for gain, kind in ((2.0, "amplitude"), (20.0, "db"), (4.0, "power")):
        near(transforms.volume(SOUND, gain, gain_type=kind), theirs.Vol(gain, kind)(given).numpy())


@pytest.mark.parametrize("bands", [80, 128])
def test_whisper_hears_what_its_authors_code_hears(bands: int) -> None:
    torch, theirs = pytest.importorskip("torch"), pytest.importorskip("whisper.audio")
    wanted = theirs.log_mel_spectrogram(theirs.pad_or_trim(torch.from_numpy(SOUND[0])), bands).numpy()
    near(transforms.whisper_mel(n_mels=bands)(SOUND[0]), wanted)


@pytest.mark.parametrize("momentum", [0.0, 0.99])
@pytest.mark.parametrize("length", [None, 16050])
def test_griffin_lim_is_torchaudios(momentum: float, length: int | None) -> None:
    torch, functional = pytest.importorskip("torch"), pytest.importorskip("torchaudio.functional")
    magnitudes = transforms.Spectrogram(n_fft=512, hop_length=128, power=1.0)(SOUND)
    settings: dict[str, Any] = {
        "n_fft": 512,
        "hop_length": 128,
        "win_length": 512,
        "power": 1.0,
        "momentum": momentum,
        "rand_init": False,
    }
    for times, tolerance in ((1, 1e-4), (8, 2e-3)):  # phases of quiet frequencies part with rounding
        found = transforms.griffin_lim(magnitudes, **settings, n_iter=times, length=length)
        wanted = functional.griffinlim(
            torch.from_numpy(magnitudes), torch.hann_window(512), **settings, n_iter=times, length=length
        )
        near(found, wanted.numpy(), tolerance)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_the_inverse_of_mel_bands_and_mu_law_are_torchaudios(scale: str) -> None:
    torch, theirs = pytest.importorskip("torch"), pytest.importorskip("torchaudio.transforms")
    settings: dict[str, Any] = {"f_max": 8000.0, "norm": "slaney", "mel_scale": scale}
    bands = np.abs(np.random.default_rng(0).normal(size=(2, 40, 30))).astype(np.float32)
    wanted = theirs.InverseMelScale(513, 40, 22050, **settings)(torch.from_numpy(bands)).numpy()
    near(transforms.InverseMelScale(513, 40, 22050, **settings)(bands), wanted, 1e-4)
    sound = np.linspace(-1, 1, 3001, dtype=np.float32)
    codes = theirs.MuLawEncoding(256)(torch.from_numpy(sound))
    assert np.mean(transforms.mu_law_encode(sound) != codes.numpy()) < 1e-3
    near(transforms.mu_law_decode(codes.numpy()), theirs.MuLawDecoding(256)(codes).numpy())


@pytest.mark.filterwarnings("ignore")  # theirs: of its parts that will go
def test_the_mel_of_hifigan_is_torchaudios() -> None:
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("torchaudio.prototype.pipelines", reason="torchaudio has HiFi-GAN up to 2.8")
    sound = (np.random.default_rng(0).normal(size=9000) * 0.1).astype(np.float32)
    wanted = theirs.HIFIGAN_VOCODER_V3_LJSPEECH.get_mel_transform()(torch.from_numpy(sound)[None])[0]
    near(transforms.hifigan_mel()(sound), wanted.numpy())
