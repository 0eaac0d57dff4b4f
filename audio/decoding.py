"""From what a model hears every 20 ms to letters: CTC's greedy and beam search, and where in time each letter stands.

Graves, Fernandez, Gomez, Schmidhuber, "Connectionist Temporal Classification" (ICML 2006). A path has a token for each step;
the text of a path is what is left when repeated tokens are one and then blanks are none.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Decoded", "align", "beam_search", "greedy"]

Steps = tuple[tuple[int, int], ...]


class Decoded(NamedTuple):
    """Tokens, the steps at which each begins and ends (the end is the first step that is not its own), and a logarithm.

    `score` is the log-probability: of the best path in `greedy`, of all paths of these tokens in `beam_search`.
    """

    tokens: tuple[int, ...]
    steps: Steps
    score: float


def greedy(log_probabilities: ArrayLike, *, blank: int = 0) -> Decoded:
    """The text of the best path. `log_probabilities` (time, classes), or logits: then `score` means nothing."""
    table = _table(log_probabilities, blank, "greedy")
    path = table.argmax(axis=1) if len(table) else np.zeros(0, np.int64)
    edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1)) if len(path) else np.zeros(0, np.int64)
    runs = [(int(path[start]), int(start), int(end)) for start, end in itertools.pairwise(edges)]
    kept = [run for run in runs if run[0] != blank]
    score = float(table[np.arange(len(path)), path].sum())
    return Decoded(tuple(token for token, _, _ in kept), tuple((start, end) for _, start, end in kept), score)


def beam_search(log_probabilities: ArrayLike, *, width: int = 32, blank: int = 0, best: int = 1) -> list[Decoded]:
    """The `best` most probable texts, over all their paths (Hannun et al., arXiv:1408.2873, algorithm 1, without a language
    model).

    `log_probabilities` (time, classes) are natural logarithms that sum to 1; `width` beginnings are kept from step to step.
    """
    table = _table(log_probabilities, blank, "beam_search")
    for name, number in (("width", width), ("best", best)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"beam_search: {name} is a whole number from 1, not {number!r}")
    tree = _Beginnings(blank)
    beams = np.zeros(1, np.int64)  # beginnings, and the logarithms of their paths' sums:
    in_blank, in_token = np.zeros(1), np.full(1, -np.inf)  # those that end in a blank, and those in the last token
    for row in table:
        last = tree.tokens(beams)
        either = np.logaddexp(in_blank, in_token)
        longer = np.repeat(either[:, None], len(row), axis=1)
        longer[np.arange(len(beams)), last] = in_blank  # a token twice needs a blank in between
        longer += row
        longer[:, blank] = -np.inf
        stays_blank, stays_token = either + row[blank], in_token + row[last]
        places = {int(beam): place for place, beam in enumerate(beams)}
        for beam, place in places.items():
            shorter = places.get(tree.parents[beam])
            if shorter is not None:  # two ways to the same beginning
                stays_token[place] = np.logaddexp(stays_token[place], longer[shorter, last[place]])
                longer[shorter, last[place]] = -np.inf
        scores = np.concatenate([np.logaddexp(stays_blank, stays_token), longer.reshape(-1)])
        chosen = np.argsort(-scores, kind="stable")[:width]
        chosen = chosen[scores[chosen] > -np.inf]
        new = chosen >= len(beams)
        origin, token = np.divmod(chosen - len(beams), len(row))
        grown = [tree.child(int(beams[o]), int(t)) for o, t in zip(origin[new], token[new], strict=True)]
        kept = chosen[~new]
        in_blank = np.concatenate([stays_blank[kept], np.full(len(grown), -np.inf)])
        in_token = np.concatenate([stays_token[kept], scores[chosen[new]]])
        beams = np.concatenate([beams[kept], np.array(grown, np.int64)])
    totals = np.logaddexp(in_blank, in_token)
    ranked = np.argsort(-totals, kind="stable")[:best]
    texts = [(tree.path(int(beams[place])), float(totals[place])) for place in ranked]
    return [Decoded(tokens, align(table, tokens, blank=blank), score) for tokens, score in texts]


class _Beginnings:
    """Beginnings of texts as a tree: each is its parent and one token more; the empty one is number 0."""

    def __init__(self, blank: int) -> None:
        self.parents, self.last = [-1], [blank]
        self.children: dict[tuple[int, int], int] = {}

    def child(self, parent: int, token: int) -> int:
        number = self.children.setdefault((parent, token), len(self.parents))
        if number == len(self.parents):
            self.parents.append(parent)
            self.last.append(token)
        return number

    def tokens(self, beams: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([self.last[beam] for beam in beams], np.int64)

    def path(self, beam: int) -> tuple[int, ...]:
        found = []
        while beam:
            found.append(self.last[beam])
            beam = self.parents[beam]
        return tuple(reversed(found))


def align(log_probabilities: ArrayLike, tokens: Any, *, blank: int = 0) -> Steps:
    """Where `tokens` stand in the most probable path that spells them: a beginning and an end in steps for each.

    Raises ValueError where there are too few steps: one for each token, and one for the blank between equal neighbours.
    """
    table = _table(log_probabilities, blank, "align")
    wanted = [int(token) for token in tokens]
    if not wanted:
        return ()
    if any(not 0 <= token < table.shape[1] or token == blank for token in wanted):
        raise ValueError(f"align: tokens are classes from 0 to {table.shape[1] - 1} but for the blank, {blank}")
    states = np.full(2 * len(wanted) + 1, blank)  # a blank, a token, a blank, ...
    states[1::2] = wanted
    if len(table) < len(wanted) + int((np.diff(wanted) == 0).sum()):
        raise ValueError(f"align: {len(table)} steps are too few for {len(wanted)} tokens")
    skips = np.zeros(len(states), np.bool_)  # whether the blank before a token may be left out
    skips[3::2] = states[3::2] != states[1:-2:2]
    scores = np.full(len(states), -np.inf)
    scores[:2] = table[0, states[:2]]
    came = np.zeros((len(table), len(states)), np.int8)  # how many states back the best way came from
    for step in range(1, len(table)):
        one = np.concatenate([[-np.inf], scores[:-1]])
        two = np.where(skips, np.concatenate([[-np.inf, -np.inf], scores[:-2]]), -np.inf)
        choices = np.stack([scores, one, two])
        came[step] = choices.argmax(axis=0)
        scores = choices.max(axis=0) + table[step, states]
    state = len(states) - 1 if scores[-1] >= scores[-2] else len(states) - 2
    path = np.empty(len(table), np.int64)
    for step in range(len(table) - 1, -1, -1):
        path[step] = state
        state -= int(came[step, state])
    places = [np.flatnonzero(path == 2 * number + 1) for number in range(len(wanted))]
    return tuple((int(place[0]), int(place[-1]) + 1) for place in places)


def _table(values: ArrayLike, blank: int, who: str) -> NDArray[np.float64]:
    table = np.asarray(values, np.float64)
    if table.ndim != 2 or not table.shape[1]:
        raise ValueError(f"{who}: wants log-probabilities (time, classes) of one sound, not an array {table.shape}")
    if isinstance(blank, bool) or not isinstance(blank, int) or not 0 <= blank < table.shape[1]:
        raise ValueError(f"{who}: blank is a class from 0 to {table.shape[1] - 1}, not {blank!r}")
    if np.isnan(table).any():
        raise ValueError(f"{who}: there is NaN among the log-probabilities; was the sound finite?")
    return table
