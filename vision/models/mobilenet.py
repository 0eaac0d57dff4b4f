"""MobileNet V2 and V3: inverted residuals, thin between the blocks and wide inside them.

V2: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (arXiv:1801.04381), table 2.
V3: Howard et al., "Searching for MobileNetV3" (arXiv:1905.02244), tables 1 and 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F
from numzoo.vision.models.blocks import (
    ConvNormActivation,
    Layer,
    Norm,
    SqueezeExcitation,
    initialize_convolutions,
    make_divisible,
)


class InvertedResidualV2(nn.Module):
    """Expand by 1 x 1, filter by depthwise 3 x 3, project by 1 x 1 without activation (arXiv:1801.04381, table 1)."""

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int, expansion: int, norm: Norm, same: bool
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvNormActivation(in_channels, inner, 1, norm=norm, activation=nn.ReLU6))
        layers += [
            ConvNormActivation(inner, inner, 3, stride, groups=inner, same=same, norm=norm, activation=nn.ReLU6),
            nn.Conv2d(inner, out_channels, 1, bias=False),
            norm(out_channels),
        ]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return nn.norm_activation(self.conv, x, residual=x if self.residual else None)


class StageV2(NamedTuple):
    """A row of arXiv:1801.04381, table 2: `depth` blocks, the first of them with `stride`."""

    expansion: int
    out_channels: int
    depth: int
    stride: int


MOBILENET_V2 = (
    StageV2(1, 16, 1, 1),
    StageV2(6, 24, 2, 2),
    StageV2(6, 32, 3, 2),
    StageV2(6, 64, 4, 2),
    StageV2(6, 96, 3, 1),
    StageV2(6, 160, 3, 2),
    StageV2(6, 320, 1, 1),
)


class MobileNetV2(nn.Module):
    """MobileNetV2; `width_multiplier` scales all channels, rounded to a multiple of `divisor`.

    `norm_eps` is what the batch norms add to the variance; `same_padding` pads as TensorFlow does.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier.1",)

    def __init__(
        self,
        *,
        classes: int = 1000,
        width_multiplier: float = 1.0,
        divisor: int = 8,
        dropout: float = 0.2,
        stages: Sequence[StageV2] = MOBILENET_V2,
        norm_eps: float = 1e-5,
        same_padding: bool = False,
    ) -> None:
        super().__init__()
        norm: Norm = partial(nn.BatchNorm2d, eps=norm_eps)
        channels = make_divisible(32 * width_multiplier, divisor)
        last = make_divisible(1280 * max(1.0, width_multiplier), divisor)
        features: list[nn.Module] = [
            ConvNormActivation(3, channels, 3, 2, same=same_padding, norm=norm, activation=nn.ReLU6)
        ]
        for stage in stages:
            out_channels = make_divisible(stage.out_channels * width_multiplier, divisor)
            for i in range(stage.depth):
                stride = stage.stride if i == 0 else 1
                settings: dict[str, Any] = {"expansion": stage.expansion, "norm": norm, "same": same_padding}
                features.append(InvertedResidualV2(channels, out_channels, stride=stride, **settings))
                channels = out_channels
        features.append(ConvNormActivation(channels, last, 1, norm=norm, activation=nn.ReLU6))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))
        initialize_convolutions(self, linear_std=0.01)

    def forward(self, x: Tensor) -> Tensor:  # (batch, 3, 224, 224)
        x = self.features(x)  # (batch, 1280, 7, 7)
        x = F.adaptive_avg_pool2d(x, 1)
        return self.classifier(x.flatten(1))  # (batch, classes)


class BlockV3(NamedTuple):
    """A row of arXiv:1905.02244, tables 1 and 2; `hardswish` marks HS where the others have RE."""

    kernel_size: int
    expanded: int
    out_channels: int
    squeeze: bool
    hardswish: bool
    stride: int
    dilation: int = 1


