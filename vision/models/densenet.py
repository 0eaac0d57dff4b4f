"""DenseNet: every layer reads all the layers before it.

Huang, Liu, van der Maaten, Weinberger, "Densely Connected Convolutional Networks" (arXiv:1608.06993), table 1:
the BC form, with bottlenecks and compression by half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from numzoo import engine
from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F
from numzoo.vision.models.blocks import initialize_convolutions


class DenseLayer(nn.Module):
    """BN-ReLU-conv1x1-BN-ReLU-conv3x3 (section 3, "bottleneck layers"), giving `growth_rate` new channels."""

    def __init__(self, in_channels: int, growth_rate: int, *, bottleneck: int, dropout: float) -> None:
        super().__init__()
        inner = bottleneck * growth_rate
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(inner, growth_rate, 3, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(nn.norm_activation(self.norm1, x, self.relu1))
        x = self.conv2(nn.norm_activation(self.norm2, x, self.relu2))
        return self.dropout(x)  # (batch, growth_rate, height, width)


class DenseBlock(nn.Module):
    """`depth` layers, ``denselayer1`` on; each reads the block's input and all new channels so far (equation 2)."""

    def __init__(self, in_channels: int, depth: int, growth_rate: int, *, bottleneck: int, dropout: float) -> None:
        super().__init__()
        for i in range(depth):
            layer = DenseLayer(in_channels + i * growth_rate, growth_rate, bottleneck=bottleneck, dropout=dropout)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = engine.cat([x, layer(x)], axis=1)
        return x  # (batch, in_channels + depth * growth_rate, height, width)


class Transition(nn.Module):
    """Between blocks: halve the channels, halve the image (section 3, "pooling layers" and "compression")."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.conv(nn.norm_activation(self.norm, x, self.relu)))


class DenseNet(nn.Module):
    """A stem, four dense blocks of `depths` layers with transitions between them, and one linear layer.

    `growth_rate` is the paper's k, `stem_width` the stem's channels, `bottleneck` the width of the 1 x 1 convolutions
    in units of k.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier",)

    def __init__(
        self,
        depths: Sequence[int],
        *,
        classes: int = 1000,
        growth_rate: int = 32,
        stem_width: int = 64,
        bottleneck: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers: dict[str, nn.Module] = {
            "conv0": nn.Conv2d(3, stem_width, 7, stride=2, padding=3, bias=False),
            "norm0": nn.BatchNorm2d(stem_width),
            "relu0": nn.ReLU(),
            "pool0": nn.MaxPool2d(3, stride=2, padding=1),
        }
        channels = stem_width
        for i, depth in enumerate(depths, start=1):
            layers[f"denseblock{i}"] = DenseBlock(channels, depth, growth_rate, bottleneck=bottleneck, dropout=dropout)
            channels += depth * growth_rate
            if i < len(depths):
                layers[f"transition{i}"] = Transition(channels, channels // 2)
                channels //= 2
        layers["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(channels, classes)

        initialize_convolutions(self, mode="fan_in")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:  # (batch, 3, 224, 224)
        x = nn.norm_activation(self.features, x, F.relu)  # (batch, channels, 7, 7)
        x = F.adaptive_avg_pool2d(x, 1)
        return self.classifier(x.flatten(1))  # (batch, classes)


def densenet121(*, classes: int = 1000, **settings: Any) -> DenseNet:
    """DenseNet-121, k = 32 (arXiv:1608.06993, table 1); `settings` are those of `DenseNet`."""
    return DenseNet((6, 12, 24, 16), classes=classes, **settings)


def densenet161(*, classes: int = 1000, **settings: Any) -> DenseNet:
    """DenseNet-161, k = 48 (of the authors' code for arXiv:1608.06993); `settings` are those of `DenseNet`."""
    return DenseNet((6, 12, 36, 24), classes=classes, **{"growth_rate": 48, "stem_width": 96, **settings})


def densenet169(*, classes: int = 1000, **settings: Any) -> DenseNet:
    """DenseNet-169, k = 32 (arXiv:1608.06993, table 1); `settings` are those of `DenseNet`."""
    return DenseNet((6, 12, 32, 32), classes=classes, **settings)


def densenet201(*, classes: int = 1000, **settings: Any) -> DenseNet:
    """DenseNet-201, k = 32 (arXiv:1608.06993, table 1); `settings` are those of `DenseNet`."""
    return DenseNet((6, 12, 48, 32), classes=classes, **settings)
