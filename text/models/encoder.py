"""The Transformer's encoder as BERT and its relatives share it: post-normalised layers, with names as in transformers.

Vaswani et al., "Attention Is All You Need" (arXiv:1706.03762); Devlin et al. (arXiv:1810.04805).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F

__all__ = [
    "ACTIVATIONS",
    "Dense",
    "Encoded",
    "Encoder",
    "EncoderSettings",
    "FirstToken",
    "Residual",
    "check_activation",
    "check_heads",
    "check_length",
    "multiplied",
]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
    "tanh": ops.tanh,
}
"""What a config.json calls the activation of the perceptrons."""

GATES = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "silu": "silu", "swish": "silu"}


def multiplied(activation: str, x: Tensor, y: Tensor) -> Tensor:
    """activation(x) y, in one operation where there is one."""
    gate = GATES.get(activation)
    return ACTIVATIONS[activation](x) * y if gate is None else ops.gated(x, y, gate)


class EncoderSettings(Protocol):
    """What the shared layers read of a family's settings."""

    @property
    def hidden_size(self) -> int: ...
    @property
    def num_hidden_layers(self) -> int: ...
    @property
    def num_attention_heads(self) -> int: ...
    @property
    def intermediate_size(self) -> int: ...
    @property
    def hidden_act(self) -> str: ...
    @property
    def hidden_dropout_prob(self) -> float: ...
    @property
    def attention_probs_dropout_prob(self) -> float: ...
    @property
    def layer_norm_eps(self) -> float: ...


class Encoded(NamedTuple):
    """A vector per token (batch, length, hidden_size), and one for the whole (batch, hidden_size) where there is a pooler."""

    last_hidden_state: Tensor
    pooler_output: Tensor | None


def check_heads(family: str, name: str, width: int, name_of_heads: str, heads: int) -> None:
    """Raise ValueError unless the heads divide the width."""
    if width < 1 or heads < 1 or width % heads:
        raise ValueError(f"{family}: {name} {width} must be a multiple of {name_of_heads} {heads}")


def check_activation(family: str, name: str, activation: str) -> None:
    """Raise ValueError for an activation that is not among `ACTIVATIONS`."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"{family}: {name} must be one of {', '.join(ACTIVATIONS)}, not {activation!r}")


def check_length(family: str, tokens: int, places: int) -> None:
    """Raise ValueError for more tokens than there are places."""
    if tokens > places:
        raise ValueError(
            f"{family}: {tokens} tokens were given, but there are places for {places}; cut the text, as a tokenizer does with truncation"
        )


class SelfAttention(nn.Module):
    """Every token looks at every other, in heads (equation 1 of arXiv:1706.03762)."""

    def __init__(self, config: EncoderSettings) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads, self.dropout = config.num_attention_heads, config.attention_probs_dropout_prob
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        return F.attention_in_heads(self.query(x), self.key(x), self.value(x), self.heads, mask, dropout)


class Residual(nn.Module):
    """A layer's result, with dropout, added to what it was made from, and normalised."""

    def __init__(self, inputs: int, config: EncoderSettings) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        return nn.normalised_sum(self.dense(x), shortcut, self.LayerNorm, self.dropout)


class Attention(nn.Module):
    """Self-attention with its shortcut."""

    def __init__(self, config: EncoderSettings) -> None:
        super().__init__()
        self.self = SelfAttention(config)
        self.output = Residual(config.hidden_size, config)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.output(self.self(x, mask), x)


class Dense(nn.Module):
    """One layer and its activation."""

    def __init__(self, inputs: int, outputs: int, activation: str) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.dense(x))


class Layer(nn.Module):
    """Attention, then a perceptron."""

    def __init__(self, config: EncoderSettings) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.intermediate = Dense(config.hidden_size, config.intermediate_size, config.hidden_act)
        self.output = Residual(config.intermediate_size, config)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.attention(x, mask)
        return self.output(self.intermediate(x), x)


class Encoder(nn.Module):
    """The stack of layers."""

    def __init__(self, config: EncoderSettings) -> None:
        super().__init__()
        self.layer = nn.ModuleList([Layer(config) for _ in range(config.num_hidden_layers)])

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        for layer in self.layer:
            x = layer(x, mask)
        return x


class FirstToken(Dense):
    """The first token's vector through a tanh layer: the pooler."""

    def __init__(self, config: EncoderSettings) -> None:
        super().__init__(config.hidden_size, config.hidden_size, "tanh")

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, 0])
