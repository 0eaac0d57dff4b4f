"""What makes a mel spectrogram of Tacotron 2 heard: Griffin-Lim, WaveRNN or HiFi-GAN."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.models.hifi_gan import HiFiGAN
from numzoo.audio.models.wave_rnn import WaveRNN
from numzoo.audio.pipelines.sounds import given_to
from numzoo.audio.transforms.companding import mu_law_decode
from numzoo.audio.transforms.inversion import InverseMelScale, griffin_lim
from numzoo.engine import inference_mode

__all__ = ["RATE", "GriffinLimVocoder", "HiFiGANVocoder", "Vocoder", "WaveRNNVocoder", "vocoder_of"]

RATE = 22_050
"""Samples a second of LJSpeech, which all published weights were trained on."""

_FRAME, _HOP = 1024, 256
_LEAST = 4  # frames, of which Griffin-Lim's windows are filled


class Vocoder(Protocol):
    """The natural logarithm of a mel spectrogram (n_mels, frames) to samples."""

    n_mels: int

    def __call__(
        self, mel: NDArray[np.float32], generator: np.random.Generator, temperature: float
    ) -> NDArray[np.float32]: ...


class GriffinLimVocoder:
    """Phases found by 32 steps of Griffin-Lim, with the settings of torchaudio's bundles: 256 samples for a frame."""

    n_mels = 80

    def __init__(self) -> None:
        self.inverse = InverseMelScale(
            _FRAME // 2 + 1, self.n_mels, RATE, f_max=8000.0, mel_scale="slaney", norm="slaney"
        )

    def __call__(
        self, mel: NDArray[np.float32], generator: np.random.Generator, temperature: float
    ) -> NDArray[np.float32]:
        frames = mel.shape[1]
        spectra = np.pad(self.inverse(np.exp(mel)), ((0, 0), (0, max(0, _LEAST - frames))))
        sound = griffin_lim(spectra, n_fft=_FRAME, hop_length=_HOP, power=1.0, generator=generator)
        return sound[: frames * _HOP]


class WaveRNNVocoder:
    """Samples drawn one by one: decibels from -100 to 0 as 0 to 1, classes of mu-law. `temperature` as in ``WaveRNN.infer``.

    Classes are whole numbers here; torchaudio cuts off what rounding left below one, and says some a step lower.
    """

    def __init__(self, model: WaveRNN) -> None:
        self.model, self.n_mels = _resting(model), model.config.n_freq

    def __call__(
        self, mel: NDArray[np.float32], generator: np.random.Generator, temperature: float
    ) -> NDArray[np.float32]:
        decibels = 20 * np.log10(np.maximum(np.exp(mel), np.float32(1e-5)))
        given = np.clip((-100 - decibels) / -100, 0, 1).astype(np.float32)
        bent = self.model.infer(given[None], temperature=temperature, generator=generator)[0].numpy()[0, 0]
        top = self.model.config.n_classes - 1
        return mu_law_decode(np.rint((bent + 1) * (top / 2)).astype(np.int64), top + 1)


class HiFiGANVocoder:
    """All samples at once; nothing is drawn."""

    def __init__(self, model: HiFiGAN) -> None:
        self.model, self.n_mels = _resting(model), model.config.in_channels

    def __call__(
        self, mel: NDArray[np.float32], generator: np.random.Generator, temperature: float
    ) -> NDArray[np.float32]:
        with inference_mode():
            return np.asarray(self.model(given_to(self.model, mel[None])).numpy()[0, 0], np.float32)


def vocoder_of(given: Any) -> Vocoder:
    """What a vocoder is called by: "griffin-lim", a model of WaveRNN or HiFi-GAN, or what is a vocoder already. Raises ValueError."""
    if isinstance(given, str) and given == "griffin-lim":
        return GriffinLimVocoder()
    if isinstance(given, WaveRNN):
        return WaveRNNVocoder(given)
    if isinstance(given, HiFiGAN):
        return HiFiGANVocoder(given)
    if isinstance(given, (GriffinLimVocoder, WaveRNNVocoder, HiFiGANVocoder)):
        return given
    raise ValueError(
        f"text-to-speech: a vocoder is 'griffin-lim' or a model, such as hub.load('hifigan_vocoder_v3'), not "
        f"{f'{given!r:.60}' if isinstance(given, (str, int, float)) else type(given).__name__}"
    )


def _resting(model: Any) -> Any:
    model.requires_grad_(False)
    return model.eval()
