"""How the next token is chosen from its logits.

Temperature, top-k (Fan et al., arXiv:1805.04833), top-p (Holtzman et al., arXiv:1904.09751), min-p (Nguyen et al.,
arXiv:2407.01082), repetition penalty (Keskar et al., arXiv:1909.05858).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Choice", "log_softmax"]

Scores = NDArray[np.float32]
Tokens = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings of a choice. Without `sample` the likeliest token is taken, and what follows it does nothing.

    `temperature` divides the logits; of what is likely then, `top_k` keeps the k likeliest tokens (0: all), `top_p` the
    likeliest that together have this probability, `min_p` those at least this part as likely as the likeliest.
    `repetition_penalty` above 1 makes tokens that stand in the text already less likely, sampled or not.
    """

    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(
                f"temperature must be above 0, not {self.temperature!r}; sample=False takes the likeliest token"
            )
        if self.top_k < 0 or isinstance(self.top_k, bool) or int(self.top_k) != self.top_k:
            raise ValueError(f"top_k must be a whole number from 0 (all tokens), not {self.top_k!r}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie above 0 and at most at 1, not {self.top_p!r}")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p must lie between 0 and 1, not {self.min_p!r}")
        if not self.repetition_penalty > 0:
            raise ValueError(f"repetition_penalty must be above 0, not {self.repetition_penalty!r}")

    def penalised(self, scores: Scores, seen: Tokens) -> Scores:
        """Scores (texts, vocabulary) with those of the tokens in `seen` (texts, length) made worse."""
        if self.repetition_penalty == 1.0:
            return scores
        scores = scores.copy()
        rows = np.arange(len(scores))[:, None]
        old = scores[rows, seen]
        scores[rows, seen] = np.where(old < 0, old * self.repetition_penalty, old / self.repetition_penalty)
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

    def next(self, scores: Scores, seen: Tokens, generator: np.random.Generator) -> Tokens:
        """The next token of each text (texts,)."""
        scores = self.penalised(scores, seen)
        if not self.sample:
            return np.asarray(scores.argmax(axis=1), np.int64)
        # The largest of logits with Gumbel noise is a draw by softmax.
        noise = generator.gumbel(size=scores.shape)
        return np.asarray((self.narrowed(scores) + noise).argmax(axis=1), np.int64)


def log_softmax(scores: Scores) -> Scores:
    """log(softmax), over the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), scores.dtype)
