"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ..dtype import Array
from .blocks import Elementwise, directed
from .settings import NOT_NEGATIVE, SHARE, Ranges


class RMSprop(Elementwise):
    """parameter -= lr gradient / (sqrt(v) + eps), v the running mean of gradient² (Tieleman and Hinton, 2012).

    ``alpha`` is the share of the mean that stays. ``centered`` takes the square of the running mean gradient off v
    (Graves, 2013); with ``momentum`` the quotients add up to a velocity.
    """

    arrays = ("square_avg",)
    optional_arrays = ("momentum_buffer", "grad_avg")
    fused = "rmsprop"
    ranges: ClassVar[Ranges] = {**Elementwise.ranges, "alpha": SHARE, "eps": NOT_NEGATIVE, "momentum": NOT_NEGATIVE}
    switches = ("centered", "maximize")

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0, momentum: float = 0.0,
        centered: bool = False, *, maximize: bool = False, foreach: bool | None = None, fused: bool | None = None,
    ) -> None:  # fmt: skip
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def names(self, group: dict[str, Any]) -> tuple[str, ...]:
        names: tuple[str, ...] = self.arrays
        if group["momentum"]:
            names += ("momentum_buffer",)
        return (*names, "grad_avg") if group["centered"] else names

    def constants(self, group: dict[str, Any], step: int, fresh: bool) -> tuple[float, ...]:
        alpha, way = group["alpha"], -1.0 if group["maximize"] else 1.0
        return group["lr"], alpha, 1 - alpha, group["eps"], group["weight_decay"], way, group["momentum"]

    def variant(self, group: dict[str, Any]) -> dict[str, int]:
        return {"MOMENTUM": int(group["momentum"] != 0), "CENTERED": int(group["centered"])}

    def rule(self, xp: Any, p: Array, g: Array, states: list[Array], scratch: list[Array], numbers: Any) -> None:
        group = numbers
        spare, other, third = scratch[:3]
        g = directed(xp, p, g, other, spare, group)
        square, alpha = states[0], group["alpha"]
        xp.multiply(square, alpha, out=square)
        xp.multiply(g, g, out=spare)
        xp.multiply(spare, 1 - alpha, out=spare)
        xp.add(square, spare, out=square)
        if group["centered"]:
            mean = states[-1]
            xp.multiply(mean, alpha, out=mean)
            xp.multiply(g, 1 - alpha, out=spare)
            xp.add(mean, spare, out=mean)
            xp.multiply(mean, mean, out=spare)
            xp.subtract(square, spare, out=spare)
            # A variance; rounding may have left it a little below 0.
            square = xp.maximum(spare, 0.0, out=third)
        xp.sqrt(square, out=spare)
        xp.add(spare, group["eps"], out=spare)
        xp.divide(g, spare, out=spare)
        if group["momentum"]:
            velocity = states[1]
            xp.multiply(velocity, group["momentum"], out=velocity)
            xp.add(velocity, spare, out=velocity)
            xp.multiply(velocity, group["lr"], out=spare)
        else:
            xp.multiply(spare, group["lr"], out=spare)
        xp.subtract(p, spare, out=p)
