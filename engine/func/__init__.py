"""Functions that make functions: gradients, Jacobians and products with them; and a module called with other parameters.

The names and argument orders are those of ``torch.func``; ``params`` may be nested tuples, lists and dictionaries of tensors.
"""

from .per_example import per_example_gradients
from .transforms import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "per_example_gradients",
    "value_and_grad",
    "vjp",
]
