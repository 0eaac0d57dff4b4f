"""DistilBERT: BERT's student, with half of the layers and neither segments nor a pooler.

Sanh, Debut, Chaumond, Wolf (arXiv:1910.01108). Names and settings are those of transformers' DistilBertModel and its heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F
from numzoo.text.models.encoder import ACTIVATIONS, Encoded, check_activation, check_heads, check_length
from numzoo.text.models.heads import (
    OnEncoder,
    Pooling,
    SentenceClassifier,
    SpanFinder,
    TiedToEmbeddings,
    TokenClassifier,
)
from numzoo.text.models.inputs import padding_mask, token_numbers

__all__ = [
    "DistilBertConfig",
    "DistilBertModel",
    "distilbert_encoder",
    "distilbert_masked_lm",
    "distilbert_question_answering",
    "distilbert_sentence_encoder",
    "distilbert_sequence_classification",
    "distilbert_token_classification",
]


@dataclass(frozen=True, slots=True)
class DistilBertConfig:
    """The sizes, under the names of config.json; as they stand, those of distilbert-base-uncased."""

    vocab_size: int = 30522
    max_position_embeddings: int = 512
    dim: int = 768
    n_layers: int = 6
    n_heads: int = 12
    hidden_dim: int = 3072
    activation: str = "gelu"
    dropout: float = 0.1
    attention_dropout: float = 0.1
    seq_classif_dropout: float = 0.2
    qa_dropout: float = 0.1
    pad_token_id: int | None = 0

    def __post_init__(self) -> None:
        check_heads("distilbert", "dim", self.dim, "n_heads", self.n_heads)
        check_activation("distilbert", "activation", self.activation)


class DistilBertEmbeddings(nn.Module):
    """Token and place, added and normalised."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.dim, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.dim)
        self.LayerNorm = nn.LayerNorm(config.dim, eps=1e-12)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        check_length("distilbert", length, self.position_embeddings.num_embeddings)
        return self.dropout(self.LayerNorm(self.word_embeddings(tokens) + self.position_embeddings.weight[:length]))


class DistilBertAttention(nn.Module):
    """Every token looks at every other, in heads."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.n_heads, config.attention_dropout
        self.q_lin, self.k_lin = nn.Linear(config.dim, config.dim), nn.Linear(config.dim, config.dim)
        self.v_lin, self.out_lin = nn.Linear(config.dim, config.dim), nn.Linear(config.dim, config.dim)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        out = F.attention_in_heads(self.q_lin(x), self.k_lin(x), self.v_lin(x), self.heads, mask, dropout)
        return self.out_lin(out)


class DistilBertPerceptron(nn.Module):
    """Two layers with the activation between."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(config.dim, config.hidden_dim), nn.Linear(config.hidden_dim, config.dim)
        self.activation, self.dropout = ACTIVATIONS[config.activation], nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        part, dropout = self.undropped(x)
        return dropout(part)

    def undropped(self, x: Tensor) -> tuple[Tensor, nn.Module]:
        """What it gives before its dropout, and that."""
        return self.lin2(self.activation(self.lin1(x))), self.dropout


class DistilBertLayer(nn.Module):
    """Attention, then a perceptron, each with a shortcut and normalised."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.attention = DistilBertAttention(config)
        self.sa_layer_norm = nn.LayerNorm(config.dim, eps=1e-12)
        self.ffn = DistilBertPerceptron(config)
        self.output_layer_norm = nn.LayerNorm(config.dim, eps=1e-12)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = nn.normalised_sum(self.attention(x, mask), x, self.sa_layer_norm)
        part, dropout = nn.undropped(self.ffn, DistilBertPerceptron, x)
        return nn.normalised_sum(part, x, self.output_layer_norm, dropout)


class DistilBertTransformer(nn.Module):
    """The stack of layers."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList([DistilBertLayer(config) for _ in range(config.n_layers)])

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        for layer in self.layer:
            x = layer(x, mask)
        return x


