"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ..dtype import Array
from .blocks import Elementwise, directed
from .settings import CLOSED_SHARE, NOT_NEGATIVE, Ranges


class Adadelta(Elementwise):
    """parameter -= lr d with d = sqrt(s + eps) / sqrt(v + eps) gradient, v and s the running means of gradient² and of d² (Zeiler, arXiv:1212.5701).

    ``rho`` is the share of the means that stays; the units of d are those of the parameter, so ``lr`` is 1.
    """

    arrays = ("square_avg", "acc_delta")
    ranges: ClassVar[Ranges] = {**Elementwise.ranges, "rho": CLOSED_SHARE, "eps": NOT_NEGATIVE}

    def __init__(
        self, params: Iterable[Any], lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0,
        *, maximize: bool = False, foreach: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize})

    def rule(self, xp: Any, p: Array, g: Array, states: list[Array], scratch: list[Array], numbers: Any) -> None:
        group = numbers
        spare, other, third = scratch[:3]
        square, moved = states
        kept, eps = group["rho"], group["eps"]
        g = directed(xp, p, g, other, spare, group)
        xp.multiply(square, kept, out=square)
        xp.multiply(g, g, out=spare)
        xp.multiply(spare, 1 - kept, out=spare)
        xp.add(square, spare, out=square)
        xp.add(square, eps, out=spare)
        xp.sqrt(spare, out=spare)
        xp.add(moved, eps, out=third)
        xp.sqrt(third, out=third)
        xp.divide(third, spare, out=third)
        xp.multiply(third, g, out=third)
        xp.multiply(moved, kept, out=moved)
        xp.multiply(third, third, out=spare)
        xp.multiply(spare, 1 - kept, out=spare)
        xp.add(moved, spare, out=moved)
        xp.multiply(third, group["lr"], out=third)
        xp.subtract(p, third, out=p)
