"""From the config.json of a repository or folder to one of numzoo's builders: which library wrote it, and whose family it is.

The translations are the domains' own, since they know the models: each domain may have a module ``DOMAIN.translations``
with `families` (library -> the names it knows), `otherwise` (why a name that looks like one of them is none) and
`translate`, which gives plain data like an entry's. It is found by its dotted name and its answer is held to the
manifest's schema; no code of a repository is ever run.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from numzoo.hub.errors import FormatError, LoadError, NotFoundError
from numzoo.hub.foreign.places import POOLING
from numzoo.hub.registry.categories import categories
from numzoo.hub.registry.manifest import Keys, check_pipeline, check_settings, check_transform, parse_keys
from numzoo.hub.registry.names import near

__all__ = ["EXTRAS", "Translation", "families", "translate"]

EXTRAS = ("preprocessor_config.json", "modules.json", POOLING)
"""Files beside config.json that a translation may read; a place need not have them. The one that lies lower is of
sentence-transformers, and the only one that is read from there."""

_DOMAINS = ("vision", "audio", "text")
_PACKAGE = __package__.partition(".")[0]
_MOST_LABELS = 1 << 17


@dataclass(frozen=True)
class Translation:
    """What an entry would say of these weights, in the words of numzoo's registry."""

    library: str
    family: str
    model: str
    config: Mapping[str, Any]
    keys: Keys = field(default_factory=Keys)
    task: str = ""
    transform: Mapping[str, Any] | None = None
    categories: tuple[str, ...] = ()
    pipeline: Mapping[str, Any] = field(default_factory=dict)


def translate(config: object, extras: Mapping[str, Any], *, who: str) -> Translation:
    """Find whose configuration this is, and what it means here.

    Raises FormatError for a malformed one, NotFoundError for an architecture that numzoo lacks (with those it has), and
    LoadError for one that numzoo would compute otherwise, or whose repository wants code of its own to be run.
    """
    if not isinstance(config, Mapping):
        raise FormatError(f"{who} is no JSON object.")
    _check_plain(config, who)
    library, family = _family(config, who)
    for module in _modules():
        if family in module.families().get(library, ()):
            return _checked(library, family, module.translate(library, family, config, extras, who), who)
        because = module.otherwise(library, family)
        if because:
            raise LoadError(
                f"{who} is for {family!r} of {library}, which numzoo would compute otherwise: {because}. It is refused, since it would give "
                "other numbers than its authors'."
            )
    known = families(library)
    guesses = near(family, known)
    meant = f" Did you mean {' or '.join(guesses)}?" if guesses else ""
    raise NotFoundError(
        f"{who} is for {family!r} of {library}, which numzoo has no model for.{meant} It knows {', '.join(known)}."
    )


def families(library: str) -> list[str]:
    """The names of the architectures of `library` ("transformers", "timm") that some domain translates, sorted."""
    return sorted({name for module in _modules() for name in module.families().get(library, ())})


def _modules() -> Iterator[Any]:
    for domain in _DOMAINS:
        home = f"{_PACKAGE}.{domain}.translations"
        try:
            yield importlib.import_module(home)
        except ModuleNotFoundError as error:
            if error.name != home:
                raise


def _check_plain(config: Mapping[str, Any], who: str) -> None:
    """Refuse what cannot be meant by the fields that the families know."""
    for name in ("auto_map", "custom_pipelines"):
        if config.get(name):
            raise LoadError(
                f"{who} names Python code of its own ({name}). numzoo never runs code of a repository, so it cannot know what that model computes."
            )
    if config.get("quantization_config"):
        raise LoadError(f"{who} is for quantised weights (quantization_config), which are not translated.")


def _family(config: Mapping[str, Any], who: str) -> tuple[str, str]:
    for name, library in (("model_type", "transformers"), ("architecture", "timm")):
        family = config.get(name)
        if isinstance(family, str) and 0 < len(family) <= 200 and family.isprintable():
            if family == "timm_wrapper" and isinstance(config.get("architecture"), str):
                continue
            return library, family
        if family is not None:
            raise FormatError(f"{who}: {name} is {ascii(family)[:80]}; wanted the name of an architecture.")
    raise FormatError(
        f"{who} does not say which architecture it is for: it has neither model_type (transformers) nor architecture (timm)."
    )


def _checked(library: str, family: str, given: Mapping[str, Any], who: str) -> Translation:
    check_settings(given["config"], who=who)
    if given.get("transform") is not None:
        check_transform(given["transform"], who=who)
    named = given.get("categories_of")
    labels = tuple(categories(named) if named else given.get("categories") or ())
    if len(labels) > _MOST_LABELS or not all(isinstance(label, str) and label.isprintable() for label in labels):
        raise FormatError(f"{who}: the names of the classes are not all printable texts, or more than {_MOST_LABELS}.")
    return Translation(
        library=library,
        family=family,
        model=given["model"],
        config=dict(given["config"]),
        keys=parse_keys(given.get("keys", {}), who=who),
        task=given.get("task", ""),
        transform=given.get("transform"),
        categories=labels,
        pipeline=check_pipeline(given.get("pipeline", {}), who=who),
    )
