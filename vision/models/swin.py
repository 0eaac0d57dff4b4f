"""Swin Transformer, versions 1 and 2: attention in windows that move from one block to the next.

Liu, Lin, Cao, Hu, Wei, Zhang, Lin, Guo, "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows"
(arXiv:2103.14030), section 3. Liu et al., "Swin Transformer V2: Scaling Up Capacity and Resolution"
(arXiv:2111.09883), section 3. Images have their channels last between the blocks: (batch, height, width, channels).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from numzoo import engine
from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F

from .blocks import MLP, Permute
from .windows import Size, attend_in_windows, relative_position_index


class WindowAttention(nn.Module):
    """Self-attention within windows, with a learnt bias for every step between two places (equation 4).

    Shapes: (batch, height, width, channels) -> the same. `shift` moves the windows down and right.
    """

    def __init__(
        self, width: int, heads: int, window: Size, shift: Size, *, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{type(self).__name__}: got {heads} heads, but wanted a divisor of the width {width}.")
        self.heads = heads
        self.window = window
        self.shift = shift
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.define_positions()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def define_positions(self) -> None:
        """A table with a row for every possible step, and which row each pair of places takes."""
        rows, columns = self.window
        self.relative_position_bias_table = nn.Parameter.of((2 * rows - 1) * (2 * columns - 1), self.heads)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self._define_index()

    def forward(self, x: Tensor) -> Tensor:
        return attend_in_windows(x, self.window, self.shift, self.attend)

    def attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Attention among the tokens of each window: (batch, windows, tokens, width) -> the same."""
        batch, windows, tokens, width = x.shape
        qkv = self.project(x).reshape(batch, windows, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5).unbind(0)  # each (batch, windows, heads, tokens, width)
        bias = self.position_bias()  # (heads, tokens, tokens)
        scores = self.similarity(query, key) + (bias if mask is None else bias + mask)
        weights = F.dropout(scores.softmax(-1), self.attention_dropout, training=self.training)
        x = (weights @ value).transpose(2, 3).reshape(batch, windows, tokens, width)
        return F.dropout(self.proj(x), self.dropout, training=self.training)

    def project(self, x: Tensor) -> Tensor:
        """Queries, keys and values, side by side: (..., 3 * width)."""
        result: Tensor = self.qkv(x)
        return result

    def similarity(self, query: Tensor, key: Tensor) -> Tensor:
        """Scaled dot products: (batch, windows, heads, tokens, tokens)."""
        scale: float = query.shape[-1] ** -0.5
        return query * scale @ key.mT

    def position_bias(self) -> Tensor:
        """What to add to the scores for the places of two tokens: (heads, tokens, tokens)."""
        return self._look_up(self.relative_position_bias_table)

    def _define_index(self) -> None:
        index = relative_position_index(self.window).reshape(-1)
        self.register_buffer("relative_position_index", engine.tensor(index))

    def _look_up(self, table: Tensor) -> Tensor:
        tokens = self.window[0] * self.window[1]
        return table[self.relative_position_index].reshape(tokens, tokens, self.heads).permute(2, 0, 1)


class WindowAttentionV2(WindowAttention):
    """Version 2: cosine similarity with a learnt temperature, no key bias, and position biases from a small network."""

    def __init__(
        self, width: int, heads: int, window: Size, shift: Size, *, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__(width, heads, window, shift, dropout=dropout, attention_dropout=attention_dropout)
        self.cpb_mlp = nn.Sequential(nn.Linear(2, 512), nn.ReLU(), nn.Linear(512, heads, bias=False))

    def define_positions(self) -> None:
        """The steps between places on a logarithmic scale (V2, equation 4); the network maps them to biases."""
        self.logit_scale = nn.Parameter(engine.full((self.heads, 1, 1), math.log(10)))
        self.register_buffer("relative_coords_table", engine.tensor(_logarithmic_steps(self.window)))
        self._define_index()

    def project(self, x: Tensor) -> Tensor:
        width = x.shape[-1]
        bias = self.qkv.bias
        assert bias is not None
        no_bias = engine.zeros((width,), dtype=bias.dtype, device=bias.device)
        return F.linear(x, self.qkv.weight, engine.cat([bias[:width], no_bias, bias[2 * width :]], axis=0))

    def similarity(self, query: Tensor, key: Tensor) -> Tensor:
        """Cosines over a temperature of at least 0.01 (V2, equation 2): (batch, windows, heads, tokens, tokens)."""
        cosine = F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).mT
        return cosine * self.logit_scale.clamp(max=math.log(100)).exp()

    def position_bias(self) -> Tensor:
        table = self.cpb_mlp(self.relative_coords_table).reshape(-1, self.heads)  # (steps, heads)
        return 16 * self._look_up(table).sigmoid()


