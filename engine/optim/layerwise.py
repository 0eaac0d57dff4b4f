"""Learning rates that fall with the distance from the output: what fine-tuning changes little, it changes slowly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import ArgumentError, SettingError
from ..nn import Module, ModuleList, Sequential
from ..nn.freezing import matcher
from .settings import NOT_NEGATIVE, POSITIVE, number

__all__ = ["layer_groups", "stages_of"]


def layer_groups(
    model: Module, lr: float, *, decay: float = 0.75, weight_decay: float | None = None, stages: str | Iterable[str] | None = None, **settings: Any
) -> list[dict[str, Any]]:  # fmt: skip
    """Groups for an optimiser, one a stage: stage i of n gets the rate lr decay^(n - 1 - i); the last, with the head, gets ``lr``.

    ``stages`` are patterns of names (as for ``nn.freeze``) from input to output; a parameter belongs to the last that fits it, and what none
    fits goes with the first. By default the stages are the model's parts in their order, blocks of a Sequential or a ModuleList one by one.
    With ``weight_decay`` each stage has two groups: biases and normalisations go without. Frozen parameters are left out. Other
    ``settings`` go into all groups.

    >>> from numzoo.engine import nn, optim
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> [(group["name"], group["lr"]) for group in optim.layer_groups(model, 0.1, decay=0.5)]
    [('0', 0.025), ('2', 0.05), ('4', 0.1)]
    """
    who = "layer_groups"
    if not isinstance(model, Module):
        raise ArgumentError(f"{who}: wants an nn.Module, not a {type(model).__name__}")
    rate, factor = number(who, "lr", lr, NOT_NEGATIVE), number(who, "decay", decay, POSITIVE)
    if factor > 1:
        raise SettingError(
            f"{who}: decay must be at most 1, not {decay!r:.60}; it lowers the rate from the output towards the input"
        )
    names = [name for name, _ in model.named_parameters()]
    order = stages_of(model) if stages is None else [stages] if isinstance(stages, str) else list(stages)
    if not order:
        raise ArgumentError(f"{who}: there are no stages; {type(model).__name__} has no parameters in modules")
    fits = [matcher(who, [stage], names) for stage in order]
    held: list[list[Any]] = [[] for _ in order]
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            held[max((place for place, fit in enumerate(fits) if fit(name)), default=0)].append(parameter)
    if not any(held):
        raise ArgumentError(
            f"{who}: everything is frozen; there is nothing to train. nn.unfreeze(model, ...) says what is"
        )
    groups = []
    for place, (stage, parameters) in enumerate(zip(order, held, strict=True)):
        common = {**settings, "lr": rate * factor ** (len(order) - 1 - place)}
        if weight_decay is None:
            parts = [{**common, "name": stage, "params": parameters}]
        else:
            share = number(who, "weight_decay", weight_decay, NOT_NEGATIVE)
            parts = [
                {**common, "name": stage, "params": [p for p in parameters if p.ndim >= 2], "weight_decay": share},
                {
                    **common,
                    "name": f"{stage}, no decay",
                    "params": [p for p in parameters if p.ndim < 2],
                    "weight_decay": 0.0,
                },
            ]
        groups += [part for part in parts if part["params"]]
    return groups


def stages_of(model: Module) -> list[str]:
    """The names of a model's parts from input to output.

    They are its modules with parameters; rows of blocks count one by one, and a part that is nearly everything by its own parts.
    """
    total = sum(parameter.numel() for parameter in model.parameters())

    def parts(module: Module, prefix: str) -> list[str]:
        names = []
        for name, child in module.named_children():
            size = sum(parameter.numel() for parameter in child.parameters())
            inner = [c for c in child.children() if next(c.parameters(), None) is not None]
            if not size:
                continue
            row = isinstance(child, (Sequential, ModuleList)) and len(inner) > 1
            names += (
                parts(child, f"{prefix}{name}.")
                if len(inner) > 0 and (row or size > 0.9 * total) and not _is_block(child)
                else [prefix + name]
            )
        return names

    return parts(model, "")


def _is_block(module: Module) -> bool:
    """Whether a Sequential is one step, such as a convolution with its normalisation, and not a row of steps."""
    return isinstance(module, Sequential) and sum(p.ndim >= 2 for p in module.parameters()) <= 1
