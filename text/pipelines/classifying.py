"""Texts and tokens to classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from numzoo.text import tokenizers
from numzoo.text.pipelines.batches import Encoder, as_list, softmax

__all__ = ["Entity", "TextClassification", "TokenClassification", "text_classification", "token_classification"]


class TextClassification:
    """``pipe(texts, pairs)`` gives the most probable classes of each: [(label, probability), ...], the best first."""

    task = "text-classification"

    def __init__(self, model: Any, tokenizer: tokenizers.Tokenizer, categories: Sequence[str] = ()) -> None:
        self.encoder = Encoder(model, tokenizer)
        self.model, self.tokenizer, self.categories = model, tokenizer, tuple(categories)

    def __call__(
        self, texts: str | Sequence[str], pairs: str | Sequence[str] | None = None, *, top: int = 5
    ) -> list[Any]:
        if top < 1:
            raise ValueError(f"top is a number of classes from 1, not {top!r}")
        many, single = as_list(texts)
        second = None if pairs is None else as_list(pairs, "pairs")[0]
        answers: list[Any] = [None] * len(many)
        for rows, _, logits in self.encoder.batches(many, second):
            for row, chances in zip(rows, softmax(logits.numpy()), strict=True):
                order = np.argsort(-chances, kind="stable")[:top]
                answers[row] = [(self._label(place), float(chances[place])) for place in order]
        return answers[0] if single else answers

    def _label(self, place: int) -> str:
        return self.categories[place] if place < len(self.categories) else f"class {place}"


class Entity(NamedTuple):
    """A piece of a text and what it is: the label, how sure, and where it begins and ends in characters."""

    label: str
    text: str
    score: float
    start: int
    end: int


class TokenClassification:
    """``pipe(texts)`` gives the entities of each text in order; labels of the form B-X and I-X make one entity of X.

    Tokens of the label ``outside`` belong to none. An entity's score is the mean of its tokens'.
    """

    task = "token-classification"

    def __init__(
        self, model: Any, tokenizer: tokenizers.Tokenizer, categories: Sequence[str], *, outside: str = "O"
    ) -> None:
        if not categories:
            raise ValueError("token classification needs the names of the classes")
        self.encoder = Encoder(model, tokenizer)
        self.model, self.tokenizer, self.categories, self.outside = model, tokenizer, tuple(categories), outside

    def __call__(self, texts: str | Sequence[str]) -> list[Any]:
        many, single = as_list(texts)
        answers: list[Any] = [None] * len(many)
        for rows, batch, logits in self.encoder.batches(many):
            chances = softmax(logits.numpy())
            for place, row in enumerate(rows):
                answers[row] = self._entities(many[row], batch.offsets[place], batch.special[place], chances[place])
        return answers[0] if single else answers

    def _entities(self, text: str, offsets: Any, special: Any, chances: Any) -> list[Entity]:
        found: list[Entity] = []
        scores: list[float] = []
        open_kind = ""
        for (start, end), added, row in zip(offsets.tolist(), special.tolist(), chances, strict=True):
            if added or start == end:
                continue
            place = int(row.argmax())
            label = self.categories[place]
            begins, kind = label.startswith("B-"), label[2:] if label[:2] in ("B-", "I-") else label
            inside_word = bool(found) and found[-1].end == start and open_kind != ""
            if label == self.outside and not inside_word:
                open_kind = ""
                continue
            if open_kind and (inside_word or (kind == open_kind and not begins)):
                scores.append(float(row[place]))
                last = found[-1]
                mean = sum(scores) / len(scores)
                found[-1] = Entity(last.label, text[last.start : end], mean, last.start, end)
            else:
                open_kind, scores = kind, [float(row[place])]
                found.append(Entity(kind, text[start:end], scores[0], start, end))
        return found


def text_classification(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> TextClassification:
    """The pipeline of an entry for ``text-classification``."""
    return TextClassification(model, tokenizers.load(files), categories)


def token_classification(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> TokenClassification:
    """The pipeline of an entry for ``token-classification``."""
    return TokenClassification(model, tokenizers.load(files), categories)
