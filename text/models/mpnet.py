"""MPNet: an encoder with relative positions beside the absolute ones, trained on masked and permuted text.

Song, Tan, Qin, Lu, Liu (arXiv:2004.09297). Names and settings are those of transformers' MPNetModel and its heads, of which
all-mpnet-base-v2 is a sentence encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F
from numzoo.text.models.encoder import (
    Dense,
    Encoded,
    FirstToken,
    Residual,
    check_activation,
    check_heads,
)
from numzoo.text.models.heads import (
    FirstTokenClassifier,
    OnEncoder,
    Pooling,
    SentenceClassifier,
    SpanFinder,
    TiedOutput,
    TokenClassifier,
)
from numzoo.text.models.inputs import padding_mask, places_behind_padding, token_numbers
from numzoo.text.models.relative import hidden, relative_bias

__all__ = [
    "MPNetConfig",
    "MPNetModel",
    "mpnet_encoder",
    "mpnet_masked_lm",
    "mpnet_question_answering",
    "mpnet_sentence_encoder",
    "mpnet_sequence_classification",
    "mpnet_token_classification",
]

_PADDING = 1
"""The number of the padding token, which is not a setting."""


@dataclass(frozen=True, slots=True)
class MPNetConfig:
    """The sizes, under the names of config.json; as they stand, those of mpnet-base."""

    vocab_size: int = 30527
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    layer_norm_eps: float = 1e-12
    relative_attention_num_buckets: int = 32

    def __post_init__(self) -> None:
        check_heads("mpnet", "hidden_size", self.hidden_size, "num_attention_heads", self.num_attention_heads)
        check_activation("mpnet", "hidden_act", self.hidden_act)


class MPNetEmbeddings(nn.Module):
    """Token and place, added and normalised."""

    def __init__(self, config: MPNetConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=_PADDING)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width, padding_idx=_PADDING)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tensor) -> Tensor:
        places = places_behind_padding(tokens, _PADDING, self.position_embeddings.num_embeddings, "mpnet")
        return self.dropout(self.LayerNorm(self.word_embeddings(tokens) + self.position_embeddings(places)))


class MPNetSelfAttention(nn.Module):
    """Every token looks at every other, in heads; how far apart they are adds to how well they fit."""

    def __init__(self, config: MPNetConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads, self.dropout = config.num_attention_heads, config.attention_probs_dropout_prob
        self.q, self.k, self.v = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.o = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        out = F.attention_in_heads(self.q(x), self.k(x), self.v(x), self.heads, bias, dropout)
        return self.o(out)  # (batch, length, width)


class MPNetAttention(nn.Module):
    """Self-attention with its shortcut, normalised."""

    def __init__(self, config: MPNetConfig) -> None:
        super().__init__()
        self.attn = MPNetSelfAttention(config)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        return nn.normalised_sum(self.attn(x, bias), x, self.LayerNorm, self.dropout)


class MPNetLayer(nn.Module):
    """Attention, then a perceptron."""

    def __init__(self, config: MPNetConfig) -> None:
        super().__init__()
        self.attention = MPNetAttention(config)
        self.intermediate = Dense(config.hidden_size, config.intermediate_size, config.hidden_act)
        self.output = Residual(config.intermediate_size, config)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = self.attention(x, bias)
        return self.output(self.intermediate(x), x)


class MPNetEncoder(nn.Module):
    """The stack of layers, which share the relative positions' table."""

    def __init__(self, config: MPNetConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList([MPNetLayer(config) for _ in range(config.num_hidden_layers)])
        self.relative_attention_bias = nn.Embedding(config.relative_attention_num_buckets, config.num_attention_heads)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        bias = relative_bias(self.relative_attention_bias, x.shape[1], x.shape[1])  # (1, heads, length, length)
        if mask is not None:
            bias = hidden(bias, mask)
        for layer in self.layer:
            x = layer(x, bias)
        return x


class MPNetModel(nn.Module):
    """Token numbers (batch, length) to `Encoded`; ``attention_mask`` (batch, length) is 0 at padding.

    ``token_type_ids``, which tokenizers of BERT give, are taken and not used.
    """

    def __init__(self, config: MPNetConfig, *, pooler: bool = True) -> None:
        super().__init__()
        self.config = config
        self.embeddings = MPNetEmbeddings(config)
        self.encoder = MPNetEncoder(config)
        self.pooler = FirstToken(config) if pooler else None

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None) -> Encoded:
        tokens = token_numbers(input_ids, self.config.vocab_size, "mpnet")
        x = self.encoder(self.embeddings(tokens), padding_mask(attention_mask, tokens))
        return Encoded(x, None if self.pooler is None else self.pooler(x))


