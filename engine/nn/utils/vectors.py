"""Parameters as one long vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import ShapeError
from ...modes import no_grad
from ...ops import cat
from ...tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters flattened and joined, in their order; gradients flow through."""
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write the pieces of a vector into the parameters, in their order; a ShapeError, and nothing written, where it has another length."""
    held = list(parameters)
    total = sum(parameter.numel() for parameter in held)
    if tuple(vec.shape) != (total,):
        raise ShapeError(
            f"vector_to_parameters: the parameters hold {total} numbers, and the vector has shape {tuple(vec.shape)}"
        )
    start = 0
    with no_grad():
        for parameter in held:
            parameter.copy_(vec[start : start + parameter.numel()].detach().reshape(parameter.shape))
            start += parameter.numel()
