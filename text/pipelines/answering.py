"""Where in a text the answer to a question stands (Devlin et al., arXiv:1810.04805, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from numzoo.text import tokenizers
from numzoo.text.pipelines.batches import Encoder, softmax

__all__ = ["Answer", "QuestionAnswering", "question_answering"]

_OVERLAP = 128  # tokens that neighbouring windows of a long text share
_KEPT = 20  # places that may begin or end an answer


class Answer(NamedTuple):
    """A piece of the text, how probable it is, and where it begins and ends in characters."""

    text: str
    score: float
    start: int
    end: int


class QuestionAnswering:
    """``pipe(question, text)`` gives the `top` most probable answers, the best first, from a text of any length.

    A text that is longer than what the model reads is read in windows that overlap. An answer has at most `words` tokens.
    """

    task = "question-answering"

    def __init__(self, model: Any, tokenizer: tokenizers.Tokenizer) -> None:
        self.encoder = Encoder(model, tokenizer)
        self.model, self.tokenizer = model, tokenizer

    def __call__(self, question: str, text: str, *, top: int = 1, words: int = 15) -> list[Answer]:
        for given in (question, text):
            if not isinstance(given, str):
                raise TypeError(f"a question and a text are strings, and not {given!r:.60}")
        if not question.strip() or not text.strip():
            raise ValueError("a question and a text are wanted, and neither may be empty")
        if top < 1 or words < 1:
            raise ValueError(f"top and words are numbers from 1, not {top!r} and {words!r}")
        found: dict[tuple[int, int], Answer] = {}
        for first, piece in self._windows(question, text):
            batch = self.tokenizer(question, piece, truncation=self.encoder.longest)
            span = self.encoder.run(batch)
            for answer in self._answers(batch, span, piece, first, words):
                place = (answer.start, answer.end)
                if place not in found or found[place].score < answer.score:
                    found[place] = answer
        return sorted(found.values(), key=lambda answer: -answer.score)[:top]

    def _windows(self, question: str, text: str) -> Iterator[tuple[int, str]]:
        """Pieces of the text that fit beside the question, and where each begins."""
        room = self.encoder.longest - len(self.tokenizer(question, "a").input_ids[0]) + 1
        if room < 1:
            raise ValueError(f"the question takes all of the {self.encoder.longest} tokens that are read")
        offsets = self.tokenizer(text, special=False).offsets[0]
        step = max(1, room - min(_OVERLAP, room // 2))
        for start in range(0, max(1, len(offsets)), step):
            part = offsets[start : start + room]
            begin, end = (int(part[0][0]), int(part[-1][1])) if len(part) else (0, len(text))
            yield begin, text[begin:end]
            if start + room >= len(offsets):
                return

    def _answers(self, batch: tokenizers.Batch, span: Any, piece: str, first: int, words: int) -> Iterator[Answer]:
        starts, ends = (np.asarray(each.numpy()[0], np.float64) for each in (span.start_logits, span.end_logits))
        inside = self._second(batch)
        if not inside.any():
            return
        hidden = np.where(inside, 0, -np.inf)
        begin, end = softmax(starts + hidden), softmax(ends + hidden)
        likely = np.argsort(-begin, kind="stable")[:_KEPT], np.argsort(-end, kind="stable")[:_KEPT]
        for one in likely[0]:
            for two in likely[1]:
                if inside[one] and inside[two] and one <= two < one + words:
                    low, high = int(batch.offsets[0][one][0]), int(batch.offsets[0][two][1])
                    yield Answer(piece[low:high], float(begin[one] * end[two]), first + low, first + high)

    def _second(self, batch: tokenizers.Batch) -> Any:
        """Which tokens are the text's: those of the second segment, or (where a family has none) behind the question."""
        real = batch.special[0] == 0
        if batch.token_type_ids[0].any():
            return real & (batch.token_type_ids[0] == 1)
        added = np.flatnonzero(batch.special[0])
        behind = added[added > np.flatnonzero(real)[0]][0] if real.any() and len(added) else 0
        return real & (np.arange(len(real)) > behind)


def question_answering(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> QuestionAnswering:
    """The pipeline of an entry for ``question-answering``."""
    return QuestionAnswering(model, tokenizers.load(files))
