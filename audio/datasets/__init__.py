"""Data sets of sounds: facts about files, and readers that give (waveform, rate, target).

Every data set has a length, gives (waveform, rate, target) by index, and takes a `transform(waveform, rate)`; `targets`
holds all targets, `details(index)` what else is known of one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import AudioDataset
    from .commands import AudioFolder, SpeechCommands, SpeechCommands1, YesNo
    from .librispeech import LibriSpeech, LibriTTS
    from .samples import SphinxSpeech, SpokenLabels
    from .sounds import ESC50, GTZAN
    from .speech import TEDLIUM, TEDLIUM2, TEDLIUM3, VCTK, CMUArctic, CommonVoice, LJSpeech

_HOMES = {
    "AudioDataset": "base",
    "AudioFolder": "commands",
    "CMUArctic": "speech",
    "CommonVoice": "speech",
    "ESC50": "sounds",
    "GTZAN": "sounds",
    "LJSpeech": "speech",
    "LibriSpeech": "librispeech",
    "LibriTTS": "librispeech",
    "SpeechCommands": "commands",
    "SpeechCommands1": "commands",
    "SphinxSpeech": "samples",
    "SpokenLabels": "samples",
    "TEDLIUM": "speech",
    "TEDLIUM2": "speech",
    "TEDLIUM3": "speech",
    "VCTK": "speech",
    "YesNo": "commands",
}

__all__ = [
    "ESC50",
    "GTZAN",
    "TEDLIUM",
    "TEDLIUM2",
    "TEDLIUM3",
    "VCTK",
    "AudioDataset",
    "AudioFolder",
    "CMUArctic",
    "CommonVoice",
    "LJSpeech",
    "LibriSpeech",
    "LibriTTS",
    "SpeechCommands",
    "SpeechCommands1",
    "SphinxSpeech",
    "SpokenLabels",
    "YesNo",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