class InvertedResidualV3(nn.Module):
    """An inverted residual with squeeze-and-excitation inside, where the row has it (arXiv:1905.02244, figure 4)."""

    def __init__(self, in_channels: int, row: BlockV3, norm: Norm) -> None:
        super().__init__()
        activation: Layer = nn.Hardswish if row.hardswish else nn.ReLU
        expanded = row.expanded
        layers: list[nn.Module] = []
        if expanded != in_channels:
            layers.append(ConvNormActivation(in_channels, expanded, 1, norm=norm, activation=activation))
        layers.append(
            ConvNormActivation(
                expanded,
                expanded,
                row.kernel_size,
                stride=row.stride if row.dilation == 1 else 1,
                dilation=row.dilation,
                groups=expanded,
                norm=norm,
                activation=activation,
            )
        )
        if row.squeeze:
            layers.append(SqueezeExcitation(expanded, make_divisible(expanded // 4), gate=nn.Hardsigmoid))
        layers.append(ConvNormActivation(expanded, row.out_channels, 1, norm=norm, activation=None))
        self.block = nn.Sequential(*layers)
        self.residual = row.stride == 1 and in_channels == row.out_channels

    def forward(self, x: Tensor) -> Tensor:
        return nn.norm_activation(self.block, x, residual=x if self.residual else None)


class MobileNetV3(nn.Module):
    """MobileNetV3 of the given `rows`, whose channels are already scaled; `last` is the classifier's hidden width.

    `norm_eps` is what the batch norms add to the variance.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier.3",)

    def __init__(
        self,
        stem_width: int,
        rows: Sequence[BlockV3],
        last: int,
        *,
        classes: int = 1000,
        dropout: float = 0.2,
        norm_eps: float = 0.001,
    ) -> None:
        super().__init__()
        norm: Norm = partial(nn.BatchNorm2d, eps=norm_eps, momentum=0.01)
        channels = stem_width
        features: list[nn.Module] = [ConvNormActivation(3, channels, 3, 2, norm=norm, activation=nn.Hardswish)]
        for row in rows:
            features.append(InvertedResidualV3(channels, row, norm))
            channels = row.out_channels
        features.append(ConvNormActivation(channels, 6 * channels, 1, norm=norm, activation=nn.Hardswish))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * channels, last), nn.Hardswish(), nn.Dropout(dropout), nn.Linear(last, classes)
        )
        initialize_convolutions(self, linear_std=0.01)

    def forward(self, x: Tensor) -> Tensor:  # (batch, 3, 224, 224)
        x = self.features(x)  # (batch, 960, 7, 7), or 576 in the small one
        x = self.avgpool(x)
        return self.classifier(x.flatten(1))  # (batch, classes)


def mobilenet_v2(*, classes: int = 1000, **settings: Any) -> MobileNetV2:
    """MobileNetV2 (arXiv:1801.04381, table 2); `settings` are those of `MobileNetV2`."""
    return MobileNetV2(classes=classes, **settings)


def mobilenet_v3_large(
    *,
    classes: int = 1000,
    width_multiplier: float = 1.0,
    dropout: float = 0.2,
    reduced_tail: bool = False,
    dilated: bool = False,
    norm_eps: float = 0.001,
) -> MobileNetV3:
    """MobileNetV3-Large (arXiv:1905.02244, table 1).

    `reduced_tail` halves the last stage and `dilated` keeps its resolution, for detection and segmentation
    (section 6.3 and 6.4).
    """
    tail = 2 if reduced_tail else 1
    dilation = 2 if dilated else 1
    rows = (
        BlockV3(3, 16, 16, False, False, 1),
        BlockV3(3, 64, 24, False, False, 2),
        BlockV3(3, 72, 24, False, False, 1),
        BlockV3(5, 72, 40, True, False, 2),
        BlockV3(5, 120, 40, True, False, 1),
        BlockV3(5, 120, 40, True, False, 1),
        BlockV3(3, 240, 80, False, True, 2),
        BlockV3(3, 200, 80, False, True, 1),
        BlockV3(3, 184, 80, False, True, 1),
        BlockV3(3, 184, 80, False, True, 1),
        BlockV3(3, 480, 112, True, True, 1),
        BlockV3(3, 672, 112, True, True, 1),
        BlockV3(5, 672, 160 // tail, True, True, 2, dilation),
        BlockV3(5, 960 // tail, 160 // tail, True, True, 1, dilation),
        BlockV3(5, 960 // tail, 160 // tail, True, True, 1, dilation),
    )
    return _mobilenet_v3(rows, 1280 // tail, width_multiplier, classes=classes, dropout=dropout, norm_eps=norm_eps)


def mobilenet_v3_small(
    *,
    classes: int = 1000,
    width_multiplier: float = 1.0,
    dropout: float = 0.2,
    reduced_tail: bool = False,
    dilated: bool = False,
    norm_eps: float = 0.001,
) -> MobileNetV3:
    """MobileNetV3-Small (arXiv:1905.02244, table 2); the settings are those of `mobilenet_v3_large`."""
    tail = 2 if reduced_tail else 1
    dilation = 2 if dilated else 1
    rows = (
        BlockV3(3, 16, 16, True, False, 2),
        BlockV3(3, 72, 24, False, False, 2),
        BlockV3(3, 88, 24, False, False, 1),
        BlockV3(5, 96, 40, True, True, 2),
        BlockV3(5, 240, 40, True, True, 1),
        BlockV3(5, 240, 40, True, True, 1),
        BlockV3(5, 120, 48, True, True, 1),
        BlockV3(5, 144, 48, True, True, 1),
        BlockV3(5, 288, 96 // tail, True, True, 2, dilation),
        BlockV3(5, 576 // tail, 96 // tail, True, True, 1, dilation),
        BlockV3(5, 576 // tail, 96 // tail, True, True, 1, dilation),
    )
    return _mobilenet_v3(rows, 1024 // tail, width_multiplier, classes=classes, dropout=dropout, norm_eps=norm_eps)


def _mobilenet_v3(
    rows: Sequence[BlockV3], last: int, width_multiplier: float, *, classes: int, dropout: float, norm_eps: float
) -> MobileNetV3:
    def scaled(width: int) -> int:
        return make_divisible(width * width_multiplier)

    rows = [row._replace(expanded=scaled(row.expanded), out_channels=scaled(row.out_channels)) for row in rows]
    return MobileNetV3(scaled(16), rows, scaled(last), classes=classes, dropout=dropout, norm_eps=norm_eps)
