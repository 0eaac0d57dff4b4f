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
    from .frames import istft, stft
    from .mel import hz_to_mel, mel_filters, mel_to_hz
    from .presets import Ge2eMel, WhisperMel, ge2e_mel, whisper_mel
    from .resampling import Resample, resample

_HOMES = {
    "Ge2eMel": "presets",
    "Resample": "resampling",
    "WhisperMel": "presets",
    "ge2e_mel": "presets",
    "hz_to_mel": "mel",
    "istft": "frames",
    "mel_filters": "mel",
    "mel_to_hz": "mel",
    "resample": "resampling",
    "stft": "frames",
    "whisper_mel": "presets",
}

__all__ = [
    "Ge2eMel",
    "Resample",
    "WhisperMel",
    "ge2e_mel",
    "hz_to_mel",
    "istft",
    "mel_filters",
    "mel_to_hz",
    "resample",
    "stft",
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
