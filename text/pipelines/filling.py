"""The word that is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from numzoo.text import tokenizers
from numzoo.text.pipelines.batches import Encoder, as_list, softmax

__all__ = ["FillMask", "Filling", "fill_mask"]


class Filling(NamedTuple):
    """A word for the gap: the token, how probable it is, and the text with it."""

    token: str
    score: float
    text: str


class FillMask:
    """``pipe("Paris is the [MASK] of France.")`` gives the most probable words, the best first; a list for each gap, if there are several."""

    task = "fill-mask"

    def __init__(self, model: Any, tokenizer: tokenizers.Tokenizer) -> None:
        if "mask" not in tokenizer.special:
            raise ValueError("filling in needs a tokenizer with a mask token")
        self.encoder = Encoder(model, tokenizer)
        self.model, self.tokenizer, self.mask = model, tokenizer, tokenizer.special["mask"]

    def __call__(self, texts: str | Sequence[str], *, top: int = 5) -> list[Any]:
        many, single = as_list(texts)
        wanting = next((text for text in many if self.mask not in text), None)
        if wanting is not None:
            raise ValueError(f"{wanting!r:.60} has no gap; write {self.mask} where a word is missing")
        answers: list[Any] = [None] * len(many)
        for rows, batch, logits in self.encoder.batches(many):
            scores = logits.numpy()
            for place, row in enumerate(rows):
                gaps = np.flatnonzero(batch.input_ids[place] == self.tokenizer.number("mask"))
                if not len(gaps):
                    raise ValueError(
                        f"the gap in {many[row]!r:.60} lies beyond the {self.encoder.longest} tokens that are read"
                    )
                found = [self._fillings(batch, place, int(gap), softmax(scores[place, gap]), top) for gap in gaps]
                answers[row] = found[0] if len(found) == 1 else found
        return answers[0] if single else answers

    def _fillings(self, batch: tokenizers.Batch, place: int, gap: int, chances: Any, top: int) -> list[Filling]:
        there = batch.attention_mask[place] != 0
        found = []
        for number in np.argsort(-chances, kind="stable")[:top]:
            ids = batch.input_ids[place].copy()
            ids[gap] = number
            token = self.tokenizer.decode([number], skip_special=False).strip()
            found.append(Filling(token, float(chances[number]), self.tokenizer.decode(ids[there])))
        return found


def fill_mask(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> FillMask:
    """The pipeline of an entry for ``fill-mask``; `settings` may say lower, whether a vocab.txt is of lower-case words."""
    return FillMask(model, tokenizers.load(files, lower=(settings or {}).get("lower")))