class MPNetForMaskedLM(OnEncoder):
    """A logit for every word at every place: (batch, length) to (batch, length, vocab_size)."""

    def __init__(self, config: MPNetConfig) -> None:
        encoder = MPNetModel(config, pooler=False)
        super().__init__("mpnet", encoder)
        self.lm_head = TiedOutput(config.hidden_size, encoder.embeddings.word_embeddings, config.layer_norm_eps)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return self.lm_head(self.encoded(*inputs, **named).last_hidden_state)


class MPNetSentenceEncoder(MPNetModel):
    """A text as one vector: (batch, length) to (batch, hidden_size)."""

    def __init__(self, config: MPNetConfig, *, pooler: bool = True, pooling: Pooling | None = None) -> None:
        super().__init__(config, pooler=pooler)
        self.pooling = pooling or Pooling()

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None) -> Any:
        return self.pooling(super().forward(input_ids, attention_mask).last_hidden_state, attention_mask)


def mpnet_encoder(*, pooler: bool = True, **settings: Any) -> MPNetModel:
    """MPNet without a head; `settings` as in `MPNetConfig`."""
    return MPNetModel(MPNetConfig(**settings), pooler=pooler)


def mpnet_masked_lm(**settings: Any) -> MPNetForMaskedLM:
    """MPNet that fills in masked words."""
    return MPNetForMaskedLM(MPNetConfig(**settings))


def mpnet_sequence_classification(*, classes: int = 2, **settings: Any) -> FirstTokenClassifier:
    """MPNet that classifies texts, or pairs of texts."""
    config = MPNetConfig(**settings)
    encoder = MPNetModel(config, pooler=False)
    return FirstTokenClassifier("mpnet", encoder, config.hidden_size, classes, config.hidden_dropout_prob)


def mpnet_token_classification(*, classes: int = 2, **settings: Any) -> TokenClassifier:
    """MPNet that classifies tokens, such as names."""
    config = MPNetConfig(**settings)
    encoder = MPNetModel(config, pooler=False)
    return TokenClassifier("mpnet", encoder, config.hidden_size, classes, config.hidden_dropout_prob)


def mpnet_question_answering(**settings: Any) -> SpanFinder:
    """MPNet that finds an answer in a text."""
    config = MPNetConfig(**settings)
    return SpanFinder("mpnet", MPNetModel(config, pooler=False), config.hidden_size)


def mpnet_sentence_encoder(
    *, pooler: bool = True, pooling: str = "mean", normalize: bool = True, **settings: Any
) -> MPNetSentenceEncoder:
    """MPNet that gives a text one vector, so that texts of like meaning point the same way."""
    return MPNetSentenceEncoder(MPNetConfig(**settings), pooler=pooler, pooling=Pooling(pooling, normalize=normalize))


def mpnet_sentence_classification(*, classes: int = 2, pooling: str = "mean", **settings: Any) -> SentenceClassifier:
    """MPNet that classifies texts by the vector that a sentence encoder would give them."""
    config = MPNetConfig(**settings)
    return SentenceClassifier(
        "mpnet", MPNetModel(config, pooler=False), config.hidden_size, classes, config.hidden_dropout_prob, pooling
    )
