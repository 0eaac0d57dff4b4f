"""LAMB."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

from ..device import namespace
from ..dtype import Array
from ..tensor import Tensor
from .adam import moments
from .blocks import Elementwise, blocks, directed
from .norms import squares
from .settings import NOT_NEGATIVE, SHARE, Ranges


class LAMB(Elementwise):
    """parameter -= lr (|parameter| / |u|) u, with u = Adam's direction + weight_decay parameter (You et al., 2020, algorithm 2).

    The lengths are of the whole parameter: every layer moves by the same share of its size, which keeps training steady
    with very large batches. Where either length is 0 the quotient is 1; ``adapt=False`` makes it 1 for a group (usual
    for biases and normalisations).
    """

    arrays = ("exp_avg", "exp_avg_sq")
    ranges: ClassVar[Ranges] = {**Elementwise.ranges, "eps": NOT_NEGATIVE}
    pairs: ClassVar[Ranges] = {"betas": SHARE}
    switches = ("adapt", "maximize")
    gathers = False
    fused = "lamb"

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-6, weight_decay: float = 0.0,
        adapt: bool = True, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "adapt": adapt,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], step: int, fresh: bool) -> Any:
        first, second = group["betas"]
        root = math.sqrt(1 - second**step)
        return group, root / (1 - first**step), group["eps"] * root

    def constants(self, group: dict[str, Any], step: int, fresh: bool) -> tuple[float, ...]:
        first, second = group["betas"]
        _, factor, eps = self.numbers(group, step, fresh)
        way, adapt = -1.0 if group["maximize"] else 1.0, float(group["adapt"])
        return group["lr"], eps, first, 1 - first, second, 1 - second, group["weight_decay"], way, factor, adapt

    def update(self, parameter: Tensor, gradient: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        array = parameter.array
        xp = namespace(array)
        states, numbers = self.prepare(array, state, group)
        rate = group["lr"]
        if group["adapt"]:
            own, direction = 0.0, 0.0
            for p, g, held, scratch in blocks(array, gradient, states, self._scratch.setdefault(0, {})):
                self.rule(xp, p, g, held, scratch, numbers)
                own += squares(xp, p)
                direction += squares(xp, scratch[0])
            # Written so that a NaN, too, leaves the quotient NaN.
            if own != 0 and direction != 0:
                rate *= math.sqrt(own) / math.sqrt(direction)
        for p, g, held, scratch in blocks(array, gradient, states, self._scratch.setdefault(0, {})):
            if group["adapt"]:
                # Once more, cheaper than keeping an array as large as the parameter.
                self._direct(xp, p, held, scratch, numbers)
            else:
                self.rule(xp, p, g, held, scratch, numbers)
            xp.multiply(scratch[0], rate, out=scratch[0])
            xp.subtract(p, scratch[0], out=p)

    def rule(self, xp: Any, p: Array, g: Array, states: list[Array], scratch: list[Array], numbers: Any) -> None:
        """Move the running means and leave the direction in the first scratch vector."""
        group = numbers[0]
        g = directed(xp, p, g, scratch[1], scratch[0], group, decay=False)
        moments(xp, g, states[0], states[1], group["betas"], scratch[0])
        self._direct(xp, p, states, scratch, numbers)

    def _direct(self, xp: Any, p: Array, states: list[Array], scratch: list[Array], numbers: Any) -> None:
        group, factor, eps = numbers
        spare, other = scratch[:2]
        xp.sqrt(states[1], out=spare)
        xp.add(spare, eps, out=spare)
        xp.divide(states[0], spare, out=spare)
        xp.multiply(spare, factor, out=spare)
        if group["weight_decay"]:
            xp.multiply(p, group["weight_decay"], out=other)
            xp.add(spare, other, out=spare)
