"""The loop of WaveRNN: 22,050 steps for a second of sound, so that all that can be computed before them is.

What enters a layer is a sum of what the sample before, the spectrogram and the layers' states say. Everything is linear up to the
layers' gates, so the first layer ``fc`` is multiplied into the weights behind it: a sample enters by a column, the spectrogram by
rows that are computed for many steps at once, and a step multiplies the states alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numzoo.engine import Tensor, ops, precision
from numzoo.engine.device import namespace
from numzoo.engine.nn import functional as F

if TYPE_CHECKING:
    from numzoo.audio.models.wave_rnn import WaveRNN

__all__ = ["Steps"]

_AT_ONCE = 512
"""Samples whose rows are computed together: 8 MB of them."""


class Steps:
    """The weights of a model, as its steps want them. What is added is in float32 whatever the products are in."""

    def __init__(self, model: WaveRNN) -> None:
        config, first, second = model.config, model.rnn1, model.rnn2
        wide, aux, hidden = config.n_rnn, config.n_output // 4, config.n_fc
        self.gates, self.classes = 3 * wide, config.n_classes
        self.from_first = ops.cat([first.weight_hh_l0, second.weight_ih_l0[:, :wide]])  # what the first state meets
        self.from_first_bias = ops.cat([first.bias_hh_l0, ops.zeros_like(first.bias_hh_l0)])
        self.from_second, self.from_second_bias = second.weight_hh_l0, second.bias_hh_l0
        self.from_both = model.fc1.weight[:, :wide].contiguous()
        self.from_hidden = model.fc2.weight[:, :hidden].contiguous()
        self.last, self.last_bias = model.fc3.weight, model.fc3.bias
        self.dtype = np.dtype(np.float64 if self.last.dtype == np.float64 else np.float32)
        with precision("float32"):
            into, bias = model.fc.weight.to(dtype=self.dtype), model.fc.bias.to(dtype=self.dtype)
            own = ops.cat([first.weight_ih_l0, second.weight_ih_l0[:, :wide], model.fc1.weight[:, :wide]])
            own = own.to(dtype=self.dtype)  # all that multiplies what fc gives
            self.column = ops.matmul(own, into[:, :1]).T.array  # (1, gates of both and n_fc): what a sample adds
            biases = ops.cat([first.bias_ih_l0, second.bias_ih_l0, model.fc1.bias]).to(dtype=self.dtype)
            self.rows_bias = ops.cat(
                [biases + ops.matmul(own, bias.unsqueeze(1)).squeeze(1), model.fc2.bias.to(dtype=self.dtype)]
            )
            heard = ops.matmul(own, into[:, 1:])  # (gates of both and n_fc, n_freq + aux)
        # What a spectrogram and the last three quarters of its features add; each layer hears one quarter.
        seconds, thirds, fourths = (
            second.weight_ih_l0[:, wide:],
            model.fc1.weight[:, wide:],
            model.fc2.weight[:, hidden:],
        )
        rows = ops.zeros(
            (2 * self.gates + 2 * hidden, config.n_freq + 4 * aux), dtype=self.dtype, device=into.device
        ).array
        rows[: 2 * self.gates + hidden, : config.n_freq + aux] = heard.array
        for place, (start, weight) in enumerate(
            [(self.gates, seconds), (2 * self.gates, thirds), (2 * self.gates + hidden, fourths)], 1
        ):
            across = config.n_freq + place * aux
            rows[start : start + weight.shape[0], across : across + aux] = weight.array
        self.rows = Tensor(rows)

    def run(self, smooth: Tensor, aux: Tensor, temperature: float, draw: np.random.Generator) -> Tensor:
        """The samples (batch, samples) for what they hear: (batch, n_freq, samples) and (batch, n_output, samples)."""
        batch, samples = smooth.shape[0], smooth.shape[2]
        xp, dtype, gates, column = namespace(self.column), self.dtype, self.gates, self.column
        scale, inputs = 2.0 / (self.classes - 1), column.shape[1]
        shapes = ((batch, gates // 3), (batch, gates // 3), (batch, 1), (samples, batch))
        one, two, sample, found = (ops.zeros(each, dtype=dtype, device=smooth.device).array for each in shapes)
        after_one = _times(one, self.from_first, self.from_first_bias)
        after_two = _times(two, self.from_second, self.from_second_bias)
        for start in range(0, samples, _AT_ONCE):
            heard = [each[:, :, start : start + _AT_ONCE].to(dtype=dtype) for each in (smooth, aux)]
            rows = _times(ops.cat(heard, 1).permute(2, 0, 1).array, self.rows, self.rows_bias)  # (steps, batch, all)
            noise = self._noise(draw, (len(rows), batch), temperature)
            for place in range(len(rows)):
                row = rows[place]
                entering = row[:, :inputs] + sample * column
                one = _gated(xp, entering[:, :gates], after_one[:, :gates], one)
                after_one = _times(one, self.from_first, self.from_first_bias)
                two = _gated(xp, entering[:, gates : 2 * gates] + after_one[:, gates:], after_two, two)
                after_two = _times(two, self.from_second, self.from_second_bias)
                hidden = entering[:, 2 * gates :] + _times(one + two, self.from_both)
                hidden = _times(xp.maximum(hidden, 0), self.from_hidden) + row[:, inputs:]
                logits = _times(xp.maximum(hidden, 0), self.last, self.last_bias)
                if noise is not None:
                    logits = logits + noise[place]
                sample = (logits.argmax(axis=1)[:, None] * scale - 1).astype(dtype)
                found[start + place] = sample[:, 0]
        return Tensor(xp.ascontiguousarray(found.T))

    def _noise(self, draw: np.random.Generator, steps: tuple[int, int], temperature: float) -> Any:
        """What makes the largest logit a draw by their softmax: Gumbel's distribution (Gumbel, 1954)."""
        if not temperature:
            return None
        drawn = np.log(draw.standard_exponential((*steps, self.classes), np.float32) + np.float32(1e-30))
        return Tensor((drawn * np.float32(-temperature)).astype(self.dtype)).to(device=self.rows.device).array


def _times(x: Any, weight: Tensor, bias: Tensor | None = None) -> Any:
    """x weight^T + bias in x's dtype, the product in the weight's or as the precision says."""
    given = x if x.dtype == weight.dtype else x.astype(weight.dtype)
    out = F.linear(Tensor(given), weight, bias).array
    return out if out.dtype == x.dtype else out.astype(x.dtype)


def _gated(xp: Any, entering: Any, returning: Any, state: Any) -> Any:
    """The state of a gated recurrent unit after a step, by what enters its gates and what returns to them."""
    width = state.shape[1]
    gates = xp.tanh((entering[:, : 2 * width] + returning[:, : 2 * width]) * 0.5) * 0.5 + 0.5
    new = xp.tanh(entering[:, 2 * width :] + gates[:, :width] * returning[:, 2 * width :])
    return new + gates[:, width:] * (state - new)
