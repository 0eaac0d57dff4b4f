"""What all optimisers share: groups of parameters with settings, one step over them, and a state that can be saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..device import device_of, namespace
from ..dtype import Array, is_differentiable, kind
from ..errors import ArgumentError, DeviceError, DtypeError, SettingError, ShapeError
from ..modes import enable_grad
from ..ops import touch
from ..tensor import Tensor
from .settings import NOT_NEGATIVE, Ranges, is_number, number, numbers, truth

EXTRAS = ("name", "initial_lr")
"""What a group may hold beside the settings: a name, and the learning rate that a schedule started from."""


class Optimizer:
    """Parameters in groups, each a dictionary with ``params`` and its settings (``lr`` and others).

    A kind of optimiser says what its settings may be (``ranges``, ``pairs``, ``switches``) and gives ``update(parameter, gradient, state, group)``, which
    changes ``parameter.array`` in place. ``state`` holds, for each parameter that was ever changed, arrays and numbers.
    """

    unless: Any = None
    """A flag on a GPU, while a step is taken that is left out if the flag is raised when the GPU comes to it."""

    ranges: ClassVar[Ranges] = {"lr": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE}
    """Settings that are numbers."""
    pairs: ClassVar[Ranges] = {}
    """Settings that are two numbers."""
    switches: ClassVar[tuple[str, ...]] = ("maximize",)
    """Settings that are True or False."""

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        given = _listed(self.who, params)
        if not given:
            raise ArgumentError(f"{self.who}: there are no parameters to train; pass model.parameters()")
        groups = given if any(isinstance(one, dict) for one in given) else [{"params": given}]
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.kept: dict[Tensor, dict[str, Any]] = {}
        self._checked: list[dict[str, Any]] = []
        for group in groups:
            self.add_param_group(group)

    @property
    def state(self) -> dict[Tensor, dict[str, Any]]:
        """What is kept for each parameter that was ever changed. Where a GPU alone knows whether steps were left out, this waits for it."""
        self.settle()
        return self.kept

    @state.setter
    def state(self, states: dict[Tensor, dict[str, Any]]) -> None:
        self.kept = states

    @property
    def leaves_out(self) -> bool:
        """Whether it heeds ``unless``."""
        return False

    def settle(self) -> None:
        """Bring the counts of steps in ``kept`` up to date."""

    @property
    def who(self) -> str:
        """The name in messages."""
        return type(self).__name__

    # ---- groups ---------------------------------------------------------------------------------------------------

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Add parameters, with settings of their own where ``group`` has some."""
        if not isinstance(group, dict) or "params" not in group:
            what = str(sorted(group)) if isinstance(group, dict) else type(group).__name__
            raise ArgumentError(f"{self.who}: a group is a dictionary with 'params', not {what}")
        unknown = set(group) - {"params", *self.defaults, *EXTRAS}
        if unknown:
            raise ArgumentError(
                f"{self.who}: has no setting {sorted(unknown, key=str)[0]!r}; it takes {', '.join(self.defaults)}"
            )
        params = _listed(self.who, group["params"])
        held = {id(p) for other in self.param_groups for p in other["params"]}
        for parameter in params:
            if not isinstance(parameter, Tensor) or parameter.node is not None:
                what = "a computed tensor" if isinstance(parameter, Tensor) else f"a {type(parameter).__name__}"
                raise ArgumentError(f"{self.who}: trains leaf tensors such as model.parameters(), and was given {what}")
            if not is_differentiable(parameter.dtype):
                raise DtypeError(
                    f"{self.who}: trains floating-point parameters, and was given one of {parameter.dtype}"
                )
            if id(parameter) in held:
                raise ArgumentError(
                    f"{self.who}: a parameter of shape {tuple(parameter.shape)} is given twice, in one group or in two"
                )
            held.add(id(parameter))
        complete = {**self.defaults, **group, "params": params}
        self.check(complete)
        self.param_groups.append(complete)

    def check(self, group: dict[str, Any]) -> None:
        """Refuse settings out of range; NumPy's numbers become Python's, lists become tuples."""
        for name, default in self.defaults.items():
            value = group[name]
            if name in self.pairs:
                group[name] = numbers(self.who, name, value, 2, self.pairs[name])
            elif name in self.ranges:
                group[name] = number(self.who, name, value, self.ranges[name])
            elif name in self.switches or isinstance(default, bool):
                group[name] = truth(self.who, name, value)
            elif is_number(default):
                group[name] = number(self.who, name, value, NOT_NEGATIVE)
        if "initial_lr" in group:
            group["initial_lr"] = number(self.who, "initial_lr", group["initial_lr"], NOT_NEGATIVE)
        if not isinstance(group.get("name", ""), str):
            raise SettingError(f"{self.who}: the name of a group must be a string, not {group['name']!r:.60}")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or make those that are there zero."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    array = parameter.grad.array
                    parameter.grad = Tensor(namespace(array).zeros_like(array))

    # ---- the step -------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that wants a gradient and has one; gives what ``closure``, called first, returned.

        A parameter without a gradient, and a frozen one, stay as they are, and so do their states. An infinite or NaN gradient
        is not special: its parameter becomes NaN, and ``clip_grad_norm_(..., error_if_nonfinite=True)`` finds it before. Settings and
        gradients are checked before the first parameter changes.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self._check_changed()
        work = [(group, *self._ready(group)) for group in self.param_groups]
        with np.errstate(all="ignore"):
            for group, parameters, gradients in work:
                if parameters:
                    self.update_group(group, parameters, gradients)
        return loss

    def update_group(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Array]) -> None:
        """Change the parameters of one group, all of which have gradients of their own dtype and shape."""
        for parameter, gradient in zip(parameters, gradients, strict=True):
            self.update_one(group, parameter, gradient)

    def update_one(self, group: dict[str, Any], parameter: Tensor, gradient: Array) -> None:
        """Change one parameter, its memory made writeable first, and say so to those who prepared something from it."""
        array = parameter.array
        if isinstance(array, np.ndarray) and not array.flags.writeable:
            parameter.array = array.copy()
        state = self.kept.get(parameter)
        if state is None:
            state = self.kept[parameter] = {}
        self.update(parameter, gradient, state, group)
        touch(parameter)

    def update(self, parameter: Tensor, gradient: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One parameter's step; each kind of optimiser says it."""
        raise ArgumentError(f"{self.who} defines no update()")

    def state_shapes(self, parameter: Tensor, group: dict[str, Any]) -> dict[str, tuple[int, ...] | None]:
        """What a parameter's state holds, for checks of saved ones: shapes of arrays, None for numbers. ``{}``: anything."""
        return {}

    def optional_states(self) -> tuple[str, ...]:
        """Names of ``state_shapes`` that a saved state may lack."""
        return ()

    def _check_changed(self) -> None:
        """Check the groups whose settings were changed since they were last seen, by hand or by a schedule."""
        seen = self._checked
        if len(seen) == len(self.param_groups) and all(
            old["params"] is new["params"] and old == new for old, new in zip(seen, self.param_groups, strict=True)
        ):
            return
        for group in self.param_groups:
            self.check(group)
        self._checked = [dict(group) for group in self.param_groups]

    def _ready(self, group: dict[str, Any]) -> tuple[list[Tensor], list[Array]]:
        parameters, gradients = [], []
        for parameter in group["params"]:
            gradient = parameter.grad
            if gradient is None or not parameter.requires_grad:
                continue
            if not isinstance(gradient, Tensor):
                raise ArgumentError(
                    f"{self.who}: a gradient is a dense tensor of its parameter's shape, not a {type(gradient).__name__}"
                )
            array, own = gradient.array, parameter.array
            if array.shape != own.shape:
                raise ShapeError(
                    f"{self.who}: a parameter of shape {tuple(own.shape)} has a gradient of shape {tuple(array.shape)}; they must be equal"
                )
            if type(array) is not type(own) or (not isinstance(own, np.ndarray) and array.device != own.device):
                raise DeviceError(
                    f"{self.who}: a parameter on {device_of(own)} has a gradient on {device_of(array)}; they must be on the same device"
                )
            if array.dtype is not own.dtype and array.dtype != own.dtype:
                if kind(array.dtype) > kind(own.dtype):
                    raise DtypeError(f"{self.who}: a parameter of {own.dtype} has a gradient of {array.dtype}")
                array = array.astype(own.dtype)
            parameters.append(parameter)
            gradients.append(array)
        return parameters, gradients

    # ---- saving ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Settings and states, parameters numbered in order: NumPy arrays (copies), numbers, strings and lists only."""
        from .state import saved

        return saved(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on, to the bit, from a saved state of the same parameters; nothing changes unless all of it fits."""
        from .state import load

        load(self, state)
        self._checked = []

    def __getstate__(self) -> dict[str, Any]:
        # What a copy makes anew: nothing that was prepared from this one's arrays may stay with it.
        return {**self.__dict__, "_checked": []}

    def __repr__(self) -> str:
        lines = []
        for group in self.param_groups:
            held = [p.numel() if isinstance(p, Tensor) else 0 for p in group["params"]]
            shown = ", ".join(f"{n}={v}" for n, v in group.items() if n != "params" and (is_number(v) or n == "betas"))
            lines.append(f"  {len(held)} parameters of {sum(held):,} numbers: {shown}")
        return f"{self.who}(\n" + "\n".join(lines) + "\n)"


def _listed(who: str, params: Any) -> list[Any]:
    """Parameters, or groups of them, as a list in a fixed order."""
    if isinstance(params, Tensor):
        return [params]
    if isinstance(params, (set, frozenset)):
        raise ArgumentError(f"{who}: a set of parameters has no order, which saved states need; pass a list")
    if isinstance(params, (str, dict)) or not isinstance(params, Iterable):
        raise ArgumentError(
            f"{who}: wants parameters, or a list of groups, not a {type(params).__name__}; pass model.parameters()"
        )
    return list(params)
