"""The end of a block of layers: its normalisation, the shortcut that is added, and the activation."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from .container import Sequential
from .conv import Conv2d
from .module import Module
from .pairs import Activation, in_a_row, is_norm, together
from .plain import is_plain

__all__ = ["norm_activation"]


def norm_activation(
    layers: Module | tuple[Module, ...], x: Any, activation: Activation | None = None, residual: Any = None
) -> Any:
    """activation(layers(x) + residual), where ``layers`` is a normalisation, or several layers one after another that end with one.

    A batch normalisation, the sum and a ReLU or ReLU6 are computed as one operation, on the CPU in use with the convolution before them, and
    nothing but time and memory tells: layers with hooks are called one after another, and so are all others. Several layers are a Sequential
    or a tuple; ``activation`` is a layer or a function, such as ``F.relu``; ``residual`` is a tensor, or a function that gives it, which is called
    behind the layers where hooks see these. He et al., "Deep Residual Learning for Image Recognition"
    (arXiv:1512.03385), figure 2.

    >>> from numzoo.engine import nn, ones
    >>> nn.norm_activation(nn.BatchNorm2d(2).eval(), ones(1, 2, 1, 1), nn.ReLU(), residual=ones(1, 2, 1, 1)).shape
    (1, 2, 1, 1)
    """
    convolution = None
    while isinstance(layers, tuple) or (
        isinstance(x, Tensor) and type(layers).forward is Sequential.forward and is_plain(layers, type(layers))
    ):
        first = list(layers if isinstance(layers, tuple) else layers.children())
        if not isinstance(layers, tuple) and not (first and (is_norm(first[-1]) or isinstance(first[-1], Sequential))):
            break
        layers = first.pop()
        if is_norm(layers) and first and type(first[-1]) is Conv2d:
            convolution = first.pop()
        x = in_a_row(first, x)
    return together(layers, x, activation, residual, convolution)
