"""T5: every task as text to text, with an encoder, a decoder, and relative positions.

Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (arXiv:1910.10683). Version
1.1, of which Flan-T5 (Chung et al., arXiv:2210.11416) is made, has gated perceptrons (Shazeer, arXiv:2002.05202) and an output
of its own. Parameter names and settings are those of transformers' T5ForConditionalGeneration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F
from numzoo.text.models.cache import KeyValueCache
from numzoo.text.models.encoder import ACTIVATIONS, multiplied
from numzoo.text.models.heads_of_attention import join_heads, split_heads
from numzoo.text.models.inputs import padding_mask, token_numbers
from numzoo.text.models.relative import earlier, hidden, relative_bias

__all__ = [
    "T5Cache",
    "T5Config",
    "T5EncoderModel",
    "T5ForConditionalGeneration",
    "T5Model",
    "t5_encoder",
    "t5_encoder_decoder",
    "t5_text_to_text",
]


@dataclass(frozen=True, slots=True)
class T5Config:
    """The sizes, under the names of config.json; as they stand, those of t5-small.

    ``feed_forward_proj`` is an activation, or "gated-" and one ("gated-gelu" is the tanh form of gelu). With
    ``tie_word_embeddings`` the output's weight is that of the embeddings, and the vectors are divided by sqrt(d_model);
    ``scale_decoder_outputs`` says of the division alone whether it is done.
    """

    vocab_size: int = 32128
    d_model: int = 512
    d_kv: int = 64
    d_ff: int = 2048
    num_layers: int = 6
    num_decoder_layers: int | None = None
    num_heads: int = 8
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    dropout_rate: float = 0.1
    layer_norm_epsilon: float = 1e-6
    feed_forward_proj: str = "relu"
    tie_word_embeddings: bool = True
    scale_decoder_outputs: bool | None = None
    pad_token_id: int = 0
    decoder_start_token_id: int = 0

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise ValueError(
                f"t5: feed_forward_proj must be one of {known}, or 'gated-' and one of them, not {self.feed_forward_proj!r}"
            )
        if min(self.d_model, self.d_kv, self.num_heads) < 1:
            raise ValueError(
                f"t5: d_model {self.d_model}, d_kv {self.d_kv} and num_heads {self.num_heads} must be above 0"
            )
        if (
            self.relative_attention_num_buckets < 4
            or self.relative_attention_max_distance < self.relative_attention_num_buckets
        ):
            raise ValueError(
                f"t5: relative_attention_num_buckets {self.relative_attention_num_buckets} must be from 4 to "
                f"relative_attention_max_distance {self.relative_attention_max_distance}"
            )

    @property
    def scaled(self) -> bool:
        """Whether the decoder's vectors are divided by sqrt(d_model) before the output."""
        return self.tie_word_embeddings if self.scale_decoder_outputs is None else self.scale_decoder_outputs

    @property
    def gated(self) -> bool:
        """Whether the perceptrons are gated."""
        return self.feed_forward_proj.startswith("gated-")

    @property
    def activation(self) -> str:
        """The perceptrons' activation, as `ACTIVATIONS` names it."""
        return "gelu_new" if self.feed_forward_proj == "gated-gelu" else self.feed_forward_proj.removeprefix("gated-")


class T5Cache(KeyValueCache):
    """What the decoder keeps: the source's keys and values, and those of the tokens so far."""

    def __init__(self, source: list[tuple[Tensor, Tensor]], source_mask: Tensor | None) -> None:
        super().__init__()
        self.source, self.source_mask = source, source_mask

    def select(self, rows: NDArray[np.integer[Any]]) -> None:
        super().select(rows)
        if self.source and np.array_equal(rows, np.arange(self.source[0][0].shape[0])):
            return
        chosen = Tensor(np.asarray(rows))
        self.source = [(key[chosen], value[chosen]) for key, value in self.source]
        self.source_mask = None if self.source_mask is None else self.source_mask[chosen]


