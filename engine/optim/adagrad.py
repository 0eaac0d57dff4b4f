"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ..dtype import Array
from .blocks import Elementwise, directed
from .settings import NOT_NEGATIVE, Ranges


class Adagrad(Elementwise):
    """parameter -= lr gradient / (sqrt(sum of gradient²) + eps) (Duchi, Hazan and Singer, 2011).

    The rate of step t is lr / (1 + (t - 1) lr_decay); the sum starts at ``initial_accumulator_value``.
    """

    arrays = ("sum",)
    fused = "adagrad"
    ranges: ClassVar[Ranges] = {**Elementwise.ranges, "lr_decay": NOT_NEGATIVE, "initial_accumulator_value": NOT_NEGATIVE, "eps": NOT_NEGATIVE}  # fmt: skip

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0, initial_accumulator_value: float = 0.0,
        eps: float = 1e-10, *, maximize: bool = False, foreach: bool | None = None, fused: bool | None = None,
    ) -> None:  # fmt: skip
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def start(self, name: str, group: dict[str, Any]) -> float:
        value: float = group["initial_accumulator_value"]
        return value

    def numbers(self, group: dict[str, Any], step: int, fresh: bool) -> Any:
        return group, group["lr"] / (1 + (step - 1) * group["lr_decay"])

    def constants(self, group: dict[str, Any], step: int, fresh: bool) -> tuple[float, ...]:
        _, rate = self.numbers(group, step, fresh)
        return rate, group["eps"], group["weight_decay"], -1.0 if group["maximize"] else 1.0

    def uncounted(self, group: dict[str, Any]) -> tuple[float, ...]:
        return self.constants(group, 1, False)

    def pair(self, group: dict[str, Any]) -> tuple[float, float]:
        return group["lr_decay"], 0.0

    def rule(self, xp: Any, p: Array, g: Array, states: list[Array], scratch: list[Array], numbers: Any) -> None:
        group, rate = numbers
        spare, other = scratch[:2]
        g = directed(xp, p, g, other, spare, group)
        total = states[0]
        xp.multiply(g, g, out=spare)
        xp.add(total, spare, out=total)
        xp.sqrt(total, out=spare)
        xp.add(spare, group["eps"], out=spare)
        xp.divide(g, spare, out=spare)
        xp.multiply(spare, rate, out=spare)
        xp.subtract(p, spare, out=p)
