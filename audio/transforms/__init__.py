"""From waveforms to what models hear: the presets that they were trained with, and the transforms to train them further.

>>> from numzoo.audio import transforms
>>> transforms.whisper_mel(n_mels=80)(waveform).shape       # doctest: +SKIP
(80, 3000)

Arrays in, float32 arrays out. Where torchaudio and librosa define a thing differently, a setting says which; the defaults
are torchaudio's.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Compose, Transform
    from .companding import mu_law_decode, mu_law_encode
    from .frames import istft, stft
    from .inversion import GriffinLim, InverseMelScale, griffin_lim
    from .masking import FrequencyMasking, TimeMasking
    from .mel import hz_to_mel, mel_filters, mel_to_hz
    from .mixing import AddNoise, Reverberation, Volume, add_noise, reverberate, volume
    from .presets import Ge2eMel, HifiganMel, WhisperMel, ge2e_mel, hifigan_mel, whisper_mel
    from .resampling import Resample, resample
    from .spectrograms import MFCC, AmplitudeToDB, MelSpectrogram, Spectrogram, amplitude_to_db
    from .stretching import TimeStretch, phase_vocoder, time_stretch
    from .transducer_mel import TransducerMel
    from .vggish_examples import VggishMel, vggish_mel

_HOMES = {
    "AddNoise": "mixing",
    "AmplitudeToDB": "spectrograms",
    "Compose": "base",
    "FrequencyMasking": "masking",
    "Ge2eMel": "presets",
    "GriffinLim": "inversion",
    "HifiganMel": "presets",
    "InverseMelScale": "inversion",
    "MFCC": "spectrograms",
    "MelSpectrogram": "spectrograms",
    "Resample": "resampling",
    "Reverberation": "mixing",
    "Spectrogram": "spectrograms",
    "TimeMasking": "masking",
    "TimeStretch": "stretching",
    "TransducerMel": "transducer_mel",
    "Transform": "base",
    "VggishMel": "vggish_examples",
    "Volume": "mixing",
    "WhisperMel": "presets",
    "add_noise": "mixing",
    "amplitude_to_db": "spectrograms",
    "ge2e_mel": "presets",
    "griffin_lim": "inversion",
    "hifigan_mel": "presets",
    "hz_to_mel": "mel",
    "istft": "frames",
    "mel_filters": "mel",
    "mel_to_hz": "mel",
    "mu_law_decode": "companding",
    "mu_law_encode": "companding",
    "phase_vocoder": "stretching",
    "resample": "resampling",
    "reverberate": "mixing",
    "stft": "frames",
    "time_stretch": "stretching",
    "vggish_mel": "vggish_examples",
    "volume": "mixing",
    "whisper_mel": "presets",
}

__all__ = [
    "MFCC",
    "AddNoise",
    "AmplitudeToDB",
    "Compose",
    "FrequencyMasking",
    "Ge2eMel",
    "GriffinLim",
    "HifiganMel",
    "InverseMelScale",
    "MelSpectrogram",
    "Resample",
    "Reverberation",
    "Spectrogram",
    "TimeMasking",
    "TimeStretch",
    "TransducerMel",
    "Transform",
    "VggishMel",
    "Volume",
    "WhisperMel",
    "add_noise",
    "amplitude_to_db",
    "ge2e_mel",
    "griffin_lim",
    "hifigan_mel",
    "hz_to_mel",
    "istft",
    "mel_filters",
    "mel_to_hz",
    "mu_law_decode",
    "mu_law_encode",
    "phase_vocoder",
    "resample",
    "reverberate",
    "stft",
    "time_stretch",
    "vggish_mel",
    "volume",
    "whisper_mel",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
