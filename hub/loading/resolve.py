"""Dotted names of the manifest to the functions of this package, and to nothing else.

A manifest or a file's metadata says ``vision.models.resnet50`` and a configuration. Only public functions and classes
that the package itself defines below ``models``, ``transforms``, ``datasets``, ``pipelines`` and ``io`` of its domains can be named: a dotted name
is data from elsewhere, and must never become an import of something else or a call of anything but a builder.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from numzoo.hub.errors import FormatError, HubError, NotFoundError, UsageError

__all__ = ["build", "find_model", "resolve"]

_PACKAGE = __package__.partition(".")[0]
_NAME = re.compile(
    r"(?P<module>(?:vision|audio|text|tabular)\.(?P<part>models|transforms|datasets|pipelines|io))\.(?P<name>[A-Za-z][A-Za-z0-9_]*)"
)
_UNKNOWN = re.compile(r"unexpected keyword argument '(\w+)'")
"""What Python says of a setting that a builder's configuration does not have."""


def resolve(dotted: str, part: str) -> Callable[..., Any]:
    """The function or class that `dotted` names in a domain's `part` ("models", "transforms", "datasets", "pipelines" or "io")."""
    found = _NAME.fullmatch(dotted) if isinstance(dotted, str) else None
    if found is None or found["part"] != part:
        raise UsageError(
            f"{dotted!r} is no name of the form DOMAIN.{part}.NAME, as in vision.{part}.{_EXAMPLES[part]}."
        )
    home = f"{_PACKAGE}.{found['module']}"
    try:
        module = importlib.import_module(home)
    except ModuleNotFoundError as error:
        if error.name is None or not home.startswith(error.name):
            raise
        raise NotFoundError(f"{dotted!r}: numzoo has no {found['module']}.") from None
    target = getattr(module, found["name"], None)
    if not callable(target) or not str(getattr(target, "__module__", "")).startswith(home):
        raise NotFoundError(f"numzoo has no {dotted!r}.{_guess(module, found['name'])}")
    function: Callable[..., Any] = target
    return function


def build(dotted: str, part: str, config: Mapping[str, Any], *, who: str) -> Any:
    """Call what `dotted` names with `config` as keyword arguments; `who` names the entry or file in messages."""
    import inspect

    function = resolve(dotted, part)
    try:
        inspect.signature(function).bind(**config)
    except TypeError as error:
        given = ", ".join(f"{name}={value!r}" for name, value in config.items()) or "nothing"
        raise FormatError(f"{who}: {dotted} does not take the settings {given}: {error}.") from None
    try:
        return function(**config)
    except HubError:
        raise
    except (TypeError, ValueError, OverflowError, MemoryError) as error:
        if unknown := _UNKNOWN.search(str(error)):
            what = "; classes= is for models that end in a classifier" if unknown[1] == "classes" else ""
            raise UsageError(f"{who}: {dotted} has no setting {unknown[1]!r}{what}.") from error
        given = ", ".join(f"{name}={value!r}" for name, value in config.items())
        raise UsageError(f"{who}: {dotted}({given}) refuses its settings: {error}") from error


def find_model(name: str) -> str:
    """The full dotted name of a builder that is given in full or by its last part ("lenet")."""
    if not isinstance(name, str):
        raise UsageError(f"A builder is named by a text such as 'vision.models.resnet50', but {name!r} was given.")
    if "." in name:
        resolve(name, "models")
        return name
    for domain in ("vision", "audio", "text"):
        dotted = f"{domain}.models.{name}"
        try:
            resolve(dotted, "models")
        except (NotFoundError, UsageError):
            continue
        return dotted
    from numzoo.hub.registry.names import near

    modules = [importlib.import_module(f"{_PACKAGE}.{domain}.models") for domain in ("vision", "audio", "text")]
    guesses = near(name, [each for module in modules for each in module.builders()])
    meant = f" Did you mean {' or '.join(guesses)}?" if guesses else ""
    raise NotFoundError(
        f"There is no model {name!r}.{meant} `numzoo ls` lists all, and vision.models.builders() the builders."
    )


_EXAMPLES = {
    "models": "resnet50",
    "transforms": "classification",
    "datasets": "MNIST",
    "pipelines": "text_generation",
    "io": "read_image",
}


def _guess(module: Any, name: str) -> str:
    from numzoo.hub.registry.names import near

    guesses = near(name, [each for each in dir(module) if not each.startswith("_")])
    return f" Did you mean {guesses[0]}?" if guesses else ""
