"""What the families of image models share: convolution blocks, squeeze-and-excitation, perceptrons, channel rounding.

Child names are those of the public checkpoints: a block's convolution is ``0``, its normalisation ``1``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F

Layer = Callable[[], nn.Module]
"""Makes a layer without parameters, such as an activation."""

Norm = Callable[[int], nn.Module]
"""Makes a normalisation for a number of channels."""


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME" does: to ceil(size / stride), an odd pixel more below and right."""

    def forward(self, x: Tensor) -> Tensor:
        margins: list[int] = []  # of the last axis first, before and after
        for axis in (-1, -2):
            size, stride = x.shape[axis], self.stride[axis]
            reach = (self.kernel_size[axis] - 1) * self.dilation[axis] + 1
            missing = max((-(-size // stride) - 1) * stride + reach - size, 0)
            margins += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(x, tuple(margins)) if any(margins) else x)


class ConvNormActivation(nn.Sequential):
    """Convolution, normalisation, activation, in that order: children ``0``, ``1``, ``2``.

    `padding` keeps the image size at stride 1 unless it is given; `same` pads as TensorFlow does instead. The convolution has a bias only where no
    normalisation follows, unless `bias` says otherwise; ``norm=None`` and ``activation=None`` leave that child out.

    Shapes: (batch, in_channels, height, width) -> (batch, out_channels, height / stride, width / stride), rounded up.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        *,
        padding: int | None = None,
        dilation: int = 1,
        groups: int = 1,
        bias: bool | None = None,
        same: bool = False,
        norm: Norm | None = nn.BatchNorm2d,
        activation: Layer | None = nn.ReLU,
    ) -> None:
        if same:
            padding = 0
        layers: list[nn.Module] = [
            (SameConv2d if same else nn.Conv2d)(
                in_channels,
                out_channels,
                kernel_size,
                stride=stride,
                padding=(kernel_size - 1) // 2 * dilation if padding is None else padding,
                dilation=dilation,
                groups=groups,
                bias=norm is None if bias is None else bias,
            )
        ]
        if norm is not None:
            layers.append(norm(out_channels))
        if activation is not None:
            layers.append(activation())
        super().__init__(*layers)
        self.out_channels = out_channels


class SqueezeExcitation(nn.Module):
    """Channels weighted by what the whole image shows: x * gate(fc2(activation(fc1(mean(x))))).

    Hu, Shen, Sun, "Squeeze-and-Excitation Networks" (arXiv:1709.01507), section 3.
    Shapes: (batch, channels, height, width) -> the same; `squeeze_channels` is the width between the two layers.
    """

    def __init__(
        self, channels: int, squeeze_channels: int, *, activation: Layer = nn.ReLU, gate: Layer = nn.Sigmoid
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, channels, 1)
        self.activation = activation()
        self.scale_activation = gate()

    def forward(self, x: Tensor) -> Tensor:
        scale = self.avgpool(x)  # (batch, channels, 1, 1)
        scale = self.fc2(self.activation(self.fc1(scale)))
        return x * self.scale_activation(scale)


class MLP(nn.Sequential):
    """A perceptron: a linear layer, activation and dropout for each hidden width; the last layer has no activation.

    Shapes: (..., in_channels) -> (..., widths[-1]). With two widths the linear layers are children ``0`` and ``3``.
    """

    def __init__(
        self, in_channels: int, widths: Sequence[int], *, activation: Layer = nn.ReLU, dropout: float = 0.0
    ) -> None:
        layers: list[nn.Module] = []
        for width in widths[:-1]:
            layers += [nn.Linear(in_channels, width), activation(), nn.Dropout(dropout)]
            in_channels = width
        super().__init__(*layers, nn.Linear(in_channels, widths[-1]), nn.Dropout(dropout))


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of an image, at every place by itself: (batch, channels, height, width)."""

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x.permute(0, 2, 3, 1))  # (batch, height, width, channels)
        return x.permute(0, 3, 1, 2)


class Permute(nn.Module):
    """Reorders the axes of a tensor; without parameters, so that it can stand in a Sequential."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(*self.axes)


def make_divisible(width: float, divisor: int = 8, minimum: int | None = None) -> int:
    """`width` rounded to a multiple of `divisor`, at least `minimum`, and never more than 10 % below `width`.

    Channel counts of the mobile families are scaled so (Sandler et al., arXiv:1801.04381).
    >>> make_divisible(32 * 0.75), make_divisible(18)
    (24, 24)
    """
    rounded = max(divisor if minimum is None else minimum, int(width + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * width else rounded + divisor


def initialize_convolutions(model: nn.Module, *, mode: str = "fan_out", linear_std: float | None = None) -> None:
    """He et al.'s normal weights for convolutions, zero biases, unit norms; linear weights normal with `linear_std`.

    He et al., "Delving Deep into Rectifiers" (arXiv:1502.01852). ``linear_std=None`` leaves linear layers alone.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear) and linear_std is not None:
            nn.init.normal_(module.weight, mean=0.0, std=linear_std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
