"""Residual networks: ResNet, ResNeXt and Wide ResNet.

ResNet: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (arXiv:1512.03385), table 1.
ResNeXt: Xie et al., "Aggregated Residual Transformations for Deep Neural Networks" (arXiv:1611.05431), table 1.
Wide ResNet: Zagoruyko, Komodakis, "Wide Residual Networks" (arXiv:1605.07146).

The bottleneck strides in its 3 x 3 convolution, not in the first 1 x 1 as the paper did ("ResNet v1.5").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from numzoo.engine import Tensor, nn
from numzoo.vision.models.blocks import initialize_convolutions


class BasicBlock(nn.Module):
    """relu(x + conv3x3(relu(conv3x3(x)))), each convolution with batch norm (arXiv:1512.03385, figure 5, left)."""

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        in_channels: int,
        width: int,
        *,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        width_per_group: int = 64,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        if (groups, width_per_group, dilation) != (1, 64, 1):
            raise ValueError(
                f"BasicBlock: got groups={groups}, width_per_group={width_per_group}, dilation={dilation}, "
                "but has only groups=1, width_per_group=64, dilation=1; the models with bottlenecks take others"
            )
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        residual = nn.norm_activation((self.conv1, self.bn1), x, self.relu)
        return nn.norm_activation((self.conv2, self.bn2), residual, self.relu, residual=lambda: _shortcut(self, x))


class Bottleneck(nn.Module):
    """relu(x + conv1x1(relu(conv3x3(relu(conv1x1(x)))))) with batch norms (arXiv:1512.03385, figure 5, right).

    With `groups` the 3 x 3 convolution is ResNeXt's aggregated transformation (arXiv:1611.05431, figure 3 c).
    """

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        in_channels: int,
        width: int,
        *,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        width_per_group: int = 64,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        inner = int(width * (width_per_group / 64)) * groups
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(
            inner, inner, 3, stride=stride, padding=dilation, dilation=dilation, groups=groups, bias=False
        )
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.relu = nn.ReLU()
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        residual = nn.norm_activation((self.conv1, self.bn1), x, self.relu)
        residual = nn.norm_activation((self.conv2, self.bn2), residual, self.relu)
        return nn.norm_activation((self.conv3, self.bn3), residual, self.relu, residual=lambda: _shortcut(self, x))


def _shortcut(block: BasicBlock | Bottleneck, x: Tensor) -> Tensor:
    """What is added to a block's residual: its input, brought to the residual's shape where that is another."""
    return x if block.downsample is None else block.downsample(x)


class ResNet(nn.Module):
    """A stem, four stages of `depths` residual blocks, global average pooling and one linear layer.

    `stem_width` and `widths` are the channels of the stem and of the stages, before the block's expansion.
    `width_per_group` and `groups` set the bottleneck's 3 x 3 convolution. `zero_init_residual` starts every block as
    the identity (Goyal et al., arXiv:1706.02677, section 5.1). `replace_stride_with_dilation` keeps the resolution of
    stages 2, 3, 4 and dilates instead, for dense prediction (Chen et al., arXiv:1606.00915).
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("fc",)

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        *,
        classes: int = 1000,
        stem_width: int = 64,
        widths: Sequence[int] = (64, 128, 256, 512),
        groups: int = 1,
        width_per_group: int = 64,
        zero_init_residual: bool = False,
        replace_stride_with_dilation: Sequence[bool] = (False, False, False),
    ) -> None:
        super().__init__()
        if len(replace_stride_with_dilation) != 3:
            raise ValueError(
                f"ResNet: replace_stride_with_dilation is {replace_stride_with_dilation!r}, "
                "but must hold three booleans, for stages 2, 3 and 4"
            )
        if len(depths) != 4 or len(widths) != 4:
            raise ValueError(f"ResNet: depths are {depths!r} and widths {widths!r}, but must be four numbers each")
        self.conv1 = nn.Conv2d(3, stem_width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem_width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)

        channels = stem_width
        dilation = 1

        def stage(width: int, depth: int, stride: int, dilate: bool) -> nn.Sequential:
            nonlocal channels, dilation
            first_dilation = dilation
            if dilate:
                dilation, stride = dilation * stride, 1
            out_channels = width * block.expansion
            downsample = None
            if stride != 1 or channels != out_channels:
                downsample = nn.Sequential(
                    nn.Conv2d(channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
                )
            grouping: dict[str, Any] = {"groups": groups, "width_per_group": width_per_group}
            blocks = [block(channels, width, stride=stride, downsample=downsample, dilation=first_dilation, **grouping)]
            blocks += [block(out_channels, width, dilation=dilation, **grouping) for _ in range(depth - 1)]
            channels = out_channels
            return nn.Sequential(*blocks)

        dilate2, dilate3, dilate4 = replace_stride_with_dilation
        self.layer1 = stage(widths[0], depths[0], stride=1, dilate=False)
        self.layer2 = stage(widths[1], depths[1], stride=2, dilate=dilate2)
        self.layer3 = stage(widths[2], depths[2], stride=2, dilate=dilate3)
        self.layer4 = stage(widths[3], depths[3], stride=2, dilate=dilate4)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

        initialize_convolutions(self)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, BasicBlock):
                    nn.init.zeros_(module.bn2.weight)
                elif isinstance(module, Bottleneck):
                    nn.init.zeros_(module.bn3.weight)

    def forward(self, x: Tensor) -> Tensor:  # (batch, 3, 224, 224)
        x = nn.norm_activation((self.conv1, self.bn1), x, self.relu)  # (batch, 64, 112, 112)
        x = self.maxpool(x)  # (batch, 64, 56, 56)
        x = self.layer1(x)  # (batch, 64 e, 56, 56), e the block's expansion
        x = self.layer2(x)  # (batch, 128 e, 28, 28)
        x = self.layer3(x)  # (batch, 256 e, 14, 14)
        x = self.layer4(x)  # (batch, 512 e, 7, 7)
        x = self.avgpool(x)
        return self.fc(x.flatten(1))  # (batch, classes)


