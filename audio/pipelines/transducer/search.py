"""Beam search for transducers: the likeliest texts so far, step by step, which a sound that goes on can take up again.

Graves, "Sequence Transduction with Recurrent Neural Networks" (arXiv:1211.3711), section 2.4, as torchaudio's RNNTBeamSearch
does it: at each step beginnings are lengthened while one that is not yet finished with the step can be among the best; the
ways of one text are added up, and what is kept are the best by their score over their length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.models.rnnt import PredictorState
from numzoo.audio.pipelines.sounds import finite
from numzoo.engine import Tensor, ops

__all__ = ["Hypothesis", "TransducerSearch"]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text so far: its tokens behind the blank that stands in front, at which step and how surely each was said, the sum of the
    logarithms; and what the predictor makes of it."""

    tokens: tuple[int, ...]
    score: float
    steps: tuple[int, ...]
    logs: tuple[float, ...]
    said: Tensor
    state: PredictorState

    @property
    def rank(self) -> float:
        """What texts are kept by: the score over their length."""
        return self.score / (len(self.tokens) + 1)


class TransducerSearch:
    """``search(encodings)`` gives the best texts of encodings (time, width), the best first; those of before go on in `hypotheses`.

    `longest` bounds the tokens of one step; scores are divided by `temperature`. The blank is the model's last symbol.
    """

    def __init__(self, model: Any, *, temperature: float = 1.0, longest: int = 100) -> None:
        if not temperature > 0 or longest < 1:
            raise ValueError(
                f"temperature is above 0 and longest at least 1, not {temperature!r:.40} and {longest!r:.40}"
            )
        self.model, self.temperature, self.longest = model, temperature, longest
        self.blank = model.config.num_symbols - 1

    def beginning(self) -> list[Hypothesis]:
        """The text without a token."""
        said, state = self.model.predict(np.array([[self.blank]]))
        return [Hypothesis((self.blank,), 0.0, (), (), said, state)]

    def __call__(
        self, encodings: Tensor, hypotheses: Sequence[Hypothesis] = (), *, width: int = 10, first: int = 0
    ) -> list[Hypothesis]:
        """`first` is the number of the first step, by which those of tokens are counted."""
        kept = list(hypotheses) or self.beginning()
        for time in range(encodings.shape[0]):
            kept = self._step(encodings[time].reshape(1, 1, -1), kept, width, first + time)
        return kept

    def _step(self, heard: Tensor, going: list[Hypothesis], width: int, step: int) -> list[Hypothesis]:
        finished: dict[tuple[int, ...], Hypothesis] = {}
        ranked: list[Hypothesis] = []
        for number in range(self.longest + 1):
            logs = self._logs(heard, going)
            for one, log in zip(going, logs[:, self.blank], strict=True):
                score = np.float32(one.score) + log
                if one.tokens in finished:
                    score = np.logaddexp(np.float32(finished.pop(one.tokens).score), score)
                finished[one.tokens] = _with(one, float(score))
            order = np.argsort([np.float32(each.score) for each in finished.values()], kind="stable")
            ranked = [list(finished.values())[place] for place in order]
            if number == self.longest:
                break
            going = self._longer(going, ranked, logs, width, step)
            if not going:
                break
        best = np.argsort([-np.float32(each.rank) for each in ranked], kind="stable")[:width]
        return [ranked[place] for place in best]

    def _logs(self, heard: Tensor, going: list[Hypothesis]) -> NDArray[np.float32]:
        """How probable each symbol is after each text: logarithms (texts, symbols)."""
        scores = self.model.join(heard, ops.cat([each.said for each in going], 0))  # (texts, 1, 1, symbols)
        scores = scores if self.temperature == 1 else scores / self.temperature
        found = np.asarray(ops.log_softmax(scores, axis=3).numpy(), np.float32).reshape(len(going), -1)
        if np.isnan(found[:, self.blank]).any():  # a NaN anywhere in a row makes all of it one
            finite(found, "speech-recognition")
        return found

    def _longer(
        self, going: list[Hypothesis], ranked: list[Hypothesis], logs: NDArray[np.float32], width: int, step: int
    ) -> list[Hypothesis]:
        """The best texts of one token more, those that beat the `width` best that are finished with the step."""
        scores = np.array([each.score for each in going], np.float32)[:, None] + logs[:, : self.blank]
        flat = scores.reshape(-1)
        count = min(width, flat.size)
        best = np.argpartition(-flat, count - 1)[:count]
        best = best[np.argsort(-flat[best], kind="stable")]
        least = ranked[-width].score if len(ranked) >= width else -np.inf
        best = best[flat[best] > least]
        if not len(best):
            return []
        rows, tokens = best // self.blank, best % self.blank
        bases = [going[row] for row in rows]
        layers = range(len(bases[0].state))
        state = [
            (ops.cat([each.state[layer][0] for each in bases], 0), ops.cat([each.state[layer][1] for each in bases], 0))
            for layer in layers
        ]
        said, after = self.model.predict(tokens[:, None], state)
        return [
            Hypothesis(
                (*base.tokens, int(tokens[place])),
                float(flat[best[place]]),
                (*base.steps, step),
                (*base.logs, float(logs[rows[place], tokens[place]])),
                said[place : place + 1],
                [(hidden[place : place + 1], cell[place : place + 1]) for hidden, cell in after],
            )
            for place, base in enumerate(bases)
        ]


def _with(one: Hypothesis, score: float) -> Hypothesis:
    return Hypothesis(one.tokens, score, one.steps, one.logs, one.said, one.state)
