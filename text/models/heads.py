"""What stands upon an encoder: classifiers of texts and of tokens, answers in a text, one vector for a sentence.

The encoder has its family's name in the parameter names, as in transformers: ``bert.embeddings...``, ``classifier.weight``.
Sentence encoders: Reimers, Gurevych, "Sentence-BERT" (arXiv:1908.10084).
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F
from numzoo.text.models.encoder import ACTIVATIONS
from numzoo.text.models.inputs import as_tensor, mean_of_tokens

__all__ = [
    "FirstTokenClassifier",
    "OnEncoder",
    "PooledClassifier",
    "Pooling",
    "SentenceClassifier",
    "Span",
    "SpanFinder",
    "TiedOutput",
    "TiedToEmbeddings",
    "TokenClassifier",
]


class OnEncoder(nn.Module):
    """An encoder under its family's name; what stands upon it takes what the encoder takes."""

    def __init__(self, family: str, encoder: nn.Module) -> None:
        super().__init__()
        self.family = family
        self.add_module(family, encoder)

    def encoded(self, *inputs: Any, **named: Any) -> Any:
        """What the encoder gives."""
        return getattr(self, self.family)(*inputs, **named)


class PooledClassifier(OnEncoder):
    """Logits for a whole text, of the pooler's vector: (batch, length) to (batch, classes)."""

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier",)

    def __init__(self, family: str, encoder: nn.Module, width: int, classes: int, dropout: float) -> None:
        super().__init__(family, encoder)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return self.classifier(self.dropout(self.encoded(*inputs, **named).pooler_output))


class TwoLayers(nn.Module):
    """The first token's vector through a layer with its activation, and one more."""

    def __init__(self, width: int, classes: int, dropout: float, activation: str) -> None:
        super().__init__()
        self.dense, self.out_proj = nn.Linear(width, width), nn.Linear(width, classes)
        self.dropout, self.activation = nn.Dropout(dropout), ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.dense(self.dropout(x[:, 0])))
        return self.out_proj(self.dropout(x))


class FirstTokenClassifier(OnEncoder):
    """Logits for a whole text, of the first token's vector: (batch, length) to (batch, classes)."""

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier.out_proj",)

    def __init__(
        self, family: str, encoder: nn.Module, width: int, classes: int, dropout: float, activation: str = "tanh"
    ) -> None:
        super().__init__(family, encoder)
        self.classifier = TwoLayers(width, classes, dropout, activation)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return self.classifier(self.encoded(*inputs, **named).last_hidden_state)


class TokenClassifier(OnEncoder):
    """Logits for every token: (batch, length) to (batch, length, classes)."""

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier",)

    def __init__(self, family: str, encoder: nn.Module, width: int, classes: int, dropout: float) -> None:
        super().__init__(family, encoder)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return self.classifier(self.dropout(self.encoded(*inputs, **named).last_hidden_state))


class Span(NamedTuple):
    """How likely each token begins and ends the answer: logits (batch, length)."""

    start_logits: Tensor
    end_logits: Tensor


class SpanFinder(OnEncoder):
    """Where in a text an answer begins and ends (section 4.2 of arXiv:1810.04805)."""

    def __init__(self, family: str, encoder: nn.Module, width: int, dropout: float = 0.0) -> None:
        super().__init__(family, encoder)
        self.dropout = nn.Dropout(dropout)
        self.qa_outputs = nn.Linear(width, 2)

    def forward(self, *inputs: Any, **named: Any) -> Span:
        logits = self.qa_outputs(self.dropout(self.encoded(*inputs, **named).last_hidden_state))
        return Span(logits[:, :, 0], logits[:, :, 1])


class TiedOutput(nn.Module):
    """A layer, its activation, a norm, and then a number for every word, with the word embeddings as weight.

    The names are those of RoBERTa's and MPNet's ``lm_head``; the bias is the head's own.
    """

    def __init__(self, width: int, embeddings: nn.Embedding, eps: float, activation: str = "gelu") -> None:
        super().__init__()
        narrow = embeddings.embedding_dim
        self.dense = nn.Linear(width, narrow)
        self.layer_norm = nn.LayerNorm(narrow, eps=eps)
        self.bias = nn.Parameter.of(embeddings.num_embeddings)
        self.activation = ACTIVATIONS[activation]
        self.tied = (embeddings,)  # in a tuple: it is the embeddings' parameter, not one more of this module

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.layer_norm(self.activation(self.dense(x))), self.tied[0].weight, self.bias)


class TiedToEmbeddings(nn.Module):
    """A number for every word; the weight is that of the word embeddings."""

    def __init__(self, embeddings: nn.Embedding) -> None:
        super().__init__()
        self.bias = nn.Parameter.of(embeddings.num_embeddings)
        self.tied = (embeddings,)  # in a tuple: it is the embeddings' parameter, not one more of this module

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.tied[0].weight, self.bias)


class SentenceClassifier(OnEncoder):
    """Logits for a whole text, of its tokens' vectors made one, as sentence encoders do it: (batch, length) to (batch, classes)."""

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier",)

    def __init__(
        self, family: str, encoder: nn.Module, width: int, classes: int, dropout: float, pooling: str = "mean"
    ) -> None:
        super().__init__(family, encoder)
        self.pooling = Pooling(pooling, normalize=False)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)

    def forward(self, input_ids: Any, attention_mask: Any = None, **named: Any) -> Tensor:
        vectors = self.encoded(input_ids, attention_mask, **named).last_hidden_state
        return self.classifier(self.dropout(self.pooling(vectors, attention_mask)))


class Pooling:
    """From a vector per token to one for the text: ``mean``, ``cls`` (the first token's) or ``max``; of length 1 if `normalize`."""

    KINDS = ("mean", "cls", "max")

    def __init__(self, kind: str = "mean", *, normalize: bool = True) -> None:
        if kind not in self.KINDS:
            raise ValueError(f"pooling must be one of {', '.join(self.KINDS)}, not {kind!r}")
        self.kind, self.normalize = kind, normalize

    def __call__(self, vectors: Tensor, attention_mask: Any) -> Tensor:
        """Vectors (batch, length, width) to (batch, width); what the mask leaves out does not count."""
        if self.kind == "mean":
            pooled = mean_of_tokens(vectors, attention_mask)
        elif self.kind == "cls":
            pooled = vectors[:, 0]
        else:
            if attention_mask is not None:
                there = (as_tensor(attention_mask).to(device=vectors.device) != 0).unsqueeze(2)
                vectors = ops.where(there, vectors, -1e9)
            pooled = ops.amax(vectors, 1)
        return F.normalize(pooled, dim=1) if self.normalize else pooled
