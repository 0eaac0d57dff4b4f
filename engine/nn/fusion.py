"""The end of a block of layers: its normalisation, the shortcut that is added, and the activation."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from .container import Sequential
from .module import Module
from .pairs import Activation, in_a_row, is_norm, together
from .plain import is_plain

__all__ = ["norm_activation"]


def norm_activation(layers: Module, x: Any, activation: Activation | None = None, residual: Any = None) -> Any:
    """activation(layers(x) + residual), where ``layers`` is a normalisation, or a Sequential that ends with one.

    A batch normalisation, the sum and a ReLU or ReLU6 are computed as one operation, and nothing but time and memory tells: layers with hooks
    are called one after another, and so are all others. ``activation`` is a layer or a function, such as ``F.relu``. He et al.,
    "Deep Residual Learning for Image Recognition" (arXiv:1512.03385), figure 2.

    >>> from numzoo.engine import nn, ones
    >>> nn.norm_activation(nn.BatchNorm2d(2).eval(), ones(1, 2, 1, 1), nn.ReLU(), residual=ones(1, 2, 1, 1)).shape
    (1, 2, 1, 1)
    """
    while isinstance(x, Tensor) and type(layers).forward is Sequential.forward and is_plain(layers, type(layers)):
        children = list(layers.children())
        if not children or not (is_norm(children[-1]) or isinstance(children[-1], Sequential)):
            break
        x, layers = in_a_row(children[:-1], x), children[-1]
    return together(layers, x, activation, residual)
