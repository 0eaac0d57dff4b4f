"""From a step of the decoder to the tokens of one window: the likeliest one by one, drawn, or by beams.

These are the searches of Whisper's authors, which differ from those for texts: a beam ends when `beams` x `patience`
transcripts are finished, and the best is chosen by its mean log-probability (or with the penalty of Wu et al.,
arXiv:1609.08144).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Found", "Step", "beam", "sample"]

Scores = NDArray[np.float32]
Apply = Callable[[Scores, Sequence[Sequence[int]]], None]


class Step(Protocol):
    """The decoder, which goes on from what it was given before."""

    def __call__(self, tokens: NDArray[np.int64]) -> Scores:
        """Take the newest tokens (rows, new) and give the logits of the next (rows, vocabulary)."""

    def select(self, rows: NDArray[np.intp]) -> None:
        """Keep these rows, in this order; one may come several times."""


class Found(NamedTuple):
    """The tokens of a window, without the one that ends it, and the sum of all their log-probabilities."""

    tokens: list[int]
    total: float


def sample(
    step: Step, logits: Scores, rules: Apply, end: int, *, longest: int, temperature: float = 0.0, rows: int = 1,
    penalty: float | None = None, generator: np.random.Generator | None = None,
) -> Found:  # fmt: skip
    """The likeliest tokens one by one, or with a `temperature` the best of `rows` that are drawn. `logits` (1, vocabulary)."""
    rows = rows if temperature > 0 else 1
    random = generator or np.random.default_rng()
    if rows > 1:
        step.select(np.zeros(rows, np.intp))
        logits = np.repeat(logits, rows, axis=0)
    written: list[list[int]] = [[] for _ in range(rows)]
    totals, done = np.zeros(rows), np.zeros(rows, bool)
    for length in range(1, longest + 1):
        rules(logits, written)
        if temperature > 0:
            noise = random.gumbel(size=logits.shape)  # the largest of logits with it is a draw by softmax
            chosen = (logits / temperature + noise).argmax(axis=1)
        else:
            chosen = logits.argmax(axis=1)
        totals += np.where(done, 0, log_softmax(logits)[np.arange(rows), chosen])
        chosen = np.where(done, end, chosen)
        done |= chosen == end
        for row, token in enumerate(chosen):
            written[row].append(int(token))
        if done.all() or length == longest:
            break
        logits = step(chosen[:, None].astype(np.int64))
    return best(
        [Found(_before(tokens, end), float(total)) for tokens, total in zip(written, totals, strict=True)], penalty
    )


def beam(
    step: Step, logits: Scores, rules: Apply, end: int, *, longest: int, beams: int, patience: float = 1.0,
    penalty: float | None = None,
) -> Found:  # fmt: skip
    """The best transcript by `beams` of them side by side. `logits` (1, vocabulary)."""
    enough = max(1, round(beams * patience))
    written: list[list[int]] = [[]]
    totals = np.zeros(1)
    finished: dict[tuple[int, ...], float] = {}
    for length in range(1, longest + 1):
        rules(logits, written)
        chances = log_softmax(logits)
        likely = np.argpartition(-chances, beams, axis=1)[:, : beams + 1]
        candidates = [
            (float(totals[row] + chances[row, token]), row, int(token))
            for row in range(len(written))
            for token in likely[row]
            if np.isfinite(chances[row, token])
        ]
        candidates.sort(key=lambda each: -each[0])
        rows, following, sums, ended = [], [], [], []
        for total, row, token in candidates:
            if token == end:
                ended.append((tuple(written[row]), total))
                continue
            rows.append(row)
            following.append([*written[row], token])
            sums.append(total)
            if len(rows) == beams:
                break
        for tokens, total in ended:
            if len(finished) < enough:
                finished[tokens] = total
        if not rows:
            written = []
            break
        written, totals = following, np.array(sums)
        if len(finished) >= enough or length == longest:
            break
        step.select(np.array(rows, np.intp))
        logits = step(np.array([tokens[-1:] for tokens in written], np.int64))
    if len(finished) < beams:
        for row in np.argsort(-totals[: len(written)], kind="stable"):
            if len(finished) < beams:
                finished.setdefault(tuple(written[row]), float(totals[row]))
    return best([Found(list(tokens), total) for tokens, total in finished.items()], penalty)


def best(found: Sequence[Found], penalty: float | None) -> Found:
    """The one of the largest mean log-probability, or of its sum over ((5 + length) / 6)^`penalty`."""

    def score(each: Found) -> float:
        length = len(each.tokens)
        return each.total / (max(1, length) if penalty is None else ((5 + length) / 6) ** penalty)

    return max(found, key=score)


def log_softmax(logits: Scores) -> Scores:
    """log(softmax) of each row; what is -infinity stays so."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float32)


def _before(tokens: list[int], end: int) -> list[int]:
    return tokens[: tokens.index(end)] if end in tokens else tokens
