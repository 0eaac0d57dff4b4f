"""Whisper: speech in many languages to text.

Radford, Kim, Xu, Brockman, McLeavey, Sutskever, "Robust Speech Recognition via Large-Scale Weak Supervision"
(arXiv:2212.04356), figure 1 and table 1. Parameter names are those of the authors' checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.engine import Tensor, is_grad_enabled, nn, ops
from numzoo.engine.nn import functional as F

__all__ = ["SIZES", "DecoderCache", "Whisper", "WhisperConfig", "whisper"]


@dataclass(frozen=True, slots=True)
class WhisperConfig:
    """The sizes, under the names of the authors' ``dims``; as they stand, those of the base model (table 1)."""

    n_mels: int = 80
    n_audio_ctx: int = 1500
    n_audio_state: int = 512
    n_audio_head: int = 8
    n_audio_layer: int = 6
    n_vocab: int = 51865
    n_text_ctx: int = 448
    n_text_state: int = 512
    n_text_head: int = 8
    n_text_layer: int = 6

    def __post_init__(self) -> None:
        for side in ("audio", "text"):
            width, heads = getattr(self, f"n_{side}_state"), getattr(self, f"n_{side}_head")
            if heads < 1 or width < 1 or width % heads:
                raise ValueError(f"whisper: n_{side}_state {width} must be a multiple of n_{side}_head {heads}")


SIZES = {  # name: width, heads, layers of the encoder, layers of the decoder (table 1; large-v3 hears 128 bands)
    "tiny": (384, 6, 4, 4),
    "base": (512, 8, 6, 6),
    "small": (768, 12, 12, 12),
    "medium": (1024, 16, 24, 24),
    "large": (1280, 20, 32, 32),
    "turbo": (1280, 20, 32, 4),
}


AT_ONCE = 512
"""Places of the encoder that go through a perceptron at a time where nothing is trained."""


@dataclass(slots=True)
class DecoderCache:
    """What the decoder has computed of the tokens so far, and of the sound, layer by layer.

    Of a single sound the rows of the tokens all share what was computed.
    """

    length: int = 0
    tokens: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    sound: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def select(self, rows: NDArray[np.integer[Any]]) -> None:
        """Keep these rows of the batch, in this order, as beam search wants it."""
        if self.tokens and np.array_equal(rows, np.arange(self.tokens[0][0].shape[0])):
            return
        chosen = Tensor(np.asarray(rows))
        self.tokens = [(key[chosen], value[chosen]) for key, value in self.tokens]
        if self.sound and self.sound[0][0].shape[0] > 1:
            self.sound = [(key[chosen], value[chosen]) for key, value in self.sound]


class MultiHeadAttention(nn.Module):
    """Attention in heads; keys have no bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(
        self, x: Tensor, keys: Tensor, values: Tensor, *, causal: bool = False, mask: Tensor | None = None
    ) -> Tensor:
        """x (batch, length, width) looks at keys and values (batch, others, width), or with heads apart, as `look_at` gives them."""
        if keys.ndim == 3:
            return self.out(F.attention_in_heads(self.query(x), keys, values, self.heads, mask, 0.0, causal))
        query = self._split(self.query(x))
        out = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, is_causal=causal)
        return self.out((out if x.shape[1] == 1 else out.transpose(1, 2)).reshape(*x.shape))

    def look_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of x (batch, others, width), their heads apart: as what is kept is read."""
        return self._split(self.key(x)), self._split(self.value(x))

    def scores(self, x: Tensor, keys: Tensor) -> Tensor:
        """How well the keys fit what x looks for, before the softmax: (batch, heads, length, others)."""
        query, keys = self._split(self.query(x)), self._split(keys) if keys.ndim == 3 else keys
        return query @ keys.transpose(2, 3) * query.shape[3] ** -0.5

    def _split(self, x: Tensor) -> Tensor:
        if x.shape[1] == 1:  # the same numbers in the same order
            return x.reshape(x.shape[0], self.heads, 1, -1)
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (batch, heads, length, width / heads)


