"""Saving an optimiser's settings and states as arrays and numbers, and going on from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..device import CPU, is_array, move
from ..dtype import Array, Dtype, accumulator, is_differentiable, kind
from ..errors import DtypeError, StateError
from ..tensor import Tensor
from .settings import is_number

if TYPE_CHECKING:
    from .optimizer import Optimizer

FOREIGN = (
    "foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay", "param_names",
    "max_lr", "min_lr", "max_momentum", "base_momentum",
)  # fmt: skip
"""Settings of PyTorch's groups that mean nothing here, so that its states can be loaded."""


def state_dtype(dtype: Dtype) -> Dtype:
    """The dtype of the states of a parameter: float32 for the half-precision types, else the parameter's own."""
    return accumulator(dtype)


def saved(optimizer: Optimizer) -> dict[str, Any]:
    """The settings and states of an optimiser, its parameters numbered in order."""
    numbers = {id(p): i for i, p in enumerate(p for group in optimizer.param_groups for p in group["params"])}
    groups = [
        {
            **{name: _plain(value) for name, value in group.items() if name != "params"},
            "params": [numbers[id(p)] for p in group["params"]],
        }
        for group in optimizer.param_groups
    ]
    # A parameter that was taken out of the groups by hand has no number, and is not saved.
    states = {
        numbers[id(parameter)]: {name: _plain(value) for name, value in state.items()}
        for parameter, state in optimizer.state.items()
        if state and id(parameter) in numbers and parameter not in getattr(optimizer, "untaken", ())
    }
    return {"state": dict(sorted(states.items())), "param_groups": groups}


def load(optimizer: Optimizer, given: Any) -> None:
    """Take settings and states, all or nothing; what does not fit is a StateError."""
    who = optimizer.who
    if not isinstance(given, Mapping) or not {"state", "param_groups"} <= set(given):
        raise StateError(f"{who}: a state has 'state' and 'param_groups', as state_dict() gives them")
    groups = _groups(optimizer, given["param_groups"])
    ordered = [(p, group) for group in groups for p in group["params"]]
    if not isinstance(given["state"], Mapping):
        raise StateError(
            f"{who}: 'state' maps parameters' numbers to their states, and is a {type(given['state']).__name__}"
        )
    states: dict[Tensor, dict[str, Any]] = {}
    for key, value in given["state"].items():
        number = int(key) if isinstance(key, str) and key.isdecimal() else key
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or not 0 <= number < len(ordered):
            raise StateError(f"{who}: the state is of a parameter {key!r:.40}, but this optimiser has {len(ordered)}")
        parameter, group = ordered[number]
        states[parameter] = _state(optimizer, f"{who}: the state of parameter {number}", value, parameter, group)
    for own, group in zip(optimizer.param_groups, groups, strict=True):
        own.clear()
        own.update(group)
    optimizer.state = states


def _groups(optimizer: Optimizer, given: Any) -> list[dict[str, Any]]:
    who = optimizer.who
    if not isinstance(given, (list, tuple)) or not all(
        isinstance(group, Mapping) and isinstance(group.get("params"), (list, tuple)) for group in given
    ):
        raise StateError(f"{who}: 'param_groups' is a list of groups with 'params', as state_dict() gives them")
    sizes = [len(group["params"]) for group in optimizer.param_groups]
    if sizes != [len(group["params"]) for group in given]:
        raise StateError(
            f"{who}: the state has groups of {[len(group['params']) for group in given]} parameters, but this optimiser has {sizes}"
        )
    groups = []
    for own, group in zip(optimizer.param_groups, given, strict=True):
        settings = {name: value for name, value in group.items() if name != "params"}
        known = {**own, "initial_lr": None, "name": None}
        strange = [name for name in settings if name not in known and name not in FOREIGN]
        lacking = [name for name in optimizer.defaults if name not in settings]
        if strange or lacking:
            what = f"has the setting {strange[0]!r}" if strange else f"lacks the setting {lacking[0]!r}"
            raise StateError(
                f"{who}: the state {what}: it is not a state of {who}, which has {', '.join(optimizer.defaults)}"
            )
        kept = {name: value for name, value in settings.items() if name in known}
        complete = {**own, **kept, "params": own["params"]}
        optimizer.check(complete)
        groups.append(complete)
    return groups


def _state(optimizer: Optimizer, what: str, given: Any, parameter: Tensor, group: dict[str, Any]) -> dict[str, Any]:
    """One parameter's state, checked, in arrays of its own on the parameter's device."""
    if not isinstance(given, Mapping):
        raise StateError(f"{what} must map names to arrays and numbers, and is a {type(given).__name__}")
    wanted = optimizer.state_shapes(parameter, group)
    values = {name: value for name, value in given.items() if value is not None}
    if wanted and values:
        for name in wanted:
            if name not in values and name not in optimizer.optional_states():
                raise StateError(f"{what} lacks {name!r}")
    made: dict[str, Any] = {}
    for name, value in values.items():
        if wanted and name not in wanted:
            if name == "step":  # PyTorch counts where nothing depends on it
                continue
            raise StateError(f"{what} has {name!r}, which {optimizer.who} does not keep; it keeps {', '.join(wanted)}")
        value = value.array if isinstance(value, Tensor) else value
        if not wanted:  # a kind that does not say what it keeps
            made[name] = move(value, parameter.device).copy() if is_array(value) else value
            continue
        shape = wanted[name]
        made[name] = _count(what, name, value) if shape is None else _array(what, name, value, shape, parameter)
    return made


def _count(what: str, name: str, value: Any) -> int:
    number = value.item() if is_array(value) and value.size == 1 else value
    if not is_number(number) or not number >= 0 or int(number) != number:
        raise StateError(f"{what}: {name!r} must be a whole number from 0, not {value!r:.60}")
    return int(number)


def _array(what: str, name: str, value: Any, shape: tuple[int, ...], parameter: Tensor) -> Array:
    if not is_array(value) or tuple(value.shape) != shape:
        found = tuple(value.shape) if is_array(value) else type(value).__name__
        raise StateError(f"{what}: {name!r} must be an array of shape {shape}, not {found}")
    wanted = state_dtype(parameter.dtype)
    try:
        fits = is_differentiable(value.dtype) and kind(value.dtype) <= kind(wanted)
    except DtypeError:
        fits = False
    if not fits:
        raise StateError(f"{what}: {name!r} is of {value.dtype}, which {wanted} cannot hold")
    # Copies: training on must not change what was saved.
    return move(value, parameter.device).astype(wanted, order="C", copy=True)


def _plain(value: Any) -> Any:
    if is_array(value):
        held = move(value, CPU)
        return held.copy() if held is value else held
    return value.item() if isinstance(value, np.generic) else value
