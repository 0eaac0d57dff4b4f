"""ConvNeXt: a convolutional network with the habits of a transformer.

Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s" (arXiv:2201.03545), sections 2 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

from numzoo import engine
from numzoo.engine import Tensor, nn

from .blocks import ConvNormActivation, LayerNorm2d, Norm, Permute

_NORM: Norm = partial(LayerNorm2d, eps=1e-6)


class Block(nn.Module):
    """Depthwise 7x7, layer norm, a perceptron four times as wide, a scale per channel, shortcut (figure 4)."""

    def __init__(self, width: int, *, layer_scale: float, stochastic_depth: float) -> None:
        super().__init__()
        self.layer_scale = nn.Parameter(engine.full((width, 1, 1), layer_scale))
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 7, padding=3, groups=width),
            Permute(0, 2, 3, 1),  # (batch, height, width, channels)
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            Permute(0, 3, 1, 2),
        )
        self.stochastic_depth = nn.StochasticDepth(stochastic_depth, "row")

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.stochastic_depth(self.layer_scale * self.block(x))  # (batch, channels, height, width)
        return result


class ConvNeXt(nn.Module):
    """A 4x4 patch stem, four stages with 2x2 downsampling between them, the mean, layer norm, one linear layer.

    Shapes: (batch, 3, height, width) -> (batch, classes); images have at least 32 pixels a side. `widths` and
    `depths` are those of the stages; `layer_scale` is what the scales of the blocks start from; `stochastic_depth`
    is the chance that the last block is left out in training, falling linearly to 0 at the first; `head_norm_eps` is
    what the last norm adds to the variance.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier.2",)

    def __init__(
        self,
        widths: Sequence[int],
        depths: Sequence[int],
        *,
        classes: int = 1000,
        stochastic_depth: float = 0.0,
        layer_scale: float = 1e-6,
        head_norm_eps: float = 1e-6,
        norm: Norm = _NORM,
    ) -> None:
        super().__init__()
        if not widths or len(widths) != len(depths):
            raise ValueError(
                f"ConvNeXt: got widths {tuple(widths)} and depths {tuple(depths)}, but wanted one of each per stage."
            )
        last_block = max(sum(depths) - 1, 1)
        done = 0
        stages: list[nn.Module] = []
        for width, depth in zip(widths, depths, strict=True):
            rates = [stochastic_depth * (done + position) / last_block for position in range(depth)]
            stages.append(
                nn.Sequential(*(Block(width, layer_scale=layer_scale, stochastic_depth=rate) for rate in rates))
            )
            done += depth

        layers: list[nn.Module] = [
            ConvNormActivation(3, widths[0], 4, 4, padding=0, bias=True, norm=norm, activation=None),
            stages[0],
        ]
        for (narrow, wide), stage in zip(pairwise(widths), stages[1:], strict=True):
            layers += [nn.Sequential(norm(narrow), nn.Conv2d(narrow, wide, 2, stride=2)), stage]
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        head_norm = LayerNorm2d(widths[-1], eps=head_norm_eps)
        self.classifier = nn.Sequential(head_norm, nn.Flatten(1), nn.Linear(widths[-1], classes))
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (batch, channels, height / 32, width / 32)
        x = self.avgpool(x)  # (batch, channels, 1, 1)
        result: Tensor = self.classifier(x)  # (batch, classes)
        return result


def any_convnext(*, widths: Sequence[int], depths: Sequence[int], **settings: Any) -> ConvNeXt:
    """A ConvNeXt of any size; the other `settings` are those of `ConvNeXt`."""
    return ConvNeXt(widths, depths, **settings)


def convnext_tiny(*, classes: int = 1000, stochastic_depth: float = 0.1, layer_scale: float = 1e-6) -> ConvNeXt:
    """ConvNeXt-T of section 3 (arXiv:2201.03545)."""
    return ConvNeXt(
        (96, 192, 384, 768),
        (3, 3, 9, 3),
        classes=classes,
        stochastic_depth=stochastic_depth,
        layer_scale=layer_scale,
    )


def convnext_small(*, classes: int = 1000, stochastic_depth: float = 0.4, layer_scale: float = 1e-6) -> ConvNeXt:
    """ConvNeXt-S of section 3 (arXiv:2201.03545)."""
    return ConvNeXt(
        (96, 192, 384, 768),
        (3, 3, 27, 3),
        classes=classes,
        stochastic_depth=stochastic_depth,
        layer_scale=layer_scale,
    )


def convnext_base(*, classes: int = 1000, stochastic_depth: float = 0.5, layer_scale: float = 1e-6) -> ConvNeXt:
    """ConvNeXt-B of section 3 (arXiv:2201.03545)."""
    return ConvNeXt(
        (128, 256, 512, 1024),
        (3, 3, 27, 3),
        classes=classes,
        stochastic_depth=stochastic_depth,
        layer_scale=layer_scale,
    )


def convnext_large(*, classes: int = 1000, stochastic_depth: float = 0.5, layer_scale: float = 1e-6) -> ConvNeXt:
    """ConvNeXt-L of section 3 (arXiv:2201.03545)."""
    return ConvNeXt(
        (192, 384, 768, 1536),
        (3, 3, 27, 3),
        classes=classes,
        stochastic_depth=stochastic_depth,
        layer_scale=layer_scale,
    )


def _initialize(model: nn.Module) -> None:
    """Weights of convolutions and linear layers from a normal cut at 2, deviation 0.02; biases zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
