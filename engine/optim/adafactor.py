"""Adafactor."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..device import device_of, move, namespace
from ..dtype import Array, kind
from ..errors import DtypeError
from ..tensor import Tensor
from .norms import power_sum
from .optimizer import Optimizer
from .settings import NOT_NEGATIVE, Range, Ranges, number, numbers
from .state import state_dtype


class Adafactor(Optimizer):
    """Adam without momentum, v kept as a row and a column of running means: memory for n + m instead of n m numbers (Shazeer and Stern, 2018).

    In step t the means move by the share t^beta2_decay. The update, gradient / sqrt(v), is scaled down to a root mean square of at most
    ``d``, and stepped along by min(lr, 1 / sqrt(t)) times the parameter's own root mean square, which counts as at least ``eps[1]``.
    ``eps[0]`` bounds v from below by its square; None is the spacing of the state's numbers at 1. Arrays of more than two
    axes are stacks of matrices, those of fewer keep all of v. ``weight_decay`` is AdamW's. Real parameters only.
    """

    ranges: ClassVar[Ranges] = {**Optimizer.ranges, "beta2_decay": Range(-math.inf, 0.0, True, False), "d": Range(1.0)}

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, beta2_decay: float = -0.8, eps: tuple[float | None, float] = (None, 1e-3), d: float = 1.0,
        weight_decay: float = 0.0, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)
        self._room: dict[Any, Array] = {}

    def check(self, group: dict[str, Any]) -> None:
        super().check(group)
        eps = group["eps"]
        if isinstance(eps, (tuple, list)) and len(eps) == 2 and eps[0] is None:
            group["eps"] = (None, number(self.who, "eps[1]", eps[1], NOT_NEGATIVE))
        else:
            group["eps"] = numbers(self.who, "eps", eps, 2, NOT_NEGATIVE)
        for parameter in group["params"]:
            if kind(parameter.dtype) == 3:
                raise DtypeError(f"Adafactor: trains real parameters, and was given one of {parameter.dtype}; use Adam")

    def state_shapes(self, parameter: Tensor, group: dict[str, Any]) -> dict[str, tuple[int, ...] | None]:
        shape = parameter.shape
        if len(shape) < 2:
            return {"step": None, "variance": shape}
        return {"step": None, "row_var": (*shape[:-1], 1), "col_var": (*shape[:-2], 1, shape[-1])}

    def update(self, parameter: Tensor, gradient: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        array, dtype = parameter.array, state_dtype(parameter.dtype)
        if not array.size:
            return
        xp = namespace(array)
        for name, shape in self.state_shapes(parameter, group).items():
            if shape is not None:
                held = state.get(name)
                state[name] = (
                    xp.zeros(shape, dtype) if held is None else move(held, device_of(array)).astype(dtype, copy=False)
                )
        step = state["step"] = state.get("step", 0) + 1
        share = step ** group["beta2_decay"]
        least, smallest = group["eps"]
        least = float(np.finfo(dtype).eps) if least is None else least
        gradient = gradient.astype(dtype, copy=False)
        p = array if array.dtype == dtype else array.astype(dtype)
        rate = max(smallest, math.sqrt(power_sum(p, 2.0) / p.size)) * min(group["lr"], 1 / math.sqrt(step))
        change = self._room_like(xp, p)
        if p.ndim > 1:
            row, column = state["row_var"], state["col_var"]
            _mix(row, xp.einsum("...ij,...ij->...i", gradient, gradient)[..., None], p.shape[-1], share)
            _mix(column, xp.einsum("...ij,...ij->...j", gradient, gradient)[..., None, :], p.shape[-2], share)
            xp.multiply(row / xp.maximum(row.mean(-2, keepdims=True), least), column, out=change)
        else:
            xp.multiply(gradient, gradient, out=change)
            _mix(state["variance"], change, 1, share)
            change[...] = state["variance"]
        xp.maximum(change, least * least, out=change)
        xp.sqrt(change, out=change)
        xp.divide(gradient, change, out=change)
        rate /= max(1.0, math.sqrt(power_sum(change, 2.0) / change.size) / group["d"])
        xp.multiply(change, -rate if group["maximize"] else rate, out=change)
        if group["weight_decay"]:
            xp.multiply(p, 1 - group["lr"] * group["weight_decay"], out=p)
        xp.subtract(p, change, out=p)
        if p is not array:
            array[...] = p

    def _room_like(self, xp: Any, like: Array) -> Array:
        """Memory in the shape of a parameter, the same each time."""
        held = self._room.get((xp, like.dtype))
        if held is None or held.size < like.size:
            held = self._room[xp, like.dtype] = xp.empty(like.size, like.dtype)
        return held[: like.size].reshape(like.shape)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_room": {}}


def _mix(mean: Array, total: Array, count: int, share: float) -> None:
    """Move a running mean towards total / count."""
    mean *= 1 - share
    total *= share / count
    mean += total
