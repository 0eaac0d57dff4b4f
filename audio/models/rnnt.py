"""Emformer RNN-T: speech to tokens as it comes, by a transducer.

Graves, "Sequence Transduction with Recurrent Neural Networks" (arXiv:1211.3711), section 2: a network that hears (here an
Emformer over four frames at a time), one that predicts the next token from those before (LSTMs with layer norms), and one that
joins the two to scores of tokens and of the blank, which lets a frame pass. Parameter names and settings are those of
torchaudio's RNNT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from numzoo.audio.models.emformer import Emformer, EmformerConfig, EmformerState, Lengths, as_frames, as_lengths
from numzoo.engine import Tensor, nn, ops

__all__ = ["RNNT", "EmformerRnntConfig", "PredictorState", "emformer_rnnt_base", "emformer_rnnt_model"]

PredictorState: TypeAlias = list[tuple[Tensor, Tensor]]
"""For each LSTM the output and the cell (batch, width)."""

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


@dataclass(frozen=True, slots=True)
class EmformerRnntConfig:
    """The sizes; as they stand, those of emformer_rnnt_base. Segments and contexts are counted in frames of 10 ms."""

    num_symbols: int = 4097
    input_dim: int = 80
    encoding_dim: int = 1024
    segment_length: int = 16
    right_context_length: int = 4
    time_reduction_input_dim: int = 128
    time_reduction_stride: int = 4
    transformer_num_heads: int = 8
    transformer_ffn_dim: int = 2048
    transformer_num_layers: int = 20
    transformer_dropout: float = 0.1
    transformer_activation: str = "gelu"
    transformer_left_context_length: int = 30
    """Counted in frames of the transformer, each of `time_reduction_stride` frames."""
    transformer_max_memory_size: int = 0
    transformer_weight_init_scale_strategy: str | None = "depthwise"
    transformer_tanh_on_mem: bool = True
    symbol_embedding_dim: int = 512
    num_lstm_layers: int = 3
    lstm_layer_norm: bool = True
    lstm_layer_norm_epsilon: float = 1e-3
    lstm_dropout: float = 0.3

    def __post_init__(self) -> None:
        stride = self.time_reduction_stride
        if (
            stride < 1
            or self.segment_length % stride
            or self.right_context_length % stride
            or self.segment_length < stride
        ):
            raise ValueError(
                f"emformer_rnnt: segment_length {self.segment_length} and right_context_length {self.right_context_length} must be "
                f"multiples of time_reduction_stride {stride}"
            )
        if self.num_symbols < 2:
            raise ValueError(f"emformer_rnnt: num_symbols counts tokens and the blank, from 2, not {self.num_symbols}")

    def emformer(self) -> EmformerConfig:
        """The sizes of the Emformer."""
        stride = self.time_reduction_stride
        return EmformerConfig(
            input_dim=self.time_reduction_input_dim * stride,
            num_heads=self.transformer_num_heads,
            ffn_dim=self.transformer_ffn_dim,
            num_layers=self.transformer_num_layers,
            segment_length=self.segment_length // stride,
            dropout=self.transformer_dropout,
            activation=self.transformer_activation,
            left_context_length=self.transformer_left_context_length,
            right_context_length=self.right_context_length // stride,
            max_memory_size=self.transformer_max_memory_size,
            weight_init_scale_strategy=self.transformer_weight_init_scale_strategy,
            tanh_on_mem=self.transformer_tanh_on_mem,
        )


class Transcriber(nn.Module):
    """Frames (batch, time, input_dim), joined `time_reduction_stride` at a time, to encodings (batch, time / stride, encoding_dim)."""

    def __init__(self, config: EmformerRnntConfig) -> None:
        super().__init__()
        self.config = config
        self.input_linear = nn.Linear(config.input_dim, config.time_reduction_input_dim, bias=False)
        self.transformer = Emformer(config.emformer())
        self.output_linear = nn.Linear(self.transformer.config.input_dim, config.encoding_dim)
        self.layer_norm = nn.LayerNorm(config.encoding_dim)

    def forward(self, frames: Any, lengths: Any) -> tuple[Tensor, Lengths]:
        x, counted = self.transformer(*self._joined(frames, lengths))
        return self.layer_norm(self.output_linear(x)), counted

    def infer(
        self, frames: Any, lengths: Any, states: Sequence[EmformerState] | None = None
    ) -> tuple[Tensor, Lengths, list[EmformerState]]:
        """The encodings of the next segment, and the states for the one after."""
        x, counted, found = self.transformer.infer(*self._joined(frames, lengths), states)
        return self.layer_norm(self.output_linear(x)), counted, found

    def _joined(self, frames: Any, lengths: Any) -> tuple[Tensor, Lengths]:
        x = as_frames(frames, self.config.input_dim, "emformer_rnnt", self.input_linear.weight)
        counted = as_lengths(lengths, x.shape[0], x.shape[1], "emformer_rnnt")
        stride = self.config.time_reduction_stride
        time = x.shape[1] // stride
        x = self.input_linear(x)[:, : time * stride]
        return x.reshape(x.shape[0], time, -1), counted // stride


class NormalLSTM(nn.Module):
    """An LSTM (batch, time, inputs) to (batch, time, width) whose gates and cells go through layer norms."""

    def __init__(self, inputs: int, width: int, epsilon: float | None) -> None:
        super().__init__()
        self.x2g = nn.Linear(inputs, 4 * width, bias=epsilon is None)
        self.p2g = nn.Linear(width, 4 * width, bias=False)
        self.c_norm = nn.Identity() if epsilon is None else nn.LayerNorm(width, eps=epsilon)
        self.g_norm = nn.Identity() if epsilon is None else nn.LayerNorm(4 * width, eps=epsilon)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        given = self.x2g(x)  # (batch, time, 4 width)
        if state is None:
            nothing = ops.zeros_like(given[:, 0, : given.shape[2] // 4])
            state = (nothing, nothing)
        hidden, cell = state
        found = []
        for time in range(x.shape[1]):
            gates = self.g_norm(given[:, time] + self.p2g(hidden))
            enter, forget, new, leave = gates.chunk(4, 1)
            cell = self.c_norm(ops.sigmoid(forget) * cell + ops.sigmoid(enter) * ops.tanh(new))
            hidden = ops.sigmoid(leave) * ops.tanh(cell)
            found.append(hidden)
        return ops.stack(found, 1), (hidden, cell)


class Predictor(nn.Module):
    """Tokens (batch, length) to encodings (batch, length, encoding_dim) of what was said so far, and the state behind them."""

    def __init__(self, config: EmformerRnntConfig) -> None:
        super().__init__()
        width = config.symbol_embedding_dim
        epsilon = config.lstm_layer_norm_epsilon if config.lstm_layer_norm else None
        self.embedding = nn.Embedding(config.num_symbols, width)
        self.input_layer_norm = nn.LayerNorm(width)
        self.lstm_layers = nn.ModuleList([NormalLSTM(width, width, epsilon) for _ in range(config.num_lstm_layers)])
        self.dropout = nn.Dropout(config.lstm_dropout)
        self.linear = nn.Linear(width, config.encoding_dim)
        self.output_layer_norm = nn.LayerNorm(config.encoding_dim)

    def forward(self, tokens: Any, state: PredictorState | None = None) -> tuple[Tensor, PredictorState]:
        numbers = tokens if isinstance(tokens, Tensor) else Tensor(np.asarray(tokens))
        if numbers.ndim != 2 or not numbers.shape[1] or numbers.dtype.kind not in "iu":
            raise ValueError(
                f"emformer_rnnt: wants the numbers of tokens (batch, length), at least one of each, not {numbers.dtype} "
                f"{tuple(numbers.shape)}"
            )
        x = self.input_layer_norm(self.embedding(numbers.to(device=self.embedding.weight.device)))
        found = []
        for number, layer in enumerate(self.lstm_layers):
            x, after = layer(x, None if state is None else state[number])
            x = self.dropout(x)
            found.append(after)
        return self.output_layer_norm(self.linear(x)), found


class Joiner(nn.Module):
    """Encodings of sounds (batch, time, width) and of tokens (batch, length, width) to scores (batch, time, length, symbols)."""

    def __init__(self, width: int, symbols: int, activation: str = "relu") -> None:
        super().__init__()
        if activation not in _ACTIVATIONS:
            raise ValueError(f"rnnt: the joiner's activation must be relu or tanh, not {activation!r}")
        self.linear = nn.Linear(width, symbols)
        self.activation = _ACTIVATIONS[activation]()

    def forward(self, sources: Tensor, targets: Tensor) -> Tensor:
        return self.linear(self.activation(sources.unsqueeze(2) + targets.unsqueeze(1)))


class RNNT(nn.Module):
    """Sounds and tokens to the scores (batch, time, length, symbols) of what comes next, which `rnnt_loss` trains.

    ``model(sources, source_lengths, targets, target_lengths)`` takes frames (batch, time + right_context_length, input_dim) with
    how many of them count, and tokens (batch, length), the blank in front of each text, with how many count; it gives the scores, both lengths of them, and
    the predictor's state. `transcribe` hears a whole sound, `transcribe_streaming` the next segment of one, `predict` encodes tokens,
    `join` scores.
    """

    def __init__(self, config: EmformerRnntConfig) -> None:
        super().__init__()
        self.config = config
        self.transcriber = Transcriber(config)
        self.predictor = Predictor(config)
        self.joiner = Joiner(config.encoding_dim, config.num_symbols)

    def forward(
        self, sources: Any, source_lengths: Any, targets: Any, target_lengths: Any, predictor_state: PredictorState | None = None
    ) -> tuple[Tensor, Lengths, Lengths, PredictorState]:  # fmt: skip
        heard, steps = self.transcribe(sources, source_lengths)
        said, state = self.predict(targets, predictor_state)
        labels = as_lengths(target_lengths, said.shape[0], said.shape[1], "emformer_rnnt")
        if heard.shape[0] != said.shape[0]:
            raise ValueError(f"emformer_rnnt: {heard.shape[0]} sounds were given with {said.shape[0]} texts")
        return self.join(heard, said), steps, labels, state

    def transcribe(self, sources: Any, source_lengths: Any) -> tuple[Tensor, Lengths]:
        """Encodings of whole sounds (batch, time / stride, encoding_dim), and how many of each count."""
        heard: tuple[Tensor, Lengths] = self.transcriber(sources, source_lengths)
        return heard

    def transcribe_streaming(
        self, sources: Any, source_lengths: Any, state: Sequence[EmformerState] | None = None
    ) -> tuple[Tensor, Lengths, list[EmformerState]]:
        """Encodings of the next segment, segment_length + right_context_length frames, and the state for the one after."""
        return self.transcriber.infer(sources, source_lengths, state)

    def predict(self, targets: Any, state: PredictorState | None = None) -> tuple[Tensor, PredictorState]:
        """Encodings of tokens (batch, length, encoding_dim), and the state behind the last."""
        said: tuple[Tensor, PredictorState] = self.predictor(targets, state)
        return said

    def join(self, sources: Tensor, targets: Tensor) -> Tensor:
        """Scores (batch, time, length, symbols) of the next token, the blank among them."""
        scores: Tensor = self.joiner(sources, targets)
        return scores


def emformer_rnnt_model(**settings: Any) -> RNNT:
    """An Emformer RNN-T; `settings` as in `EmformerRnntConfig`."""
    return RNNT(EmformerRnntConfig(**settings))


def emformer_rnnt_base(*, num_symbols: int = 4097) -> RNNT:
    """The published size, 76.7 million parameters with 4096 tokens and the blank, which is the last symbol."""
    return RNNT(EmformerRnntConfig(num_symbols=num_symbols))