class T5Attention(nn.Module):
    """Attention whose scores are not divided by anything (the initial weights see to that); no layer has a bias."""

    def __init__(self, config: T5Config, *, relative: bool = False) -> None:
        super().__init__()
        inner = config.num_heads * config.d_kv
        self.width, self.chance = config.d_kv, config.dropout_rate
        self.q, self.k = nn.Linear(config.d_model, inner, bias=False), nn.Linear(config.d_model, inner, bias=False)
        self.v, self.o = nn.Linear(config.d_model, inner, bias=False), nn.Linear(inner, config.d_model, bias=False)
        buckets = config.relative_attention_num_buckets
        self.relative_attention_bias = nn.Embedding(buckets, config.num_heads) if relative else None

    def keys_and_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Each (batch, heads, length, d_kv)."""
        return split_heads(self.k(x), self.width), split_heads(self.v(x), self.width)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        chance = self.chance if self.training else 0.0
        out = F.scaled_dot_product_attention(
            split_heads(self.q(x), self.width), key, value, attn_mask=bias, dropout_p=chance, scale=1.0
        )
        return self.o(join_heads(out))  # (batch, length, d_model)


class T5Sublayer(nn.Module):
    """What normalises before a part of a block and adds its result to what came in."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.layer_norm = nn.RMSNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.dropout = nn.Dropout(config.dropout_rate)


class T5LayerSelfAttention(T5Sublayer):
    """Attention to the tokens of the same text."""

    def __init__(self, config: T5Config, *, relative: bool) -> None:
        super().__init__(config)
        self.SelfAttention = T5Attention(config, relative=relative)

    def forward(self, x: Tensor, bias: Tensor, number: int = 0, cache: T5Cache | None = None) -> Tensor:
        normed = self.layer_norm(x)
        key, value = self.SelfAttention.keys_and_values(normed)
        if cache is not None:
            key, value = cache.extend(number, key, value)
        return x + self.dropout(self.SelfAttention(normed, key, value, bias))


class T5LayerCrossAttention(T5Sublayer):
    """Attention of the decoder to the source."""

    def __init__(self, config: T5Config) -> None:
        super().__init__(config)
        self.EncDecAttention = T5Attention(config)

    def forward(self, x: Tensor, source: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        return x + self.dropout(self.EncDecAttention(self.layer_norm(x), *source, mask))


class T5DenseReluDense(nn.Module):
    """Two layers with the activation between."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.wi = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.wo = nn.Linear(config.d_ff, config.d_model, bias=False)
        self.activation, self.dropout = ACTIVATIONS[config.activation], nn.Dropout(config.dropout_rate)

    def forward(self, x: Tensor) -> Tensor:
        return self.wo(self.dropout(self.activation(self.wi(x))))


class T5DenseGatedDense(nn.Module):
    """activation(wi_0 x) * wi_1 x, then wo."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.wi_0 = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.wi_1 = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.wo = nn.Linear(config.d_ff, config.d_model, bias=False)
        self.activation, self.dropout = config.activation, nn.Dropout(config.dropout_rate)

    def forward(self, x: Tensor) -> Tensor:
        return self.wo(self.dropout(multiplied(self.activation, self.wi_0(x), self.wi_1(x))))


class T5LayerFF(T5Sublayer):
    """A perceptron."""

    def __init__(self, config: T5Config) -> None:
        super().__init__(config)
        self.DenseReluDense = T5DenseGatedDense(config) if config.gated else T5DenseReluDense(config)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(self.DenseReluDense(self.layer_norm(x)))


class T5Block(nn.Module):
    """Attention to the text itself, in the decoder to the source too, and a perceptron."""

    def __init__(self, config: T5Config, *, decoder: bool, first: bool) -> None:
        super().__init__()
        cross = [T5LayerCrossAttention(config)] if decoder else []
        self.layer = nn.ModuleList([T5LayerSelfAttention(config, relative=first), *cross, T5LayerFF(config)])


class T5Stack(nn.Module):
    """The encoder, or the decoder; the first block's table of relative positions serves all."""

    def __init__(self, config: T5Config, *, decoder: bool) -> None:
        super().__init__()
        layers = config.num_decoder_layers if decoder and config.num_decoder_layers is not None else config.num_layers
        self.config, self.decoder = config, decoder
        self.block = nn.ModuleList([T5Block(config, decoder=decoder, first=number == 0) for number in range(layers)])
        self.final_layer_norm = nn.RMSNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, x: Tensor, mask: Tensor | None, cache: T5Cache | None = None) -> Tensor:
        """Embedded tokens (batch, length, d_model) to vectors; `mask` is True where a token may be seen."""
        past, new = (0 if cache is None else cache.length), x.shape[1]
        table = self.block[0].layer[0].SelfAttention.relative_attention_bias
        farthest = self.config.relative_attention_max_distance
        bias = relative_bias(table, new, past + new, past=past, farthest=farthest, both_sides=not self.decoder)
        bias = bias if mask is None else hidden(bias, mask)  # (batch, heads, new, past + new)
        x = self.dropout(x)
        for number, block in enumerate(self.block):
            x = block.layer[0](x, bias, number, cache)
            if cache is not None:
                x = block.layer[1](x, cache.source[number], cache.source_mask)
            x = block.layer[-1](x)
        if cache is not None:
            cache.length += new
        return self.dropout(self.final_layer_norm(x))


