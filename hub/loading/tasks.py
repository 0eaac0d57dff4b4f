"""Which domain's pipeline serves a task, and the files beside the weights that it wants.

A pipeline is a function ``DOMAIN.pipelines.NAME(model, files, *, categories, settings)``: `files` are the paths of the
entry's files by their names, `settings` what the entry says of its use. It gives a callable whose `task` is the task.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from numzoo.hub.foreign.places import Folder, Place
from numzoo.hub.foreign.repository import Repository
from numzoo.hub.registry.manifest import Entry

if TYPE_CHECKING:
    from numzoo.hub.download.fetch import Fetch

__all__ = ["PIPELINES", "READERS", "STORED", "files_beside", "files_of"]

READERS = {"image-classification": "vision.io.read_image"}
"""Task -> what reads the input of the hub's own pipeline."""

PIPELINES = {
    "audio-classification": "audio.pipelines.audio_classification",
    "audio-embedding": "audio.pipelines.audio_embedding",
    "fill-mask": "text.pipelines.fill_mask",
    "pitch-estimation": "audio.pipelines.pitch_estimation",
    "question-answering": "text.pipelines.question_answering",
    "sentence-similarity": "text.pipelines.sentence_similarity",
    "source-separation": "audio.pipelines.source_separation",
    "speaker-verification": "audio.pipelines.speaker_verification",
    "speech-quality": "audio.pipelines.speech_quality",
    "speech-recognition": "audio.pipelines.speech_recognition",
    "text-classification": "text.pipelines.text_classification",
    "text-generation": "text.pipelines.text_generation",
    "text-to-speech": "audio.pipelines.text_to_speech",
    "text-to-text": "text.pipelines.text_to_text",
    "token-classification": "text.pipelines.token_classification",
    "voice-activity-detection": "audio.pipelines.voice_activity_detection",
}
"""Task -> the dotted name of its pipeline."""

STORED = frozenset({"speech-recognition"})
"""Tasks whose models compute with weights as a file stores them, so that these are mapped and not copied."""

_BESIDE = (
    "chat_template.jinja",
    "generation_config.json",
    "merges.txt",
    "preprocessor_config.json",
    "sentence_bert_config.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
"""Files beside a config.json that pipelines read: vocabularies, and how sounds are prepared. Whatever else lies there is left alone."""


def files_of(entry: Entry, fetch: Fetch) -> dict[str, Path]:
    """The verified files of an entry by their names."""
    return {file.name: fetch.path(file) for file in entry.files}


def files_beside(place: Place) -> dict[str, Path]:
    """The files of a folder or repository that pipelines read, by their names."""
    names = [name for name in _BESIDE if name in place]
    if isinstance(place, Folder):
        return {name: place.path / name for name in names}
    assert isinstance(place, Repository)
    return {name: place.path(name) for name in names}
