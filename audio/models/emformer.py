"""Emformer: a transformer that hears a sound segment by segment, as it comes.

Shi, Wang, Wu, Yeh, Chan, Zhang, Le, Seltzer, "Emformer: Efficient Memory Transformer Based Acoustic Model for Low Latency
Streaming Speech Recognition" (arXiv:2010.10759), section 2. A segment looks at itself, at a few frames behind it (the right
context), at the keys and values of frames before it (the left context) and at summaries of earlier segments (the memory).
`forward` computes all segments of a sound at once, for training; `infer` the next one. Parameter names and settings are those
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
        query, key, value = (self._split(each) for each in (self.emb_to_query(queries), keys, values))
        dropout = self.dropout if self.training else 0.0
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        return self.out_proj(found.transpose(1, 2).reshape(*queries.shape)), keys, values

    def summarised(self, found: Tensor) -> Tensor:
        """What summaries found, as memory."""
        return ops.tanh(found) if self.tanh_on_mem else found.clamp(-10, 10)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (batch, heads, places, width / heads)


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
        self, x: Tensor, context: int, memory: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """All segments: `x` (batch, context + time, width), the right contexts first, and the memory of the layer before."""
        normal = self.layer_norm_input(x)
        if memory is None:
            return self._after(self.attention(normal, normal, mask)[0], x), None
        queries = ops.cat([normal, means(normal[:, context:], self.config.segment_length)], 1)
        found = self.attention(queries, ops.cat([memory, normal], 1), mask)[0]
        return self._after(found[:, : x.shape[1]], x), self.attention.summarised(found[:, x.shape[1] : -1])

    def infer(
        self, x: Tensor, context: int, memory: Tensor | None, state: EmformerState | None, lengths: Lengths
    ) -> tuple[Tensor, Tensor | None, EmformerState]:
        """The next segment after `state`, of which `lengths` (batch,) frames count; the new state last."""
        config, time = self.config, x.shape[1]
        normal = self.layer_norm_input(x)
        if state is None:
            nothing = normal[:, :0].detach()
            state = EmformerState(nothing, nothing, nothing)
        earlier = state.memory.shape[1]
        queries, heard = normal, normal
        if memory is not None:
            queries = ops.cat([normal, normal[:, context:].mean(axis=1, keepdim=True)], 1)
            heard = ops.cat([state.memory, normal], 1)
        # Where the left context goes in is torchaudio's: it tells which keys are kept when a segment is not full.
        place = earlier + time - int(lengths.max())
        mask = self._mask(queries, earlier, time + state.keys.shape[1], lengths)
        found, keys, values = self.attention(queries, heard, mask, state, place)
        left = config.left_context_length
        kept = [
            (ops.cat([old, new[:, earlier + context :]], 1))[:, -left:] if left else old
            for old, new in ((state.keys, keys), (state.values, values))
        ]
        seen = min(left, state.keys.shape[1] + time - context)
        kept = [each[:, each.shape[1] - seen :] for each in kept]
        if memory is None:
            return self._after(found, x), None, EmformerState(state.memory, *kept)
        all_of_them = ops.cat([state.memory, memory], 1)[:, -config.max_memory_size :]
        summary = self.attention.summarised(found[:, time:])
        return self._after(found[:, :time], x), summary, EmformerState(all_of_them, *kept)

    def _mask(self, queries: Tensor, earlier: int, frames: int, lengths: Lengths) -> Tensor | None:
        """A summary does not look at the memory; nobody looks at padding, which only a batch has."""
        batch, places = queries.shape[:2]
        seen = np.ones((batch, 1, places, earlier + frames), np.bool_)
        if self.config.max_memory_size:
            seen[:, :, -1, :earlier] = False
        if batch > 1:
            seen &= unpadded(lengths, earlier + frames)
        return None if seen.all() else added(seen, self.config, queries)

    def _after(self, found: Tensor, x: Tensor) -> Tensor:
        x = self.dropout(found) + x
        return self.layer_norm_output(self.pos_ff(x) + x)


class Emformer(nn.Module):
    """Frames (batch, time + right_context_length, input_dim) and how many of the time count, to (batch, time, input_dim).

    The last `right_context_length` frames are only looked at. `infer` takes a segment (batch, segment_length +
    right_context_length, input_dim), the last of a sound may be shorter, the lengths with the right context, and the states that it gave
    for the one before. Segment by segment gives what the whole gives.
    """

    def __init__(self, config: EmformerConfig) -> None:
        super().__init__()
        self.config = config
        self.emformer_layers = nn.ModuleList([EmformerLayer(config, number) for number in range(config.num_layers)])

    def forward(self, x: Any, lengths: Any) -> tuple[Tensor, Lengths]:
        config, frames = self.config, self._frames(x)
        time = frames.shape[1] - config.right_context_length
        if time < 1:
            raise ValueError(
                f"emformer: wants frames and {config.right_context_length} of right context behind them, not {frames.shape[1]} in all"
            )
        counted = as_lengths(lengths, frames.shape[0], time, "emformer")
        segments = -(-time // config.segment_length)
        starts = [*((number + 1) * config.segment_length for number in range(segments - 1)), time]
        contexts = [frames[:, start : start + config.right_context_length] for start in starts]
        context = segments * config.right_context_length
        y = ops.cat([*contexts, frames[:, :time]], 1)
        memory = None
        if config.max_memory_size:
            memory = means(frames[:, :time], config.segment_length)[:, :-1]  # (batch, segments - 1, width)
        seen = seen_in(time, config)
        if frames.shape[0] > 1:
            seen = seen & unpadded(counted, seen.shape[-1])
        mask = None if seen.all() else added(seen, config, frames)
        for layer in self.emformer_layers:
            y, memory = layer(y, context, memory, mask)
        return y[:, context:], counted

    def infer(
        self, x: Any, lengths: Any, states: Sequence[EmformerState] | None = None
    ) -> tuple[Tensor, Lengths, list[EmformerState]]:
        config, frames = self.config, self._frames(x)
        context, wanted = config.right_context_length, frames.shape[1]
        time = wanted - context
        if not 0 < time <= config.segment_length:
            raise ValueError(
                f"emformer: infer wants a segment of {config.segment_length} frames, the last of a sound at least 1, and "
                f"{context} of right context, not {wanted} frames"
            )
        if states is not None and len(states) != config.num_layers:
            raise ValueError(f"emformer: {len(states)} states were given for {config.num_layers} layers")
        counted = np.maximum(as_lengths(lengths, frames.shape[0], wanted, "emformer") - context, 0)
        y = ops.cat([frames[:, time:], frames[:, :time]], 1)
        memory = frames[:, :time].mean(axis=1, keepdim=True) if config.max_memory_size else None
        found = []
        for number, layer in enumerate(self.emformer_layers):
            y, memory, state = layer.infer(y, context, memory, None if states is None else states[number], counted)
            found.append(state)
        return y[:, context:], counted, found

    def _frames(self, x: Any) -> Tensor:
        return as_frames(x, self.config.input_dim, "emformer", next(self.parameters()))


def seen_in(time: int, config: EmformerConfig) -> NDArray[np.bool_]:
    """Which keys (memory, right contexts, frames) each query (right contexts, frames, summaries) looks at: 1 where it does."""
    segments = -(-time // config.segment_length)
    numbers, frames = np.arange(segments), np.arange(time)
    contexts = np.repeat(numbers, config.right_context_length)
    remembers = config.max_memory_size > 0
    asking = np.concatenate([contexts, frames // config.segment_length, numbers if remembers else numbers[:0]])[:, None]
    start = asking * config.segment_length
    found = [
        contexts == asking,
        (frames >= start - config.left_context_length) & (frames < start + config.segment_length),
    ]
    if remembers:
        memory = (numbers[:-1] < asking) & (numbers[:-1] >= asking - config.max_memory_size)
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
