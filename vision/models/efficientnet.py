"""EfficientNet and EfficientNetV2.

Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (arXiv:1905.11946), table 1:
`efficientnet_b0` ... `efficientnet_b7`. Tan, Le, "EfficientNetV2: Smaller Models and Faster Training"
(arXiv:2104.00298), table 4: `efficientnet_v2_s`, `efficientnet_v2_m`, `efficientnet_v2_l`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from numzoo.engine import Tensor, nn

from .blocks import ConvNormActivation, Norm, SqueezeExcitation, make_divisible


@dataclass(frozen=True)
class Stage:
    """One row of the papers' tables: `depth` blocks of one width, the first of which has the stride."""

    expansion: float
    kernel_size: int
    stride: int
    in_channels: int
    out_channels: int
    depth: int
    fused: bool = False

    def scaled(self, width: float, depth: float) -> Stage:
        """The same row with its widths and its depth multiplied: the compound scaling of the paper's section 3.3."""
        return replace(
            self,
            in_channels=make_divisible(self.in_channels * width),
            out_channels=make_divisible(self.out_channels * width),
            depth=math.ceil(self.depth * depth),
        )


class MBConv(nn.Module):
    """Inverted bottleneck: widen 1x1, depthwise convolution, squeeze-and-excitation, narrow 1x1, shortcut."""

    def __init__(
        self, stage: Stage, in_channels: int, stride: int, *, stochastic_depth: float, norm: Norm, same: bool
    ) -> None:
        super().__init__()
        wide = make_divisible(in_channels * stage.expansion)
        layers: list[nn.Module] = []
        if wide != in_channels:
            layers.append(ConvNormActivation(in_channels, wide, 1, norm=norm, activation=nn.SiLU))
        layers += [
            ConvNormActivation(
                wide, wide, stage.kernel_size, stride, groups=wide, same=same, norm=norm, activation=nn.SiLU
            ),
            SqueezeExcitation(wide, max(1, in_channels // 4), activation=nn.SiLU),
            ConvNormActivation(wide, stage.out_channels, 1, norm=norm, activation=None),
        ]
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = nn.StochasticDepth(stochastic_depth, "row")
        self.has_shortcut = stride == 1 and in_channels == stage.out_channels

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.block(x)  # (batch, out_channels, height / stride, width / stride)
        if self.has_shortcut:
            result = x + self.stochastic_depth(result)
        return result


class FusedMBConv(nn.Module):
    """An inverted bottleneck whose widening and depthwise convolutions are one dense convolution (V2, figure 2)."""

    def __init__(
        self, stage: Stage, in_channels: int, stride: int, *, stochastic_depth: float, norm: Norm, same: bool
    ) -> None:
        super().__init__()
        wide, out = make_divisible(in_channels * stage.expansion), stage.out_channels
        layers: list[nn.Module]
        if wide != in_channels:
            layers = [
                ConvNormActivation(
                    in_channels, wide, stage.kernel_size, stride, same=same, norm=norm, activation=nn.SiLU
                ),
                ConvNormActivation(wide, out, 1, norm=norm, activation=None),
            ]
        else:
            layers = [
                ConvNormActivation(
                    in_channels, out, stage.kernel_size, stride, same=same, norm=norm, activation=nn.SiLU
                )
            ]
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = nn.StochasticDepth(stochastic_depth, "row")
        self.has_shortcut = stride == 1 and in_channels == out

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.block(x)  # (batch, out_channels, height / stride, width / stride)
        if self.has_shortcut:
            result = x + self.stochastic_depth(result)
        return result


class EfficientNet(nn.Module):
    """Stages of (fused) inverted bottlenecks between a 3x3 stem and a 1x1 top, averaged and classified.

    Shapes: (batch, 3, height, width) -> (batch, classes). `stochastic_depth` is the chance that the last block is
    left out in training; it falls linearly to 0 at the first. `top_width` is four times the last stage's by default.
    `same_padding` pads as TensorFlow does.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier.1",)

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        classes: int = 1000,
        dropout: float = 0.2,
        stochastic_depth: float = 0.2,
        top_width: int | None = None,
        norm: Norm = nn.BatchNorm2d,
        same_padding: bool = False,
    ) -> None:
        super().__init__()
        if not stages:
            raise ValueError("EfficientNet: got no stages, but wanted at least one Stage(...).")
        first, last = stages[0].in_channels, stages[-1].out_channels
        top = 4 * last if top_width is None else top_width

        blocks = sum(stage.depth for stage in stages)
        layers: list[nn.Module] = [ConvNormActivation(3, first, 3, 2, same=same_padding, norm=norm, activation=nn.SiLU)]
        done = 0
        for stage in stages:
            row: list[nn.Module] = []
            for position in range(stage.depth):
                row.append(
                    (FusedMBConv if stage.fused else MBConv)(
                        stage,
                        stage.in_channels if position == 0 else stage.out_channels,
                        stage.stride if position == 0 else 1,
                        stochastic_depth=stochastic_depth * done / blocks,
                        norm=norm,
                        same=same_padding,
                    )
                )
                done += 1
            layers.append(nn.Sequential(*row))
        layers.append(ConvNormActivation(last, top, 1, norm=norm, activation=nn.SiLU))

        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(top, classes))
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (batch, top, height / 32, width / 32)
        x = self.avgpool(x).flatten(1)  # (batch, top)
        result: Tensor = self.classifier(x)  # (batch, classes)
        return result


def any_efficientnet(*, width: float, depth: float, norm_eps: float = 1e-5, **settings: Any) -> EfficientNet:
    """EfficientNet of any scale (section 3.3); `norm_eps` is of the batch norms, `settings` are `EfficientNet`'s."""
    norm: Norm = partial(nn.BatchNorm2d, eps=norm_eps)
    return EfficientNet([row.scaled(width, depth) for row in _ROWS], norm=norm, **settings)


def efficientnet_b0(*, classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2) -> EfficientNet:
    """EfficientNet-B0, the base network of table 1; 224 pixels (arXiv:1905.11946)."""
    return _version_1(1.0, 1.0, nn.BatchNorm2d, classes, dropout, stochastic_depth)


def efficientnet_b1(*, classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2) -> EfficientNet:
    """EfficientNet-B1: depth 1.1; 240 pixels (arXiv:1905.11946)."""
    return _version_1(1.0, 1.1, nn.BatchNorm2d, classes, dropout, stochastic_depth)


def efficientnet_b2(*, classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2) -> EfficientNet:
    """EfficientNet-B2: width 1.1, depth 1.2; 288 pixels (arXiv:1905.11946)."""
    return _version_1(1.1, 1.2, nn.BatchNorm2d, classes, dropout, stochastic_depth)


def efficientnet_b3(*, classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2) -> EfficientNet:
    """EfficientNet-B3: width 1.2, depth 1.4; 300 pixels (arXiv:1905.11946)."""
    return _version_1(1.2, 1.4, nn.BatchNorm2d, classes, dropout, stochastic_depth)


def efficientnet_b4(*, classes: int = 1000, dropout: float = 0.4, stochastic_depth: float = 0.2) -> EfficientNet:
    """EfficientNet-B4: width 1.4, depth 1.8; 380 pixels (arXiv:1905.11946)."""
    return _version_1(1.4, 1.8, nn.BatchNorm2d, classes, dropout, stochastic_depth)


def efficientnet_b5(*, classes: int = 1000, dropout: float = 0.4, stochastic_depth: float = 0.2) -> EfficientNet:
    """EfficientNet-B5: width 1.6, depth 2.2; 456 pixels (arXiv:1905.11946)."""
    return _version_1(1.6, 2.2, _SLOW_NORM, classes, dropout, stochastic_depth)


def efficientnet_b6(*, classes: int = 1000, dropout: float = 0.5, stochastic_depth: float = 0.2) -> EfficientNet:
    """EfficientNet-B6: width 1.8, depth 2.6; 528 pixels (arXiv:1905.11946)."""
    return _version_1(1.8, 2.6, _SLOW_NORM, classes, dropout, stochastic_depth)


def efficientnet_b7(*, classes: int = 1000, dropout: float = 0.5, stochastic_depth: float = 0.2) -> EfficientNet:
    """EfficientNet-B7: width 2.0, depth 3.1; 600 pixels (arXiv:1905.11946)."""
    return _version_1(2.0, 3.1, _SLOW_NORM, classes, dropout, stochastic_depth)


def efficientnet_v2_s(*, classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2) -> EfficientNet:
    """EfficientNetV2-S, table 4; 384 pixels (arXiv:2104.00298)."""
    return _version_2(
        (
            Stage(1, 3, 1, 24, 24, 2, fused=True),
            Stage(4, 3, 2, 24, 48, 4, fused=True),
            Stage(4, 3, 2, 48, 64, 4, fused=True),
            Stage(4, 3, 2, 64, 128, 6),
            Stage(6, 3, 1, 128, 160, 9),
            Stage(6, 3, 2, 160, 256, 15),
        ),
        classes,
        dropout,
        stochastic_depth,
    )


def efficientnet_v2_m(*, classes: int = 1000, dropout: float = 0.3, stochastic_depth: float = 0.2) -> EfficientNet:
    """EfficientNetV2-M, section 3.3; 480 pixels (arXiv:2104.00298)."""
    return _version_2(
        (
            Stage(1, 3, 1, 24, 24, 3, fused=True),
            Stage(4, 3, 2, 24, 48, 5, fused=True),
            Stage(4, 3, 2, 48, 80, 5, fused=True),
            Stage(4, 3, 2, 80, 160, 7),
            Stage(6, 3, 1, 160, 176, 14),
            Stage(6, 3, 2, 176, 304, 18),
            Stage(6, 3, 1, 304, 512, 5),
        ),
        classes,
        dropout,
        stochastic_depth,
    )


def efficientnet_v2_l(*, classes: int = 1000, dropout: float = 0.4, stochastic_depth: float = 0.2) -> EfficientNet:
    """EfficientNetV2-L, section 3.3; 480 pixels (arXiv:2104.00298)."""
    return _version_2(
        (
            Stage(1, 3, 1, 32, 32, 4, fused=True),
            Stage(4, 3, 2, 32, 64, 7, fused=True),
            Stage(4, 3, 2, 64, 96, 7, fused=True),
            Stage(4, 3, 2, 96, 192, 10),
            Stage(6, 3, 1, 192, 224, 19),
            Stage(6, 3, 2, 224, 384, 25),
            Stage(6, 3, 1, 384, 640, 7),
        ),
        classes,
        dropout,
        stochastic_depth,
    )


# Table 1 of the first paper: the rows that B0 ... B7 scale.
_ROWS = (
    Stage(1, 3, 1, 32, 16, 1),
    Stage(6, 3, 2, 16, 24, 2),
    Stage(6, 5, 2, 24, 40, 2),
    Stage(6, 3, 2, 40, 80, 3),
    Stage(6, 5, 1, 80, 112, 3),
    Stage(6, 5, 2, 112, 192, 4),
    Stage(6, 3, 1, 192, 320, 1),
)

# The public weights of B5-B7 and of V2 were trained with these settings of batch norm, the others with the defaults.
_SLOW_NORM: Norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
_VERSION_2_NORM: Norm = partial(nn.BatchNorm2d, eps=1e-3)


def _version_1(
    width: float, depth: float, norm: Norm, classes: int, dropout: float, stochastic_depth: float
) -> EfficientNet:
    stages = [row.scaled(width, depth) for row in _ROWS]
    return EfficientNet(stages, classes=classes, dropout=dropout, stochastic_depth=stochastic_depth, norm=norm)


def _version_2(stages: Sequence[Stage], classes: int, dropout: float, stochastic_depth: float) -> EfficientNet:
    return EfficientNet(
        stages,
        classes=classes,
        dropout=dropout,
        stochastic_depth=stochastic_depth,
        top_width=1280,
        norm=_VERSION_2_NORM,
    )


def _initialize(model: nn.Module) -> None:
    """Convolutions normal by fan-out; linear weights uniform within 1 / sqrt(classes); biases zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            bound = 1.0 / math.sqrt(module.out_features)
            nn.init.uniform_(module.weight, -bound, bound)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
