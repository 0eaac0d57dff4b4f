"""Fast style transfer: one network that paints a photograph in any of its styles, or in a mixture of them.

Johnson, Alahi, Fei-Fei, "Perceptual Losses for Real-Time Style Transfer" (arXiv:1603.08155), with the instance
normalisation of Dumoulin, Shlens, Kudlur, "A Learned Representation for Artistic Style" (arXiv:1610.07629): all styles
share the convolutions, and each has its own scale and shift. Parameter names are those of the published ONNX file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F

__all__ = ["StyleTransfer", "style_transfer"]

Style = int | Mapping[int, float] | Sequence[float] | Tensor
"""One style by number, shares by number, or a share for each."""


class StyleNorm(nn.Module):
    """Each channel of each image brought to mean 0 and variance 1, then to the scale and shift of the mixed styles."""

    def __init__(self, styles: int, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter.of(styles, channels)
        self.beta = nn.Parameter.of(styles, channels)
        nn.init.ones_(self.gamma)

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        return F.instance_norm(x, weight=shares @ self.gamma, bias=shares @ self.beta, eps=1e-5)


class StyledConv(nn.Module):
    """Convolution over mirrored edges, no bias, `StyleNorm`; `grow` doubles the image before it."""

    def __init__(
        self, styles: int, inputs: int, outputs: int, kernel: int, stride: int = 1, *, grow: bool = False
    ) -> None:
        super().__init__()
        self.stride, self.grow = stride, grow
        self.w = nn.Parameter.of(outputs, inputs, kernel, kernel)
        self.norm = StyleNorm(styles, outputs)
        nn.init.kaiming_normal_(self.w)

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        if self.grow:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        edge = self.w.shape[-1] // 2
        x = F.pad(x, (edge, edge, edge, edge), mode="reflect")
        return self.norm(F.conv2d(x, self.w, stride=self.stride), shares)


class Residual(nn.ModuleList):
    """Two layers whose result is added to what came in."""

    def __init__(self, styles: int, channels: int) -> None:
        super().__init__([StyledConv(styles, channels, channels, 3), StyledConv(styles, channels, channels, 3)])

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        first, second = self
        return x + second(F.relu(first(x, shares)), shares)


class StyleTransfer(nn.Module):
    """Images (batch, 3, height, width), 0 to 1, to painted ones of the same size."""

    def __init__(self, *, styles: int = 26) -> None:
        super().__init__()
        self.styles = styles
        self.contract = nn.ModuleList(
            [StyledConv(styles, 3, 32, 9), StyledConv(styles, 32, 32, 3, 2), StyledConv(styles, 32, 32, 3, 2)]
        )
        self.res = nn.ModuleList([Residual(styles, 32) for _ in range(6)])
        self.expand = nn.ModuleList(
            [
                StyledConv(styles, 32, 8, 3, grow=True),
                StyledConv(styles, 8, 4, 3, grow=True),
                StyledConv(styles, 4, 3, 9),
            ]
        )

    def forward(self, x: Tensor, style: Style = 0) -> Tensor:
        shares = self.shares(style)
        x = x if isinstance(x, Tensor) else Tensor(x)
        height, width = x.shape[-2:]
        if min(height, width) < 32:
            raise ValueError(f"style_transfer: wants images of at least 32 x 32, not {height} x {width}")
        below, right = -height % 4, -width % 4  # the network halves the image twice
        if below or right:
            x = F.pad(x, (0, right, 0, below), mode="reflect")
        for layer in self.contract:
            x = F.relu(layer(x, shares))
        for block in self.res:
            x = block(x, shares)
        for layer in self.expand[:-1]:
            x = F.relu(layer(x, shares))
        return F.sigmoid(self.expand[-1](x, shares))[:, :, :height, :width]

    def shares(self, style: Style) -> Tensor:
        """The share of every style (styles,), adding up to 1."""
        given: Any = style.numpy() if isinstance(style, Tensor) else style
        shares = np.zeros(self.styles, np.float32)
        if isinstance(given, (int, np.integer)):
            given = {int(given): 1.0}
        if isinstance(given, Mapping):
            unknown = [number for number in given if not 0 <= number < self.styles]
            if unknown:
                raise ValueError(f"style_transfer: there is no style {unknown[0]}; styles are 0 to {self.styles - 1}")
            for number, share in given.items():
                shares[number] = share
        elif np.shape(given) == shares.shape:
            shares[:] = given
        else:
            raise ValueError(f"style_transfer: wants a share for each of {self.styles} styles, not {np.shape(given)}")
        if not (shares >= 0).all() or not shares.sum() > 0:
            raise ValueError("style_transfer: shares must be 0 or more, and one of them more")
        parameter: Any = self.contract[0].w
        return Tensor(shares / shares.sum()).to(device=parameter.device, dtype=parameter.dtype)


def style_transfer(*, styles: int = 26) -> StyleTransfer:
    """The painter for (batch, 3, height, width), values 0 to 1 (arXiv:1603.08155, arXiv:1610.07629)."""
    return StyleTransfer(styles=styles)
