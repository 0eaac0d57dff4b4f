"""Relatives of Adam: Adamax, NAdam and RAdam, with PyTorch's settings."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

from ..dtype import Array
from .adam import moments
from .blocks import Elementwise, directed
from .settings import NOT_NEGATIVE, SHARE, Ranges


class Adamax(Elementwise):
    """parameter -= lr m / u, m the running mean of the gradient without its start-up bias, u = max(b2 u, |gradient| + eps) (Kingma and Ba, 2015, section 7)."""

    arrays = ("exp_avg", "exp_inf")
    ranges: ClassVar[Ranges] = {**Elementwise.ranges, "eps": NOT_NEGATIVE}
    pairs: ClassVar[Ranges] = {"betas": SHARE}

    def __init__(
        self, params: Iterable[Any], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0,
        *, maximize: bool = False, foreach: bool | None = None,
    ) -> None:  # fmt: skip
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], step: int, fresh: bool) -> Any:
        return group, group["lr"] / (1 - group["betas"][0] ** step)

    def rule(self, xp: Any, p: Array, g: Array, states: list[Array], scratch: list[Array], numbers: Any) -> None:
        group, rate = numbers
        spare, other = scratch[:2]
        mean, largest = states
        first, second = group["betas"]
        g = directed(xp, p, g, other, spare, group)
        xp.multiply(mean, first, out=mean)
        xp.multiply(g, 1 - first, out=spare)
        xp.add(mean, spare, out=mean)
        xp.multiply(largest, second, out=largest)
        xp.absolute(g, out=spare)
        xp.add(spare, group["eps"], out=spare)
        xp.maximum(largest, spare, out=largest)
        xp.divide(mean, largest, out=spare)
        xp.multiply(spare, rate, out=spare)
        xp.subtract(p, spare, out=p)


class NAdam(Elementwise):
    """Adam with Nesterov's look ahead: the mean of the gradient is taken a step further (Dozat, 2016).

    The first beta grows towards its value by 1 - 0.96^(step ``momentum_decay``) / 2. ``decoupled_weight_decay`` shrinks the parameter
    itself, as in AdamW.
    """

    arrays = ("exp_avg", "exp_avg_sq")
    ranges: ClassVar[Ranges] = {**Elementwise.ranges, "eps": NOT_NEGATIVE, "momentum_decay": NOT_NEGATIVE}
    pairs: ClassVar[Ranges] = {"betas": SHARE}
    switches = ("decoupled_weight_decay", "maximize")

    def __init__(
        self, params: Iterable[Any], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0,
        momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *, maximize: bool = False, foreach: bool | None = None,
    ) -> None:  # fmt: skip
        self._products: dict[tuple[float, float], list[float]] = {}
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], step: int, fresh: bool) -> Any:
        first, second = group["betas"]
        decay = group["momentum_decay"]

        def momentum(count: int) -> float:
            share: float = first * (1 - 0.5 * 0.96 ** (count * decay))
            return share

        known = self._products.setdefault((first, decay), [1.0])  # of the first betas of all steps so far
        while len(known) <= step + 1:
            known.append(known[-1] * momentum(len(known)))
        own = group["lr"] * (1 - momentum(step)) / (1 - known[step])
        ahead = group["lr"] * momentum(step + 1) / (1 - known[step + 1])
        return group, own, ahead, math.sqrt(1 - second**step)

    def rule(self, xp: Any, p: Array, g: Array, states: list[Array], scratch: list[Array], numbers: Any) -> None:
        group, own, ahead, root = numbers
        spare, other, third = scratch[:3]
        g = _after_decay(xp, p, g, states, other, spare, group)
        mean, square = states
        xp.sqrt(square, out=spare)
        xp.divide(spare, root, out=spare)
        xp.add(spare, group["eps"], out=spare)
        xp.multiply(g, own, out=other)
        xp.multiply(mean, ahead, out=third)
        xp.add(other, third, out=other)
        xp.divide(other, spare, out=other)
        xp.subtract(p, other, out=p)


class RAdam(Elementwise):
    """Adam that leaves the division out while the running mean of gradient² knows too little, and is careful after (Liu et al., 2020).

    ``decoupled_weight_decay`` shrinks the parameter itself, as in AdamW.
    """

    arrays = ("exp_avg", "exp_avg_sq")
    ranges: ClassVar[Ranges] = {**Elementwise.ranges, "eps": NOT_NEGATIVE}
    pairs: ClassVar[Ranges] = {"betas": SHARE}
    switches = ("decoupled_weight_decay", "maximize")

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False, *, maximize: bool = False, foreach: bool | None = None,
    ) -> None:  # fmt: skip
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], step: int, fresh: bool) -> Any:
        first, second = group["betas"]
        rate = group["lr"] / (1 - first**step)
        most = 2 / (1 - second) - 1
        known = most - 2 * step * second**step / (1 - second**step)  # how many gradients the mean stands for
        if known <= 5:
            return group, rate, None
        care = math.sqrt((known - 4) * (known - 2) * most / ((most - 4) * (most - 2) * known))
        return group, rate, care * math.sqrt(1 - second**step)

    def rule(self, xp: Any, p: Array, g: Array, states: list[Array], scratch: list[Array], numbers: Any) -> None:
        group, rate, care = numbers
        spare, other = scratch[:2]
        g = _after_decay(xp, p, g, states, other, spare, group)
        mean, square = states
        if care is None:
            xp.multiply(mean, rate, out=spare)
        else:
            xp.sqrt(square, out=spare)
            xp.add(spare, group["eps"], out=spare)
            xp.divide(mean, spare, out=spare)
            xp.multiply(spare, rate * care, out=spare)
        xp.subtract(p, spare, out=p)


def _after_decay(
    xp: Any, p: Array, g: Array, states: list[Array], other: Array, spare: Array, group: dict[str, Any]
) -> Array:
    """Shrink the parameter or turn the gradient towards that, as the group says; gives the gradient, which its two means have taken up."""
    apart = group["decoupled_weight_decay"]
    if apart and group["weight_decay"]:
        xp.multiply(p, 1 - group["lr"] * group["weight_decay"], out=p)
    g = directed(xp, p, g, other, spare, group, decay=not apart)
    mean, square = states
    moments(xp, g, mean, square, group["betas"], spare)
    return g
