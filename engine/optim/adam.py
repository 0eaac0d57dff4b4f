"""Adam and AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

from ..dtype import Array
from .blocks import Elementwise, directed
from .settings import NOT_NEGATIVE, SHARE, Ranges


class Adam(Elementwise):
    """parameter -= lr m / (sqrt(v) + eps), m and v running means of gradient and gradient² without their start-up bias (Kingma and Ba, 2015).

    ``weight_decay`` adds that share of the parameter to its gradient. ``amsgrad`` divides by the largest v so far (Reddi et al., 2018).
    """

    arrays = ("exp_avg", "exp_avg_sq")
    optional_arrays = ("max_exp_avg_sq",)
    fused = "adam"
    ranges: ClassVar[Ranges] = {**Elementwise.ranges, "eps": NOT_NEGATIVE}
    pairs: ClassVar[Ranges] = {"betas": SHARE}
    switches = ("amsgrad", "maximize")
    decoupled = False

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0,
        amsgrad: bool = False, *, maximize: bool = False, foreach: bool | None = None, fused: bool | None = None,
    ) -> None:  # fmt: skip
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return (*self.arrays, *self.optional_arrays) if group["amsgrad"] else self.arrays

    def numbers(self, group: dict[str, Any], step: int, fresh: bool) -> Any:
        first, second = group["betas"]
        # m / (1 - first^step) / (sqrt(v / (1 - second^step)) + eps), with one root and one quotient per number.
        root = math.sqrt(1 - second**step)
        return group, group["lr"] * root / (1 - first**step), group["eps"] * root

    def constants(self, group: dict[str, Any], step: int, fresh: bool) -> tuple[float, ...]:
        first, second = group["betas"]
        _, rate, eps = self.numbers(group, step, fresh)
        decay, kept = group["weight_decay"], 1.0
        if self.decoupled:
            decay, kept = 0.0, 1 - group["lr"] * decay
        return rate, eps, first, 1 - first, second, 1 - second, decay, -1.0 if group["maximize"] else 1.0, kept

    def rule(self, xp: Any, p: Array, g: Array, states: list[Array], scratch: list[Array], numbers: Any) -> None:
        group, rate, eps = numbers
        spare, other = scratch[:2]
        mean, square = states[:2]
        if self.decoupled and group["weight_decay"]:
            xp.multiply(p, 1 - group["lr"] * group["weight_decay"], out=p)
        g = directed(xp, p, g, other, spare, group, decay=not self.decoupled)
        moments(xp, g, mean, square, group["betas"], spare)
        if len(states) > 2:
            square = xp.maximum(states[2], square, out=states[2])
        xp.sqrt(square, out=spare)
        xp.add(spare, eps, out=spare)
        xp.divide(mean, spare, out=spare)
        xp.multiply(spare, rate, out=spare)
        xp.subtract(p, spare, out=p)


class AdamW(Adam):
    """Adam whose ``weight_decay`` shrinks the parameter itself by lr weight_decay, not through the gradient (Loshchilov and Hutter, 2019)."""

    decoupled = True

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2,
        amsgrad: bool = False, *, maximize: bool = False, foreach: bool | None = None, fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


def moments(xp: Any, g: Array, mean: Array, square: Array, betas: tuple[float, float], spare: Array) -> None:
    """Move the running means of the gradient and of its square, in place."""
    first, second = betas
    xp.multiply(mean, first, out=mean)
    xp.multiply(g, 1 - first, out=spare)
    xp.add(mean, spare, out=mean)
    xp.multiply(square, second, out=square)
    xp.multiply(g, g, out=spare)
    xp.multiply(spare, 1 - second, out=spare)
    xp.add(square, spare, out=square)
