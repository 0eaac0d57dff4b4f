"""Emformer: a transformer that hears a sound segment by segment, as it comes.

Shi, Wang, Wu, Yeh, Chan, Zhang, Le, Seltzer, "Emformer: Efficient Memory Transformer Based Acoustic Model for Low Latency
Streaming Speech Recognition" (arXiv:2010.10759), section 2. A segment looks at itself, at a few frames behind it (the right
context), at the keys and values of frames before it (the left context) and at summaries of earlier segments (the memory).
`forward` computes all segments of a sound at once, for training; `infer` those that come next. Parameter names and settings are those
of torchaudio's Emformer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F

__all__ = ["Emformer", "EmformerConfig", "EmformerState"]

Lengths = NDArray[np.int64]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}
_GAINS: dict[str | None, Callable[[int], float]] = {
    "depthwise": lambda layer: 1 / math.sqrt(layer + 1),
    "constant": lambda layer: 1 / math.sqrt(2),
}


@dataclass(frozen=True, slots=True)
class EmformerConfig:
    """The sizes. Lengths are counted in frames of the network's input; `max_memory_size` in segments, 0: no memory."""

    input_dim: int
    num_heads: int
    ffn_dim: int
    num_layers: int
    segment_length: int
    dropout: float = 0.0
    activation: str = "relu"
    left_context_length: int = 0
    right_context_length: int = 0
    max_memory_size: int = 0
    weight_init_scale_strategy: str | None = "depthwise"
    tanh_on_mem: bool = False
    """Whether summaries go through tanh; else they are cut at -10 and 10."""
    negative_inf: float = -1e8
    """What is added to the score of what is not to be seen."""

    def __post_init__(self) -> None:
        if self.input_dim < 1 or self.num_heads < 1 or self.input_dim % self.num_heads:
            raise ValueError(
                f"emformer: input_dim {self.input_dim} must be a multiple of num_heads {self.num_heads}, both at least 1"
            )
        if self.segment_length < 1:
            raise ValueError(f"emformer: segment_length is a number of frames from 1, not {self.segment_length}")
        if min(self.left_context_length, self.right_context_length, self.max_memory_size) < 0:
            raise ValueError(
                "emformer: left_context_length, right_context_length and max_memory_size are 0 or more, not "
                f"{self.left_context_length}, {self.right_context_length} and {self.max_memory_size}"
            )
        if self.activation not in _ACTIVATIONS:
            raise ValueError(f"emformer: activation must be one of {', '.join(_ACTIVATIONS)}, not {self.activation!r}")
        if self.weight_init_scale_strategy not in (None, *_GAINS):
            raise ValueError(
                f"emformer: weight_init_scale_strategy must be one of {', '.join(map(str, _GAINS))} or None, not "
                f"{self.weight_init_scale_strategy!r}"
            )


class EmformerState(NamedTuple):
    """What a layer keeps of the segments before: summaries (batch, segments, width), keys and values (batch, frames, width)."""

    memory: Tensor
    keys: Tensor
    values: Tensor


