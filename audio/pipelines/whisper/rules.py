"""Which tokens may come next: times in pairs and in order, no symbols that nobody speaks, no empty transcripts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.pipelines.whisper.vocabulary import Vocabulary

__all__ = ["Rules"]

Scores = NDArray[np.float32]

_FIRST_TIME = 50  # a transcript's first time is at most 1.00 s


class Rules:
    """The rules of a transcript with times, or without."""

    def __init__(self, vocabulary: Vocabulary, *, times: bool = True) -> None:
        self.vocabulary, self.times = vocabulary, times
        self._suppressed, self._blank = np.array(vocabulary.suppressed), np.array(vocabulary.blank)

    def apply(self, logits: Scores, written: Sequence[Sequence[int]]) -> None:
        """Put -infinity in `logits` (rows, vocabulary) at what may not follow the tokens `written` in each row."""
        if not written[0]:
            logits[:, self._blank] = -np.inf
        logits[:, self._suppressed] = -np.inf
        if not self.times:
            return
        logits[:, self.vocabulary.no_times] = -np.inf
        for row, tokens in zip(logits, written, strict=True):
            self._pairs(row, tokens)

    def _pairs(self, row: Scores, tokens: Sequence[int]) -> None:
        first = self.vocabulary.first_time
        if not tokens:
            row[:first] = -np.inf
            row[first + _FIRST_TIME + 1 :] = -np.inf
            return
        after_time = tokens[-1] >= first
        open_pair = after_time and len(tokens) >= 2 and tokens[-2] < first
        if after_time:
            if open_pair:
                row[: self.vocabulary.end] = -np.inf  # a second time, or the end
            else:
                row[first:] = -np.inf  # text
        last = next((token for token in reversed(tokens) if token >= first), None)
        if last is not None:
            row[first : last if open_pair else last + 1] = -np.inf  # times go on; no piece is empty
        # A time comes where all of them together are likelier than any one token of text.
        best = row[:first].max()
        times = row[first:]
        top = times.max()
        if np.isfinite(top) and top + np.log(np.exp(times - top).sum()) > best:
            row[:first] = -np.inf
