"""RoBERTa: BERT trained longer, on more text, without segments; and its multilingual kin, XLM-RoBERTa.

Liu et al., "RoBERTa: A Robustly Optimized BERT Pretraining Approach" (arXiv:1907.11692); Conneau et al. (arXiv:1911.02116).
The layers are BERT's; the places count from behind the padding's number. Names and settings are those of transformers'
RobertaModel and its heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numzoo.engine import Tensor, nn
from numzoo.text.models.encoder import Encoded, Encoder, FirstToken, check_activation, check_heads
from numzoo.text.models.heads import (
    FirstTokenClassifier,
    OnEncoder,
    Pooling,
    SentenceClassifier,
    SpanFinder,
    TiedOutput,
    TokenClassifier,
)
from numzoo.text.models.inputs import as_tensor, padding_mask, places_behind_padding, token_numbers

__all__ = [
    "RobertaConfig",
    "RobertaModel",
    "roberta_encoder",
    "roberta_masked_lm",
    "roberta_question_answering",
    "roberta_sentence_encoder",
    "roberta_sequence_classification",
    "roberta_token_classification",
]


@dataclass(frozen=True, slots=True)
class RobertaConfig:
    """The sizes, under the names of config.json; as they stand, those of roberta-base."""

    vocab_size: int = 50265
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 514
    type_vocab_size: int = 1
    layer_norm_eps: float = 1e-5
    pad_token_id: int = 1
    classifier_dropout: float | None = None

    def __post_init__(self) -> None:
        check_heads("roberta", "hidden_size", self.hidden_size, "num_attention_heads", self.num_attention_heads)
        check_activation("roberta", "hidden_act", self.hidden_act)

    @property
    def head_dropout(self) -> float:
        """How much dropout stands before a classifier."""
        return self.hidden_dropout_prob if self.classifier_dropout is None else self.classifier_dropout


class RobertaEmbeddings(nn.Module):
    """Token, place and segment, added and normalised."""

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__()
        width, self.padding = config.hidden_size, config.pad_token_id
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=self.padding)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width, padding_idx=self.padding)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tensor, types: Tensor | None) -> Tensor:
        places = places_behind_padding(tokens, self.padding, self.position_embeddings.num_embeddings, "roberta")
        segments = self.token_type_embeddings.weight[0] if types is None else self.token_type_embeddings(types)
        return self.dropout(self.LayerNorm(self.word_embeddings(tokens) + segments + self.position_embeddings(places)))


class RobertaModel(nn.Module):
    """Token numbers (batch, length) to `Encoded`; ``attention_mask`` (batch, length) is 0 at padding."""

    def __init__(self, config: RobertaConfig, *, pooler: bool = True) -> None:
        super().__init__()
        self.config = config
        self.embeddings = RobertaEmbeddings(config)
        self.encoder = Encoder(config)
        self.pooler = FirstToken(config) if pooler else None

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None) -> Encoded:
        tokens = token_numbers(input_ids, self.config.vocab_size, "roberta")
        types = None if token_type_ids is None else as_tensor(token_type_ids)
        x = self.encoder(self.embeddings(tokens, types), padding_mask(attention_mask, tokens))
        return Encoded(x, None if self.pooler is None else self.pooler(x))


class RobertaForMaskedLM(OnEncoder):
    """A logit for every word at every place: (batch, length) to (batch, length, vocab_size)."""

    def __init__(self, config: RobertaConfig) -> None:
        encoder = RobertaModel(config, pooler=False)
        super().__init__("roberta", encoder)
        self.lm_head = TiedOutput(config.hidden_size, encoder.embeddings.word_embeddings, config.layer_norm_eps)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return self.lm_head(self.encoded(*inputs, **named).last_hidden_state)


class RobertaSentenceEncoder(RobertaModel):
    """A text as one vector: (batch, length) to (batch, hidden_size)."""

    def __init__(self, config: RobertaConfig, *, pooler: bool = True, pooling: Pooling | None = None) -> None:
        super().__init__(config, pooler=pooler)
        self.pooling = pooling or Pooling()

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None) -> Any:
        vectors = super().forward(input_ids, attention_mask, token_type_ids).last_hidden_state
        return self.pooling(vectors, attention_mask)


def roberta_encoder(*, pooler: bool = True, **settings: Any) -> RobertaModel:
    """RoBERTa without a head; `settings` as in `RobertaConfig`."""
    return RobertaModel(RobertaConfig(**settings), pooler=pooler)


def roberta_masked_lm(**settings: Any) -> RobertaForMaskedLM:
    """RoBERTa that fills in masked words."""
    return RobertaForMaskedLM(RobertaConfig(**settings))


def roberta_sequence_classification(*, classes: int = 2, **settings: Any) -> FirstTokenClassifier:
    """RoBERTa that classifies texts, or pairs of texts."""
    config = RobertaConfig(**settings)
    encoder = RobertaModel(config, pooler=False)
    return FirstTokenClassifier("roberta", encoder, config.hidden_size, classes, config.head_dropout)


def roberta_token_classification(*, classes: int = 2, **settings: Any) -> TokenClassifier:
    """RoBERTa that classifies tokens, such as names."""
    config = RobertaConfig(**settings)
    encoder = RobertaModel(config, pooler=False)
    return TokenClassifier("roberta", encoder, config.hidden_size, classes, config.head_dropout)


def roberta_question_answering(**settings: Any) -> SpanFinder:
    """RoBERTa that finds an answer in a text."""
    config = RobertaConfig(**settings)
    return SpanFinder("roberta", RobertaModel(config, pooler=False), config.hidden_size)


def roberta_sentence_encoder(
    *, pooler: bool = True, pooling: str = "mean", normalize: bool = True, **settings: Any
) -> RobertaSentenceEncoder:
    """RoBERTa that gives a text one vector, so that texts of like meaning point the same way."""
    return RobertaSentenceEncoder(
        RobertaConfig(**settings), pooler=pooler, pooling=Pooling(pooling, normalize=normalize)
    )


def roberta_sentence_classification(*, classes: int = 2, pooling: str = "mean", **settings: Any) -> SentenceClassifier:
    """RoBERTa that classifies texts by the vector that a sentence encoder would give them."""
    config = RobertaConfig(**settings)
    return SentenceClassifier(
        "roberta", RobertaModel(config, pooler=False), config.hidden_size, classes, config.head_dropout, pooling
    )
