"""Which parameters weight decay is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

from ..errors import ArgumentError
from .settings import NOT_NEGATIVE, number, whole


def decay_groups(
    model: Any,
    weight_decay: float,
    *,
    without: Iterable[str] | Callable[[str, Any], bool] = (),
    fewest_axes: int = 2,
    **settings: Any,
) -> list[dict[str, Any]]:
    """A model's parameters in two groups for an optimiser: ``"decay"`` with ``weight_decay`` and ``"no decay"`` with 0.

    Decay is for the weights of layers. What has fewer than ``fewest_axes`` axes (biases, the scales of normalisations) goes
    without, and so does what ``without`` names: shell patterns of dotted names (``"embedding.*"``, ``"*.position"``), or a function of name
    and parameter. Other ``settings``, such as ``lr``, go into both groups. A pattern that fits no parameter is an ArgumentError.

    >>> from numzoo.engine import nn, optim
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2))
    >>> optimizer = optim.AdamW(optim.decay_groups(model, 0.05), lr=1e-3)
    >>> [(group["name"], group["weight_decay"], len(group["params"])) for group in optimizer.param_groups]
    [('decay', 0.05, 2), ('no decay', 0.0, 4)]
    """
    who = "decay_groups"
    if not hasattr(model, "named_parameters"):
        raise ArgumentError(f"{who}: wants a model with named_parameters(), not a {type(model).__name__}")
    decay = number(who, "weight_decay", weight_decay, NOT_NEGATIVE)
    axes = whole(who, "fewest_axes", fewest_axes, 0)
    is_without = (
        without if callable(without) else _matcher(who, without, [name for name, _ in model.named_parameters()])
    )
    groups: dict[bool, list[Any]] = {True: [], False: []}
    for name, parameter in model.named_parameters():
        groups[parameter.ndim >= axes and not is_without(name, parameter)].append(parameter)
    return [
        {"name": "decay", "params": groups[True], "weight_decay": decay, **settings},
        {"name": "no decay", "params": groups[False], "weight_decay": 0.0, **settings},
    ]


def _matcher(who: str, patterns: Any, names: list[str]) -> Callable[[str, Any], bool]:
    held = [patterns] if isinstance(patterns, str) else list(patterns)
    for pattern in held:
        if not isinstance(pattern, str) or not any(fnmatchcase(name, pattern) for name in names):
            shown = ", ".join(names[:4])
            raise ArgumentError(f"{who}: no parameter fits {pattern!r:.60}; names are such as {shown}")
    return lambda name, _: any(fnmatchcase(name, pattern) for pattern in held)
