"""What a node keeps for backward, and how its rules are given it: worked out once for each operation and each set of wanted gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from .tensor import tensor_of

if TYPE_CHECKING:
    from .node import Node
    from .signature import Signature

__all__ = ["Plan"]

Flow = tuple[Callable[..., Any], Callable[[list[Any]], Any] | None]
"""A rule, and what picks its arguments from everything that the node kept; None where the gradient alone is its argument."""

_GRADIENT, _ABSENT, _POSITION = range(3)
"""Places in the list that arguments are picked from: what arrived, None for a tensor that was not given, and a variadic input's number."""

MEASURES = ("shape", "strides", "dtype")
"""What may be asked for of an input without its numbers."""

APART = 1 << 30
"""More inputs than an operation has: what tells those apart of which one measure is kept from those of which the next one is."""


class Plan:
    """Which inputs, whether the results, and which residuals are kept; and each input's rule.

    ``inputs`` are positions; of an input of which a measure alone is asked for, the complement of its position, less ``APART`` for each
    measure that stands before.
    """

    __slots__ = (
        "flows", "inputs", "joint", "keeps", "keeps_out", "pick", "pick_residuals", "positions", "residuals", "settings", "variadic",
    )  # fmt: skip

    def __init__(self, op: Signature, mask: int, count: int) -> None:
        rules = [op.rules[0 if op.variadic else position] for position in range(count)]
        wanted = [rule if mask >> position & 1 else None for position, rule in enumerate(rules)]
        names = {name for rule in wanted if rule is not None for name in rule[1]}
        tensors = op.tensors * count if op.variadic else op.tensors[:count]
        inputs = [position for position, name in enumerate(tensors) if name in names]
        for number, measure in enumerate(MEASURES):
            inputs += [~at - number * APART for at, name in enumerate(tensors) if f"{name}_{measure}" in names]
        residuals = [place for place, name in enumerate(op.residuals) if name in names]
        self._describe(op, names, inputs, "out" in names or "outs" in names, residuals)
        places = self._places(op)
        self.flows = tuple(None if rule is None else _flow(rule, places) for rule in wanted)
        self.joint = next((flow for flow in self.flows if flow is not None), None) if op.jointly else None

    @classmethod
    def of_function(cls, op: Signature, kept: int, keeps_out: bool) -> Plan:
        """That of a function somebody wrote, which says itself how much it keeps; one rule gives all gradients."""
        plan = cls.__new__(cls)
        rule = op.rules[0]
        assert rule is not None
        plan._describe(op, set(rule[1]), list(range(kept)), keeps_out, [])
        plan.flows = ()
        plan.joint = _flow(rule, plan._places(op))
        return plan

    def _describe(
        self, op: Signature, names: set[str], inputs: list[int], keeps_out: bool, residuals: list[int]
    ) -> None:
        self.inputs, self.keeps_out, self.residuals = tuple(inputs), keeps_out, tuple(residuals)
        # What takes the kept ones from all of them.
        self.pick, self.pick_residuals = _picker(self.inputs), _picker(self.residuals)
        self.keeps = bool(inputs or keeps_out or residuals)
        """Whether anything is kept; what keeps nothing can be walked again and again."""
        self.variadic = op.variadic
        self.positions = "position" in names
        settings = tuple(name for name in sorted(op.setting_names) if name in names)
        # Of one name a getter gives the bare value; asked for it twice, it gives a tuple as of several.
        self.settings = itemgetter(*settings, *settings[: len(settings) == 1]) if settings else None

    def _places(self, op: Signature) -> dict[str, int]:
        """Where each name is found in the list that ``gather`` makes."""
        named = {"grad": _GRADIENT, "grads": _GRADIENT, "position": _POSITION}
        order: list[str] = []
        if op.variadic:
            order += [op.tensors[0], f"{op.tensors[0]}_shape"]
        else:
            order += [_name_of(op.tensors, at) for at in self.inputs]
        order += ["out", "outs"] * self.keeps_out
        order += [op.residuals[at] for at in self.residuals]
        if self.settings is not None:
            order += self.settings(_Names())
        return named | {name: place for place, name in enumerate(order, start=3)}

    def gather(self, node: Node, arrived: Any, results: Callable[[Node], tuple[Any, ...]]) -> list[Any]:
        """Everything that the node kept, as tensors, shapes and settings, with what arrived: rules pick from it."""
        found = [arrived if arrived.__class__ is not list else tuple(arrived), None, None]
        if self.variadic:
            kept = list(zip(self.inputs, (node.saved if self.inputs else None) or (), strict=True))
            found += (tuple([v for at, v in kept if at >= 0]), tuple([v for at, v in kept if at < 0]))
        elif self.inputs:
            found += node.saved  # type: ignore[arg-type]
        if self.keeps_out:
            outs = results(node)
            found += (outs[0], outs)
        if self.residuals:
            found += [None if array is None else tensor_of(array) for array in node.residuals]  # type: ignore[union-attr]
        if self.settings is not None:
            found += self.settings(node.settings)
        return found

    def at(self, position: int, found: list[Any]) -> list[Any]:
        """The same list for the rule of this input, which may ask for its number."""
        if self.positions:
            found[_POSITION] = position
        return found


def _picker(inputs: tuple[int, ...]) -> Callable[[tuple[Any, ...]], Sequence[Any]]:
    if inputs == (-1,):
        return lambda given: (_shape_of(given[0]),)
    if any(at < 0 for at in inputs):
        return lambda given: [given[at] if at >= 0 else _measures_of(given, at) for at in inputs]
    if len(inputs) > 1:
        return itemgetter(*inputs)
    return itemgetter(slice(inputs[0], inputs[0] + 1) if inputs else slice(0))  # one of one, as a tuple


def _measures_of(given: tuple[Any, ...], at: int) -> Any:
    """A measure of an input; None of None."""
    number, place = divmod(~at, APART)
    value = given[place]
    return None if value is None else getattr(value.array, MEASURES[number])


def _shape_of(value: Any) -> tuple[int, ...] | None:
    """The shape of a tensor; None of None."""
    return None if value is None else value.array.shape


def _name_of(tensors: tuple[str, ...], at: int) -> str:
    """What a rule calls it."""
    if at >= 0:
        return tensors[at]
    number, place = divmod(~at, APART)
    return f"{tensors[place]}_{MEASURES[number]}"


class _Names(dict[str, str]):
    """Gives each name itself: in which order a getter takes them."""

    def __missing__(self, name: str) -> str:
        return name


def _flow(rule: Any, places: dict[str, int]) -> Flow:
    function, names, alone = rule
    if alone:
        return function, None
    picked = [places.get(name, _ABSENT) for name in names]
    if len(picked) == 1:
        return function, itemgetter(slice(picked[0], picked[0] + 1))  # a list of one
    return function, itemgetter(*picked)
