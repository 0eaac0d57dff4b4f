"""From sounds to what people want to know of them: reading, the model, and what its numbers mean, as one callable.

`numzoo.hub.pipeline` makes them by an entry's task; each can be made by hand from a model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .recognition import SpeechRecognition, Transcript, speech_recognition

_HOMES = {
    "SpeechRecognition": "recognition",
    "Transcript": "recognition",
    "speech_recognition": "recognition",
}

__all__ = ["SpeechRecognition", "Transcript", "speech_recognition"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
