"""The fields of somebody else's configuration, read with their types and their bounds, and held to what a builder can do.

A configuration is data from anywhere: a field of a wrong kind or beyond all reason is a FormatError, and one that asks
for other mathematics than the builder's is a LoadError that says what differs. Nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from numzoo.hub.errors import FormatError, LoadError

__all__ = ["Fields"]

_UNSET: Any = object()
_MOST = 1 << 20


class Fields:
    """The fields of one configuration; `who` names it in messages, `family` the models that it is translated for."""

    def __init__(self, values: object, *, who: str, family: str = "model") -> None:
        if not isinstance(values, Mapping):
            raise FormatError(f"{who} is no JSON object but {_shown(values)}.")
        self.values, self.who, self.family = values, who, family

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def whole(self, name: str, default: int = _UNSET, *, least: int = 1, most: int = _MOST) -> int:
        """A whole number from `least` to `most`."""
        return self._whole(name, self._given(name, default), least, most)

    def wholes(
        self,
        name: str,
        default: Sequence[int] = _UNSET,
        *,
        count: int | None = None,
        most: int = _MOST,
        total: int | None = None,
    ) -> list[int]:
        """A list of whole numbers from 1, `count` of them where that is given, which add up to at most `total`."""
        given = self._given(name, default)
        if not isinstance(given, (list, tuple)) or not 1 <= len(given) <= 64:
            self.fail(name, "a list of whole numbers")
        if count is not None and len(given) != count:
            self.fail(name, f"a list of {count} whole numbers")
        found = [self._whole(name, each, 1, most) for each in given]
        if total is not None and sum(found) > total:
            self.fail(name, f"numbers that add up to at most {total}")
        return found

    def square(self, name: str, default: int = _UNSET, *, most: int = 1 << 14) -> int:
        """A side, given as one number or as two equal ones."""
        given = self._given(name, default)
        if isinstance(given, (list, tuple)) and len(given) == 2 and given[0] == given[1]:
            given = given[0]
        return self._whole(name, given, 1, most)

    def number(self, name: str, default: float = _UNSET, *, least: float = 0.0, most: float = 1e6) -> float:
        """A finite number from `least` to `most`."""
        given = self._given(name, default)
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not least <= given <= most:
            self.fail(name, f"a number from {least:g} to {most:g}")
        return float(given)

    def numbers(self, name: str, default: Sequence[float] = _UNSET, *, count: int) -> list[float]:
        """A list of `count` finite numbers."""
        given = self._given(name, default)
        fits = isinstance(given, (list, tuple)) and len(given) == count
        if not fits or not all(_is_number(each) for each in given):
            self.fail(name, f"a list of {count} numbers")
        return [float(each) for each in given]

    def flag(self, name: str, default: bool = _UNSET) -> bool:
        """True or false."""
        given = self._given(name, default)
        if not isinstance(given, bool):
            self.fail(name, "true or false")
        return given

    def text(self, name: str, default: str = _UNSET) -> str:
        """A text."""
        given = self._given(name, default)
        if not isinstance(given, str):
            self.fail(name, "a text")
        return given

    def inner(self, name: str) -> Fields:
        """The object below this name."""
        return Fields(self._given(name, _UNSET), who=f"{self.who}, {name}", family=self.family)

    def labels(self) -> list[str]:
        """id2label as a list in the order of the model's outputs; empty where there is none."""
        given = self.values.get("id2label")
        if given is None:
            return []
        if not isinstance(given, Mapping):
            self.fail("id2label", "an object from numbers to names")
        wanted = [str(number) for number in range(len(given))]
        if set(given) != set(wanted) or not all(isinstance(name, str) for name in given.values()):
            self.fail("id2label", "a name for each number from 0")
        return [given[number] for number in wanted]

    def must(self, name: str, wanted: Any, default: Any = _UNSET, *, because: str = "") -> None:
        """Refuse a configuration whose field is not what the builder computes with; `default` is what a missing one means."""
        given = self._given(name, wanted if default is _UNSET else default)
        choices = wanted if isinstance(wanted, tuple) else (wanted,)
        if not any(type(given) is type(choice) and given == choice for choice in choices):
            said = " or ".join(repr(choice) for choice in choices)
            self.differs(f"{name} is {_shown(given)}, and numzoo's has {said}", because)

    def differs(self, what: str, because: str = "") -> NoReturn:
        """Refuse a configuration that numzoo would compute otherwise."""
        why = f" ({because})" if because else ""
        raise LoadError(
            f"{self.who} describes a {self.family} that numzoo would compute otherwise: {what}{why}. "
            "It is refused, since it would give other numbers than its authors'."
        )

    def fail(self, name: str, wanted: str) -> NoReturn:
        """Refuse a field of a wrong kind."""
        given = _shown(self.values[name]) if name in self.values else "nothing"
        raise FormatError(f"{self.who}: {name} is {given}; wanted {wanted}.")

    def _given(self, name: str, default: Any) -> Any:
        given = self.values.get(name)
        if given is None:
            if default is _UNSET:
                raise FormatError(f"{self.who} lacks {name}, which a {self.family} needs.")
            return default
        return given

    def _whole(self, name: str, given: object, least: int, most: int) -> int:
        if isinstance(given, float) and given.is_integer():
            given = int(given)
        if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
            self.fail(name, f"a whole number from {least} to {most}")
        return given


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: object) -> str:
    text = ascii(value) if not isinstance(value, (dict, list)) or len(value) < 20 else f"of {len(value)} items"
    return text if len(text) <= 80 else f"{text[:77]}..."
