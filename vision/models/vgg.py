"""VGG: stacks of 3 x 3 convolutions, with or without batch norm.

Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (arXiv:1409.1556), table 1.
Batch norm came after the paper (Ioffe, Szegedy, arXiv:1502.03167).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from numzoo.engine import Tensor, nn
from numzoo.vision.models.blocks import initialize_convolutions

WIDTHS = (64, 128, 256, 512, 512)
"""Channels of the five stages; each ends with a pooling that halves the image."""


class VGG(nn.Module):
    """`depths` convolutions of 3 x 3 in each of five stages, then three fully connected layers."""

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier.6",)

    def __init__(
        self, depths: Sequence[int], *, classes: int = 1000, batch_norm: bool = False, dropout: float = 0.5
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for depth, width in zip(depths, WIDTHS, strict=True):
            for _ in range(depth):
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU())
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, classes),
        )
        initialize_convolutions(self, linear_std=0.01)

    def forward(self, x: Tensor) -> Tensor:  # (batch, 3, 224, 224)
        x = self.features(x)  # (batch, 512, 7, 7)
        x = self.avgpool(x)
        return self.classifier(x.flatten(1))  # (batch, classes)


def vgg11(*, classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-11 (arXiv:1409.1556, table 1, column A)."""
    return VGG((1, 1, 2, 2, 2), classes=classes, dropout=dropout)


def vgg11_bn(*, classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-11 with batch norm (arXiv:1409.1556, table 1, column A)."""
    return VGG((1, 1, 2, 2, 2), classes=classes, dropout=dropout, batch_norm=True)


def vgg13(*, classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-13 (arXiv:1409.1556, table 1, column B)."""
    return VGG((2, 2, 2, 2, 2), classes=classes, dropout=dropout)


def vgg13_bn(*, classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-13 with batch norm (arXiv:1409.1556, table 1, column B)."""
    return VGG((2, 2, 2, 2, 2), classes=classes, dropout=dropout, batch_norm=True)


def vgg16(*, classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-16 (arXiv:1409.1556, table 1, column D)."""
    return VGG((2, 2, 3, 3, 3), classes=classes, dropout=dropout)


def vgg16_bn(*, classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-16 with batch norm (arXiv:1409.1556, table 1, column D)."""
    return VGG((2, 2, 3, 3, 3), classes=classes, dropout=dropout, batch_norm=True)


def vgg19(*, classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-19 (arXiv:1409.1556, table 1, column E)."""
    return VGG((2, 2, 4, 4, 4), classes=classes, dropout=dropout)


def vgg19_bn(*, classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG-19 with batch norm (arXiv:1409.1556, table 1, column E)."""
    return VGG((2, 2, 4, 4, 4), classes=classes, dropout=dropout, batch_norm=True)