def any_resnet(
    *, block: str = "bottleneck", depths: Sequence[int] = (3, 4, 6, 3), classes: int = 1000, **settings: Any
) -> ResNet:
    """A ResNet of any size; `block` is "basic" or "bottleneck", the other `settings` are those of `ResNet`."""
    blocks: dict[str, type[BasicBlock] | type[Bottleneck]] = {"basic": BasicBlock, "bottleneck": Bottleneck}
    if block not in blocks:
        raise ValueError(f"any_resnet: block is {block!r}, but must be 'basic' or 'bottleneck'")
    return ResNet(blocks[block], depths, classes=classes, **settings)


def resnet18(*, classes: int = 1000, **settings: Any) -> ResNet:
    """ResNet-18 (arXiv:1512.03385, table 1); `settings` are those of `ResNet`."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes=classes, **settings)


def resnet34(*, classes: int = 1000, **settings: Any) -> ResNet:
    """ResNet-34 (arXiv:1512.03385, table 1); `settings` are those of `ResNet`."""
    return ResNet(BasicBlock, (3, 4, 6, 3), classes=classes, **settings)


def resnet50(*, classes: int = 1000, **settings: Any) -> ResNet:
    """ResNet-50 (arXiv:1512.03385, table 1); `settings` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes=classes, **settings)


def resnet101(*, classes: int = 1000, **settings: Any) -> ResNet:
    """ResNet-101 (arXiv:1512.03385, table 1); `settings` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), classes=classes, **settings)


def resnet152(*, classes: int = 1000, **settings: Any) -> ResNet:
    """ResNet-152 (arXiv:1512.03385, table 1); `settings` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 8, 36, 3), classes=classes, **settings)


def resnext50_32x4d(*, classes: int = 1000, **settings: Any) -> ResNet:
    """ResNeXt-50, 32 groups of width 4 (arXiv:1611.05431, table 1); `settings` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes=classes, **{"groups": 32, "width_per_group": 4, **settings})


def resnext101_32x8d(*, classes: int = 1000, **settings: Any) -> ResNet:
    """ResNeXt-101, 32 groups of width 8 (arXiv:1611.05431); `settings` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), classes=classes, **{"groups": 32, "width_per_group": 8, **settings})


def resnext101_64x4d(*, classes: int = 1000, **settings: Any) -> ResNet:
    """ResNeXt-101, 64 groups of width 4 (arXiv:1611.05431, table 4); `settings` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), classes=classes, **{"groups": 64, "width_per_group": 4, **settings})


def wide_resnet50_2(*, classes: int = 1000, **settings: Any) -> ResNet:
    """ResNet-50 with 3 x 3 convolutions twice as wide (arXiv:1605.07146, table 8); `settings` as for `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes=classes, **{"width_per_group": 128, **settings})


def wide_resnet101_2(*, classes: int = 1000, **settings: Any) -> ResNet:
    """ResNet-101 with 3 x 3 convolutions twice as wide (arXiv:1605.07146); `settings` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), classes=classes, **{"width_per_group": 128, **settings})