class Attention(nn.Module):
    """Right context, segments and their summaries look at memory, right context, left context and segments (equations 3 to 9)."""

    def __init__(self, config: EmformerConfig, gain: float | None) -> None:
        super().__init__()
        width = config.input_dim
        self.heads, self.dropout, self.tanh_on_mem = config.num_heads, config.dropout, config.tanh_on_mem
        self.emb_to_key_value = nn.Linear(width, 2 * width)
        self.emb_to_query = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        if gain is not None:
            nn.init.xavier_uniform_(self.emb_to_key_value.weight, gain=gain)
            nn.init.xavier_uniform_(self.emb_to_query.weight, gain=gain)

    def forward(
        self, queries: Tensor, heard: Tensor, mask: Tensor | None, before: EmformerState | None = None, place: int = 0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the queries (batch, places, width) find, and the keys and values (batch, frames, width).

        `heard` is memory, right context and segments; the keys and values of `before` go in at `place`. `mask` is added to
        the scores.
        """
        keys, values = self.emb_to_key_value(heard).chunk(2, 2)
        if before is not None:
            keys = ops.cat([keys[:, :place], before.keys, keys[:, place:]], 1)
            values = ops.cat([values[:, :place], before.values, values[:, place:]], 1)
        query = self.emb_to_query(queries)
        dropout = self.dropout if self.training else 0.0
        found = F.attention_in_heads(query, keys, values, self.heads, mask, dropout)
        return self.out_proj(found), keys, values

    def summarised(self, found: Tensor) -> Tensor:
        """What summaries found, as memory."""
        return ops.tanh(found) if self.tanh_on_mem else found.clamp(-10, 10)


class EmformerLayer(nn.Module):
    """A norm, attention and a perceptron, each with its shortcut, and a norm."""

    def __init__(self, config: EmformerConfig, number: int) -> None:
        super().__init__()
        width = config.input_dim
        gain = _GAINS.get(config.weight_init_scale_strategy)
        self.config = config
        self.attention = Attention(config, None if gain is None else gain(number))
        self.dropout = nn.Dropout(config.dropout)
        self.pos_ff = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, config.ffn_dim), _ACTIVATIONS[config.activation](),
            nn.Dropout(config.dropout), nn.Linear(config.ffn_dim, width), nn.Dropout(config.dropout),
        )  # fmt: skip
        self.layer_norm_input = nn.LayerNorm(width)
        self.layer_norm_output = nn.LayerNorm(width)

    def forward(
        self, x: Tensor, context: int, memory: Tensor | None, state: EmformerState, mask: Tensor | None, place: int
    ) -> tuple[Tensor, Tensor | None, EmformerState]:
        """The next segments after `state`: `x` (batch, context + time, width), the right contexts first.

        `memory` are their summaries by the layer before; those by this one and the new state are given back. The left context goes
        in at `place`.
        """
        normal = self.layer_norm_input(x)
        queries, heard, remembered = normal, normal, 0
        if memory is not None:
            queries = ops.cat([normal, means(normal[:, context:], self.config.segment_length)], 1)
            heard = ops.cat([state.memory, memory[:, :-1], normal], 1)
            remembered = heard.shape[1] - x.shape[1]
        found, keys, values = self.attention(queries, heard, mask, state, place)
        left = min(self.config.left_context_length, keys.shape[1] - remembered - context)
        kept = [each[:, each.shape[1] - left :] for each in (keys, values)]
        y = self._after(found[:, : x.shape[1]], x)
        if memory is None:
            return y, None, EmformerState(state.memory, *kept)
        known = ops.cat([state.memory, memory], 1)[:, -self.config.max_memory_size :]
        return y, self.attention.summarised(found[:, x.shape[1] :]), EmformerState(known, *kept)

    def _after(self, found: Tensor, x: Tensor) -> Tensor:
        x = self.dropout(found) + x
        return self.layer_norm_output(self.pos_ff(x) + x)


class Emformer(nn.Module):
    """Frames (batch, time + right_context_length, input_dim) and how many of the time count, to (batch, time, input_dim).

    The last `right_context_length` frames are only looked at. `infer` takes the next segment of a sound, or several, (batch, time +
    right_context_length, input_dim), of which only the sound's last may be shorter; the lengths with the right context; and the
    states that it gave before. Segment by segment gives what the whole gives.
    """

    def __init__(self, config: EmformerConfig) -> None:
        super().__init__()
        self.config = config
        self.emformer_layers = nn.ModuleList([EmformerLayer(config, number) for number in range(config.num_layers)])

    def forward(self, x: Any, lengths: Any) -> tuple[Tensor, Lengths]:
        frames, time = self._frames(x)
        counted = as_lengths(lengths, frames.shape[0], time, "emformer")
        return self._run(frames, counted, None)[0], counted

    def infer(
        self, x: Any, lengths: Any, states: Sequence[EmformerState] | None = None
    ) -> tuple[Tensor, Lengths, list[EmformerState]]:
        frames = self._frames(x)[0]
        if states is not None and len(states) != self.config.num_layers:
            raise ValueError(f"emformer: {len(states)} states were given for {self.config.num_layers} layers")
        given = as_lengths(lengths, frames.shape[0], frames.shape[1], "emformer")
        counted = np.maximum(given - self.config.right_context_length, 0)
        found, after = self._run(frames, counted, states)
        return found, counted, after

    def _run(
        self, frames: Tensor, lengths: Lengths, states: Sequence[EmformerState] | None
    ) -> tuple[Tensor, list[EmformerState]]:
        config, right = self.config, self.config.right_context_length
        time = frames.shape[1] - right
        segments = -(-time // config.segment_length)
        starts = [*((number + 1) * config.segment_length for number in range(segments - 1)), time]
        y = ops.cat([*(frames[:, start : start + right] for start in starts), frames[:, :time]], 1)
        context = segments * right
        memory = means(frames[:, :time], config.segment_length) if config.max_memory_size else None
        if states is None:
            nothing = y[:, :0].detach()
            states = [EmformerState(nothing, nothing, nothing)] * config.num_layers
        earlier, left = (states[0].memory.shape[1], states[0].keys.shape[1]) if states else (0, 0)
        seen = seen_in(time, config, left, earlier)
        if frames.shape[0] > 1:
            seen = seen & unpadded(lengths, seen.shape[-1])
        mask = None if seen.all() else added(seen, config, frames)
        place = context + (earlier + segments - 1 if memory is not None else 0)
        if segments == 1:
            # As torchaudio does it: where one segment is not full, that tells which of its keys the next one sees.
            place += time - int(lengths.max())
        found = []
        for layer, state in zip(self.emformer_layers, states, strict=True):
            y, memory, after = layer(y, context, memory, state, mask, place)
            found.append(after)
        return y[:, context:], found

    def _frames(self, x: Any) -> tuple[Tensor, int]:
        """The frames, and how many of them are not only looked at."""
        frames = as_frames(x, self.config.input_dim, "emformer", next(self.parameters()))
        time = frames.shape[1] - self.config.right_context_length
        if time < 1:
            raise ValueError(
                f"emformer: wants frames and {self.config.right_context_length} of right context behind them, not {frames.shape[1]} in all"
            )
        return frames, time


def seen_in(time: int, config: EmformerConfig, left: int = 0, earlier: int = 0) -> NDArray[np.bool_]:
    """Which keys (memory, right contexts, frames) each query (right contexts, frames, summaries) looks at: true where it does.

    `left` frames and the memory of `earlier` segments come from before.
    """
    segments = -(-time // config.segment_length)
    numbers, frames = np.arange(segments), np.arange(-left, time)
    contexts = np.repeat(numbers, config.right_context_length)
    remembers = config.max_memory_size > 0
    asking = np.concatenate([contexts, frames[left:] // config.segment_length, numbers if remembers else numbers[:0]])
    asking = asking[:, None]
    start = asking * config.segment_length
    found = [
        contexts == asking,
        (frames >= start - config.left_context_length) & (frames < start + config.segment_length),
    ]
    if remembers:
        summaries = np.arange(-earlier, segments - 1)
        memory = (summaries < asking) & (summaries >= asking - config.max_memory_size)
        memory[-segments:] = False  # a summary is of its segment alone
        found.insert(0, memory)
    return np.concatenate(found, axis=1)


def unpadded(lengths: Lengths, keys: int) -> NDArray[np.bool_]:
    """Which of the keys are no padding, (batch, 1, 1, keys): what an example lacks of the longest, it lacks at the end."""
    there: NDArray[np.bool_] = np.arange(keys) < (lengths + keys - lengths.max())[:, None]
    return there[:, None, None, :]


def added(seen: NDArray[np.bool_], config: EmformerConfig, like: Tensor) -> Tensor:
    """A mask to be added to scores."""
    mask = np.where(seen, np.float32(0), np.float32(config.negative_inf))
    return Tensor(mask).to(device=like.device, dtype=like.dtype)


def means(x: Tensor, segment: int) -> Tensor:
    """The mean of each segment of frames (batch, time, width), the last of which may be shorter: (batch, segments, width)."""
    batch, time, width = x.shape
    whole = time // segment
    parts = []
    if whole:
        parts.append(x[:, : whole * segment].reshape(batch, whole, segment, width).mean(axis=2))
    if time % segment:
        parts.append(x[:, whole * segment :].mean(axis=1, keepdim=True))
    return ops.cat(parts, 1)


def as_frames(x: Any, width: int, who: str, weight: Tensor) -> Tensor:
    """A batch of frames (batch, time, width) as a tensor; an array goes to where the weight is, in its type."""
    frames = x if isinstance(x, Tensor) else Tensor(np.asarray(x))
    if frames.ndim != 3 or frames.shape[2] != width:
        raise ValueError(f"{who}: wants frames (batch, time, {width}), not an array {tuple(frames.shape)}")
    if frames.dtype.kind in "iub":
        raise TypeError(f"{who}: frames are floating-point numbers, not {frames.dtype}")
    return frames if frames is x else frames.to(device=weight.device, dtype=weight.dtype)


def as_lengths(given: Any, batch: int, most: int, who: str) -> Lengths:
    """How many places of each example count, as an array (batch,)."""
    array = np.asarray(given.numpy() if isinstance(given, Tensor) else given)
    if (
        array.shape != (batch,)
        or array.dtype.kind not in "iu"
        or (batch and not 0 <= array.min() <= array.max() <= most)
    ):
        raise ValueError(
            f"{who}: wants {batch} lengths, whole numbers from 0 to {most}, not {np.array2string(array)[:60]}"
        )
    return array.astype(np.int64)
