"""The decoder of Tacotron 2: two recurrent layers, of which the first decides where in the text to look.

Where it looked before enters the attention (Chorowski et al., "Attention-Based Models for Speech Recognition", arXiv:1506.07503).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F
from numzoo.engine.random import default_generator

__all__ = ["Decoder", "Tacotron2Config"]

_AHEAD = 64
"""Frames whose masks of the prenet are drawn at once."""


@dataclass(frozen=True, slots=True)
class Tacotron2Config:
    """The sizes; as they stand, those of the paper."""

    n_symbol: int = 148
    n_mels: int = 80
    n_frames_per_step: int = 1
    symbol_embedding_dim: int = 512
    encoder_embedding_dim: int = 512
    encoder_n_convolution: int = 3
    encoder_kernel_size: int = 5
    decoder_rnn_dim: int = 1024
    decoder_max_step: int = 2000
    decoder_dropout: float = 0.1
    decoder_early_stopping: bool = True
    attention_rnn_dim: int = 1024
    attention_hidden_dim: int = 128
    attention_location_n_filter: int = 32
    attention_location_kernel_size: int = 31
    attention_dropout: float = 0.1
    prenet_dim: int = 256
    prenet_dropout: float = 0.5
    postnet_n_convolution: int = 5
    postnet_kernel_size: int = 5
    postnet_embedding_dim: int = 512
    gate_threshold: float = 0.5
    mask_padding: bool = False

    def __post_init__(self) -> None:
        if self.n_frames_per_step != 1:
            raise ValueError(f"tacotron2: n_frames_per_step must be 1, not {self.n_frames_per_step}")
        if self.symbol_embedding_dim != self.encoder_embedding_dim or self.encoder_embedding_dim % 2:
            raise ValueError(
                "tacotron2: symbol_embedding_dim and encoder_embedding_dim are one even number, not "
                f"{self.symbol_embedding_dim} and {self.encoder_embedding_dim}"
            )
        for name in ("encoder_kernel_size", "attention_location_kernel_size", "postnet_kernel_size"):
            if getattr(self, name) % 2 != 1:
                raise ValueError(f"tacotron2: {name} must be odd, which keeps the length, not {getattr(self, name)}")


class State(NamedTuple):
    """What a frame leaves to the next; every part begins with the batch."""

    hidden: Tensor  # of the attention's layer
    cell: Tensor
    out_hidden: Tensor  # of the decoder's layer
    out_cell: Tensor
    context: Tensor  # what was looked at
    weights: Tensor  # where, (batch, length)
    total: Tensor  # where so far


class LocationLayer(nn.Module):
    """Where was looked, at the last frame and altogether, (batch, 2, length), to (batch, length, attention_hidden_dim)."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        filters, kernel = config.attention_location_n_filter, config.attention_location_kernel_size
        self.location_conv = nn.Conv1d(2, filters, kernel, padding=kernel // 2, bias=False)
        self.location_dense = plain(filters, config.attention_hidden_dim, "tanh")

    def forward(self, weights: Tensor) -> Tensor:
        found: Tensor = self.location_dense(self.location_conv(weights).transpose(1, 2))
        return found


class Attention(nn.Module):
    """Where to look, by the state, what is there, and where was looked before."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        hidden = config.attention_hidden_dim
        self.query_layer = plain(config.attention_rnn_dim, hidden, "tanh")
        self.memory_layer = plain(config.encoder_embedding_dim, hidden, "tanh")
        self.v = plain(hidden, 1, "linear")
        self.location_layer = LocationLayer(config)

    def forward(
        self, query: Tensor, memory: Tensor, keys: Tensor, before: Tensor, beyond: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What is looked at (batch, width), and where (batch, length); `beyond` (batch, length) is no text."""
        energies = ops.tanh(self.query_layer(query).unsqueeze(1) + self.location_layer(before) + keys)
        scores = self.v(energies).squeeze(2)  # (batch, length)
        if beyond is not None:
            scores = ops.masked_fill(scores, beyond, -float("inf"))
        weights = F.softmax(scores, 1)
        return ops.matmul(weights.unsqueeze(1), memory).squeeze(1), weights


class Prenet(nn.Module):
    """A frame (..., n_mels) narrowed to what the decoder may know of it; its dropout never rests."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        self.chance = config.prenet_dropout
        self.layers = nn.ModuleList(
            [plain(config.n_mels, config.prenet_dim, "linear"), plain(config.prenet_dim, config.prenet_dim, "linear")]
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.dropout(F.relu(layer(x)), self.chance, True)
        return x

    def masks(self, draw: np.random.Generator, batch: int, like: Tensor) -> Tensor:
        """What `step` keeps in each of the next frames: (frames, layers, batch, prenet_dim)."""
        shape = (_AHEAD, len(self.layers), batch, self.layers[0].out_features)
        kept = (draw.random(shape, np.float32) >= self.chance) / max(1 - self.chance, 1e-9)
        return Tensor(kept.astype(like.dtype)).to(device=like.device)

    def step(self, x: Tensor, kept: Tensor) -> Tensor:
        """The same with masks (layers, batch, prenet_dim) that are drawn already."""
        for place, layer in enumerate(self.layers):
            x = F.relu(layer(x)) * kept[place]
        return x


class Decoder(nn.Module):
    """What the encoder heard (batch, length, width) to frames, the logit of the end at each, and where it looked."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        self.config = config
        width = config.encoder_embedding_dim
        self.prenet = Prenet(config)
        self.attention_rnn = nn.LSTMCell(config.prenet_dim + width, config.attention_rnn_dim)
        self.attention_layer = Attention(config)
        self.decoder_rnn = nn.LSTMCell(config.attention_rnn_dim + width, config.decoder_rnn_dim)
        self.linear_projection = nn.Linear(config.decoder_rnn_dim + width, config.n_mels)
        self.gate_layer = nn.Linear(config.decoder_rnn_dim + width, 1)
        nn.init.xavier_uniform_(self.linear_projection.weight)
        nn.init.xavier_uniform_(self.gate_layer.weight, gain=nn.init.calculate_gain("sigmoid"))

    def forward(self, memory: Tensor, mel: Tensor, lengths: np.ndarray[Any, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """By the true frames `mel` (batch, n_mels, frames): (batch, n_mels, frames), (batch, frames), (batch, frames, length)."""
        frames = mel.shape[2]
        before = ops.cat([ops.zeros_like(mel[:, :, :1]), mel[:, :, : frames - 1]], 2)  # each frame's predecessor
        entering = self.prenet(before.permute(2, 0, 1))  # (frames, batch, prenet_dim)
        state, keys, beyond = self._start(memory, lengths)
        outs, gates, places = [], [], []
        for place in range(frames):
            state = self.step(entering[place], state, memory, keys, beyond)
            out = ops.cat([state.out_hidden, state.context], 1)
            outs.append(self.linear_projection(out))
            gates.append(self.gate_layer(out))
            places.append(state.weights)
        return ops.stack(outs, 2), ops.cat(gates, 1), ops.stack(places, 1)

    def infer(
        self, memory: Tensor, lengths: np.ndarray[Any, Any], most: int, generator: np.random.Generator | None
    ) -> tuple[Tensor, np.ndarray[Any, Any], Tensor, np.ndarray[Any, Any]]:
        """By its own frames: the frames, how many of them count, where it looked, and which texts ended within `most` of them."""
        config, batch = self.config, memory.shape[0]
        state, keys, beyond = self._start(memory, lengths)
        frame = ops.zeros((batch, config.n_mels), dtype=memory.dtype, device=memory.device)
        frames, ended = np.zeros(batch, np.int64), np.zeros(batch, np.bool_)
        draw = default_generator().numpy if generator is None else generator
        outs, places, masks = [], [], frame
        for place in range(most):
            if place % _AHEAD == 0:
                masks = self.prenet.masks(draw, batch, frame)
            state = self.step(self.prenet.step(frame, masks[place % _AHEAD]), state, memory, keys, beyond)
            out = ops.cat([state.out_hidden, state.context], 1)
            frame = self.linear_projection(out)
            outs.append(frame)
            places.append(state.weights)
            frames += ~ended
            chance = F.sigmoid(self.gate_layer(out)).numpy()[:, 0]
            ended |= chance > config.gate_threshold
            if config.decoder_early_stopping and ended.all():
                break
        return ops.stack(outs, 2), frames, ops.stack(places, 1), ended

    def step(self, entering: Tensor, state: State, memory: Tensor, keys: Tensor, beyond: Tensor | None) -> State:
        """One frame: `entering` (batch, prenet_dim) is what the prenet lets through of the frame before."""
        config = self.config
        hidden, cell = self.attention_rnn(ops.cat([entering, state.context], 1), (state.hidden, state.cell))
        hidden = F.dropout(hidden, config.attention_dropout, self.training)
        before = ops.stack([state.weights, state.total], 1)  # (batch, 2, length)
        context, weights = self.attention_layer(hidden, memory, keys, before, beyond)
        out_hidden, out_cell = self.decoder_rnn(ops.cat([hidden, context], 1), (state.out_hidden, state.out_cell))
        out_hidden = F.dropout(out_hidden, config.decoder_dropout, self.training)
        return State(hidden, cell, out_hidden, out_cell, context, weights, state.total + weights)

    def _start(self, memory: Tensor, lengths: np.ndarray[Any, Any]) -> tuple[State, Tensor, Tensor | None]:
        """The state before the first frame, the keys of the attention, and what is no text."""
        config, (batch, longest, width) = self.config, memory.shape
        sizes = (
            *[config.attention_rnn_dim] * 2, *[config.decoder_rnn_dim] * 2, width, longest, longest,
        )  # fmt: skip
        state = State(*(ops.zeros((batch, size), dtype=memory.dtype, device=memory.device) for size in sizes))
        beyond = None
        if (lengths < longest).any():
            beyond = Tensor(np.arange(longest) >= lengths[:, None]).to(device=memory.device)
        return state, self.attention_layer.memory_layer(memory), beyond


def plain(narrow: int, wide: int, gain: str) -> nn.Linear:
    """A matrix without a bias, for what follows it."""
    layer = nn.Linear(narrow, wide, bias=False)
    nn.init.xavier_uniform_(layer.weight, gain=nn.init.calculate_gain(gain))
    return layer
