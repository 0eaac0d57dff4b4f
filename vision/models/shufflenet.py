"""ShuffleNet V2: split the channels, work on one half, shuffle.

Ma, Zhang, Zheng, Sun, "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design"
(arXiv:1807.11164), table 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from numzoo import engine
from numzoo.engine import Tensor, nn
from numzoo.vision.models.blocks import ConvNormActivation

DEPTHS = (4, 8, 4)


class ShuffleUnit(nn.Module):
    """The building block of figure 3: (c) at stride 1, where half the channels pass unchanged; (d) at stride 2."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.stride = stride
        half = out_channels // 2
        if stride == 1 and in_channels != 2 * half:
            raise ValueError(
                f"ShuffleUnit: at stride 1 it keeps the channels, an even number, "
                f"but got {in_channels} in and {out_channels} out"
            )
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                _depthwise(in_channels, stride),
                nn.BatchNorm2d(in_channels),
                nn.Conv2d(in_channels, half, 1, bias=False),
                nn.BatchNorm2d(half),
                nn.ReLU(),
            )
        self.branch2 = nn.Sequential(
            nn.Conv2d(in_channels if stride > 1 else half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            _depthwise(half, stride),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            kept, worked = x.chunk(2, axis=1)  # (batch, out_channels / 2, height, width) each
        else:
            kept, worked = self.branch1(x), x
        return shuffle(engine.cat([kept, self.branch2(worked)], axis=1), groups=2)


class ShuffleNetV2(nn.Module):
    """A stem, three stages of shuffle units, a 1 x 1 convolution and one linear layer.

    `widths` are the channels of the stem, the three stages and the last convolution (table 5).
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("fc",)

    def __init__(self, widths: Sequence[int], *, classes: int = 1000, depths: Sequence[int] = DEPTHS) -> None:
        super().__init__()
        if len(widths) != 5 or len(depths) != 3:
            raise ValueError(
                f"ShuffleNetV2: got {len(widths)} widths and {len(depths)} depths, "
                "but wants 5 (stem, three stages, last convolution) and 3 (a stage each)"
            )
        stem, stage2, stage3, stage4, last = widths
        self.conv1 = ConvNormActivation(3, stem, 3, 2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stage2 = _stage(stem, stage2, depths[0])
        self.stage3 = _stage(stage2, stage3, depths[1])
        self.stage4 = _stage(stage3, stage4, depths[2])
        self.conv5 = ConvNormActivation(stage4, last, 1)
        self.fc = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:  # (batch, 3, 224, 224)
        x = self.maxpool(self.conv1(x))  # (batch, 24, 56, 56)
        x = self.stage2(x)  # (batch, c, 28, 28)
        x = self.stage3(x)  # (batch, 2 c, 14, 14)
        x = self.stage4(x)  # (batch, 4 c, 7, 7)
        x = self.conv5(x)  # (batch, 1024 or 2048, 7, 7)
        return self.fc(x.mean((2, 3)))  # (batch, classes)


def shuffle(x: Tensor, groups: int) -> Tensor:
    """Channels dealt out like cards, one from each of `groups` in turn (Zhang et al., arXiv:1707.01083, figure 1)."""
    batch, channels, height, width = x.shape
    x = x.reshape(batch, groups, channels // groups, height, width)
    return x.transpose(1, 2).reshape(batch, channels, height, width)


def shufflenet_v2_x0_5(*, classes: int = 1000) -> ShuffleNetV2:
    """ShuffleNet V2 at half width (arXiv:1807.11164, table 5)."""
    return ShuffleNetV2((24, 48, 96, 192, 1024), classes=classes)


def shufflenet_v2_x1_0(*, classes: int = 1000) -> ShuffleNetV2:
    """ShuffleNet V2 (arXiv:1807.11164, table 5)."""
    return ShuffleNetV2((24, 116, 232, 464, 1024), classes=classes)


def shufflenet_v2_x1_5(*, classes: int = 1000) -> ShuffleNetV2:
    """ShuffleNet V2 at width 1.5 (arXiv:1807.11164, table 5)."""
    return ShuffleNetV2((24, 176, 352, 704, 1024), classes=classes)


def shufflenet_v2_x2_0(*, classes: int = 1000) -> ShuffleNetV2:
    """ShuffleNet V2 at twice the width (arXiv:1807.11164, table 5)."""
    return ShuffleNetV2((24, 244, 488, 976, 2048), classes=classes)


def _stage(in_channels: int, out_channels: int, depth: int) -> nn.Sequential:
    units = [ShuffleUnit(in_channels, out_channels, stride=2)]
    units += [ShuffleUnit(out_channels, out_channels, stride=1) for _ in range(depth - 1)]
    return nn.Sequential(*units)


def _depthwise(channels: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)
