"""MaxViT: convolution, attention in windows and attention over a grid, block by block.

Tu, Talebi, Zhang, Yang, Milanfar, Bovik, Li, "MaxViT: Multi-Axis Vision Transformer" (arXiv:2204.01697), figure 2 and
table 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from numzoo import engine
from numzoo.engine import Tensor, nn

from .blocks import ConvNormActivation, Layer, Norm, SqueezeExcitation
from .windows import Size, merge, partition, relative_position_index

_NORM: Norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)


class MBConv(nn.Module):
    """Inverted bottleneck on normalised input, with squeeze-and-excitation; its shortcut is pooled at stride 2."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        expansion: float,
        squeeze_ratio: float,
        stochastic_depth: float,
        norm: Norm,
        activation: Layer,
    ) -> None:
        super().__init__()
        wide, squeezed = int(out_channels * expansion), int(out_channels * squeeze_ratio)
        shortcut: list[nn.Module] = [nn.AvgPool2d(3, stride=2, padding=1)] if stride == 2 else []
        if stride != 1 or in_channels != out_channels:
            shortcut.append(nn.Conv2d(in_channels, out_channels, 1))
        self.proj = nn.Sequential(*shortcut) if shortcut else nn.Identity()
        self.layers = nn.Sequential(
            {
                "pre_norm": norm(in_channels),
                "conv_a": ConvNormActivation(in_channels, wide, 1, norm=norm, activation=activation),
                "conv_b": ConvNormActivation(wide, wide, 3, stride, groups=wide, norm=norm, activation=activation),
                "squeeze_excitation": SqueezeExcitation(wide, squeezed, activation=nn.SiLU),
                "conv_c": nn.Conv2d(wide, out_channels, 1),
            }
        )
        self.stochastic_depth = nn.StochasticDepth(stochastic_depth, "row")

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.proj(x) + self.stochastic_depth(self.layers(x))
        return result  # (batch, out_channels, height / stride, width / stride)


class RelativeAttention(nn.Module):
    """Self-attention among the tokens of each window, with a learnt bias for every step between two places.

    Shapes: (batch, windows, tokens, width) -> the same, where tokens = side * side.
    """

    def __init__(self, width: int, head_width: int, side: int) -> None:
        super().__init__()
        if width % head_width:
            raise ValueError(f"RelativeAttention: got width {width}, but wanted a multiple of head_width {head_width}.")
        self.heads = width // head_width
        self.head_width = head_width
        # The public weights were trained with the root of the whole width here, not of one head's.
        self.scale = width**-0.5
        self.relative_position_bias_table = nn.Parameter.of((2 * side - 1) ** 2, self.heads)
        self.register_buffer("relative_position_index", engine.tensor(relative_position_index((side, side))))
        self.to_qkv = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        batch, windows, tokens, width = x.shape
        qkv = self.to_qkv(x).reshape(batch, windows, tokens, 3, self.heads, self.head_width)
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5).unbind(0)  # each (batch, windows, heads, tokens, head_width)
        bias = self.relative_position_bias_table[self.relative_position_index]  # (tokens, tokens, heads)
        scores = query @ (key * self.scale).mT + bias.permute(2, 0, 1)  # (batch, windows, heads, tokens, tokens)
        x = scores.softmax(-1) @ value
        result: Tensor = self.merge(x.transpose(2, 3).reshape(batch, windows, tokens, width))
        return result


