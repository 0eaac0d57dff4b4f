"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ..dtype import Array
from ..errors import SettingError
from .blocks import Elementwise, directed
from .settings import ANY, NOT_NEGATIVE, Ranges


class SGD(Elementwise):
    """parameter -= lr velocity, with velocity = momentum velocity + (1 - dampening) gradient (Sutskever et al., 2013).

    The first velocity is the gradient itself. ``weight_decay`` adds that share of the parameter to its gradient;
    ``nesterov`` steps along gradient + momentum velocity; ``maximize`` steps uphill.
    """

    counts = False
    fused = "sgd"
    ranges: ClassVar[Ranges] = {**Elementwise.ranges, "momentum": NOT_NEGATIVE, "dampening": ANY}
    switches = ("nesterov", "maximize")
    optional_arrays = ("momentum_buffer",)

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0, weight_decay: float = 0.0,
        nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None, fused: bool | None = None,
    ) -> None:  # fmt: skip
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        super().check(group)
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise SettingError(
                f"SGD: nesterov wants a momentum in (0, inf) and a dampening of 0, not {group['momentum']} and {group['dampening']}"
            )

    def names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def numbers(self, group: dict[str, Any], step: int, fresh: bool) -> Any:
        return group, fresh

    def constants(self, group: dict[str, Any], step: int, fresh: bool) -> tuple[float, ...]:
        way = -1.0 if group["maximize"] else 1.0
        settings = group["lr"], group["momentum"], 1 - group["dampening"], group["weight_decay"]
        return (*settings, way, float(fresh), float(group["nesterov"]))

    def rule(self, xp: Any, p: Array, g: Array, states: list[Array], scratch: list[Array], numbers: Any) -> None:
        group, fresh = numbers
        spare, other = scratch[:2]
        g = directed(xp, p, g, other, spare, group)
        if states:
            velocity, momentum = states[0], group["momentum"]
            if fresh:
                velocity[...] = g
            else:
                xp.multiply(velocity, momentum, out=velocity)
                if group["dampening"]:
                    xp.multiply(g, 1 - group["dampening"], out=spare)
                    xp.add(velocity, spare, out=velocity)
                else:
                    xp.add(velocity, g, out=velocity)
            if group["nesterov"]:
                xp.multiply(velocity, momentum, out=spare)
                g = xp.add(g, spare, out=other)
            else:
                g = velocity
        xp.multiply(g, group["lr"], out=spare)
        xp.subtract(p, spare, out=p)
