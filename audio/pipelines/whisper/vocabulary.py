"""Whisper's tokens: those of text by the tokenizer's file, and the special ones, which follow from how many there are."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numzoo.audio.errors import AudioError, MissingLibraryError
from numzoo.audio.pipelines.whisper.ranks import tokenizer_of

__all__ = ["LANGUAGES", "Vocabulary", "load_tokenizer"]

_CODES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk te "
    "fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps "
    "tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue"
)
LANGUAGES = tuple(_CODES.split(" "))
"""The languages in the order of their tokens; the last came with large-v3."""

_TIMES = 1501  # 0.00 to 30.00 seconds
_OTHERS = 6  # translate, transcribe, and what follows them
_ENGLISH = 50256  # tokens of text in the vocabulary of the English models; the others have one more
_MARKS = "<< >> <<< >>> -- --- -( -[ (' (\" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪"
_NO_SPEECH = [*'"#()*+/:;<=>@[\\]^_`{|}~「」『』', *_MARKS.split(" ")]
_MUSIC = "♩♪♫♬♭♮♯"


class Vocabulary:
    """The numbers of Whisper's tokens, for a model that writes `size` of them.

    `end` ends a text; `start` begins a transcript, `previous` the text before it; `first_time` is 0.00 s, each later one
    0.02 s more. A model of English alone has neither languages nor tasks.
    """

    def __init__(self, tokenizer: Any, size: int) -> None:
        self.tokenizer, self.size = tokenizer, size
        self.multilingual = size >= _ENGLISH + 99 + _OTHERS + _TIMES + 3
        self.end = _ENGLISH + int(self.multilingual)
        count = size - self.end - 2 - _OTHERS - _TIMES
        if not 0 < count <= len(LANGUAGES):
            raise AudioError(
                f"whisper: a vocabulary of {size} tokens is not one of its authors' (51864, 51865 or 51866), so the numbers of its "
                "special tokens are not known"
            )
        self.languages = LANGUAGES[:count] if self.multilingual else ()
        self.start = self.end + 1
        self.translate, self.transcribe, self.language_model, self.previous, self.no_speech, self.no_times = (
            self.start + 1 + count + number for number in range(_OTHERS)
        )
        self.first_time = self.no_times + 1

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, without special ones. Raises ValueError for a text with half a character."""
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"whisper: the text {text!r:.40} has half a character at place {error.start}; "
                "where its bytes are read, errors='replace' gives a text"
            ) from None
        return [int(token) for token in self.tokenizer.encode(text, add_special_tokens=False).ids]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; special ones and times are left out."""
        return str(self.tokenizer.decode([token for token in tokens if token < self.end], skip_special_tokens=False))

    def language(self, code: str) -> int:
        """The token of a language. Raises ValueError for one that the model does not know."""
        if code not in self.languages:
            known = ", ".join(self.languages) if self.multilingual else "en alone"
            raise ValueError(f"whisper: language is {code!r}, but the model knows {known}")
        return self.start + 1 + self.languages.index(code)

    def beginning(self, language: str | None, task: str, times: bool) -> list[int]:
        """The tokens that a transcript begins with."""
        tokens = [self.start]
        if self.multilingual:
            tokens += [self.language(language or "en"), self.translate if task == "translate" else self.transcribe]
        return tokens if times else [*tokens, self.no_times]

    @functools.cached_property
    def blank(self) -> list[int]:
        """What a transcript never begins with: a space alone, or its end."""
        return [*self.encode(" "), self.end]

    @functools.cached_property
    def suppressed(self) -> list[int]:
        """What is never written: marks that stand for no spoken word, brackets around noises, and special tokens."""
        found = {self.encode(" -")[0], self.encode(" '")[0]}
        for symbol in [*_NO_SPEECH, *_MUSIC]:
            for tokens in (self.encode(symbol), self.encode(" " + symbol)):
                if len(tokens) == 1 or symbol in _MUSIC:
                    found.add(tokens[0])
        special = (self.transcribe, self.translate, self.start, self.previous, self.language_model, self.no_speech)
        return sorted(found | set(special))


def load_tokenizer(files: Mapping[str, Path]) -> Any:
    """The tokenizer of an entry's files: tokenizer.json, the authors' own .tiktoken, or vocab.json with merges.txt."""
    try:
        library: Any = importlib.import_module("tokenizers")
    except ImportError as error:
        raise MissingLibraryError(
            f'Whisper writes by the library tokenizers, which cannot be used here ({error}): pip install "numzoo[text]"'
        ) from error
    try:
        if "tokenizer.json" in files:
            return library.Tokenizer.from_file(str(files["tokenizer.json"]))
        ranks = [path for name, path in files.items() if name.endswith(".tiktoken")]
        if ranks:
            return tokenizer_of(ranks[0], library)
        if "vocab.json" in files and "merges.txt" in files:
            made = library.Tokenizer(library.models.BPE.from_file(str(files["vocab.json"]), str(files["merges.txt"])))
            made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
            made.decoder = library.decoders.ByteLevel()
            return made
    except AudioError:
        raise
    except Exception as error:  # the library raises Exception itself
        raise AudioError(f"whisper: the tokenizer's file cannot be read: {error}") from error
    raise AudioError(
        f"whisper: no tokenizer among the files {', '.join(files) or '(none)'}; wanted tokenizer.json, a .tiktoken, or vocab.json "
        "with merges.txt"
    )
