"""Lion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ..dtype import Array
from .blocks import Elementwise, directed
from .settings import CLOSED_SHARE, Ranges


class Lion(Elementwise):
    """parameter -= lr (sign(b1 m + (1 - b1) gradient) + weight_decay parameter), then m = b2 m + (1 - b2) gradient (Chen et al., 2023).

    Every number moves by lr whatever its gradient: rates 3 to 10 times below AdamW's, and decays as many times above, do
    about the same. One state array instead of two.
    """

    arrays = ("exp_avg",)
    counts = False
    fused = "lion"
    pairs: ClassVar[Ranges] = {"betas": CLOSED_SHARE}

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0,
        *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize})

    def constants(self, group: dict[str, Any], step: int, fresh: bool) -> tuple[float, ...]:
        first, second = group["betas"]
        way, kept = -1.0 if group["maximize"] else 1.0, 1 - group["lr"] * group["weight_decay"]
        return group["lr"], first, 1 - first, second, 1 - second, way, kept

    def rule(self, xp: Any, p: Array, g: Array, states: list[Array], scratch: list[Array], numbers: Any) -> None:
        group = numbers
        spare, other = scratch[:2]
        first, second = group["betas"]
        g = directed(xp, p, g, other, spare, group, decay=False)
        mean, turned = states[0], scratch[2]
        xp.multiply(mean, first, out=spare)
        xp.multiply(g, 1 - first, out=turned)
        xp.add(spare, turned, out=spare)
        xp.sign(spare, out=spare)
        xp.multiply(spare, group["lr"], out=spare)
        if group["weight_decay"]:
            xp.multiply(p, 1 - group["lr"] * group["weight_decay"], out=p)
        xp.subtract(p, spare, out=p)
        xp.multiply(mean, second, out=mean)
        xp.multiply(g, 1 - second, out=spare)
        xp.add(mean, spare, out=mean)
