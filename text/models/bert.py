"""BERT, the bidirectional encoder, and its heads.

Devlin, Chang, Lee, Toutanova, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding"
(arXiv:1810.04805). Parameter names and settings are those of transformers' BertModel and its heads. Sentence encoders:
Reimers, Gurevych, "Sentence-BERT" (arXiv:1908.10084).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F
from numzoo.text.models.encoder import Dense, Encoded, Encoder, FirstToken, check_activation, check_heads, check_length
from numzoo.text.models.heads import PooledClassifier, Pooling, SentenceClassifier, SpanFinder, TokenClassifier
from numzoo.text.models.inputs import as_tensor, padding_mask, token_numbers

__all__ = [
    "BertConfig",
    "BertEmbeddings",
    "BertModel",
    "bert_encoder",
    "bert_masked_lm",
    "bert_question_answering",
    "bert_sentence_encoder",
    "bert_sequence_classification",
    "bert_token_classification",
]


@dataclass(frozen=True, slots=True)
class BertConfig:
    """The sizes of a BERT, under the names of config.json; as they stand, those of bert-base-uncased (table 1)."""

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    classifier_dropout: float | None = None

    def __post_init__(self) -> None:
        check_heads("bert", "hidden_size", self.hidden_size, "num_attention_heads", self.num_attention_heads)
        check_activation("bert", "hidden_act", self.hidden_act)

    @property
    def head_dropout(self) -> float:
        """How much dropout stands before a classifier."""
        return self.hidden_dropout_prob if self.classifier_dropout is None else self.classifier_dropout


class BertEmbeddings(nn.Module):
    """Token, place and segment, added and normalised (figure 2)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tensor, types: Tensor | None, positions: Tensor | None) -> Tensor:
        length = tokens.shape[1]
        if positions is None:
            check_length("bert", length, self.position_embeddings.num_embeddings)
            places = self.position_embeddings.weight[:length]  # (length, width)
        else:
            places = self.position_embeddings(positions)
        segments = self.token_type_embeddings.weight[0] if types is None else self.token_type_embeddings(types)
        return self.dropout(self.LayerNorm(self.word_embeddings(tokens) + segments + places))


class BertModel(nn.Module):
    """Token numbers (batch, length) to `Encoded`.

    ``attention_mask`` (batch, length) is 1 where there is a token and 0 at padding; ``token_type_ids`` is 0 in the first
    text and 1 in the second; ``position_ids`` counts from 0 unless it is given.
    """

    def __init__(self, config: BertConfig, *, pooler: bool = True) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config)
        self.encoder = Encoder(config)
        self.pooler = FirstToken(config) if pooler else None

    def forward(
        self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None, position_ids: Any = None
    ) -> Encoded:
        tokens = token_numbers(input_ids, self.config.vocab_size, "bert")
        types = None if token_type_ids is None else as_tensor(token_type_ids)
        positions = None if position_ids is None else as_tensor(position_ids)
        x = self.embeddings(tokens, types, positions)
        x = self.encoder(x, padding_mask(attention_mask, tokens))
        return Encoded(x, None if self.pooler is None else self.pooler(x))


class BertTransform(Dense):
    """What stands before the masked language model's output: a layer, its activation, normalised."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config.hidden_size, config.hidden_size, config.hidden_act)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        return self.LayerNorm(super().forward(x))


class BertPredictions(nn.Module):
    """From vectors to a number for every word; the decoder's weight is that of the word embeddings."""

    def __init__(self, config: BertConfig, embeddings: nn.Embedding) -> None:
        super().__init__()
        self.transform = BertTransform(config)
        self.bias = nn.Parameter.of(config.vocab_size)
        self.tied = (embeddings,)  # in a tuple: it is the embeddings' parameter, not one more of this module

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.transform(x), self.tied[0].weight, self.bias)


class BertOnlyMLMHead(nn.Module):
    """The head of a masked language model."""

    def __init__(self, config: BertConfig, embeddings: nn.Embedding) -> None:
        super().__init__()
        self.predictions = BertPredictions(config, embeddings)

    def forward(self, x: Tensor) -> Tensor:
        return self.predictions(x)


class BertForMaskedLM(nn.Module):
    """A logit for every word at every place: (batch, length) to (batch, length, vocab_size) (section 3.1)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = BertModel(config, pooler=False)
        self.cls = BertOnlyMLMHead(config, self.bert.embeddings.word_embeddings)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return self.cls(self.bert(*inputs, **named).last_hidden_state)


class BertSentenceEncoder(BertModel):
    """A text as one vector: (batch, length) to (batch, hidden_size)."""

    def __init__(self, config: BertConfig, *, pooler: bool = True, pooling: Pooling | None = None) -> None:
        super().__init__(config, pooler=pooler)
        self.pooling = pooling or Pooling()

    def forward(self, input_ids: Any, attention_mask: Any = None, *rest: Any, **named: Any) -> Any:
        return self.pooling(
            super().forward(input_ids, attention_mask, *rest, **named).last_hidden_state, attention_mask
        )


def bert_encoder(*, pooler: bool = True, **settings: Any) -> BertModel:
    """BERT without a head; `settings` as in `BertConfig`."""
    return BertModel(BertConfig(**settings), pooler=pooler)


def bert_masked_lm(**settings: Any) -> BertForMaskedLM:
    """BERT that fills in masked words."""
    return BertForMaskedLM(BertConfig(**settings))


def bert_sequence_classification(*, classes: int = 2, **settings: Any) -> PooledClassifier:
    """BERT that classifies texts, or pairs of texts."""
    config = BertConfig(**settings)
    return PooledClassifier("bert", BertModel(config), config.hidden_size, classes, config.head_dropout)


def bert_token_classification(*, classes: int = 2, **settings: Any) -> TokenClassifier:
    """BERT that classifies tokens, such as names."""
    config = BertConfig(**settings)
    return TokenClassifier("bert", BertModel(config, pooler=False), config.hidden_size, classes, config.head_dropout)


def bert_question_answering(**settings: Any) -> SpanFinder:
    """BERT that finds an answer in a text."""
    config = BertConfig(**settings)
    return SpanFinder("bert", BertModel(config, pooler=False), config.hidden_size)


def bert_sentence_encoder(
    *, pooler: bool = True, pooling: str = "mean", normalize: bool = True, **settings: Any
) -> BertSentenceEncoder:
    """BERT that gives a text one vector, so that texts of like meaning point the same way."""
    return BertSentenceEncoder(BertConfig(**settings), pooler=pooler, pooling=Pooling(pooling, normalize=normalize))


def bert_sentence_classification(*, classes: int = 2, pooling: str = "mean", **settings: Any) -> SentenceClassifier:
    """BERT that classifies texts by the vector that a sentence encoder would give them."""
    config = BertConfig(**settings)
    return SentenceClassifier(
        "bert", BertModel(config, pooler=False), config.hidden_size, classes, config.head_dropout, pooling
    )
