"""GPT-2: a decoder with learned places and norms before its layers.

Radford, Wu, Child, Luan, Amodei, Sutskever, "Language Models are Unsupervised Multitask Learners" (2019). Parameter names and
settings are those of transformers' GPT2LMHeadModel: matrices are stored (in, out), as in the authors' files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F
from numzoo.text.models.cache import KeyValueCache, seen
from numzoo.text.models.encoder import ACTIVATIONS, check_activation, check_heads, check_length
from numzoo.text.models.heads_of_attention import join_heads
from numzoo.text.models.inputs import token_numbers

__all__ = ["GPT2Config", "GPT2LMHeadModel", "gpt2_causal_lm"]


@dataclass(frozen=True, slots=True)
class GPT2Config:
    """The sizes, under the names of config.json; as they stand, those of the smallest GPT-2 (table 2)."""

    vocab_size: int = 50257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    n_inner: int | None = None
    activation_function: str = "gelu_new"
    resid_pdrop: float = 0.1
    embd_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    layer_norm_epsilon: float = 1e-5
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False

    def __post_init__(self) -> None:
        check_heads("gpt2", "n_embd", self.n_embd, "n_head", self.n_head)
        check_activation("gpt2", "activation_function", self.activation_function)


class Conv1D(nn.Module):
    """x weight + bias, with the weight (in, out)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter.of(inputs, outputs), nn.Parameter.of(outputs)
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.T, self.bias)


class GPT2Attention(nn.Module):
    """Causal self-attention; queries, keys and values come out of one matrix."""

    def __init__(self, config: GPT2Config, number: int) -> None:
        super().__init__()
        self.number, self.width, self.chance = number, config.n_embd // config.n_head, config.attn_pdrop
        self.scale = (config.n_embd // config.n_head) ** -0.5 if config.scale_attn_weights else 1.0
        if config.scale_attn_by_inverse_layer_idx:
            self.scale /= number + 1
        self.c_attn = Conv1D(config.n_embd, 3 * config.n_embd)
        self.c_proj = Conv1D(config.n_embd, config.n_embd)
        self.resid_dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x: Tensor, mask: Tensor | None, cache: KeyValueCache | None) -> Tensor:
        part, dropout = self.undropped(x, mask, cache)
        return dropout(part)

    def undropped(self, x: Tensor, mask: Tensor | None, cache: KeyValueCache | None) -> tuple[Tensor, nn.Module]:
        """What it gives before its dropout, and that."""
        joint = self.c_attn(x)  # (batch, length, 3 width)
        heads, causal, chance = (
            x.shape[2] // self.width,
            mask is None and x.shape[1] > 1,
            self.chance if self.training else 0.0,
        )
        if cache is None:
            out = F.attention_in_heads(joint, None, None, heads, mask, chance, causal, scale=self.scale)
        else:
            query, key, value = ops.split_heads(joint, heads=heads, batch_first=True)
            key, value = cache.extend(self.number, key, value)
            out = join_heads(F.scaled_dot_product_attention(query, key, value, mask, chance, causal, scale=self.scale))
        return self.c_proj(out), self.resid_dropout


class GPT2MLP(nn.Module):
    """Two layers with the activation between."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        wide = 4 * config.n_embd if config.n_inner is None else config.n_inner
        self.c_fc, self.c_proj = Conv1D(config.n_embd, wide), Conv1D(wide, config.n_embd)
        self.act, self.dropout = ACTIVATIONS[config.activation_function], nn.Dropout(config.resid_pdrop)

    def forward(self, x: Tensor) -> Tensor:
        part, dropout = self.undropped(x)
        return dropout(part)

    def undropped(self, x: Tensor) -> tuple[Tensor, nn.Module]:
        """What it gives before its dropout, and that."""
        return self.c_proj(self.act(self.c_fc(x))), self.dropout


class GPT2Block(nn.Module):
    """Attention and a perceptron, each on what is normalised, each with a shortcut."""

    def __init__(self, config: GPT2Config, number: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = GPT2Attention(config, number)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = GPT2MLP(config)

    def forward(self, x: Tensor, mask: Tensor | None, cache: KeyValueCache | None) -> Tensor:
        x, part, dropout = self.parts(x, self.ln_1(x), mask, cache)
        return x + (part if dropout is None else dropout(part))

    def parts(
        self, x: Tensor, normalised: Tensor, mask: Tensor | None, cache: KeyValueCache | None
    ) -> tuple[Tensor, Tensor, nn.Module | None]:
        """x after attention, and what the perceptron would add to it, with its dropout."""
        part, dropout = nn.undropped(self.attn, GPT2Attention, normalised, mask, cache)
        x, normalised = nn.add_and_normalise(part, x, self.ln_2, dropout)
        return x, *nn.undropped(self.mlp, GPT2MLP, normalised)


class GPT2Model(nn.Module):
    """Token numbers (batch, length) to vectors (batch, length, n_embd)."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.drop = nn.Dropout(config.embd_pdrop)
        self.h = nn.ModuleList([GPT2Block(config, number) for number in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        nn.init.normal_(self.wte.weight, std=0.02)
        nn.init.normal_(self.wpe.weight, std=0.02)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):  # what adds to the residual path, less with depth (section 2.3)
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * config.n_layer))

    def forward(self, input_ids: Any, attention_mask: Any = None, cache: KeyValueCache | None = None) -> Tensor:
        tokens = token_numbers(input_ids, self.config.vocab_size, "gpt2")
        batch, new = tokens.shape
        check_length("gpt2", new + (0 if cache is None else cache.length), self.config.n_positions)
        x = self.wte(tokens)
        positions, allowed = seen(batch, new, attention_mask, cache, None, x.device)
        if positions is None:  # the same for all texts: nothing is copied from the CPU, which a captured step could not
            past = 0 if cache is None else cache.length
            places = self.wpe.weight[past : past + new]
        else:
            places = self.wpe(positions)
        x = self.drop(x + places)
        out = nn.through_blocks(self.h, x, GPT2Block, "ln_1", self.ln_f, allowed, cache)
        if cache is not None:
            cache.length += new
        return out


class GPT2LMHeadModel(nn.Module):
    """A logit for every word at every place: (batch, length) to (batch, length, vocab_size); the output's weight is ``wte``'s.

    ``attention_mask`` (batch, length) is 0 at padding, on the left where texts of different lengths go on together.
    With a ``cache`` only the new tokens are given, and their places follow those that it holds.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.transformer = GPT2Model(config)

    def new_cache(self) -> KeyValueCache:
        """An empty cache, for generation."""
        return KeyValueCache()

    def forward(
        self, input_ids: Any, attention_mask: Any = None, cache: KeyValueCache | None = None, *, last: bool = False
    ) -> Tensor:
        """``last`` gives the logits of the last place alone (batch, 1, vocab_size), which is all that generation asks for."""
        x = self.transformer(input_ids, attention_mask, cache)
        return F.linear(x[:, -1:] if last else x, self.transformer.wte.weight)


def gpt2_causal_lm(**settings: Any) -> GPT2LMHeadModel:
    """A decoder that continues texts; `settings` as in `GPT2Config`."""
    return GPT2LMHeadModel(GPT2Config(**settings))