class ResidualAttentionBlock(nn.Module):
    """Self-attention, in the decoder attention to the sound, and a perceptron, each on what is normalised."""

    def __init__(self, width: int, heads: int, *, cross: bool = False) -> None:
        super().__init__()
        self.attn = MultiHeadAttention(width, heads)
        self.attn_ln = nn.LayerNorm(width)
        if cross:
            self.cross_attn = MultiHeadAttention(width, heads)
            self.cross_attn_ln = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """The encoder's way: every place sees every other."""
        x, part, _ = self.parts(x, self.attn_ln(x))
        return x + part

    def parts(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, None]:
        """x, normalised y, after attention, and what the perceptron would add to it."""
        x, y = nn.add_and_normalise(self.attn(y, self.attn.key(y), self.attn.value(y)), x, self.mlp_ln)
        if is_grad_enabled():
            return x, self.mlp(y), None
        # The perceptron is four times as wide: a part of the places at a time takes less memory, which stays in the cache.
        parts = [self.mlp(y[:, start : start + AT_ONCE]) for start in range(0, y.shape[1], AT_ONCE)]
        return x, ops.cat(parts, 1) if len(parts) > 1 else parts[0], None

    def step(
        self, x: Tensor, sound: tuple[Tensor, Tensor], past: tuple[Tensor, Tensor] | None, mask: Tensor | None
    ) -> Any:
        """The decoder's way: (batch, new, width) after the tokens of `past`; gives what comes out, and the longer past.

        Where the heads of `sound` lie side by side nothing is kept, and those of the tokens stay so too.
        """
        y = self.attn_ln(x)
        keys, values = (self.attn.key(y), self.attn.value(y)) if sound[0].ndim == 3 else self.attn.look_at(y)
        if past is not None:
            keys, values = ops.cat([past[0], keys], 2), ops.cat([past[1], values], 2)
        part = self.attn(y, keys, values, causal=mask is None and x.shape[1] > 1, mask=mask)
        x, y = nn.add_and_normalise(part, x, self.cross_attn_ln)
        if sound[0].shape[0] == 1:  # one sound for all rows: as places of one row they read it once
            y = y.reshape(1, -1, y.shape[2])
        x, y = nn.add_and_normalise(self.cross_attn(y, *sound).reshape(*x.shape), x, self.mlp_ln)
        return x + self.mlp(y), (keys, values)


