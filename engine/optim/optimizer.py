"""What all optimisers share: groups of parameters with settings, and a state that can be saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..dtype import Array
from ..errors import ArgumentError, SettingError, StateError
from ..ops import touch
from ..tensor import Tensor


class Optimizer:
    """Parameters in groups, each a dictionary with ``params`` and its settings (``lr`` and others).

    A kind of optimiser gives ``update(parameter, gradient, state, group)``, which changes ``parameter.array`` in place.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        given: list[Any] = [params] if isinstance(params, Tensor) else list(params)
        if not given:
            raise ArgumentError(f"{type(self).__name__}: there are no parameters to train; pass model.parameters()")
        groups = given if isinstance(given[0], dict) else [{"params": given}]
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[int, dict[str, Any]] = {}
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Add parameters, with settings of their own where ``group`` has some."""
        unknown = set(group) - {"params", *self.defaults}
        if unknown:
            raise ArgumentError(
                f"{type(self).__name__}: has no setting {sorted(unknown)[0]!r}; it takes {', '.join(self.defaults)}"
            )
        if "params" not in group:
            raise ArgumentError(f"{type(self).__name__}: a group is a dictionary with 'params', not {sorted(group)}")
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        held = {id(p) for other in self.param_groups for p in other["params"]}
        for parameter in params:
            if not isinstance(parameter, Tensor) or parameter.node is not None:
                what = "a computed tensor" if isinstance(parameter, Tensor) else f"a {type(parameter).__name__}"
                raise ArgumentError(
                    f"{type(self).__name__}: trains leaf tensors such as model.parameters(), and was given {what}"
                )
            if id(parameter) in held:
                raise ArgumentError(
                    f"{type(self).__name__}: a parameter of shape {tuple(parameter.shape)} is in two groups"
                )
            held.add(id(parameter))
        complete = {**self.defaults, **group, "params": params}
        self.check(complete)
        self.param_groups.append(complete)

    def check(self, group: dict[str, Any]) -> None:
        """Refuse settings out of range."""
        for name, value in group.items():
            if name != "params" and not isinstance(value, (bool, int, float, np.integer, np.floating)):
                raise SettingError(f"{type(self).__name__}: {name} must be a number, not {value!r:.60}")
        if not 0 <= group["lr"] < np.inf:
            raise SettingError(f"{type(self).__name__}: lr must be at least 0 and finite, not {group['lr']}")

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    array = parameter.array
                    if not getattr(array, "flags", array).writeable:
                        parameter.array = array.copy()
                    self.update(parameter, parameter.grad.array, self.state.setdefault(id(parameter), {}), group)
                    touch(parameter)

    def update(self, parameter: Tensor, gradient: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One parameter's step; each kind of optimiser says it."""
        raise ArgumentError(f"{type(self).__name__} defines no update()")

    def state_dict(self) -> dict[str, Any]:
        """Settings and states, parameters numbered in order: what a checkpoint needs."""
        numbers = {id(p): i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        groups = [{**group, "params": [numbers[id(p)] for p in group["params"]]} for group in self.param_groups]
        return {"state": {numbers[key]: dict(value) for key, value in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state of the same parameters."""
        who = type(self).__name__
        if not isinstance(state, Mapping) or not {"state", "param_groups"} <= set(state):
            raise StateError(f"{who}: a state has 'state' and 'param_groups', as state_dict() gives them")
        sizes = [len(group["params"]) for group in self.param_groups]
        given = [len(group["params"]) for group in state["param_groups"]]
        if sizes != given:
            raise StateError(f"{who}: the state has groups of {given} parameters, but this optimiser has {sizes}")
        ordered = [p for group in self.param_groups for p in group["params"]]
        for number, value in state["state"].items():
            parameter = ordered[number] if number in range(len(ordered)) else None
            if parameter is None or any(
                getattr(v, "shape", ()) not in ((), tuple(parameter.shape)) for v in value.values()
            ):
                raise StateError(f"{who}: the state of parameter {number} does not fit this optimiser's parameters")
        groups = [
            {**own, **saved, "params": own["params"]}
            for own, saved in zip(self.param_groups, state["param_groups"], strict=True)
        ]
        for group in groups:
            self.check(group)
        for own, group in zip(self.param_groups, groups, strict=True):
            own.update(group)
        # Copies: training on must not change what was saved.
        self.state = {
            id(ordered[number]): {k: v.copy() if hasattr(v, "copy") else v for k, v in value.items()}
            for number, value in state["state"].items()
        }
