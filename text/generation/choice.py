"""How the next token is chosen from its logits.

Temperature, top-k (Fan et al., arXiv:1805.04833), top-p (Holtzman et al., arXiv:1904.09751), min-p (Nguyen et al.,
arXiv:2407.01082), repetition penalty (Keskar et al., arXiv:1909.05858).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Choice", "log_softmax"]

Scores = NDArray[np.float32]
Tokens = NDArray[np.int64]

_ELSEWHERE = {
    "max_new_tokens": "longest", "max_length": "longest", "min_new_tokens": "shortest", "min_length": "shortest", "do_sample": "sample",
    "num_beams": "beams", "no_repeat_ngram_size": "no_repeat", "eos_token_id": "ends", "pad_token_id": "filler",
}  # fmt: skip
"""What transformers calls settings of here."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings of a choice. Without `sample` the likeliest token is taken, and what follows it does nothing.

    `temperature` divides the logits; of what is likely then, `top_k` keeps the k likeliest tokens (0: all), `top_p` the
    likeliest that together have this probability, `min_p` those at least this part as likely as the likeliest.
    `repetition_penalty` above 1 makes tokens that stand in the text already less likely, sampled or not; with `no_repeat` n no
    n tokens in a row come twice (Paulus et al., arXiv:1705.04304, section 2.5); no text ends before it has `shortest` new tokens.
    """

    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    no_repeat: int = 0
    shortest: int = 0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(
                f"temperature must be above 0, not {self.temperature!r}; sample=False takes the likeliest token"
            )
        for name, nothing in (("top_k", "all tokens"), ("no_repeat", "anything may"), ("shortest", "no least length")):
            given = getattr(self, name)
            if given < 0 or isinstance(given, bool) or int(given) != given:
                raise ValueError(f"{name} must be a whole number from 0 ({nothing}), not {given!r}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie above 0 and at most at 1, not {self.top_p!r}")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p must lie between 0 and 1, not {self.min_p!r}")
        if not self.repetition_penalty > 0:
            raise ValueError(f"repetition_penalty must be above 0, not {self.repetition_penalty!r}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Choice:
        """The choice with these settings; a TypeError names one that there is not."""
        known = [each.name for each in fields(cls)]
        for name in settings:
            if name not in known:
                meant = f"; it is called {_ELSEWHERE[name]}= here" if name in _ELSEWHERE else ""
                raise TypeError(f"generation has no setting {name!r}{meant}. A choice has {', '.join(known)}.")
        return cls(**settings)

    def penalised(self, scores: Scores, seen: Tokens, made: int = 0, ends: Collection[int] = ()) -> Scores:
        """Scores (texts, vocabulary) with those of the tokens in `seen` (texts, length) made worse, and -infinity where a
        token would repeat what may not be repeated, or would end (`ends`) a text of `made` new tokens too early."""
        hurried = made < self.shortest and len(ends) > 0
        if self.repetition_penalty == 1.0 and not self.no_repeat and not hurried:
            return scores
        scores = scores.copy()
        if self.repetition_penalty != 1.0:
            rows = np.arange(len(scores))[:, None]
            old = scores[rows, seen]
            scores[rows, seen] = np.where(old < 0, old * self.repetition_penalty, old / self.repetition_penalty)
        if self.no_repeat:
            for row, tokens in zip(scores, seen, strict=True):
                row[_following(tokens, self.no_repeat)] = -np.inf
        if hurried:
            scores[:, sorted(ends)] = -np.inf
        return scores

    def narrowed(self, scores: Scores) -> Scores:
        """Scores divided by the temperature, and -infinity where a token is not to be drawn."""
        scores = np.asarray(scores / np.float32(self.temperature), np.float32)
        if 0 < self.top_k < scores.shape[1]:
            least = np.partition(scores, -self.top_k, axis=1)[:, -self.top_k, None]
            scores = np.where(scores < least, -np.inf, scores)
        if self.top_p < 1:
            order = np.argsort(scores, axis=1, kind="stable")
            below = np.cumsum(np.exp(log_softmax(np.take_along_axis(scores, order, 1))), axis=1) <= 1 - self.top_p
            below[:, -1] = False
            out = np.zeros_like(below)
            np.put_along_axis(out, order, below, axis=1)
            scores = np.where(out, -np.inf, scores)
        if self.min_p > 0:
            chance = log_softmax(scores)
            scores = np.where(chance < chance.max(axis=1, keepdims=True) + np.log(self.min_p), -np.inf, scores)
        return np.asarray(scores, np.float32)

    def next(
        self, scores: Scores, seen: Tokens, generator: np.random.Generator, made: int = 0, ends: Collection[int] = ()
    ) -> Tokens:
        """The next token of each text (texts,)."""
        scores = self.penalised(scores, seen, made, ends)
        if not self.sample:
            return np.asarray(scores.argmax(axis=1), np.int64)
        # The largest of logits with Gumbel noise is a draw by softmax.
        noise = generator.gumbel(size=scores.shape)
        return np.asarray((self.narrowed(scores) + noise).argmax(axis=1), np.int64)


def log_softmax(scores: Scores) -> Scores:
    """log(softmax), over the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), scores.dtype)


def _following(tokens: Tokens, size: int) -> Tokens:
    """The tokens with which the end of `tokens` would become `size` in a row that stand there already."""
    if len(tokens) < size:
        return tokens[:0]
    rows = np.lib.stride_tricks.sliding_window_view(tokens, size)
    return np.asarray(rows[(rows[:, :-1] == tokens[len(tokens) - size + 1 :]).all(axis=1), -1])
