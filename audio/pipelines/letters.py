"""The tokens of a model that writes letter by letter (CTC): which number is which letter, and how letters make a text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numzoo.audio.errors import AudioError

__all__ = ["Letters", "load_letters", "read_json"]

_LARGEST = 16 << 20  # bytes of a JSON file
_SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


class Letters:
    """Tokens by their numbers. `blank` is CTC's own, `separator` stands between words, `special` are no part of a text.

    `never` are tokens that the model was not trained to say.
    """

    def __init__(
        self, tokens: Sequence[str | None], *, blank: str = "<pad>", separator: str = "|", special: Iterable[str] = (),
        never: Iterable[str] = (), lower: bool = False,
    ) -> None:  # fmt: skip
        self.tokens = tuple(tokens)
        numbers = {token: number for number, token in enumerate(self.tokens) if token is not None}
        if len(numbers) != sum(token is not None for token in self.tokens):
            raise AudioError("speech-recognition: the vocabulary has a token twice")
        if blank not in numbers:
            raise AudioError(
                f"speech-recognition: the vocabulary of {len(numbers)} tokens has no {blank!r}, CTC's blank"
            )
        self.blank, self.separator, self.lower = numbers[blank], separator, lower
        silent = {blank, *special}
        self.special = frozenset(n for n, token in enumerate(self.tokens) if token is None or token in silent)
        self.never = tuple(numbers[token] for token in never if token in numbers)

    def __len__(self) -> int:
        return len(self.tokens)

    def words(self, numbers: Sequence[int]) -> list[list[int]]:
        """The places in `numbers` of the letters of each word."""
        found: list[list[int]] = [[]]
        for place, number in enumerate(numbers):
            if self.tokens[number] in (self.separator, " "):
                found.append([])
            elif number not in self.special:
                found[-1].append(place)
        return [word for word in found if word]

    def text(self, numbers: Sequence[int]) -> str:
        """Tokens, which may hold separators, as a text: words with single spaces between."""
        words = ["".join(str(self.tokens[numbers[place]]) for place in word) for word in self.words(numbers)]
        text = " ".join(words)
        return text.lower() if self.lower else text


def load_letters(
    files: Mapping[str, Path],
    outputs: int,
    *,
    categories: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> Letters:
    """The vocabulary of an entry (its `categories`, and of its settings blank, separator, special, never), or that of vocab.json
    and tokenizer_config.json as transformers writes them; for a model of `outputs` classes. Raises AudioError.
    """
    if categories:
        given = settings or {}
        chosen = {name: given[name] for name in ("blank", "separator", "special", "never", "lower") if name in given}
        return _fitting(Letters(list(categories), **chosen), outputs)
    if "vocab.json" not in files:
        raise AudioError(
            "speech-recognition: there is no vocab.json beside the weights, which says what letters they mean"
        )
    said = read_json(files["tokenizer_config.json"]) if "tokenizer_config.json" in files else {}
    numbers = read_json(files["vocab.json"])
    if any(isinstance(value, dict) for value in numbers.values()):
        raise AudioError(
            f"{files['vocab.json']} has a vocabulary for each of several languages ({', '.join(list(numbers)[:5])}, ...), which is not read here"
        )
    tokens: list[str | None] = [None] * outputs
    for token, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < outputs or tokens[number]:
            raise AudioError(
                f"{files['vocab.json']} gives {token!r:.40} the number {number!r:.40}; wanted a number of its own below {outputs}, the classes of the model"
            )
        tokens[number] = token
    special = {name: _token(said.get(name), usual) for name, usual in _SPECIAL.items()}
    separator, lower = _token(said.get("word_delimiter_token"), "|"), said.get("do_lower_case") is True
    return Letters(tokens, blank=special["pad_token"], separator=separator, special=special.values(), lower=lower)


def _token(given: Any, usual: str) -> str:
    """A token as tokenizer_config.json spells it: a text, or an object with its content."""
    text = given.get("content") if isinstance(given, Mapping) else given
    return text if isinstance(text, str) and text else usual


def _fitting(letters: Letters, outputs: int) -> Letters:
    if len(letters) != outputs:
        raise AudioError(f"speech-recognition: there are {len(letters)} tokens, but the model tells {outputs} apart")
    return letters


def read_json(file: Path) -> dict[str, Any]:
    """A file that holds a JSON object. Raises AudioError."""
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
        document = json.loads(content.decode("utf-8")) if len(content) <= _LARGEST else None
    except (ValueError, RecursionError) as error:
        raise AudioError(f"{file} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise AudioError(f"{file} holds no JSON object of at most {_LARGEST >> 20} MiB, where one was wanted")
    return document
