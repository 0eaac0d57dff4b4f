"""From sounds to what people want to know of them, and from texts to sounds: reading, the model, and what its numbers mean, as one callable.

`numzoo.hub.pipeline` makes them by an entry's task; each can be made by hand from a model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .activity import Speech, VoiceActivity, voice_activity_detection
    from .classifying import AudioClassification, audio_classification
    from .ctc import CtcRecognition, ctc_recognition
    from .embedding import SoundEmbedding, audio_embedding
    from .pitch import Pitch, PitchEstimation, pitch_estimation
    from .quality import OpinionScore, Quality, SpeechQuality, speech_quality
    from .recognition import SpeechRecognition, Transcript, speech_recognition
    from .separation import Sources, SourceSeparation, source_separation
    from .speakers import SpeakerVerification, speaker_verification
    from .speaking.synthesis import Spoken, TextToSpeech, text_to_speech
    from .transducer.recognition import Listener, TransducerRecognition

_HOMES = {
    "AudioClassification": "classifying",
    "CtcRecognition": "ctc",
    "Listener": "transducer.recognition",
    "OpinionScore": "quality",
    "Pitch": "pitch",
    "PitchEstimation": "pitch",
    "Quality": "quality",
    "SoundEmbedding": "embedding",
    "SourceSeparation": "separation",
    "Sources": "separation",
    "SpeakerVerification": "speakers",
    "Speech": "activity",
    "SpeechQuality": "quality",
    "SpeechRecognition": "recognition",
    "Spoken": "speaking.synthesis",
    "TextToSpeech": "speaking.synthesis",
    "Transcript": "recognition",
    "TransducerRecognition": "transducer.recognition",
    "VoiceActivity": "activity",
    "Word": "recognition",
    "audio_classification": "classifying",
    "audio_embedding": "embedding",
    "ctc_recognition": "ctc",
    "pitch_estimation": "pitch",
    "source_separation": "separation",
    "speaker_verification": "speakers",
    "speech_quality": "quality",
    "speech_recognition": "recognition",
    "text_to_speech": "speaking.synthesis",
    "voice_activity_detection": "activity",
}

__all__ = [
    "AudioClassification",
    "CtcRecognition",
    "Listener",
    "OpinionScore",
    "Pitch",
    "PitchEstimation",
    "Quality",
    "SoundEmbedding",
    "SourceSeparation",
    "Sources",
    "SpeakerVerification",
    "Speech",
    "SpeechQuality",
    "SpeechRecognition",
    "Spoken",
    "TextToSpeech",
    "Transcript",
    "TransducerRecognition",
    "VoiceActivity",
    "Word",
    "audio_classification",
    "audio_embedding",
    "ctc_recognition",
    "pitch_estimation",
    "source_separation",
    "speaker_verification",
    "speech_quality",
    "speech_recognition",
    "text_to_speech",
    "voice_activity_detection",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