class PartitionAttention(nn.Module):
    """Attention and a perceptron in parts of the image: windows of `side` x `side`, or grids of as many far places.

    A grid holds the pixels that have the same place in each of `side` x `side` cells (figure 3).
    Shapes: (batch, width, height, width of the image) -> the same.
    """

    def __init__(
        self,
        width: int,
        head_width: int,
        side: int,
        *,
        grid: bool,
        expansion: int,
        dropout: float,
        attention_dropout: float,
        stochastic_depth: float,
        activation: Layer,
    ) -> None:
        super().__init__()
        self.side = side
        self.grid = grid
        self.attn_layer = nn.Sequential(
            nn.LayerNorm(width), RelativeAttention(width, head_width, side), nn.Dropout(attention_dropout)
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width * expansion),
            activation(),
            nn.Linear(width * expansion, width),
            nn.Dropout(dropout),
        )
        self.stochastic_dropout = nn.StochasticDepth(stochastic_depth, "row")

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)  # (batch, height, width, channels)
        image = x.shape[1], x.shape[2]
        cell = (image[0] // self.side, image[1] // self.side) if self.grid else (self.side, self.side)
        x = partition(x, cell)
        if self.grid:
            x = x.transpose(1, 2)  # (batch, cell's places, cells, channels)
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        if self.grid:
            x = x.transpose(1, 2)
        return merge(x, cell, image).permute(0, 3, 1, 2)


class MaxViTLayer(nn.Module):
    """MBConv, attention in windows, attention over the grid (figure 2)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        head_width: int,
        side: int,
        squeeze_ratio: float,
        expansion: float,
        mlp_expansion: int,
        dropout: float,
        attention_dropout: float,
        stochastic_depth: float,
        norm: Norm,
        activation: Layer,
    ) -> None:
        super().__init__()
        attention = partial(
            PartitionAttention,
            out_channels,
            head_width,
            side,
            expansion=mlp_expansion,
            dropout=dropout,
            attention_dropout=attention_dropout,
            stochastic_depth=stochastic_depth,
            activation=activation,
        )
        self.layers = nn.Sequential(
            {
                "MBconv": MBConv(
                    in_channels,
                    out_channels,
                    stride,
                    expansion=expansion,
                    squeeze_ratio=squeeze_ratio,
                    stochastic_depth=stochastic_depth,
                    norm=norm,
                    activation=activation,
                ),
                "window_attention": attention(grid=False),
                "grid_attention": attention(grid=True),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x)  # (batch, out_channels, height / stride, width / stride)
        return result


class MaxViTBlock(nn.Module):
    """One stage: layers of one width, the first of which halves the image."""

    def __init__(self, layers: Sequence[MaxViTLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class MaxViT(nn.Module):
    """A convolutional stem, stages of MaxViT layers, the mean, and a perceptron with tanh.

    Shapes: (batch, 3, height, width) -> (batch, classes). At every stage the image must be whole windows of
    `side` x `side`: `input_size` is checked when the model is built, and each batch of images when it comes; the
    parameters do not depend on it. `stochastic_depth` is the chance that the last layer is left out in training,
    falling linearly to 0 at the first. Raises ValueError for sizes that do not fit.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier.5",)

    def __init__(
        self,
        widths: Sequence[int],
        depths: Sequence[int],
        *,
        input_size: int | Size = 224,
        stem_width: int,
        head_width: int,
        side: int,
        classes: int = 1000,
        stochastic_depth: float = 0.2,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        squeeze_ratio: float = 0.25,
        expansion: float = 4.0,
        mlp_expansion: int = 4,
        norm: Norm = _NORM,
        activation: Layer = nn.GELU,
    ) -> None:
        super().__init__()
        if not widths or len(widths) != len(depths):
            raise ValueError(
                f"MaxViT: got widths {tuple(widths)} and depths {tuple(depths)}, but wanted one of each per stage."
            )
        self.side = side
        self.stages = len(widths)
        self._check_size((input_size, input_size) if isinstance(input_size, int) else input_size)

        self.stem = nn.Sequential(
            ConvNormActivation(3, stem_width, 3, 2, norm=norm, activation=activation),
            ConvNormActivation(stem_width, stem_width, 3, norm=None, activation=None),
        )
        self.blocks = nn.ModuleList()
        last_layer = max(sum(depths) - 1, 1)
        channels, done = stem_width, 0
        for width, depth in zip(widths, depths, strict=True):
            layers: list[MaxViTLayer] = []
            for position in range(depth):
                layers.append(
                    MaxViTLayer(
                        channels,
                        width,
                        2 if position == 0 else 1,
                        head_width=head_width,
                        side=side,
                        squeeze_ratio=squeeze_ratio,
                        expansion=expansion,
                        mlp_expansion=mlp_expansion,
                        dropout=dropout,
                        attention_dropout=attention_dropout,
                        stochastic_depth=stochastic_depth * done / last_layer,
                        norm=norm,
                        activation=activation,
                    )
                )
                channels, done = width, done + 1
            self.blocks.append(MaxViTBlock(layers))
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.LayerNorm(channels),
            nn.Linear(channels, channels),
            nn.Tanh(),
            nn.Linear(channels, classes, bias=False),
        )
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 4:  # the stem says what is wrong with another number of axes
            self._check_size((x.shape[2], x.shape[3]))
        x = self.stem(x)  # (batch, stem_width, height / 2, width / 2)
        for block in self.blocks:
            x = block(x)  # (batch, width, half the height, half the width)
        result: Tensor = self.classifier(x)  # (batch, classes)
        return result

    def _check_size(self, image: Size) -> None:
        """Refuses images that are not whole windows at every stage; each halving rounds up."""
        height, width = image
        for stage in range(1, self.stages + 1):
            down, across = (-(-size // 2 ** (stage + 1)) for size in image)
            if min(image) < 1 or down % self.side or across % self.side:
                multiple = self.side * 2 ** (self.stages + 1)
                raise ValueError(
                    f"MaxViT: got images of {height} x {width} pixels, which stage {stage} sees as {down} x {across}, "
                    f"but wanted whole windows of {self.side} x {self.side} at every stage; heights and widths that "
                    f"are multiples of {multiple} always fit."
                )


def maxvit_t(
    *,
    classes: int = 1000,
    input_size: int | Size = 224,
    stochastic_depth: float = 0.2,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
) -> MaxViT:
    """MaxViT-T, table 1 (arXiv:2204.01697)."""
    return MaxViT(
        (64, 128, 256, 512),
        (2, 2, 5, 2),
        input_size=input_size,
        stem_width=64,
        head_width=32,
        side=7,
        classes=classes,
        stochastic_depth=stochastic_depth,
        dropout=dropout,
        attention_dropout=attention_dropout,
    )


def _initialize(model: nn.Module) -> None:
    """Weights of convolutions and linear layers normal with 0.02; biases zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
