"""ELECTRA: an encoder trained to tell real tokens from those that a small generator put in their place.

Clark, Luong, Le, Manning (arXiv:2003.10555). The layers are BERT's, the embeddings may be narrower. Names and settings are
those of transformers' ElectraModel and its heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F
from numzoo.text.models.encoder import ACTIVATIONS, Encoded, Encoder, check_activation, check_heads, check_length
from numzoo.text.models.heads import FirstTokenClassifier, OnEncoder, SpanFinder, TiedToEmbeddings, TokenClassifier
from numzoo.text.models.inputs import as_tensor, padding_mask, token_numbers

__all__ = [
    "ElectraConfig",
    "ElectraModel",
    "electra_discriminator",
    "electra_encoder",
    "electra_masked_lm",
    "electra_question_answering",
    "electra_sequence_classification",
    "electra_token_classification",
]


@dataclass(frozen=True, slots=True)
class ElectraConfig:
    """The sizes, under the names of config.json; as they stand, those of electra-small (table 6)."""

    vocab_size: int = 30522
    embedding_size: int = 128
    hidden_size: int = 256
    num_hidden_layers: int = 12
    num_attention_heads: int = 4
    intermediate_size: int = 1024
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    classifier_dropout: float | None = None

    def __post_init__(self) -> None:
        check_heads("electra", "hidden_size", self.hidden_size, "num_attention_heads", self.num_attention_heads)
        check_activation("electra", "hidden_act", self.hidden_act)

    @property
    def head_dropout(self) -> float:
        """How much dropout stands before a classifier."""
        return self.hidden_dropout_prob if self.classifier_dropout is None else self.classifier_dropout


class ElectraEmbeddings(nn.Module):
    """Token, place and segment, added and normalised."""

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__()
        width = config.embedding_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tensor, types: Tensor | None) -> Tensor:
        length = tokens.shape[1]
        check_length("electra", length, self.position_embeddings.num_embeddings)
        segments = self.token_type_embeddings.weight[0] if types is None else self.token_type_embeddings(types)
        places = self.position_embeddings.weight[:length]
        return self.dropout(self.LayerNorm(self.word_embeddings(tokens) + segments + places))


class ElectraModel(nn.Module):
    """Token numbers (batch, length) to `Encoded`, without a pooler; ``attention_mask`` (batch, length) is 0 at padding."""

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__()
        self.config = config
        narrow, wide = config.embedding_size, config.hidden_size
        self.embeddings = ElectraEmbeddings(config)
        self.embeddings_project = nn.Linear(narrow, wide) if narrow != wide else None
        self.encoder = Encoder(config)

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None) -> Encoded:
        tokens = token_numbers(input_ids, self.config.vocab_size, "electra")
        x = self.embeddings(tokens, None if token_type_ids is None else as_tensor(token_type_ids))
        x = x if self.embeddings_project is None else self.embeddings_project(x)
        return Encoded(self.encoder(x, padding_mask(attention_mask, tokens)), None)


class GeneratorPredictions(nn.Module):
    """From the encoder's vectors back to the embeddings' width."""

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__()
        self.LayerNorm = nn.LayerNorm(config.embedding_size, eps=config.layer_norm_eps)
        self.dense = nn.Linear(config.hidden_size, config.embedding_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.LayerNorm(F.gelu(self.dense(x)))


class ElectraForMaskedLM(OnEncoder):
    """The generator: a logit for every word at every place, (batch, length) to (batch, length, vocab_size)."""

    def __init__(self, config: ElectraConfig) -> None:
        encoder = ElectraModel(config)
        super().__init__("electra", encoder)
        self.generator_predictions = GeneratorPredictions(config)
        self.generator_lm_head = TiedToEmbeddings(encoder.embeddings.word_embeddings)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        x = self.encoded(*inputs, **named).last_hidden_state
        return self.generator_lm_head(self.generator_predictions(x))


class DiscriminatorPredictions(nn.Module):
    """From the encoder's vectors to a number for each token."""

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.dense_prediction = nn.Linear(config.hidden_size, 1)
        self.activation = ACTIVATIONS[config.hidden_act]

    def forward(self, x: Tensor) -> Tensor:
        return self.dense_prediction(self.activation(self.dense(x)))[:, :, 0]


class ElectraForPreTraining(OnEncoder):
    """The discriminator: above 0 where a token was replaced, (batch, length) to (batch, length) (section 2)."""

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__("electra", ElectraModel(config))
        self.discriminator_predictions = DiscriminatorPredictions(config)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return self.discriminator_predictions(self.encoded(*inputs, **named).last_hidden_state)


def electra_encoder(**settings: Any) -> ElectraModel:
    """ELECTRA without a head; `settings` as in `ElectraConfig`."""
    return ElectraModel(ElectraConfig(**settings))


def electra_discriminator(**settings: Any) -> ElectraForPreTraining:
    """ELECTRA that finds replaced tokens."""
    return ElectraForPreTraining(ElectraConfig(**settings))


def electra_masked_lm(**settings: Any) -> ElectraForMaskedLM:
    """ELECTRA's generator, which fills in masked words."""
    return ElectraForMaskedLM(ElectraConfig(**settings))


def electra_sequence_classification(*, classes: int = 2, **settings: Any) -> FirstTokenClassifier:
    """ELECTRA that classifies texts, or pairs of texts."""
    config = ElectraConfig(**settings)
    return FirstTokenClassifier(
        "electra", ElectraModel(config), config.hidden_size, classes, config.head_dropout, "gelu"
    )


def electra_token_classification(*, classes: int = 2, **settings: Any) -> TokenClassifier:
    """ELECTRA that classifies tokens, such as names."""
    config = ElectraConfig(**settings)
    return TokenClassifier("electra", ElectraModel(config), config.hidden_size, classes, config.head_dropout)


def electra_question_answering(**settings: Any) -> SpanFinder:
    """ELECTRA that finds an answer in a text."""
    config = ElectraConfig(**settings)
    return SpanFinder("electra", ElectraModel(config), config.hidden_size)
