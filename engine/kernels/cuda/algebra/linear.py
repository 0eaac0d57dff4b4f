"""The way back of a linear layer in one call: its three launches planned together, none for what nobody asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....dtype import Array, Dtype
from ....modes import TF32, modes
from ...plans import Plans
from ..forms import form
from ..libraries import choosing
from ..machine import Machine, machine
from ..reductions.operations import plan_total
from .matrix import plan_matmul, plan_weight, refuse

__all__ = ["linear_backward"]

Plan = Callable[..., Any]
Results = tuple["Dtype | None", "Dtype | None", "Dtype | None"]
PLANS: Plans[Plan] = choosing.renewed(Plans())


def linear_backward(
    arrived: Array, flow: Array, x: Array | None, weight: Array | None, results: Results, turned: bool
) -> list[Any] | None:
    """What flows back to x, to the weight and to the bias, in these dtypes (None: not at all), as ``matmul``, ``linear_weight`` and ``sum`` give it.

    ``flow`` is what arrived, narrowed for the products; the bias takes what arrived. x is wanted for the weight, and the weight for x.
    With ``turned`` the weight's lies by columns. None where a kernel does not serve it.
    """
    here, tf32 = machine(), modes.precision is TF32
    address = here.address
    own = address(flow) | 256
    first, second = own if weight is None else own | address(weight), own if x is None else own | address(x)
    aligned = not address(arrived) % 16
    first, second = first & -first, second & -second
    key = (here, form(arrived), form(flow), form(x), form(weight), results, turned, tf32, first, second, aligned)
    plan = PLANS.get(key) or PLANS.make(
        key, _plan, here, arrived, flow, x, weight, results, turned, tf32, first, second
    )
    return plan(arrived, flow, x, weight)  # type: ignore[no-any-return]


def _plan(
    here: Machine, arrived: Array, flow: Array, x: Array | None, weight: Array | None, results: Results, turned: bool, tf32: bool,
    first: int, second: int,
) -> Plan:  # fmt: skip
    if not arrived.size:
        return lambda *_: None
    to_x = to_weight = to_bias = None
    wanted_x, wanted_weight, wanted_bias = results
    if weight is not None and wanted_x is not None:
        to_x = plan_matmul(here, flow, weight, wanted_x, tf32, first)
    if x is not None and wanted_weight is not None:
        to_weight = plan_weight(here, *((x, flow) if turned else (flow, x)), wanted_weight, tf32, second)
    if wanted_bias is not None:
        to_bias = plan_total(arrived, tuple(range(arrived.ndim - 1)), wanted_bias)
    if refuse in (to_x, to_weight, to_bias):
        return lambda *_: None

    def compute(arrived: Array, flow: Array, x: Array | None, weight: Array | None) -> list[Any]:
        return [
            None if to_x is None else to_x(flow, weight),
            None if to_weight is None else to_weight(x, flow).T if turned else to_weight(flow, x),
            None if to_bias is None else to_bias(arrived),
        ]

    return compute
