"""RegNetX and RegNetY: networks whose widths follow a quantised line.

Radosavovic, Kosaraju, Girshick, He, Dollár, "Designing Network Design Spaces" (arXiv:2003.13678), section 3.3 and
tables 5 (RegNetX) and 6 (RegNetY).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

from numzoo.engine import Tensor, nn

from .blocks import ConvNormActivation, Layer, Norm, SqueezeExcitation, make_divisible


@dataclass(frozen=True)
class Stage:
    """Blocks of one width; the first of them halves the image."""

    depth: int
    width: int
    group_width: int


def quantised_line(
    *, depth: int, initial_width: int, slope: float, ratio: float, group_width: int, multiple: int = 8
) -> list[Stage]:
    """The stages of one RegNet.

    Block j would have the width u_j = initial_width + slope * j (equation 2); its distance from the initial width is
    rounded to a whole power of `ratio` (equations 3 and 4) and then to a `multiple`. Runs of equal widths are stages.
    Group widths larger than their stage shrink to it; widths are rounded to whole groups.

    Raises ValueError for settings outside the design space of the paper.
    """
    if depth < 1 or slope < 0 or ratio <= 1 or initial_width < 1 or initial_width % multiple or group_width < 1:
        raise ValueError(
            f"quantised_line: got depth {depth}, initial_width {initial_width}, slope {slope}, ratio {ratio} and "
            f"group_width {group_width}, but wanted depth and group_width of at least 1, an initial_width that "
            f"{multiple} divides, a slope of at least 0 and a ratio above 1."
        )
    widths: list[int] = []
    for block in range(depth):
        power = round(math.log((initial_width + slope * block) / initial_width) / math.log(ratio))
        widths.append(round(initial_width * ratio**power / multiple) * multiple)
    stages: list[Stage] = []
    for width, run in groupby(widths):
        group = min(group_width, width)
        stages.append(Stage(len(list(run)), make_divisible(width, group), group))
    return stages


class Bottleneck(nn.Module):
    """The residual bottleneck (figure 4): 1x1, grouped 3x3, in RegNetY squeeze-and-excitation, 1x1; then ReLU."""

    def __init__(
        self,
        in_width: int,
        width: int,
        stride: int,
        group_width: int,
        *,
        squeeze_ratio: float | None,
        norm: Norm,
        activation: Layer,
    ) -> None:
        super().__init__()
        reshapes = in_width != width or stride != 1
        self.proj = ConvNormActivation(in_width, width, 1, stride, norm=norm, activation=None) if reshapes else None
        layers: dict[str, nn.Module] = {
            "a": ConvNormActivation(in_width, width, 1, norm=norm, activation=activation),
            "b": ConvNormActivation(
                width, width, 3, stride, groups=width // group_width, norm=norm, activation=activation
            ),
        }
        if squeeze_ratio:  # the ratio is of the block's input width, not of the width it squeezes
            layers["se"] = SqueezeExcitation(width, round(squeeze_ratio * in_width), activation=activation)
        layers["c"] = ConvNormActivation(width, width, 1, norm=norm, activation=None)
        self.f = nn.Sequential(layers)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.proj is None else self.proj(x)
        result: Tensor = nn.norm_activation(
            self.f, x, self.activation, residual=shortcut
        )  # (batch, width, height / stride, width / stride)
        return result


class RegNet(nn.Module):
    """A 3x3 stem, four stages of residual bottlenecks, the mean, one linear layer.

    Shapes: (batch, 3, height, width) -> (batch, classes). `squeeze_ratio` turns RegNetX into RegNetY.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("fc",)

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        classes: int = 1000,
        squeeze_ratio: float | None = None,
        stem_width: int = 32,
        norm: Norm = nn.BatchNorm2d,
        activation: Layer = nn.ReLU,
    ) -> None:
        super().__init__()
        if not stages:
            raise ValueError("RegNet: got no stages, but wanted at least one; quantised_line(...) makes them.")
        self.stem = ConvNormActivation(3, stem_width, 3, 2, norm=norm, activation=activation)
        trunk: dict[str, nn.Module] = {}
        width = stem_width
        for number, stage in enumerate(stages, start=1):
            blocks: dict[str, nn.Module] = {}
            for position in range(stage.depth):
                blocks[f"block{number}-{position}"] = Bottleneck(
                    width,
                    stage.width,
                    2 if position == 0 else 1,
                    stage.group_width,
                    squeeze_ratio=squeeze_ratio,
                    norm=norm,
                    activation=activation,
                )
                width = stage.width
            trunk[f"block{number}"] = nn.Sequential(blocks)
        self.trunk_output = nn.Sequential(trunk)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, classes)
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (batch, stem_width, height / 2, width / 2)
        x = self.trunk_output(x)  # (batch, width, height / 32, width / 32)
        x = self.avgpool(x).flatten(1)  # (batch, width)
        result: Tensor = self.fc(x)  # (batch, classes)
        return result


