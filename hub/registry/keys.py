"""How a checkpoint's tensor names become the model's: what an entry's ``keys`` say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeAlias

from numzoo.hub.registry.patterns import NamePattern, Stopwatch, compile_pattern

__all__ = ["Keys", "read_keys"]

Pattern: TypeAlias = "NamePattern | re.Pattern[str]"  # those of a person's own command line may be any


@dataclass(frozen=True, slots=True)
class Keys:
    """Every pattern is for a whole name, and the first of its kind that fits wins.

    A name of the file is ignored, or else split, or neither; what then stands there is renamed. `split` cuts a tensor
    along its first axis into as many equal pieces as names follow; a piece without a name (None) is ignored. What becomes
    ``NAME[1/3]`` is the second of three parts of NAME, which are joined along their first axis. `zero`, `reshape` and
    `transpose` are patterns of the model's names (or of such parts): what is zero where the file lacks it, what may have
    another shape of as many elements, which matrices lie transposed. With a `prefix`, only names that begin with it are
    the model's, and the patterns are for what follows it.
    """

    rename: tuple[tuple[Pattern, str], ...] = ()
    ignore: tuple[Pattern, ...] = ()
    absent: tuple[Pattern, ...] = ()
    split: tuple[tuple[Pattern, tuple[str | None, ...]], ...] = ()
    zero: tuple[Pattern, ...] = ()
    reshape: tuple[Pattern, ...] = ()
    transpose: tuple[Pattern, ...] = ()
    prefix: str = ""

    def below(self, prefix: str) -> Keys:
        """The same spellings for a file whose names begin with `prefix` and which may hold more; the rest is ignored."""
        return replace(self, prefix=prefix + self.prefix)

    def model_name(self, name: str) -> str:
        """What the model calls the tensor, or the piece of one, that the file calls `name`."""
        name = name.removeprefix(self.prefix)
        for pattern, replacement in self.rename:
            found = pattern.fullmatch(name)
            if found:
                return found.expand(replacement)
        return name

    def pieces(self, name: str) -> tuple[str | None, ...] | None:
        """The names of the pieces that the file's `name` is cut into, or None where it stays whole."""
        name = name.removeprefix(self.prefix)
        for pattern, names in self.split:
            found = pattern.fullmatch(name)
            if found:
                return tuple(None if each is None else self.prefix + found.expand(each) for each in names)
        return None

    def ignores(self, name: str) -> bool:
        """Whether the entry declares that the model does not take the file's `name`."""
        if not name.startswith(self.prefix):
            return True
        return any(pattern.fullmatch(name.removeprefix(self.prefix)) for pattern in self.ignore)

    def declares_absent(self, name: str) -> bool:
        """Whether the entry declares that the file does not hold the model's `name`."""
        return _any(self.absent, name)

    def declares_zero(self, name: str) -> bool:
        """Whether the model's `name`, or a part of it, is zero where the file does not hold it."""
        return _any(self.zero, name)

    def reshapes(self, name: str) -> bool:
        """Whether the file may hold the model's `name` in another shape."""
        return _any(self.reshape, name)

    def transposes(self, name: str) -> bool:
        """Whether the file holds the model's `name` transposed."""
        return _any(self.transpose, name)


def _any(patterns: tuple[Pattern, ...], name: str) -> bool:
    return any(pattern.fullmatch(name) for pattern in patterns)


def read_keys(fields: Mapping[str, Any], *, fail: Callable[[str, str], NoReturn]) -> Keys:
    """The spellings of a manifest that fits its schema; `fail` is told the JSON path and what is wrong."""
    watch = Stopwatch()

    def compiled(pattern: str, where: str) -> Pattern:
        try:
            return compile_pattern(pattern, watch)
        except ValueError as error:
            fail(where, f"is no regular expression of the kind that is read here (docs/registry.md): {error}")

    def checked(pattern: Pattern, text: str, where: str) -> str:
        groups = [int(number) for number in re.findall(r"\\(\d+)", text)]
        if any(number > pattern.groups for number in groups) or re.search(r"\\(?!\d)", text):
            fail(where, f"is {text!r}; a backslash may only name one of the match's groups")
        return text

    def patterns(kind: str) -> tuple[Pattern, ...]:
        return tuple(compiled(each, f".{kind}[{index}]") for index, each in enumerate(fields.get(kind, ())))

    renames = []
    for index, pair in enumerate(fields.get("rename", ())):
        where = f".rename[{index}]"
        pattern = compiled(pair["match"], f"{where}.match")
        renames.append((pattern, checked(pattern, pair["to"], f"{where}.to")))
    splits = []
    for index, pair in enumerate(fields.get("split", ())):
        where = f".split[{index}]"
        pattern = compiled(pair["match"], f"{where}.match")
        names = (None if each is None else checked(pattern, each, f"{where}.to") for each in pair["to"])
        splits.append((pattern, tuple(names)))
    return Keys(
        tuple(renames),
        patterns("ignore"),
        patterns("absent"),
        tuple(splits),
        patterns("zero"),
        patterns("reshape"),
        patterns("transpose"),
    )
