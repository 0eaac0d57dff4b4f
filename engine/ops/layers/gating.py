"""One projection through an activation, times another: what gated perceptrons do between their products, in one operation.

Shazeer, "GLU variants improve transformer" (arXiv:2002.05202).
"""

from __future__ import annotations

from typing import Any

from ...dtype import Array
from ...errors import SettingError
from ...modes import modes
from ...op import op, op_with_results
from ...tensor import Tensor, tensor_like
from .activation import _gelu_tanh_x, _gelu_x, _silu_x, gelu, gelu_input, gelu_tanh, gelu_tanh_input, silu, silu_input

__all__ = ["gated"]

ACTIVATIONS = {"silu": silu, "gelu": gelu, "gelu_tanh": gelu_tanh}
SLOPES = {"silu": silu_input, "gelu": gelu_input, "gelu_tanh": gelu_tanh_input}
RULES = {"silu": _silu_x, "gelu": _gelu_x, "gelu_tanh": _gelu_tanh_x}


def _parts(
    grad: Tensor, x: Tensor, y: Tensor, bent: Tensor | None, activation: str
) -> tuple[Tensor | None, Tensor | None]:
    if not modes.recording:
        return gated_product_backward(grad, x, y, bent, activation=activation)  # type: ignore[return-value]
    return RULES[activation](grad * y, x), grad * ACTIVATIONS[activation](x)


@op(residuals=("bent",), jointly=_parts)
def gated_product(xp: Any, x: Array, y: Array, *, activation: str, keep: bool = True) -> tuple[Array, Array | None]:
    """activation(x) y, of one shape and dtype, rounded between the two as two operations round. Keeps activation(x), or what a kernel needs."""
    bent = ACTIVATIONS[activation].body(xp, x)
    return bent * y, bent if keep else None


@op_with_results(2)
def gated_product_backward(
    xp: Any, flow: Array, x: Array, y: Array, bent: Array | None = None, *, activation: str
) -> tuple[Array, Array]:
    """The gradients of gated_product for x and y, for where none of it is recorded."""
    bent = ACTIVATIONS[activation].body(xp, x) if bent is None else bent
    return SLOPES[activation].body(xp, flow * y, x), flow * bent


def gated(x: Tensor, y: Tensor, activation: str = "silu") -> Tensor:
    """activation(x) y, where ``activation`` is "silu", "gelu" or "gelu_tanh": SwiGLU's and GEGLU's middle, in one pass.

    The numbers are those of the two operations, in every dtype; less is kept for backward where a kernel computes.
    """
    if activation not in ACTIVATIONS:
        raise SettingError(f"gated: activation is one of {', '.join(ACTIVATIONS)}, not {activation!r:.40}")
    x, y = tensor_like("gated", x), tensor_like("gated", y)
    if x.shape != y.shape or x.dtype != y.dtype or x.dtype.kind not in "fV":
        return ACTIVATIONS[activation](x) * y
    return gated_product(x, y, activation=activation)
