"""The loop of WaveRNN: 22,050 steps for a second of sound, so that all that can be computed before them is.

What enters a layer is a sum of what the sample before, the spectrogram and the layers' states say. Everything is linear up to the
layers' gates, so the first layer ``fc`` is multiplied into the weights behind it: a sample enters by a column, the spectrogram by
rows that are computed for many steps at once, and a step multiplies the states alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numzoo.engine import Tensor, ops
from numzoo.engine.device import namespace
from numzoo.engine.nn import functional as F

if TYPE_CHECKING:
    from numzoo.audio.models.wave_rnn import WaveRNN

__all__ = ["Steps"]

_AT_ONCE = 512
"""Samples whose rows are computed together: 8 MB of them."""


class Steps:
    """The weights of a model, as its steps want them."""

    def __init__(self, model: WaveRNN) -> None:
        config = model.config
        wide, aux = config.n_rnn, config.n_output // 4
        self.width, self.classes = wide, config.n_classes
        first, second = model.rnn1, model.rnn2
        own = ops.cat(
            [first.weight_ih_l0, second.weight_ih_l0[:, :wide], model.fc1.weight[:, :wide]]
        )  # of what fc gives
        self.column = ops.matmul(own, model.fc.weight[:, :1]).T  # (1, gates of both and n_fc): what a sample adds
        heard = ops.matmul(own, model.fc.weight[:, 1:])  # (gates of both and n_fc, n_freq + aux)
        gates, hidden = 3 * wide, config.n_fc

        def spread(weight: Tensor | None, tall: int, place: int) -> Tensor:
            """What a part of a frame's features adds, in the place of that part."""
            pieces = [ops.zeros((tall, aux), dtype=heard.dtype, device=heard.device)] * 3
            if weight is not None:
                pieces[place] = weight
            return ops.cat(pieces, 1)

        parts = ops.cat(
            [
                spread(None, gates, 0),
                spread(second.weight_ih_l0[:, wide:], gates, 0),
                spread(model.fc1.weight[:, wide:], hidden, 1),
                spread(model.fc2.weight[:, hidden:], hidden, 2),
            ]
        )
        nothing = ops.zeros((hidden, heard.shape[1]), dtype=heard.dtype, device=heard.device)
        self.rows = ops.cat([ops.cat([heard, nothing]), parts], 1)  # (all, n_freq + n_output)
        own_bias = ops.matmul(own, model.fc.bias.unsqueeze(1)).squeeze(1)
        biases = ops.cat([first.bias_ih_l0, second.bias_ih_l0, model.fc1.bias]) + own_bias
        self.rows_bias = ops.cat([biases, model.fc2.bias])
        self.from_first = ops.cat(
            [first.weight_hh_l0, second.weight_ih_l0[:, :wide]]
        )  # what the first state is multiplied by
        self.from_first_bias = ops.cat([first.bias_hh_l0, ops.zeros_like(first.bias_hh_l0)])
        self.from_second, self.from_second_bias = second.weight_hh_l0, second.bias_hh_l0
        self.from_both = model.fc1.weight[:, :wide].contiguous()
        self.from_hidden = model.fc2.weight[:, :hidden].contiguous()
        self.last, self.last_bias = model.fc3.weight, model.fc3.bias

    def run(self, smooth: Tensor, aux: Tensor, temperature: float, draw: np.random.Generator) -> Tensor:
        """The samples (batch, samples) for what they hear: (batch, n_freq, samples) and (batch, n_output, samples)."""
        batch, samples = smooth.shape[0], smooth.shape[2]
        xp, dtype = namespace(smooth.array), smooth.dtype
        gates, width = 3 * self.width, self.width
        column = self.column.array
        scale = 2.0 / (self.classes - 1)
        one, two = xp.zeros((batch, width), dtype), xp.zeros((batch, width), dtype)
        sample = xp.zeros((batch, 1), dtype)
        after_one, after_two = self._first(one), self._second(two)
        found = xp.empty((samples, batch), dtype)
        for start in range(0, samples, _AT_ONCE):
            heard = ops.cat([smooth[:, :, start : start + _AT_ONCE], aux[:, :, start : start + _AT_ONCE]], 1)
            rows = F.linear(heard.permute(2, 0, 1), self.rows, self.rows_bias).array  # (steps, batch, all)
            noise = self._noise(draw, (len(rows), batch), temperature, xp, dtype)
            for place in range(len(rows)):
                row = rows[place]
                entering = row[:, : column.shape[1]] + sample * column
                one = _gated(xp, entering[:, :gates], after_one[:, :gates], one)
                after_one = self._first(one)
                two = _gated(xp, entering[:, gates : 2 * gates] + after_one[:, gates:], after_two, two)
                after_two = self._second(two)
                hidden = entering[:, 2 * gates :] + F.linear(Tensor(one + two), self.from_both).array
                hidden = F.linear(Tensor(xp.maximum(hidden, 0)), self.from_hidden).array + row[:, column.shape[1] :]
                logits = F.linear(Tensor(xp.maximum(hidden, 0)), self.last, self.last_bias).array
                if noise is not None:
                    logits = logits + noise[place]
                sample = (logits.argmax(axis=1)[:, None] * scale - 1).astype(dtype)
                found[start + place] = sample[:, 0]
        return Tensor(xp.ascontiguousarray(found.T))

    def _first(self, state: Any) -> Any:
        return F.linear(Tensor(state), self.from_first, self.from_first_bias).array

    def _second(self, state: Any) -> Any:
        return F.linear(Tensor(state), self.from_second, self.from_second_bias).array

    def _noise(self, draw: np.random.Generator, steps: tuple[int, int], temperature: float, xp: Any, dtype: Any) -> Any:
        """What makes the largest logit a draw by their softmax: Gumbel's distribution (Gumbel, 1954)."""
        if not temperature:
            return None
        drawn = np.log(draw.standard_exponential((*steps, self.classes), np.float32) + np.float32(1e-30))
        return xp.asarray(drawn * np.float32(-temperature), dtype)


def _gated(xp: Any, entering: Any, returning: Any, state: Any) -> Any:
    """The state of a gated recurrent unit after a step, by what enters its gates and what returns to them."""
    width = state.shape[1]
    gates = xp.tanh((entering[:, : 2 * width] + returning[:, : 2 * width]) * 0.5) * 0.5 + 0.5
    new = xp.tanh(entering[:, 2 * width :] + gates[:, :width] * returning[:, 2 * width :])
    return new + gates[:, width:] * (state - new)