class Block(nn.Module):
    """Attention in windows and a perceptron, each on normalised tokens and with a shortcut (equation 3)."""

    attention: ClassVar[type[WindowAttention]] = WindowAttention

    def __init__(
        self,
        width: int,
        heads: int,
        window: Size,
        shift: Size,
        *,
        expansion: float,
        dropout: float,
        attention_dropout: float,
        stochastic_depth: float,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = self.attention(width, heads, window, shift, dropout=dropout, attention_dropout=attention_dropout)
        self.stochastic_depth = nn.StochasticDepth(stochastic_depth, "row")
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width, (int(width * expansion), width), activation=nn.GELU, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        # (batch, height, width, channels)
        x, y = nn.add_and_normalise(self.attn(self.norm1(x)), x, self.norm2, self.stochastic_depth)
        result: Tensor = x + self.stochastic_depth(self.mlp(y))
        return result


class BlockV2(Block):
    """Version 2 normalises what attention and perceptron give, instead of what they get (V2, figure 1)."""

    attention = WindowAttentionV2

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))  # (batch, height, width, channels)
        result: Tensor = x + self.stochastic_depth(self.norm2(self.mlp(x)))
        return result


class PatchMerging(nn.Module):
    """Four neighbouring pixels become one of twice the width: (batch, h, w, c) -> (batch, h / 2, w / 2, 2 c)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.reduction(self.norm(_neighbours(x)))
        return result


class PatchMergingV2(nn.Module):
    """Version 2 normalises after the reduction."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(2 * width)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.norm(self.reduction(_neighbours(x)))
        return result


class SwinTransformer(nn.Module):
    """Patches, stages of blocks whose windows are moved by half in every second, merging of patches in between.

    Shapes: (batch, 3, height, width) -> (batch, classes), for images of any size from one patch on. `stochastic_depth`
    is the chance that the last block is left out in training, falling linearly to 0 at the first.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("head",)

    def __init__(
        self,
        *,
        width: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: Size,
        version: int = 1,
        patch_size: int = 4,
        classes: int = 1000,
        expansion: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth: float = 0.1,
    ) -> None:
        super().__init__()
        if not depths or len(depths) != len(heads) or version not in (1, 2) or min(window) < 2:
            raise ValueError(
                f"SwinTransformer: got depths {tuple(depths)}, heads {tuple(heads)}, window {tuple(window)} and "
                f"version {version}, but wanted one depth and one number of heads per stage, windows of at least "
                "2 x 2 and version 1 or 2."
            )
        block, merging = (Block, PatchMerging) if version == 1 else (BlockV2, PatchMergingV2)
        last_block = max(sum(depths) - 1, 1)
        done = 0
        layers: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(3, width, patch_size, stride=patch_size),
                Permute(0, 2, 3, 1),  # (batch, height / 4, width / 4, channels)
                nn.LayerNorm(width),
            )
        ]
        for stage, (depth, stage_heads) in enumerate(zip(depths, heads, strict=True)):
            if stage > 0:
                layers.append(merging(width))
                width *= 2
            blocks: list[nn.Module] = []
            for position in range(depth):
                blocks.append(
                    block(
                        width,
                        stage_heads,
                        window,
                        (0, 0) if position % 2 == 0 else (window[0] // 2, window[1] // 2),
                        expansion=expansion,
                        dropout=dropout,
                        attention_dropout=attention_dropout,
                        stochastic_depth=stochastic_depth * done / last_block,
                    )
                )
                done += 1
            layers.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.features(x))  # (batch, height / 32, width / 32, channels)
        x = x.mean((1, 2))  # (batch, channels)
        result: Tensor = self.head(x)  # (batch, classes)
        return result


def any_swin(
    *, width: int, depths: Sequence[int], heads: Sequence[int], window: int, version: int = 1, **settings: Any
) -> SwinTransformer:
    """A Swin Transformer of any size with square windows; the other `settings` are those of `SwinTransformer`."""
    return SwinTransformer(
        width=width, depths=depths, heads=heads, window=(window, window), version=version, **settings
    )


def swin_t(
    *, classes: int = 1000, stochastic_depth: float = 0.2, dropout: float = 0.0, attention_dropout: float = 0.0
) -> SwinTransformer:
    """Swin-T, section 3.3; 224 pixels (arXiv:2103.14030)."""
    return _swin(1, 96, 6, 3, 7, classes, stochastic_depth, dropout, attention_dropout)


def swin_s(
    *, classes: int = 1000, stochastic_depth: float = 0.3, dropout: float = 0.0, attention_dropout: float = 0.0
) -> SwinTransformer:
    """Swin-S, section 3.3; 224 pixels (arXiv:2103.14030)."""
    return _swin(1, 96, 18, 3, 7, classes, stochastic_depth, dropout, attention_dropout)


def swin_b(
    *, classes: int = 1000, stochastic_depth: float = 0.5, dropout: float = 0.0, attention_dropout: float = 0.0
) -> SwinTransformer:
    """Swin-B, section 3.3; 224 pixels (arXiv:2103.14030)."""
    return _swin(1, 128, 18, 4, 7, classes, stochastic_depth, dropout, attention_dropout)


def swin_v2_t(
    *, classes: int = 1000, stochastic_depth: float = 0.2, dropout: float = 0.0, attention_dropout: float = 0.0
) -> SwinTransformer:
    """SwinV2-T, V2's section 4; 256 pixels (arXiv:2111.09883)."""
    return _swin(2, 96, 6, 3, 8, classes, stochastic_depth, dropout, attention_dropout)


