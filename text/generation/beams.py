"""Beam search: several continuations of each text side by side, the best of which is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.text.generation.choice import Choice, log_softmax
from numzoo.text.generation.steps import Step

__all__ = ["beam_search"]

Tokens = NDArray[np.int64]


class _Found:
    """The finished continuations of one text, the best `beams` of them, each with its score."""

    def __init__(self, beams: int, length_penalty: float) -> None:
        self.beams, self.length_penalty = beams, length_penalty
        self.kept: list[tuple[float, Tokens]] = []

    def add(self, tokens: Tokens, total: float, length: int) -> None:
        self.kept.append((total / length**self.length_penalty, tokens))
        self.kept.sort(key=lambda each: -each[0])
        del self.kept[self.beams :]

    def settled(self, best: float, length: int, early: bool) -> bool:
        """Whether nothing that goes on can become better than what is kept."""
        if len(self.kept) < self.beams:
            return False
        return early or self.kept[-1][0] >= best / length**self.length_penalty


def beam_search(
    step: Step,
    prompt: Tokens,
    seen: Tokens | None = None,
    *,
    beams: int,
    longest: int,
    ends: frozenset[int] | set[int],
    filler: int,
    length_penalty: float = 1.0,
    early: bool = False,
    choice: Choice | None = None,
) -> Tokens:
    """The best continuation of each prompt (texts, length): (texts, at most `longest`), filled up with `filler`.

    A continuation's score is the sum of its tokens' log-probabilities over (its length)^`length_penalty`. It is finished by a
    token of `ends`; a text is done when no continuation that goes on can win (with `early`: as soon as `beams` are finished).
    `seen` (the prompt, unless given) is what a repetition penalty counts as text.
    """
    choice = choice or Choice()
    texts, start = prompt.shape
    found = [_Found(beams, length_penalty) for _ in range(texts)]
    done = np.zeros(texts, bool)
    totals = np.full((texts, beams), -1e9, np.float32)
    totals[:, 0] = 0
    written = np.repeat(prompt if seen is None else seen, beams, axis=0)
    newest, first = prompt, True
    for length in range(1, longest + 1):
        logits = step(newest)
        if first:
            step.select(np.repeat(np.arange(texts), beams))
            logits, first = np.repeat(logits, beams, axis=0), False
        scores = choice.penalised(log_softmax(logits), written, length - 1, ends) + totals.reshape(-1, 1)
        vocabulary = scores.shape[1]
        flat = scores.reshape(texts, beams * vocabulary)
        most = (1 + max(1, len(ends))) * beams
        order = _largest(flat, min(most, flat.shape[1]))
        rows, tokens = np.zeros((texts, beams), np.int64), np.full((texts, beams), filler, np.int64)
        for text in range(texts):
            if done[text]:
                rows[text] = text * beams
                continue
            place = 0
            for rank, candidate in enumerate(order[text]):
                row, token = text * beams + candidate // vocabulary, int(candidate % vocabulary)
                total = float(flat[text, candidate])
                if token in ends or length == longest:  # at the last step what goes on is finished too
                    if rank < beams:
                        found[text].add(np.append(written[row, start:], token), total, length)
                    continue
                rows[text, place], tokens[text, place], totals[text, place] = row, token, total
                place += 1
                if place == beams:
                    break
            done[text] = found[text].settled(float(flat[text, order[text][0]]), length, early)
        chosen = rows.reshape(-1)
        written = np.concatenate([written[chosen], tokens.reshape(-1, 1)], axis=1)
        if done.all():
            break
        if length < longest:
            step.select(chosen)
        newest = tokens.reshape(-1, 1)
    best = [each.kept[0][1] for each in found]
    width = max((len(each) for each in best), default=0)
    result = np.full((texts, width), filler, np.int64)
    for text, each in enumerate(best):
        result[text, : len(each)] = each
    return result


def _largest(scores: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The places of the `count` largest of each row, the largest first."""
    some = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    values = np.take_along_axis(scores, some, 1)
    order: Any = np.lexsort((some, -values), axis=1)
    return np.take_along_axis(some, order, 1)