class AudioEncoder(nn.Module):
    """Log-mel spectrograms (batch, n_mels, frames) to features (batch, frames / 2, width)."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        width = config.n_audio_state
        self.conv1 = nn.Conv1d(config.n_mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", Tensor(sinusoids(config.n_audio_ctx, width)))
        self.blocks = nn.ModuleList(
            [ResidualAttentionBlock(width, config.n_audio_head) for _ in range(config.n_audio_layer)]
        )
        self.ln_post = nn.LayerNorm(width)

    def forward(self, mel: Tensor) -> Tensor:
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)  # (batch, frames / 2, width)
        places: Any = self.positional_embedding
        if x.shape[1] > places.shape[0]:
            raise ValueError(
                f"whisper: hears {2 * places.shape[0]} frames at a time, but {mel.shape[2]} were given; cut the sound into windows"
            )
        # As wide as the weights: what convolutions narrow under `precision` is float32 from here on.
        x = x + places[: x.shape[1]].to(dtype=self.conv1.weight.dtype)
        return nn.through_blocks(self.blocks, x, ResidualAttentionBlock, "attn_ln", self.ln_post)


class TextDecoder(nn.Module):
    """The tokens so far and the features to a logit for every next token."""

    narrow = ("token_embedding.weight",)

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        width = config.n_text_state
        self.token_embedding = nn.Embedding(config.n_vocab, width)
        self.positional_embedding = nn.Parameter.of(config.n_text_ctx, width)
        self.blocks = nn.ModuleList(
            [ResidualAttentionBlock(width, config.n_text_head, cross=True) for _ in range(config.n_text_layer)]
        )
        self.ln = nn.LayerNorm(width)

    def forward(
        self,
        tokens: Tensor,
        features: Tensor | None,
        cache: DecoderCache | None = None,
        *,
        wanted: Sequence[int] | None = None,
    ) -> Tensor:
        """tokens (batch, new) after those of the cache; features (batch or 1, places, width), not asked for again once cached.

        The logits are those of all new tokens, or of the places of them that are `wanted`.
        """
        new, past = tokens.shape[1], 0 if cache is None else cache.length
        if past + new > self.positional_embedding.shape[0]:
            raise ValueError(
                f"whisper: writes at most {self.positional_embedding.shape[0]} tokens at a time, not {past + new}"
            )
        x = self.token_embedding(tokens) + self.positional_embedding[past : past + new]
        mask = None
        if past and new > 1:
            mask = Tensor(np.arange(past + new) <= np.arange(past, past + new)[:, None]).to(device=x.device)
        for number, block in enumerate(self.blocks):
            known = cache is not None and number < len(cache.sound)
            if not known and features is None:
                raise ValueError(
                    "whisper: the decoder wants the encoder's features, unless a cache holds what it needs of them"
                )
            if known and cache is not None:
                sound = cache.sound[number]
            elif cache is None:
                sound = block.cross_attn.key(features), block.cross_attn.value(features)
            else:
                keys, values = block.cross_attn.look_at(features)
                sound = keys.contiguous(), values.contiguous()  # read again at every step, and so in one piece
            earlier = cache.tokens[number] if cache is not None and number < len(cache.tokens) else None
            x, pair = block.step(x, sound, earlier, mask)
            if cache is not None:
                cache.tokens[number : number + 1] = [pair]
                cache.sound[number : number + 1] = [sound]
        if cache is not None:
            cache.length += new
        if wanted is not None and list(wanted) != list(range(new)):
            x = x[:, list(wanted)]
        return F.linear(self.ln(x), self.token_embedding.weight)  # (batch, new or wanted, n_vocab)


class Whisper(nn.Module):
    """Log-mel spectrograms and the tokens so far to logits: (batch, n_mels, frames), (batch, length) to (batch, length, n_vocab)."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = AudioEncoder(config)
        self.decoder = TextDecoder(config)

    def forward(self, mel: Any, tokens: Any) -> Tensor:
        return self.decoder(as_tensor(tokens), self.encoder(as_tensor(mel)))


def as_tensor(values: Any) -> Tensor:
    """Itself, or a tensor of an array or a list."""
    return values if isinstance(values, Tensor) else Tensor(np.asarray(values))


def sinusoids(length: int, channels: int) -> NDArray[np.float32]:
    """Places as waves (length, channels), sines and then cosines, of periods from 2 pi to 20,000 pi."""
    rates = np.exp(-np.log(10_000.0) / (channels // 2 - 1) * np.arange(channels // 2))
    turns = np.arange(length)[:, None] * rates
    return np.concatenate([np.sin(turns), np.cos(turns)], axis=1).astype(np.float32)


def whisper(*, size: str | None = None, **dims: int) -> Whisper:
    """Whisper of a `size` of table 1 ("tiny" to "large", "turbo"), or of ``dims`` as in `WhisperConfig`; dims win.

    >>> model = whisper(size="tiny", n_vocab=51864)  # the English one
    """
    return Whisper(config_of(size, **dims))


def config_of(size: str | None = None, **dims: int) -> WhisperConfig:
    """The sizes of a `size` of table 1, or of ``dims``; dims win."""
    if size is not None:
        if size not in SIZES:
            raise ValueError(f"whisper: size must be one of {', '.join(SIZES)}, not {size!r}")
        width, heads, encoder, decoder = SIZES[size]
        dims = {
            "n_audio_state": width, "n_audio_head": heads, "n_audio_layer": encoder,
            "n_text_state": width, "n_text_head": heads, "n_text_layer": decoder, **dims,
        }  # fmt: skip
    return WhisperConfig(**dims)
