"""Freezing parts of a model, and naming parts at all: by patterns of dotted names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

from ..errors import ArgumentError
from .module import Module

__all__ = ["freeze", "unfreeze"]


def freeze(model: Module, *patterns: str, but: str | Iterable[str] = ()) -> list[str]:
    """Train the parameters that ``patterns`` name no further, but for those that ``but`` names; the names of those that stopped.

    A pattern is a shell pattern of a parameter's name ("features.*", "*.bias") or the name of a module, which means everything below it
    ("features.0"). Without patterns: everything but the head (``classifier_modules``). Batch normalisations all of whose parameters are frozen
    use their stored statistics from then on and leave them as they are, in training too. Optimisers pass frozen parameters by.

    Raises ArgumentError for a pattern that fits nothing.

    >>> from numzoo.engine import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> nn.freeze(model, "0")
    ['0.weight', '0.bias']
    """
    kept = [but] if isinstance(but, str) else list(but)
    if not patterns:
        kept += heads_of("freeze", model)
        patterns = ("*",)
    return _set("freeze", model, patterns, kept, False)


def unfreeze(model: Module, *patterns: str, but: str | Iterable[str] = ()) -> list[str]:
    """Train the parameters that ``patterns`` name again (without patterns: all); the names of those that begin. See ``freeze``."""
    return _set("unfreeze", model, patterns or ("*",), [but] if isinstance(but, str) else list(but), True)


def heads_of(who: str, model: Module) -> list[str]:
    """The names of the modules that depend on the number of classes; an ArgumentError for a model that does not say."""
    if not isinstance(model, Module):
        raise ArgumentError(f"{who}: wants an nn.Module, not a {type(model).__name__}")
    if not model.classifier_modules:
        raise ArgumentError(
            f"{who}: {type(model).__name__} does not say which part is its head (classifier_modules); name the parts, as in {who}(model, 'features.*')"
        )
    return list(model.classifier_modules)


def matcher(who: str, patterns: Iterable[str], names: Iterable[str]) -> Callable[[str], bool]:
    """Whether a name fits one of ``patterns``; an ArgumentError for one that fits none of ``names``."""
    held, known = list(patterns), list(names)
    for pattern in held:
        if not isinstance(pattern, str):
            raise ArgumentError(f"{who}: a pattern is a text such as 'features.*', not {pattern!r:.60}")
        if not any(_fits(name, pattern) for name in known):
            raise ArgumentError(f"{who}: nothing fits {pattern!r:.60}; names are such as {', '.join(known[:4])}")
    return lambda name: any(_fits(name, pattern) for pattern in held)


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")


def _set(who: str, model: Any, patterns: Iterable[str], but: list[str], trained: bool) -> list[str]:
    if not isinstance(model, Module):
        raise ArgumentError(f"{who}: wants an nn.Module, not a {type(model).__name__}")
    names = [name for name, _ in model.named_parameters()] + [name for name, _ in model.named_buffers()]
    fits, kept = matcher(who, patterns, names), matcher(who, but, names)
    changed = []
    for name, parameter in model.named_parameters():
        if fits(name) and not kept(name) and parameter.requires_grad != trained:
            parameter.requires_grad_(trained)
            changed.append(name)
    for path, module in model.named_modules():
        statistics = f"{path}.running_mean" if path else "running_mean"
        if "running_mean" not in module._buffers or not fits(statistics) or kept(statistics):
            continue
        own = list(module.parameters(recurse=False))
        module.frozen = not any(p.requires_grad for p in own) if own else not trained
        module.training = model.training and not module.frozen
    return changed