class DistilBertModel(nn.Module):
    """Token numbers (batch, length) to `Encoded`, without a pooler; ``attention_mask`` (batch, length) is 0 at padding.

    ``token_type_ids``, which tokenizers of BERT give, are taken and not used.
    """

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = DistilBertEmbeddings(config)
        self.transformer = DistilBertTransformer(config)

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None) -> Encoded:
        tokens = token_numbers(input_ids, self.config.vocab_size, "distilbert")
        return Encoded(self.transformer(self.embeddings(tokens), padding_mask(attention_mask, tokens)), None)


class DistilBertForMaskedLM(OnEncoder):
    """A logit for every word at every place: (batch, length) to (batch, length, vocab_size)."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__("distilbert", DistilBertModel(config))
        self.activation = ACTIVATIONS[config.activation]
        self.vocab_transform = nn.Linear(config.dim, config.dim)
        self.vocab_layer_norm = nn.LayerNorm(config.dim, eps=1e-12)
        self.vocab_projector = TiedToEmbeddings(self.distilbert.embeddings.word_embeddings)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        x = self.encoded(*inputs, **named).last_hidden_state
        return self.vocab_projector(self.vocab_layer_norm(self.activation(self.vocab_transform(x))))


class DistilBertForSequenceClassification(OnEncoder):
    """Logits for a whole text, of the first token's vector: (batch, length) to (batch, classes)."""

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier",)

    def __init__(self, config: DistilBertConfig, classes: int) -> None:
        super().__init__("distilbert", DistilBertModel(config))
        self.pre_classifier, self.classifier = nn.Linear(config.dim, config.dim), nn.Linear(config.dim, classes)
        self.dropout = nn.Dropout(config.seq_classif_dropout)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        first = self.encoded(*inputs, **named).last_hidden_state[:, 0]
        return self.classifier(self.dropout(F.relu(self.pre_classifier(first))))


class DistilBertSentenceEncoder(DistilBertModel):
    """A text as one vector: (batch, length) to (batch, dim)."""

    def __init__(self, config: DistilBertConfig, pooling: Pooling | None = None) -> None:
        super().__init__(config)
        self.pooling = pooling or Pooling()

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None) -> Any:
        return self.pooling(super().forward(input_ids, attention_mask).last_hidden_state, attention_mask)


def distilbert_encoder(**settings: Any) -> DistilBertModel:
    """DistilBERT without a head; `settings` as in `DistilBertConfig`."""
    return DistilBertModel(DistilBertConfig(**settings))


def distilbert_masked_lm(**settings: Any) -> DistilBertForMaskedLM:
    """DistilBERT that fills in masked words."""
    return DistilBertForMaskedLM(DistilBertConfig(**settings))


def distilbert_sequence_classification(*, classes: int = 2, **settings: Any) -> DistilBertForSequenceClassification:
    """DistilBERT that classifies texts, or pairs of texts."""
    return DistilBertForSequenceClassification(DistilBertConfig(**settings), classes)


def distilbert_token_classification(*, classes: int = 2, **settings: Any) -> TokenClassifier:
    """DistilBERT that classifies tokens, such as names."""
    config = DistilBertConfig(**settings)
    return TokenClassifier("distilbert", DistilBertModel(config), config.dim, classes, config.dropout)


def distilbert_question_answering(**settings: Any) -> SpanFinder:
    """DistilBERT that finds an answer in a text."""
    config = DistilBertConfig(**settings)
    return SpanFinder("distilbert", DistilBertModel(config), config.dim, config.qa_dropout)


def distilbert_sentence_encoder(
    *, pooling: str = "mean", normalize: bool = True, **settings: Any
) -> DistilBertSentenceEncoder:
    """DistilBERT that gives a text one vector, so that texts of like meaning point the same way."""
    return DistilBertSentenceEncoder(DistilBertConfig(**settings), Pooling(pooling, normalize=normalize))


def distilbert_sentence_classification(
    *, classes: int = 2, pooling: str = "mean", **settings: Any
) -> SentenceClassifier:
    """DistilBERT that classifies texts by the vector that a sentence encoder would give them."""
    config = DistilBertConfig(**settings)
    return SentenceClassifier(
        "distilbert", DistilBertModel(config), config.dim, classes, config.seq_classif_dropout, pooling
    )
