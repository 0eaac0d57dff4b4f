"""ALBERT: an encoder whose layers share their parameters, with narrow embeddings.

Lan et al., "ALBERT: A Lite BERT for Self-supervised Learning of Language Representations" (arXiv:1909.11942). Names and
settings are those of transformers' AlbertModel and its heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F
from numzoo.text.models.encoder import ACTIVATIONS, Encoded, check_activation, check_heads, check_length
from numzoo.text.models.heads import OnEncoder, PooledClassifier, SpanFinder, TokenClassifier
from numzoo.text.models.inputs import as_tensor, padding_mask, token_numbers

__all__ = [
    "AlbertConfig",
    "AlbertModel",
    "albert_encoder",
    "albert_masked_lm",
    "albert_question_answering",
    "albert_sequence_classification",
    "albert_token_classification",
]


@dataclass(frozen=True, slots=True)
class AlbertConfig:
    """The sizes, under the names of config.json; as they stand, those of ALBERT-xxlarge (table 1)."""

    vocab_size: int = 30000
    embedding_size: int = 128
    hidden_size: int = 4096
    num_hidden_layers: int = 12
    num_hidden_groups: int = 1
    inner_group_num: int = 1
    num_attention_heads: int = 64
    intermediate_size: int = 16384
    hidden_act: str = "gelu_new"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    classifier_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0

    def __post_init__(self) -> None:
        check_heads("albert", "hidden_size", self.hidden_size, "num_attention_heads", self.num_attention_heads)
        check_activation("albert", "hidden_act", self.hidden_act)
        if not 1 <= self.num_hidden_groups <= self.num_hidden_layers:
            raise ValueError(
                f"albert: num_hidden_groups must lie between 1 and num_hidden_layers {self.num_hidden_layers}, not {self.num_hidden_groups}"
            )


class AlbertEmbeddings(nn.Module):
    """Token, place and segment, added and normalised."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__()
        width = config.embedding_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tensor, types: Tensor | None) -> Tensor:
        length = tokens.shape[1]
        check_length("albert", length, self.position_embeddings.num_embeddings)
        segments = self.token_type_embeddings.weight[0] if types is None else self.token_type_embeddings(types)
        places = self.position_embeddings.weight[:length]
        return self.dropout(self.LayerNorm(self.word_embeddings(tokens) + segments + places))


class AlbertAttention(nn.Module):
    """Every token looks at every other, in heads; with its shortcut, normalised."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads, self.chance = config.num_attention_heads, config.attention_probs_dropout_prob
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.dense = nn.Linear(width, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        chance = self.chance if self.training else 0.0
        out = F.attention_in_heads(self.query(x), self.key(x), self.value(x), self.heads, mask, chance)
        return nn.normalised_sum(self.dense(out), x, self.LayerNorm, self.dropout)


class AlbertLayer(nn.Module):
    """Attention, then a perceptron."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__()
        self.full_layer_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = AlbertAttention(config)
        self.ffn = nn.Linear(config.hidden_size, config.intermediate_size)
        self.ffn_output = nn.Linear(config.intermediate_size, config.hidden_size)
        self.activation = ACTIVATIONS[config.hidden_act]

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.attention(x, mask)
        return nn.normalised_sum(self.ffn_output(self.activation(self.ffn(x))), x, self.full_layer_layer_norm)


class AlbertLayerGroup(nn.Module):
    """The layers that are used together, again and again."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__()
        self.albert_layers = nn.ModuleList([AlbertLayer(config) for _ in range(config.inner_group_num)])

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        for layer in self.albert_layers:
            x = layer(x, mask)
        return x


class AlbertTransformer(nn.Module):
    """`num_hidden_layers` rounds through `num_hidden_groups` groups (section 3.1)."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__()
        self.rounds, self.groups = config.num_hidden_layers, config.num_hidden_groups
        self.embedding_hidden_mapping_in = nn.Linear(config.embedding_size, config.hidden_size)
        self.albert_layer_groups = nn.ModuleList([AlbertLayerGroup(config) for _ in range(self.groups)])

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.embedding_hidden_mapping_in(x)
        for number in range(self.rounds):
            x = self.albert_layer_groups[number * self.groups // self.rounds](x, mask)
        return x


class AlbertModel(nn.Module):
    """Token numbers (batch, length) to `Encoded`; ``attention_mask`` (batch, length) is 0 at padding."""

    def __init__(self, config: AlbertConfig, *, pooler: bool = True) -> None:
        super().__init__()
        self.config = config
        self.embeddings = AlbertEmbeddings(config)
        self.encoder = AlbertTransformer(config)
        self.pooler = nn.Linear(config.hidden_size, config.hidden_size) if pooler else None

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None) -> Encoded:
        tokens = token_numbers(input_ids, self.config.vocab_size, "albert")
        x = self.embeddings(tokens, None if token_type_ids is None else as_tensor(token_type_ids))
        x = self.encoder(x, padding_mask(attention_mask, tokens))
        return Encoded(x, None if self.pooler is None else ops.tanh(self.pooler(x[:, 0])))


class AlbertMLMHead(nn.Module):
    """From vectors to a number for every word; the decoder's weight is that of the word embeddings."""

    def __init__(self, config: AlbertConfig, embeddings: nn.Embedding) -> None:
        super().__init__()
        self.LayerNorm = nn.LayerNorm(config.embedding_size, eps=config.layer_norm_eps)
        self.bias = nn.Parameter.of(config.vocab_size)
        self.dense = nn.Linear(config.hidden_size, config.embedding_size)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.tied = (embeddings,)  # in a tuple: it is the embeddings' parameter, not one more of this module

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.LayerNorm(self.activation(self.dense(x))), self.tied[0].weight, self.bias)


class AlbertForMaskedLM(OnEncoder):
    """A logit for every word at every place: (batch, length) to (batch, length, vocab_size)."""

    def __init__(self, config: AlbertConfig) -> None:
        encoder = AlbertModel(config, pooler=False)
        super().__init__("albert", encoder)
        self.predictions = AlbertMLMHead(config, encoder.embeddings.word_embeddings)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return self.predictions(self.encoded(*inputs, **named).last_hidden_state)


def albert_encoder(*, pooler: bool = True, **settings: Any) -> AlbertModel:
    """ALBERT without a head; `settings` as in `AlbertConfig`."""
    return AlbertModel(AlbertConfig(**settings), pooler=pooler)


def albert_masked_lm(**settings: Any) -> AlbertForMaskedLM:
    """ALBERT that fills in masked words."""
    return AlbertForMaskedLM(AlbertConfig(**settings))


def albert_sequence_classification(*, classes: int = 2, **settings: Any) -> PooledClassifier:
    """ALBERT that classifies texts, or pairs of texts."""
    config = AlbertConfig(**settings)
    return PooledClassifier("albert", AlbertModel(config), config.hidden_size, classes, config.classifier_dropout_prob)


def albert_token_classification(*, classes: int = 2, **settings: Any) -> TokenClassifier:
    """ALBERT that classifies tokens, such as names."""
    config = AlbertConfig(**settings)
    encoder = AlbertModel(config, pooler=False)
    return TokenClassifier("albert", encoder, config.hidden_size, classes, config.classifier_dropout_prob)


def albert_question_answering(**settings: Any) -> SpanFinder:
    """ALBERT that finds an answer in a text."""
    config = AlbertConfig(**settings)
    return SpanFinder("albert", AlbertModel(config, pooler=False), config.hidden_size)
