"""The optional libraries that a task or a format needs, asked for before anything is downloaded."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from numzoo.hub.errors import MissingLibraryError

__all__ = ["check_formats", "check_task", "require"]

_EXTRAS = {"h5py": "keras", "matplotlib": "plot", "soundfile": "audio", "tokenizers": "text"}
"""Library -> the extra of numzoo's that brings it."""

_TASKS = {
    "fill-mask": "tokenizers",
    "question-answering": "tokenizers",
    "sentence-similarity": "tokenizers",
    "speech-recognition": "tokenizers",
    "text-classification": "tokenizers",
    "text-generation": "tokenizers",
    "text-to-text": "tokenizers",
    "token-classification": "tokenizers",
}
"""What the pipelines of a task cannot do without; those that hear need soundfile for files only, not for arrays."""

_WITHOUT = ("audio.models.wav2vec2", "audio.models.hubert", "audio.models.wavlm", "audio.models.emformer")
"""How the names of builders begin whose models write letters or pieces of words, by a list."""


def check_task(task: str, model: str, who: str) -> None:
    """Raise MissingLibraryError if the pipeline of `who`, built by `model`, needs a library that is not here."""
    if task in _TASKS and not model.startswith(_WITHOUT):
        require(_TASKS[task], f"{who} ({task})")


def check_formats(formats: Iterable[str], who: str) -> None:
    """Raise MissingLibraryError if files of these formats are read by a library that is not here."""
    if "keras" in formats:
        require("h5py", f"{who} (files of Keras)")


def require(library: str, who: str) -> None:
    """Import a library; MissingLibraryError says who needs it and how to get it."""
    try:
        importlib.import_module(library)
    except (ImportError, OSError) as error:
        raise MissingLibraryError(
            f"{who} needs the library {library}, which cannot be used here ({error}): pip install 'numzoo[{_EXTRAS[library]}]'. "
            "Nothing was downloaded."
        ) from error
