"""How an operation is written: what the parameters of its body mean, and what its gradient rules may ask for."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

from .errors import ArgumentError
from .keeping import MEASURES

Rule = Callable[..., Any]

RESERVED = {"grad", "grads", "out", "outs", "position"}
"""What rules can name besides tensors, settings and residuals; so no tensor may be called that."""

_WORDS = {"dim": ("axis", "axes"), "dims": ("axes", "axis"), "min": ("low",), "max": ("high",), "lambd": ("width",)}
_PLACES = {"input": 0, "other": 1, "exponent": 1}
"""PyTorch's names of arguments: what settings are called here, and which tensor is meant."""


class Signature:
    """The tensors, settings and rules of an operation, read from its body once, when it is defined."""

    def __init__(
        self,
        body: Callable[..., Any],
        rules: dict[str, Rule],
        *,
        residuals: tuple[str, ...],
        promotes: bool,
        floating: bool,
        compares: bool,
        jointly: Rule | None,
    ) -> None:
        self.body = body
        self.name = body.__name__
        self.__name__ = self.name
        self.__qualname__ = self.name
        self.__module__ = body.__module__
        self.__doc__ = body.__doc__
        self.__wrapped__ = body
        parameters = list(inspect.signature(body).parameters.values())[1:]
        tensors = [p for p in parameters if "Array" in str(p.annotation)]
        self.variadic = bool(tensors) and tensors[0].kind is inspect.Parameter.VAR_POSITIONAL
        self.tensors = tuple(p.name for p in tensors)
        self.count = sys.maxsize if self.variadic else len(tensors)
        self.optional = tuple("None" in str(p.annotation) for p in tensors) * (not self.variadic)
        self.required = 1 if self.variadic else sum(p.default is inspect.Parameter.empty for p in tensors)
        settings = [p for p in parameters if p not in tensors and p.name != "keep"]
        self.setting_names = frozenset(p.name for p in settings)
        self.setting_order = tuple(p.name for p in settings if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self.setting_defaults = {p.name: p.default for p in settings if p.default is not inspect.Parameter.empty}
        self.needs_settings = len(self.setting_defaults) < len(settings)
        self.keeps = any(p.name == "keep" for p in parameters)
        self.residuals = residuals
        self.promotes = promotes
        self.floating = floating
        self.compares = compares
        self.jointly = jointly is not None
        if jointly is not None:
            rules = dict.fromkeys(self.tensors, jointly)
        self.rules = tuple(self._compile(name, rules) for name in self.tensors)
        unknown = set(rules) - set(self.tensors)
        if unknown or RESERVED & set(self.tensors):
            raise ArgumentError(
                f"op {self.name}: rules are given for {sorted(rules)}, but its tensors (the parameters annotated Array) are {self.tensors}, "
                f"none of which may be called {sorted(RESERVED)}"
            )

    def _bind(self, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort arguments into tensors and settings; settings come back complete, with the defaults filled in."""
        if given.keys() == self.setting_names and self.required <= len(args) <= self.count:
            return args, given  # a dictionary of this call's own
        settings = dict(self.setting_defaults)
        count = self.count
        if self.required <= len(args) <= count and given.keys() <= self.setting_names:
            # The usual call: tensors by place, settings by name.
            settings.update(given)
            if len(settings) == len(self.setting_names):
                return args, settings
        elif not given and count < len(args) <= count + len(self.setting_order) and args[count - 1] is not None:
            # The same with settings by place.
            settings.update(zip(self.setting_order, args[count:], strict=False))
            if len(settings) == len(self.setting_names):
                return args[:count], settings
        if len(args) > self.count:
            surplus = args[self.count :]
            if len(surplus) > len(self.setting_order):
                raise ArgumentError(
                    f"{self.name}: takes {self._form()}, but {len(args)} positional arguments were given"
                )
            settings.update(zip(self.setting_order, surplus, strict=False))
            args = args[: self.count]
        tensors = list(args)
        if given:
            if not given.keys() <= self.setting_names:
                given = {self._own_word(name, given): value for name, value in given.items()}
            for name, value in given.items():
                if name in self.setting_names:
                    settings[name] = value
            for name in self.tensors[len(tensors) :]:
                if name in given:
                    tensors.append(given[name])
                elif any(later in given for later in self.tensors):
                    tensors.append(None)
            for name in given:
                if name not in self.setting_names and name not in self.tensors[len(args) :]:
                    raise ArgumentError(f"{self.name}: has no argument {name!r}; it takes {self._form()}")
        while tensors and tensors[-1] is None and len(tensors) > self.required:
            tensors.pop()
        if len(tensors) < self.required:
            raise ArgumentError(f"{self.name}: takes {self._form()}, but only {len(tensors)} tensor(s) were given")
        missing = self.setting_names - settings.keys()
        if missing:
            raise ArgumentError(f"{self.name}: the setting {sorted(missing)[0]!r} is missing; it takes {self._form()}")
        return tuple(tensors), settings

    def _own_word(self, name: str, given: dict[str, Any]) -> str:
        """What PyTorch's name of an argument is called here, where it is called otherwise and was not given by that name too."""
        if name in self.setting_names or name in self.tensors:
            return name
        place = _PLACES.get(name, len(self.tensors))
        for own in (*_WORDS.get(name, ()), *self.tensors[place : place + 1]):
            if own not in given and (own in self.setting_names or own in self.tensors):
                return own
        return name

    def _form(self) -> str:
        tensors = [f"*{self.tensors[0]}"] if self.variadic else list(self.tensors)
        settings = [
            f"{n}={self.setting_defaults[n]!r}" if n in self.setting_defaults else n for n in sorted(self.setting_names)
        ]
        return f"({', '.join(tensors + settings)})"

    def _compile(self, tensor: str, rules: dict[str, Rule]) -> tuple[Rule, tuple[str, ...], bool] | None:
        """A rule, the names it asks for, each checked, and whether that is the gradient alone; None where the tensor has no gradient."""
        if tensor not in rules:
            return None
        names = tuple(inspect.signature(rules[tensor]).parameters)
        shapes = {f"{name}_{word}" for name in self.tensors for word in (MEASURES[:1] if self.variadic else MEASURES)}
        known = {*RESERVED, *self.tensors, *shapes, *self.setting_names, *self.residuals}
        if not set(names) <= known:
            raise ArgumentError(
                f"op {self.name}: the rule for {tensor} names {sorted(set(names) - known)}; it may name {sorted(known)}"
            )
        return rules[tensor], names, names == ("grad",)