def any_regnet(
    *, depths: Sequence[int], widths: Sequence[int], group_width: int, classes: int = 1000, **settings: Any
) -> RegNet:
    """A RegNet of given stages; groups wider than their stage shrink to it. The other `settings` are `RegNet`'s."""
    if len(depths) != len(widths) or group_width < 1:
        raise ValueError(f"any_regnet: depths are {depths!r}, widths {widths!r} and group_width {group_width!r}")
    stages = [Stage(depth, width, min(group_width, width)) for depth, width in zip(depths, widths, strict=True)]
    return RegNet(stages, classes=classes, **settings)


def regnet_y_400mf(*, classes: int = 1000) -> RegNet:
    """RegNetY-400MF, table 6 (arXiv:2003.13678)."""
    return _regnet_y(16, 48, 27.89, 2.09, 8, classes)


def regnet_y_800mf(*, classes: int = 1000) -> RegNet:
    """RegNetY-800MF, table 6 (arXiv:2003.13678)."""
    return _regnet_y(14, 56, 38.84, 2.4, 16, classes)


def regnet_y_1_6gf(*, classes: int = 1000) -> RegNet:
    """RegNetY-1.6GF, table 6 (arXiv:2003.13678)."""
    return _regnet_y(27, 48, 20.71, 2.65, 24, classes)


def regnet_y_3_2gf(*, classes: int = 1000) -> RegNet:
    """RegNetY-3.2GF, table 6 (arXiv:2003.13678)."""
    return _regnet_y(21, 80, 42.63, 2.66, 24, classes)


def regnet_y_8gf(*, classes: int = 1000) -> RegNet:
    """RegNetY-8.0GF, table 6 (arXiv:2003.13678)."""
    return _regnet_y(17, 192, 76.82, 2.19, 56, classes)


def regnet_y_16gf(*, classes: int = 1000) -> RegNet:
    """RegNetY-16GF, table 6 (arXiv:2003.13678)."""
    return _regnet_y(18, 200, 106.23, 2.48, 112, classes)


def regnet_y_32gf(*, classes: int = 1000) -> RegNet:
    """RegNetY-32GF, table 6 (arXiv:2003.13678)."""
    return _regnet_y(20, 232, 115.89, 2.53, 232, classes)


def regnet_y_128gf(*, classes: int = 1000) -> RegNet:
    """RegNetY-128GF: Singh et al., "Revisiting Weakly Supervised Pre-Training" (arXiv:2201.08371)."""
    return _regnet_y(27, 456, 160.83, 2.52, 264, classes)


def regnet_x_400mf(*, classes: int = 1000) -> RegNet:
    """RegNetX-400MF, table 5 (arXiv:2003.13678)."""
    return _regnet_x(22, 24, 24.48, 2.54, 16, classes)


def regnet_x_800mf(*, classes: int = 1000) -> RegNet:
    """RegNetX-800MF, table 5 (arXiv:2003.13678)."""
    return _regnet_x(16, 56, 35.73, 2.28, 16, classes)


def regnet_x_1_6gf(*, classes: int = 1000) -> RegNet:
    """RegNetX-1.6GF, table 5 (arXiv:2003.13678)."""
    return _regnet_x(18, 80, 34.01, 2.25, 24, classes)


def regnet_x_3_2gf(*, classes: int = 1000) -> RegNet:
    """RegNetX-3.2GF, table 5 (arXiv:2003.13678)."""
    return _regnet_x(25, 88, 26.31, 2.25, 48, classes)


def regnet_x_8gf(*, classes: int = 1000) -> RegNet:
    """RegNetX-8.0GF, table 5 (arXiv:2003.13678)."""
    return _regnet_x(23, 80, 49.56, 2.88, 120, classes)


def regnet_x_16gf(*, classes: int = 1000) -> RegNet:
    """RegNetX-16GF, table 5 (arXiv:2003.13678)."""
    return _regnet_x(22, 216, 55.59, 2.1, 128, classes)


def regnet_x_32gf(*, classes: int = 1000) -> RegNet:
    """RegNetX-32GF, table 5 (arXiv:2003.13678)."""
    return _regnet_x(23, 320, 69.86, 2.0, 168, classes)


def _regnet_x(depth: int, initial_width: int, slope: float, ratio: float, group_width: int, classes: int) -> RegNet:
    stages = quantised_line(depth=depth, initial_width=initial_width, slope=slope, ratio=ratio, group_width=group_width)
    return RegNet(stages, classes=classes)


def _regnet_y(depth: int, initial_width: int, slope: float, ratio: float, group_width: int, classes: int) -> RegNet:
    stages = quantised_line(depth=depth, initial_width=initial_width, slope=slope, ratio=ratio, group_width=group_width)
    return RegNet(stages, classes=classes, squeeze_ratio=0.25)


def _initialize(model: nn.Module) -> None:
    """Convolutions normal by fan-out, as in ResNet; the classifier normal with 0.01; its bias zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0.0, std=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
