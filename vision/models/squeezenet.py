"""SqueezeNet: AlexNet's accuracy with fifty times fewer parameters.

Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size"
(arXiv:1602.07360), table 1. Version 1.1 is the authors' later one: smaller first filters, earlier pooling.
"""

from __future__ import annotations

from typing import ClassVar

from numzoo import engine
from numzoo.engine import Tensor, nn


class Fire(nn.Module):
    """Squeeze to few channels by 1 x 1, then expand by 1 x 1 and 3 x 3 side by side (figure 1)."""

    def __init__(self, in_channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.squeeze_activation = nn.ReLU()
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand1x1_activation = nn.ReLU()
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.expand3x3_activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        narrow = self.expand1x1_activation(self.expand1x1(x))
        wide = self.expand3x3_activation(self.expand3x3(x))
        return engine.cat([narrow, wide], axis=1)  # (batch, 2 expand, height, width)


class SqueezeNet(nn.Module):
    """`features` of convolution, fire modules and pooling, then a 1 x 1 convolution to `classes`, averaged."""

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier.1",)

    def __init__(self, features: nn.Sequential, *, classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = features
        final = nn.Conv2d(512, classes, 1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), final, nn.ReLU(), nn.AdaptiveAvgPool2d(1))

        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is final:
                    nn.init.normal_(module.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight, mode="fan_in", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:  # (batch, 3, 224, 224)
        x = self.features(x)  # (batch, 512, 13, 13)
        x = self.classifier(x)  # (batch, classes, 1, 1)
        return x.flatten(1)  # (batch, classes)


def squeezenet1_0(*, classes: int = 1000, dropout: float = 0.5) -> SqueezeNet:
    """SqueezeNet 1.0 (arXiv:1602.07360, table 1)."""
    features = nn.Sequential(
        nn.Conv2d(3, 96, 7, stride=2),
        nn.ReLU(),
        _halve(),
        Fire(96, 16, 64),
        Fire(128, 16, 64),
        Fire(128, 32, 128),
        _halve(),
        Fire(256, 32, 128),
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        _halve(),
        Fire(512, 64, 256),
    )
    return SqueezeNet(features, classes=classes, dropout=dropout)


def squeezenet1_1(*, classes: int = 1000, dropout: float = 0.5) -> SqueezeNet:
    """SqueezeNet 1.1: 2.4 times less work than 1.0 (after arXiv:1602.07360, in the authors' repository)."""
    features = nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2),
        nn.ReLU(),
        _halve(),
        Fire(64, 16, 64),
        Fire(128, 16, 64),
        _halve(),
        Fire(128, 32, 128),
        Fire(256, 32, 128),
        _halve(),
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        Fire(512, 64, 256),
    )
    return SqueezeNet(features, classes=classes, dropout=dropout)


def _halve() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)
