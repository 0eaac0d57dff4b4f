"""The part of JSON Schema (draft 2020-12) that the manifest's schema uses, checked without a dependency.

`check` raises FormatError at the first thing that is wrong and names it by its path, as in
``$.models['resnet50.imagenet1k-v2'].files[0].sha256``. Three readings are stricter than those of the usual
Python implementation: a pattern's ``$`` means the very end of the string (Python's own also allows a newline after it,
and a digest becomes a path), NaN or an infinity is no number, and 3.0 is no integer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Container, Mapping
from functools import lru_cache
from typing import Any

from numzoo.hub.errors import FormatError

__all__ = ["check"]

Schema = Mapping[str, Any]


def check(
    value: object, schema: Schema, root: Schema, *, who: str, path: str = "$", postpone: Container[str] = ()
) -> None:
    """Hold `value` to `schema`.

    `root` is the document that ``$ref`` points into, `who` names the checked file in the message, and references named
    in `postpone` are passed over (their part is checked when it is used).
    """
    _Check(root, who, postpone).run(value, schema, path)


class _Check:
    def __init__(self, root: Schema, who: str, postpone: Container[str]) -> None:
        self.root, self.who, self.postpone = root, who, postpone

    def run(self, value: object, schema: Schema, path: str) -> None:
        for keyword, wanted in schema.items():
            if keyword in _ANNOTATIONS:
                continue
            try:
                rule = _RULES[keyword]
            except KeyError:
                raise NotImplementedError(
                    f"the manifest's schema uses {keyword!r}, which hub/registry/schema.py lacks"
                ) from None
            rule(self, value, wanted, path, schema)

    def fail(self, path: str, message: str) -> None:
        raise FormatError(f"{self.who}: {path} {message}.")

    def reference(self, value: object, wanted: str, path: str, schema: Schema) -> None:
        if wanted not in self.postpone:
            self.run(value, self.root["$defs"][wanted.removeprefix("#/$defs/")], path)

    def type(self, value: object, wanted: str | list[str], path: str, schema: Schema) -> None:
        names = [wanted] if isinstance(wanted, str) else wanted
        if not any(_TYPES[name](value) for name in names):
            self.fail(path, f"is {_kind(value)}; wanted {' or '.join(names)}")

    def const(self, value: object, wanted: object, path: str, schema: Schema) -> None:
        if type(value) is not type(wanted) or value != wanted:
            self.fail(path, f"is {_short(value)}; wanted {wanted!r}")

    def enum(self, value: object, wanted: list[object], path: str, schema: Schema) -> None:
        if value not in wanted:
            self.fail(path, f"is {_short(value)}; wanted one of {', '.join(map(repr, wanted))}")

    def pattern(self, value: object, wanted: str, path: str, schema: Schema) -> None:
        if isinstance(value, str) and _compiled(wanted).search(value) is None:
            self.fail(path, f"is {_short(value)}, which does not match {wanted}")

    def shortest(self, value: object, wanted: int, path: str, schema: Schema) -> None:
        if isinstance(value, str) and len(value) < wanted:
            self.fail(path, f"is {_short(value)}; wanted at least {wanted} characters")

    def longest(self, value: object, wanted: int, path: str, schema: Schema) -> None:
        if isinstance(value, str) and len(value) > wanted:
            self.fail(path, f"has {len(value)} characters; at most {wanted} are allowed")

    def minimum(self, value: object, wanted: float, path: str, schema: Schema) -> None:
        if _is_number(value) and value < wanted:  # type: ignore[operator]
            self.fail(path, f"is {value!r}; wanted at least {wanted}")

    def fewest(self, value: object, wanted: int, path: str, schema: Schema) -> None:
        if isinstance(value, list) and len(value) < wanted:
            self.fail(path, f"has {len(value)} items; wanted at least {wanted}")

    def most(self, value: object, wanted: int, path: str, schema: Schema) -> None:
        if isinstance(value, list) and len(value) > wanted:
            self.fail(path, f"has {len(value)} items; at most {wanted} are allowed")

    def items(self, value: object, wanted: Schema, path: str, schema: Schema) -> None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                self.run(item, wanted, f"{path}[{index}]")

    def required(self, value: object, wanted: list[str], path: str, schema: Schema) -> None:
        if isinstance(value, dict):
            missing = [name for name in wanted if name not in value]
            if missing:
                self.fail(path, f"lacks the field {missing[0]!r}")

    def properties(self, value: object, wanted: Mapping[str, Schema], path: str, schema: Schema) -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                if name in wanted:
                    self.run(item, wanted[name], _join(path, name))

    def additional(self, value: object, wanted: bool | Schema, path: str, schema: Schema) -> None:
        if not isinstance(value, dict):
            return
        known = schema.get("properties", {})
        for name, item in value.items():
            if name in known:
                continue
            if wanted is False:
                self.fail(path, f"has the unknown field {_short(name)}; known are {', '.join(sorted(known))}")
            elif isinstance(wanted, Mapping):
                self.run(item, wanted, _join(path, name))

    def names(self, value: object, wanted: Schema, path: str, schema: Schema) -> None:
        if isinstance(value, dict):
            for name in value:
                self.run(name, wanted, f"{path}, name {_short(name)},")

    def any_of(self, value: object, wanted: list[Schema], path: str, schema: Schema) -> None:
        failures = []
        for choice in wanted:
            try:
                return self.run(value, choice, path)
            except FormatError as error:
                failures.append(str(error).removeprefix(f"{self.who}: ").rstrip("."))
        return self.fail(path, f"fits none of its {len(wanted)} forms: {'; '.join(failures)}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


_TYPES: dict[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}

_RULES: dict[str, Callable[[_Check, object, Any, str, Schema], None]] = {
    "$ref": _Check.reference,
    "type": _Check.type,
    "const": _Check.const,
    "enum": _Check.enum,
    "pattern": _Check.pattern,
    "minLength": _Check.shortest,
    "maxLength": _Check.longest,
    "minimum": _Check.minimum,
    "minItems": _Check.fewest,
    "maxItems": _Check.most,
    "items": _Check.items,
    "required": _Check.required,
    "properties": _Check.properties,
    "additionalProperties": _Check.additional,
    "propertyNames": _Check.names,
    "anyOf": _Check.any_of,
}

_ANNOTATIONS = frozenset({"$schema", "$defs", "title", "description"})


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    """`pattern` with a closing ``$`` read as the very end of the string."""
    return re.compile(pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{_short(name)}]"


def _kind(value: object) -> str:
    return "null" if value is None else f"{_short(value)} ({type(value).__name__})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
