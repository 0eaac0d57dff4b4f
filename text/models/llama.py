"""The Llama family: decoders with rotary positions, RMS norm, gated perceptrons and shared keys.

Touvron et al., "LLaMA: Open and Efficient Foundation Language Models" (arXiv:2302.13971); rotary positions: Su et al.
(arXiv:2104.09864); shared keys and values: Ainslie et al. (arXiv:2305.13245); SwiGLU: Shazeer (arXiv:2002.05202).
Parameter names and settings are those of transformers' LlamaForCausalLM, which serve Llama, SmolLM2, Qwen2 and Mistral.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F
from numzoo.text.models.cache import KeyValueCache, seen
from numzoo.text.models.heads_of_attention import join_heads, split_heads
from numzoo.text.models.inputs import token_numbers
from numzoo.text.models.rope_scaling import frequencies

__all__ = ["LlamaConfig", "LlamaForCausalLM", "llama_causal_lm"]


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """The sizes, under the names of config.json; as they stand, those of Llama 7B (table 2).

    ``rope_interleaved`` turns neighbouring numbers instead of the two halves of a head, as GGUF files have it.
    ``rope_type`` ("default", "linear", "llama3") and the four after it say how rotary positions are stretched (`rope_scaling.frequencies`).
    ``attention_bias`` gives queries, keys and values a bias, ``output_bias`` the layer after them (None: the same).
    """

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_interleaved: bool = False
    rope_type: str = "default"
    rope_factor: float = 1.0
    rope_low: float = 1.0
    rope_high: float = 4.0
    rope_places: int = 8192
    max_position_embeddings: int = 2048
    attention_bias: bool = False
    output_bias: bool | None = None
    mlp_bias: bool = False
    sliding_window: int | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self) -> None:
        if self.heads_of_keys < 1 or self.num_attention_heads % self.heads_of_keys:
            raise ValueError(
                f"llama: num_attention_heads {self.num_attention_heads} must be a multiple of num_key_value_heads {self.heads_of_keys}"
            )
        if self.head_dim is None and self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"llama: hidden_size {self.hidden_size} must be a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.width_of_head % 2:
            raise ValueError(f"llama: a head's width must be even for rotary positions, not {self.width_of_head}")
        self.frequencies()  # which refuses what it does not know

    def frequencies(self) -> NDArray[np.float64]:
        """By how much each pair of a head is turned from place to place, in radians."""
        return frequencies(
            self.width_of_head, self.rope_theta, self.rope_type,
            factor=self.rope_factor, low=self.rope_low, high=self.rope_high, places=self.rope_places,
        )  # fmt: skip

    @property
    def heads_of_keys(self) -> int:
        """How many heads keys and values have."""
        return self.num_attention_heads if self.num_key_value_heads is None else self.num_key_value_heads

    @property
    def width_of_head(self) -> int:
        """How many numbers a head has."""
        return self.hidden_size // self.num_attention_heads if self.head_dim is None else self.head_dim


_FEWEST_PLACES = 64


class Rotary:
    """The angles by which queries and keys are turned at each position (section 3.4.2 of arXiv:2104.09864)."""

    def __init__(self, config: LlamaConfig) -> None:
        self.frequencies = config.frequencies()
        self.interleaved = config.rope_interleaved
        self._tables: dict[Any, tuple[Tensor, Tensor]] = {}

    def places(self, past: int, new: int, device: Any, dtype: Any) -> tuple[Tensor, Tensor]:
        """Cosines and sines (1, 1, new, width / 2) of the places from `past` on: slices of a table that is kept.

        So nothing is worked out or copied to a GPU at each step, which a captured step could not.
        """
        cosine, sine = self._table(past + new, device, dtype)
        return cosine[past : past + new][None, None], sine[past : past + new][None, None]

    def at(self, positions: Tensor, most: int, dtype: Any) -> tuple[Tensor, Tensor]:
        """Cosines and sines (batch, 1, length, width / 2) of positions (batch, length), which lie below `most`: rows of that table."""
        cosine, sine = self._table(most, positions.device, dtype)
        return ops.take_rows(cosine, positions).unsqueeze(1), ops.take_rows(sine, positions).unsqueeze(1)

    def _table(self, most: int, device: Any, dtype: Any) -> tuple[Tensor, Tensor]:
        """Cosines and sines (places, width / 2) of at least so many places."""
        key = device, dtype
        table = self._tables.get(key)
        if table is None or table[0].shape[0] < most:
            count = max(_FEWEST_PLACES, 1 << (most - 1).bit_length())
            turns = np.arange(count)[:, None] * self.frequencies
            cosine, sine = (
                Tensor(of(turns).astype(np.float32)).to(device=device, dtype=dtype) for of in (np.cos, np.sin)
            )
            table = self._tables[key] = cosine, sine
        return table

    def turn(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """x (batch, heads, length, width), its pairs turned."""
        return ops.rotary(x, cosine, sine, interleaved=self.interleaved)


class LlamaAttention(nn.Module):
    """Causal self-attention; several heads of queries share one of keys and values."""

    def __init__(self, config: LlamaConfig, number: int) -> None:
        super().__init__()
        self.number, self.width = number, config.width_of_head
        self.shared = config.heads_of_keys != config.num_attention_heads
        wide, narrow = config.num_attention_heads * self.width, config.heads_of_keys * self.width
        bias = config.attention_bias
        self.q_proj = nn.Linear(config.hidden_size, wide, bias=bias)
        self.k_proj = nn.Linear(config.hidden_size, narrow, bias=bias)
        self.v_proj = nn.Linear(config.hidden_size, narrow, bias=bias)
        self.o_proj = nn.Linear(
            wide, config.hidden_size, bias=bias if config.output_bias is None else config.output_bias
        )
        self.rotary = Rotary(config)

    def forward(
        self, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None, cache: KeyValueCache | None
    ) -> Tensor:
        query, key = (split_heads(layer(x), self.width) for layer in (self.q_proj, self.k_proj))
        query, key = self.rotary.turn(query, *angles), self.rotary.turn(key, *angles)
        value = split_heads(self.v_proj(x), self.width)
        if cache is not None:
            key, value = cache.extend(self.number, key, value)
        causal = mask is None and query.shape[2] > 1
        out = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=causal, enable_gqa=self.shared
        )
        return self.o_proj(join_heads(out))  # (batch, length, hidden_size)


class LlamaMLP(nn.Module):
    """silu(gate x) * up x, then down: SwiGLU."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        narrow, wide, bias = config.hidden_size, config.intermediate_size, config.mlp_bias
        self.gate_proj = nn.Linear(narrow, wide, bias=bias)
        self.up_proj = nn.Linear(narrow, wide, bias=bias)
        self.down_proj = nn.Linear(wide, narrow, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(ops.gated(self.gate_proj(x), self.up_proj(x)))


class LlamaLayer(nn.Module):
    """Attention and a perceptron, each on what is normalised, each with a shortcut."""

    def __init__(self, config: LlamaConfig, number: int) -> None:
        super().__init__()
        self.self_attn = LlamaAttention(config, number)
        self.mlp = LlamaMLP(config)
        self.input_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(
        self, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None, cache: KeyValueCache | None
    ) -> Tensor:
        x, part, _ = self.parts(x, self.input_layernorm(x), angles, mask, cache)
        return x + part

    def parts(
        self, x: Tensor, normalised: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None, cache: KeyValueCache | None
    ) -> tuple[Tensor, Tensor, None]:  # fmt: skip
        """x after attention, and what the perceptron would add to it."""
        part = self.self_attn(normalised, angles, mask, cache)
        x, normalised = nn.add_and_normalise(part, x, self.post_attention_layernorm)
        return x, self.mlp(normalised), None


class LlamaModel(nn.Module):
    """Token numbers (batch, length) to vectors (batch, length, hidden_size)."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([LlamaLayer(config, number) for number in range(config.num_hidden_layers)])
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary = Rotary(config)

    def forward(self, input_ids: Any, attention_mask: Any = None, cache: KeyValueCache | None = None) -> Tensor:
        tokens = token_numbers(input_ids, self.config.vocab_size, "llama")
        (batch, new), past = tokens.shape, 0 if cache is None else cache.length
        x = self.embed_tokens(tokens)
        positions, allowed = seen(batch, new, attention_mask, cache, self.config.sliding_window, x.device)
        angles = (
            self.rotary.places(past, new, x.device, x.dtype)  # the same places for all texts
            if positions is None
            else self.rotary.at(positions, past + new, x.dtype)
        )
        out = nn.through_blocks(self.layers, x, LlamaLayer, "input_layernorm", self.norm, angles, allowed, cache)
        if cache is not None:
            cache.length += tokens.shape[1]
        return out


class LlamaForCausalLM(nn.Module):
    """A logit for every word at every place: (batch, length) to (batch, length, vocab_size).

    ``attention_mask`` (batch, length) is 0 at padding, on the left where texts of different lengths go on together.
    With a ``cache`` only the new tokens are given, and their places follow those that it holds.
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.model = LlamaModel(config)
        self.lm_head = (
            None if config.tie_word_embeddings else nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        )

    def new_cache(self) -> KeyValueCache:
        """An empty cache, for generation."""
        return KeyValueCache()

    def forward(
        self, input_ids: Any, attention_mask: Any = None, cache: KeyValueCache | None = None, *, last: bool = False
    ) -> Tensor:
        """``last`` gives the logits of the last place alone (batch, 1, vocab_size), which is all that generation asks for."""
        x = self.model(input_ids, attention_mask, cache)
        x = x[:, -1:] if last else x
        return F.linear(x, self.model.embed_tokens.weight) if self.lm_head is None else self.lm_head(x)


def llama_causal_lm(**settings: Any) -> LlamaForCausalLM:
    """A decoder that continues texts; `settings` as in `LlamaConfig`."""
    return LlamaForCausalLM(LlamaConfig(**settings))
