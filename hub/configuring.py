"""Writing the configuration file: a registry's table is added or removed as text, and all else stays as it was written.

What would come out is read again before it is written. Where that is not the configuration that was meant, nothing
is, and the person is asked to edit the file.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from numzoo.hub import configuration
from numzoo.hub.configuration import Configuration, RegistrySettings
from numzoo.hub.errors import NotFoundError, UsageError
from numzoo.hub.store.cache import storage
from numzoo.hub.store.whole import write_whole

__all__ = ["add_registry", "remove_registry"]

_TABLE = re.compile(r"\s*\[")
_REGISTRY = re.compile(r"\s*\[\[\s*registry\s*\]\]\s*(#.*)?")


def add_registry(settings: RegistrySettings) -> None:
    """Put a registry behind those that are configured. Raises UsageError where one has that name."""
    before = configuration.read()
    if any(each.name == settings.name for each in before.registries):
        raise UsageError(f"There is a registry {settings.name} already; remove it first, or choose another name.")
    lines = ["[[registry]]", f"name = {_text(settings.name)}"]
    if settings.address:
        lines.append(f"address = {_text(settings.address)}")
    for field in ("keys", "namespaces", "mirrors"):
        values = getattr(settings, field)
        if values:
            lines.append(f"{field} = [{', '.join(map(_text, values))}]")
    text = _read()
    start = f"{text.rstrip()}\n\n" if text.strip() else ""
    _write(start + "\n".join(lines) + "\n", replace(before, registries=(*before.registries, settings)))


def remove_registry(name: str) -> RegistrySettings:
    """Take the registry of that name out; what it was. Raises NotFoundError where none has it."""
    before = configuration.read()
    found = next((each for each in before.registries if each.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in before.registries) or "none"
        raise NotFoundError(f"No registry {name!r} is configured in {configuration.path()}; there are {names}.")
    place = before.registries.index(found)
    lines = _read().splitlines(keepends=True)
    heads = [index for index, line in enumerate(lines) if _REGISTRY.fullmatch(line.rstrip("\r\n"))]
    if len(heads) != len(before.registries):
        raise _by_hand()
    first = heads[place]
    last = next((index for index in range(first + 1, len(lines)) if _TABLE.match(lines[index])), len(lines))
    rest = tuple(each for each in before.registries if each is not found)
    _write("".join(lines[:first] + lines[last:]), replace(before, registries=rest))
    return found


def _read() -> str:
    path = configuration.path()
    with storage(f"read {path}", elsewhere=True):
        try:
            return path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return ""


def _write(text: str, wanted: Configuration) -> None:
    data = text.encode("utf-8")
    if configuration.parse(data, str(configuration.path())) != wanted:
        raise _by_hand()
    write_whole(configuration.path(), data)


def _by_hand() -> UsageError:
    return UsageError(
        f"{configuration.path()} is written in a way that is not safe to change; please edit it yourself."
    )


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a basic string of TOML, for texts without control characters
