"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..dtype import Array
from ..errors import SettingError
from ..tensor import Tensor
from .optimizer import Optimizer


class SGD(Optimizer):
    """parameter -= lr velocity, with velocity = momentum velocity + (1 - dampening) gradient (Sutskever et al., 2013).

    The first velocity is the gradient itself. ``weight_decay`` adds that share of the parameter to its gradient;
    ``nesterov`` steps along gradient + momentum velocity.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0, weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:  # fmt: skip
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        super().check(group)
        if not group["momentum"] >= 0 or not group["weight_decay"] >= 0:
            raise SettingError(
                f"SGD: momentum ({group['momentum']}) and weight_decay ({group['weight_decay']}) must be at least 0"
            )
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise SettingError("SGD: nesterov wants a momentum above 0 and no dampening")

    def update(self, parameter: Tensor, gradient: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        array, momentum = parameter.array, group["momentum"]
        number = array.dtype.type
        gradient = gradient.astype(array.dtype, copy=False)
        if group["weight_decay"]:
            gradient = gradient + array * number(group["weight_decay"])
        if momentum:
            velocity = state.get("velocity")
            if velocity is None:
                # An array also of a number, which 0-dimensional arithmetic gives.
                velocity = state["velocity"] = array.copy()
                velocity[...] = gradient
            else:
                velocity *= number(momentum)
                velocity += gradient * number(1 - group["dampening"])
            gradient = gradient + velocity * number(momentum) if group["nesterov"] else velocity
        array -= gradient * number(group["lr"])
