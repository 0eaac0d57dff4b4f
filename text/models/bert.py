"""BERT, the bidirectional encoder, and its heads.

Devlin, Chang, Lee, Toutanova, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding"
(arXiv:1810.04805). Parameter names and settings are those of transformers' BertModel and its heads. Sentence encoders:
Reimers, Gurevych, "Sentence-BERT" (arXiv:1908.10084).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F
from numzoo.text.models.inputs import as_tensor, mean_of_tokens, padding_mask, token_numbers

__all__ = [
    "BertConfig",
    "BertModel",
    "bert_encoder",
    "bert_masked_lm",
    "bert_question_answering",
    "bert_sentence_encoder",
    "bert_sequence_classification",
    "bert_token_classification",
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
        if self.hidden_size < 1 or self.num_attention_heads < 1 or self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"bert: hidden_size {self.hidden_size} must be a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(f"bert: hidden_act must be one of {', '.join(ACTIVATIONS)}, not {self.hidden_act!r}")


class Encoded(NamedTuple):
    """A vector per token (batch, length, hidden_size), and one for the whole (batch, hidden_size) where there is a pooler."""

    last_hidden_state: Tensor
    pooler_output: Tensor | None


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
            if length > self.position_embeddings.num_embeddings:
                raise ValueError(
                    f"bert: {length} tokens were given, but there are places for {self.position_embeddings.num_embeddings}; "
                    "cut the text, as a tokenizer does with truncation"
                )
            places = self.position_embeddings.weight[:length]  # (length, width)
        else:
            places = self.position_embeddings(positions)
        segments = self.token_type_embeddings.weight[0] if types is None else self.token_type_embeddings(types)
        return self.dropout(self.LayerNorm(self.word_embeddings(tokens) + segments + places))


class BertSelfAttention(nn.Module):
    """Every token looks at every other, in heads (equation 1 of arXiv:1706.03762)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads, self.dropout = config.num_attention_heads, config.attention_probs_dropout_prob
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = (self._split(layer(x)) for layer in (self.query, self.key, self.value))
        dropout = self.dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        return out.transpose(1, 2).reshape(*x.shape)  # (batch, length, width)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (batch, heads, length, width / heads)


class BertResidual(nn.Module):
    """A layer's result, with dropout, added to what it was made from, and normalised."""

    def __init__(self, inputs: int, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(x)) + shortcut)


class BertAttention(nn.Module):
    """Self-attention with its shortcut."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.self = BertSelfAttention(config)
        self.output = BertResidual(config.hidden_size, config)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.output(self.self(x, mask), x)


class BertDense(nn.Module):
    """One layer and its activation."""

    def __init__(self, inputs: int, outputs: int, activation: str) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.dense(x))


class BertLayer(nn.Module):
    """Attention, then a perceptron."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = BertAttention(config)
        self.intermediate = BertDense(config.hidden_size, config.intermediate_size, config.hidden_act)
        self.output = BertResidual(config.intermediate_size, config)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.attention(x, mask)
        return self.output(self.intermediate(x), x)


class BertEncoder(nn.Module):
    """The stack of layers."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList([BertLayer(config) for _ in range(config.num_hidden_layers)])

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        for layer in self.layer:
            x = layer(x, mask)
        return x


class BertPooler(BertDense):
    """The first token's vector through a tanh layer."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config.hidden_size, config.hidden_size, "tanh")

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, 0])


class BertModel(nn.Module):
    """Token numbers (batch, length) to `Encoded`.

    ``attention_mask`` (batch, length) is 1 where there is a token and 0 at padding; ``token_type_ids`` is 0 in the first
    text and 1 in the second; ``position_ids`` counts from 0 unless it is given.
    """

    def __init__(self, config: BertConfig, *, pooler: bool = True) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config)
        self.encoder = BertEncoder(config)
        self.pooler = BertPooler(config) if pooler else None

    def forward(
        self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None, position_ids: Any = None
    ) -> Encoded:
        tokens = token_numbers(input_ids, self.config.vocab_size, "bert")
        types = None if token_type_ids is None else as_tensor(token_type_ids)
        positions = None if position_ids is None else as_tensor(position_ids)
        x = self.embeddings(tokens, types, positions)
        x = self.encoder(x, padding_mask(attention_mask, tokens))
        return Encoded(x, None if self.pooler is None else self.pooler(x))


class BertTransform(BertDense):
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


class _Classifier(nn.Module):
    """BERT, dropout, one linear layer."""

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier",)

    def __init__(self, config: BertConfig, classes: int, *, pooler: bool) -> None:
        super().__init__()
        self.bert = BertModel(config, pooler=pooler)
        chance = config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout
        self.dropout = nn.Dropout(chance)
        self.classifier = nn.Linear(config.hidden_size, classes)


class BertForSequenceClassification(_Classifier):
    """Logits for a whole text: (batch, length) to (batch, classes)."""

    def __init__(self, config: BertConfig, classes: int) -> None:
        super().__init__(config, classes, pooler=True)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return self.classifier(self.dropout(self.bert(*inputs, **named).pooler_output))


class BertForTokenClassification(_Classifier):
    """Logits for every token: (batch, length) to (batch, length, classes)."""

    def __init__(self, config: BertConfig, classes: int) -> None:
        super().__init__(config, classes, pooler=False)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return self.classifier(self.dropout(self.bert(*inputs, **named).last_hidden_state))


class Span(NamedTuple):
    """How likely each token begins and ends the answer: logits (batch, length)."""

    start_logits: Tensor
    end_logits: Tensor


class BertForQuestionAnswering(nn.Module):
    """Where in a text an answer begins and ends (section 4.2)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = BertModel(config, pooler=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)

    def forward(self, *inputs: Any, **named: Any) -> Span:
        logits = self.qa_outputs(self.bert(*inputs, **named).last_hidden_state)
        return Span(logits[:, :, 0], logits[:, :, 1])


class BertSentenceEncoder(BertModel):
    """A text as one vector of length 1: the mean of its tokens' vectors. (batch, length) to (batch, hidden_size)."""

    def forward(self, input_ids: Any, attention_mask: Any = None, *rest: Any, **named: Any) -> Any:
        tokens = as_tensor(input_ids)
        vectors = super().forward(tokens, attention_mask, *rest, **named).last_hidden_state
        return F.normalize(mean_of_tokens(vectors, attention_mask), dim=1)


def bert_encoder(*, pooler: bool = True, **settings: Any) -> BertModel:
    """BERT without a head; `settings` as in `BertConfig`."""
    return BertModel(BertConfig(**settings), pooler=pooler)


def bert_masked_lm(**settings: Any) -> BertForMaskedLM:
    """BERT that fills in masked words."""
    return BertForMaskedLM(BertConfig(**settings))


def bert_sequence_classification(*, classes: int = 2, **settings: Any) -> BertForSequenceClassification:
    """BERT that classifies texts, or pairs of texts."""
    return BertForSequenceClassification(BertConfig(**settings), classes)


def bert_token_classification(*, classes: int = 2, **settings: Any) -> BertForTokenClassification:
    """BERT that classifies tokens, such as names."""
    return BertForTokenClassification(BertConfig(**settings), classes)


def bert_question_answering(**settings: Any) -> BertForQuestionAnswering:
    """BERT that finds an answer in a text."""
    return BertForQuestionAnswering(BertConfig(**settings))


def bert_sentence_encoder(*, pooler: bool = True, **settings: Any) -> BertSentenceEncoder:
    """BERT that gives a text one vector, so that texts of like meaning point the same way."""
    return BertSentenceEncoder(BertConfig(**settings), pooler=pooler)