class T5EncoderModel(nn.Module):
    """The encoder alone: (batch, length) to (batch, length, d_model)."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.config = config
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = T5Stack(config, decoder=False)

    def forward(self, input_ids: Any, attention_mask: Any = None) -> Tensor:
        tokens = token_numbers(input_ids, self.config.vocab_size, "t5").to(device=self.shared.weight.device)
        return self.encoder(self.shared(tokens), padding_mask(attention_mask, tokens))


class T5Model(T5EncoderModel):
    """A source (batch, length) and the answer so far (batch, places) to the decoder's vectors: (batch, places, d_model).

    ``attention_mask`` (batch, length) is 0 at the source's padding. To generate, `read` the source once and `decode` on.
    """

    def __init__(self, config: T5Config) -> None:
        super().__init__(config)
        self.decoder = T5Stack(config, decoder=True)

    def read(self, input_ids: Any, attention_mask: Any = None) -> T5Cache:
        """The source as the decoder needs it, with no token of the answer yet."""
        tokens = token_numbers(input_ids, self.config.vocab_size, "t5").to(device=self.shared.weight.device)
        vectors = super().forward(tokens, attention_mask)
        source = [block.layer[1].EncDecAttention.keys_and_values(vectors) for block in self.decoder.block]
        return T5Cache(source, padding_mask(attention_mask, tokens))

    def decode(self, tokens: Any, cache: T5Cache, *, last: bool = False) -> Tensor:
        """The newest tokens of the answer (batch, new) to what stands at them, at the last place alone with `last`."""
        numbers = token_numbers(tokens, self.config.vocab_size, "t5").to(device=self.shared.weight.device)
        past, new = cache.length, numbers.shape[1]
        mask = earlier(past, new, self.shared.weight.device) if new > 1 else None  # (new, all)
        x = self.decoder(self.shared(numbers), mask, cache)
        return x[:, -1:] if last else x

    def forward(
        self, input_ids: Any, attention_mask: Any = None, decoder_input_ids: Any = None, labels: Any = None
    ) -> Tensor:
        """``decoder_input_ids`` begin with ``decoder_start_token_id``; or give ``labels``, the answer, which is moved by one."""
        if decoder_input_ids is None:
            if labels is None:
                raise ValueError(
                    "t5: wants decoder_input_ids, the answer so far, or labels, the answer; generate() writes one"
                )
            decoder_input_ids = self.shifted(labels)
        return self.decode(decoder_input_ids, self.read(input_ids, attention_mask))

    def shifted(self, labels: Any) -> Tensor:
        """The answer (batch, places) moved by one behind ``decoder_start_token_id``; -100, no label, becomes padding."""
        answer = labels if isinstance(labels, Tensor) else Tensor(np.asarray(labels))
        start = ops.zeros_like(answer[:, :1]) + self.config.decoder_start_token_id
        moved = ops.cat([start, answer[:, :-1]], 1)
        return ops.where(moved == -100, self.config.pad_token_id, moved)


class T5ForConditionalGeneration(T5Model):
    """The same with a logit for every word at every place of the answer: (batch, places, vocab_size)."""

    def __init__(self, config: T5Config) -> None:
        super().__init__(config)
        tied = config.tie_word_embeddings
        self.lm_head = None if tied else nn.Linear(config.d_model, config.vocab_size, bias=False)

    def decode(self, tokens: Any, cache: T5Cache, *, last: bool = False) -> Tensor:
        """The newest tokens of the answer (batch, new) to logits (batch, new, vocab_size), of the last place alone with `last`."""
        x = super().decode(tokens, cache, last=last)
        x = x * self.config.d_model**-0.5 if self.config.scaled else x
        return F.linear(x, self.shared.weight) if self.lm_head is None else self.lm_head(x)


def t5_encoder(**settings: Any) -> T5EncoderModel:
    """T5's encoder alone; `settings` as in `T5Config`."""
    return T5EncoderModel(T5Config(**settings))


def t5_encoder_decoder(**settings: Any) -> T5Model:
    """T5 without an output: the decoder's vectors; `settings` as in `T5Config`."""
    return T5Model(T5Config(**settings))


def t5_text_to_text(**settings: Any) -> T5ForConditionalGeneration:
    """T5 that answers a text with a text: translates, summarises, whatever it was trained for; `settings` as in `T5Config`."""
    return T5ForConditionalGeneration(T5Config(**settings))
