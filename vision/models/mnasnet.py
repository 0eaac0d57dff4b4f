"""MNASNet: a network found by search for accuracy and latency on a phone.

Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile" (arXiv:1807.11626): the B1 model, which
has no squeeze-and-excitation (table 1, and figure 7 without SE).
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, NamedTuple

from numzoo.engine import Tensor, nn
from numzoo.vision.models.blocks import initialize_convolutions, make_divisible

# The paper's TensorFlow model averages with decay 0.9997; momentum here is the share of the new batch.
BatchNorm = partial(nn.BatchNorm2d, momentum=1 - 0.9997)


class Stage(NamedTuple):
    """A row of figure 7: `depth` inverted residuals, the first of them with `stride`."""

    out_channels: int
    kernel_size: int
    stride: int
    expansion: int
    depth: int


MNASNET_B1 = (
    Stage(24, 3, 2, 3, 3),
    Stage(40, 5, 2, 3, 3),
    Stage(80, 5, 2, 6, 3),
    Stage(96, 3, 1, 6, 2),
    Stage(192, 5, 2, 6, 4),
    Stage(320, 3, 1, 6, 1),
)


class InvertedResidual(nn.Module):
    """Expand by 1 x 1, filter depthwise, project by 1 x 1 without activation (figure 7 b and c)."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, inner, 1, bias=False),
            BatchNorm(inner),
            nn.ReLU(),
            nn.Conv2d(inner, inner, kernel_size, stride=stride, padding=kernel_size // 2, groups=inner, bias=False),
            BatchNorm(inner),
            nn.ReLU(),
            nn.Conv2d(inner, out_channels, 1, bias=False),
            BatchNorm(out_channels),
        )
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return nn.norm_activation(self.layers, x, residual=x if self.residual else None)


class MNASNet(nn.Module):
    """MNASNet-B1; `width_multiplier` scales all channels but the last 1280."""

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier.1",)

    def __init__(self, width_multiplier: float = 1.0, *, classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if width_multiplier <= 0:
            raise ValueError(f"MNASNet: width_multiplier is {width_multiplier}, but must be positive")
        stem = make_divisible(32 * width_multiplier)
        channels = make_divisible(16 * width_multiplier)
        layers: list[nn.Module] = [
            nn.Conv2d(3, stem, 3, stride=2, padding=1, bias=False),
            BatchNorm(stem),
            nn.ReLU(),
            nn.Conv2d(stem, stem, 3, padding=1, groups=stem, bias=False),
            BatchNorm(stem),
            nn.ReLU(),
            nn.Conv2d(stem, channels, 1, bias=False),
            BatchNorm(channels),
        ]
        for stage in MNASNET_B1:
            blocks = []
            for i in range(stage.depth):
                out_channels = make_divisible(stage.out_channels * width_multiplier)
                blocks.append(
                    InvertedResidual(
                        channels,
                        out_channels,
                        kernel_size=stage.kernel_size,
                        stride=stage.stride if i == 0 else 1,
                        expansion=stage.expansion,
                    )
                )
                channels = out_channels
            layers.append(nn.Sequential(*blocks))
        layers += [nn.Conv2d(channels, 1280, 1, bias=False), BatchNorm(1280), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), linear := nn.Linear(1280, classes))

        initialize_convolutions(self)
        nn.init.kaiming_uniform_(linear.weight, mode="fan_out", nonlinearity="sigmoid")
        nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:  # (batch, 3, 224, 224)
        x = self.layers(x)  # (batch, 1280, 7, 7)
        x = x.mean((2, 3))
        return self.classifier(x)  # (batch, classes)


def mnasnet0_5(*, classes: int = 1000, **settings: Any) -> MNASNet:
    """MNASNet-B1, half as wide (arXiv:1807.11626, section 5.3); `settings` are those of `MNASNet`."""
    return MNASNet(0.5, classes=classes, **settings)


def mnasnet0_75(*, classes: int = 1000, **settings: Any) -> MNASNet:
    """MNASNet-B1 at width 0.75 (arXiv:1807.11626, section 5.3); `settings` are those of `MNASNet`."""
    return MNASNet(0.75, classes=classes, **settings)


def mnasnet1_0(*, classes: int = 1000, **settings: Any) -> MNASNet:
    """MNASNet-B1 (arXiv:1807.11626, table 1); `settings` are those of `MNASNet`."""
    return MNASNet(1.0, classes=classes, **settings)


def mnasnet1_3(*, classes: int = 1000, **settings: Any) -> MNASNet:
    """MNASNet-B1 at width 1.3 (arXiv:1807.11626, section 5.3); `settings` are those of `MNASNet`."""
    return MNASNet(1.3, classes=classes, **settings)