def swin_v2_s(
    *, classes: int = 1000, stochastic_depth: float = 0.3, dropout: float = 0.0, attention_dropout: float = 0.0
) -> SwinTransformer:
    """SwinV2-S, V2's section 4; 256 pixels (arXiv:2111.09883)."""
    return _swin(2, 96, 18, 3, 8, classes, stochastic_depth, dropout, attention_dropout)


def swin_v2_b(
    *, classes: int = 1000, stochastic_depth: float = 0.5, dropout: float = 0.0, attention_dropout: float = 0.0
) -> SwinTransformer:
    """SwinV2-B, V2's section 4; 256 pixels (arXiv:2111.09883)."""
    return _swin(2, 128, 18, 4, 8, classes, stochastic_depth, dropout, attention_dropout)


def _swin(
    version: int,
    width: int,
    third_depth: int,
    first_heads: int,
    window: int,
    classes: int,
    stochastic_depth: float,
    dropout: float,
    attention_dropout: float,
) -> SwinTransformer:
    """The published sizes differ in their width and in the depth of the third stage; heads double as widths do."""
    return SwinTransformer(
        width=width,
        depths=(2, 2, third_depth, 2),
        heads=tuple(first_heads * 2**stage for stage in range(4)),
        window=(window, window),
        version=version,
        classes=classes,
        dropout=dropout,
        attention_dropout=attention_dropout,
        stochastic_depth=stochastic_depth,
    )


def _neighbours(x: Tensor) -> Tensor:
    """Squares of 2 x 2 pixels, their channels side by side, column after column; odd sides get a row of zeros."""
    _, height, width, _ = x.shape
    if height % 2 or width % 2:
        x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    x = x.permute(0, 1, 3, 4, 2, 5)  # (batch, height / 2, width / 2, column, row, channels)
    return x.reshape(batch, height // 2, width // 2, 4 * channels)


def _logarithmic_steps(window: Size) -> NDArray[np.float32]:
    """Steps down and across, scaled to -8 ... 8 and to sign(s) log2(1 + |s|) / log2(8): (1, 2 h - 1, 2 w - 1, 2)."""
    axes = [np.arange(1 - size, size, dtype=np.float32) / np.float32(size - 1) * 8 for size in window]
    steps = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)[None]
    logarithms: NDArray[np.float32] = (np.sign(steps) * np.log2(np.abs(steps) + 1) / 3).astype(np.float32)
    return logarithms


def _initialize(model: nn.Module) -> None:
    """Linear weights from a normal cut at 2, deviation 0.02; biases zero."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
