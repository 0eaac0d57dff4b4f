"""Names to entries: what ``hub.load("resnet50")`` means, what there is, and what was perhaps meant.

A model's full name is ``model.tag`` (``resnet50.imagenet1k-v2``), with its namespace before it in other people's
registries (``acme/resnet50.pets-v1``); the model alone means its default tag. Sample photographs are ``sample:cat``,
data sets ``data:mnist``.
"""

from __future__ import annotations

import copy
import fnmatch
import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from numzoo.hub.errors import HubWarning, NotFoundError, UsageError
from numzoo.hub.locking.pins import held
from numzoo.hub.registry.choice import Registries
from numzoo.hub.registry.layered import Layered
from numzoo.hub.registry.lineage import follow
from numzoo.hub.registry.manifest import Entry, Manifest, Resource
from numzoo.hub.registry.record import FileRecord

__all__ = [
    "Registry",
    "default_registry",
    "describe",
    "list_data",
    "list_names",
    "near",
    "open_registry",
    "shipped_registry",
]

_MANIFEST = Path(__file__).parent.parent.parent / "weights_manifest.json"
_WARNED: set[tuple[str, str]] = set()
_SECTIONS = {"sample": "samples", "data": "data"}
_CALLED = {"sample": "sample", "data": "data set"}
_FEW = 12
"""So many names can be read in an error."""


class Registry:
    """The names of one manifest, or of several in their order."""

    def __init__(self, manifest: Manifest | Layered) -> None:
        self.manifest = manifest

    def __contains__(self, name: str) -> bool:
        try:
            self.full_name(name)
        except (NotFoundError, UsageError):
            return False
        return True

    def full_name(self, name: str, *, locked: bool = True) -> str:
        """``model.tag`` for a model's name with or without its tag. NotFoundError says what was perhaps meant.

        A bare name means what the project's `models.lock` says (unless `locked` is False), or else the default tag; a hyphen in
        a model's name may stand for an underscore.
        """
        if not isinstance(name, str) or not name:
            raise UsageError(f"A model's name is a text such as 'resnet50', but {name!r} was given.")
        asked, name = name, follow(name, self.manifest.aliases)
        model, dot, tag = name.partition(".")
        tags = self.manifest.tags.get(model)
        if tags is None and (spelt := model.replace("-", "_")) in self.manifest.tags:
            return self.full_name(f"{spelt}{dot}{tag}", locked=locked)  # as many people write it
        if tags is None:
            raise NotFoundError(f"There is no model named {name!r}.{self._meant(name)} `numzoo ls` lists all.")
        if not dot:
            name, tag = f"{model}.{tags[0]}", tags[0]
        if tag not in tags:
            guesses = near(tag, tags) or [each for each in tags if tag in each]
            meant = f" Did you mean {model}.{guesses[0]}?" if guesses else ""
            raise NotFoundError(f"{model} has no weights tagged {tag!r}.{meant} It has {', '.join(tags)}.")
        return held(asked, name, self.manifest) if locked else name

    def entry(self, name: str) -> Entry:
        """The entry that `name` means, to be used: NotFoundError says why one was withdrawn, a HubWarning (once) that one
        is deprecated."""
        entry = self.manifest.entry(self.full_name(name))
        if entry.withdrawn is not None:
            raise NotFoundError(
                f"{entry.name} was withdrawn by its publisher: {entry.withdrawn.rstrip('.')}.{_successor(entry)}"
            )
        if entry.deprecated is not None and (entry.registry, entry.name) not in _WARNED:
            _WARNED.add((entry.registry, entry.name))
            message = entry.deprecated["message"].rstrip(".")
            warnings.warn(f"{entry.name} is deprecated: {message}.{_successor(entry)}", HubWarning, stacklevel=3)
        return entry

    def resource(self, name: str) -> Resource:
        """The sample or data set that ``sample:NAME`` or ``data:NAME`` means."""
        kind, colon, rest = name.partition(":") if isinstance(name, str) else ("", "", "")
        section = _SECTIONS.get(kind)
        if not colon or section is None:
            raise UsageError(f"{name!r} names neither a sample (sample:NAME) nor a data set (data:NAME).")
        known = self.manifest.samples if kind == "sample" else self.manifest.data
        if rest not in known:
            guesses = near(rest, known)
            meant = f" Did you mean {kind}:{guesses[0]}?" if guesses else ""
            there = (
                f"There are {', '.join(known) or 'none'}."
                if len(known) <= _FEW
                else f"`numzoo ls --kind {section}` lists all."
            )
            raise NotFoundError(f"There is no {_CALLED[kind]} named {rest!r}.{meant} {there}")
        return self.manifest.resource(section, rest)

    def files(self, name: str) -> tuple[FileRecord, ...]:
        """The files of a model, a sample or a data set, to be used; ``data:mnist/FILE`` means that one file."""
        return self.records(name) if is_resource(name) else self.entry(name).files

    def records(self, name: str) -> tuple[FileRecord, ...]:
        """The same to be looked at: of an entry that was withdrawn, too."""
        if not is_resource(name):
            return self.manifest.entry(self.full_name(name)).files
        owner, slash, wanted = name.partition("/")
        files = self.resource(owner).files
        if not slash:
            return files
        chosen = tuple(file for file in files if file.name == wanted)
        if not chosen:
            raise NotFoundError(f"{owner} has no file {wanted!r}; it has {', '.join(file.name for file in files)}.")
        return chosen

    def names(self, pattern: str | None = None, task: str | None = None) -> list[str]:
        """Full names that fit `pattern`: ``*`` and ``?`` as in file names; a plain text fits what it is part of."""
        for what, given in (("pattern", pattern), ("task", task)):
            if given is not None and not isinstance(given, str):
                raise UsageError(f"{what} is a text, but {given!r} was given.")
        names: Iterable[str] = matching(self.manifest.names, pattern)
        if task is not None:
            names = [name for name in names if self.manifest.entry(name).task == task]
        return sorted(names)

    def is_default(self, name: str) -> bool:
        """Whether the bare model name means this full name."""
        model, _, tag = name.partition(".")
        return self.manifest.tags[model][0] == tag

    def describe(self, name: str) -> dict[str, Any]:
        """All that is known about a model, a sample or a data set, as plain JSON values."""
        if is_resource(name):
            resource = self.resource(name)
            known = {
                "name": resource.name,
                "description": resource.description,
                "files": [_file(file) for file in resource.files],
                "license": resource.license,
                "source": resource.source,
            }
            return {**known, **_of_data(resource)} if name.startswith("data:") else known
        entry = self.manifest.entry(self.full_name(name))
        return {
            "name": entry.name,
            "registry": entry.registry,
            "withdrawn": entry.withdrawn,
            "deprecated": None if entry.deprecated is None else dict(entry.deprecated),
            "aliases": [old for old in self.manifest.aliases if self.full_name(old, locked=False) == entry.name],
            "default": self.is_default(entry.name),
            "tags": list(self.manifest.tags[entry.name.partition(".")[0]]),
            "model": entry.model,
            "config": copy.deepcopy(dict(entry.config)),
            "task": entry.task,
            "files": [_file(file) for file in entry.files],
            "bytes": entry.bytes,
            "transform": _plain(entry.transform),
            "categories": list(entry.categories) if isinstance(entry.categories, tuple) else entry.categories,
            "parameters": entry.parameters,
            "gflops": entry.gflops,
            "metrics": dict(entry.metrics),
            "license": entry.license,
            "source": entry.source,
            "notes": entry.notes,
            "revision": entry.revision,
            "parity": entry.parity is not None,
        }

    def _meant(self, name: str) -> str:
        models = list(self.manifest.tags)
        guesses = near(name, models) or near(name.partition(".")[0], models)
        if not guesses and name in self.manifest.samples:
            guesses = [f"sample:{name}"]
        return f" Did you mean {_either(guesses)}?" if guesses else ""


def default_registry() -> Registry:
    """What names mean where nothing is said: the registries of the configuration, and numzoo's own."""
    return open_registry(None)


def shipped_registry() -> Registry:
    """The registry that ships with the package."""
    return _shipped()


def open_registry(registry: Registries = None, *, offline: bool | None = None) -> Registry:
    """`registry` itself, or what its address names, or the addresses in a list, the first of which has precedence.

    An address is a manifest file, the folder or https address of a registry that ``numzoo index`` made, the name of one
    in the configuration, or "numzoo" for the one that ships with the package. None means NUMZOO_REGISTRY (addresses
    with spaces between them), or else the registries of the configuration and then numzoo's own.
    """
    if isinstance(registry, Registry):
        return registry
    from numzoo.hub.registry.opening import open_all

    manifests = open_all(registry, offline)
    if manifests is None:
        return _shipped()
    return Registry(manifests[0] if len(manifests) == 1 else Layered(manifests))


def list_names(pattern: str | None = None, *, task: str | None = None, registry: Registries = None) -> list[str]:
    """Full names of the pretrained models, sorted: all, or those that fit `pattern` ("resnet*", "swag") and `task`.

    >>> list_names("resnet50*")
    ['resnet50.imagenet1k-v1', 'resnet50.imagenet1k-v2']
    """
    return open_registry(registry).names(pattern, task)


def list_data(pattern: str | None = None, *, task: str | None = None, registry: Registries = None) -> list[str]:
    """Names of the data sets, sorted: all, or those that fit `pattern` ("cifar*", "mnist") and `task`.

    >>> list_data("cifar*")
    ['cifar10', 'cifar100']
    """
    known = open_registry(registry)
    names = sorted(matching(known.manifest.data, pattern))
    return [name for name in names if task is None or task in known.resource(f"data:{name}").tasks]


def describe(name: str, *, registry: Registries = None) -> dict[str, Any]:
    """What is known about a model, a sample or a data set: files, sizes, digests, figures, preprocessing, licence."""
    return open_registry(registry).describe(name)


def is_resource(name: object) -> bool:
    """Whether `name` is that of a sample or a data set."""
    return isinstance(name, str) and name.partition(":")[0] in _SECTIONS and ":" in name


def matching(names: Iterable[str], pattern: str | None) -> list[str]:
    """Those of `names` that fit `pattern`, whole or up to their first dot; all where there is none."""
    if not pattern:
        return list(names)
    wanted = pattern if any(mark in pattern for mark in "*?[") else f"*{pattern}*"
    return [n for n in names if fnmatch.fnmatchcase(n, wanted) or fnmatch.fnmatchcase(n.split(".")[0], wanted)]


def near(name: str, names: Iterable[str]) -> list[str]:
    """Up to three of `names` that look like `name`, the nearest first; case, hyphens and underscores count little."""
    import difflib

    wanted = name.lower()
    lowered = {each.lower(): each for each in names}
    plain = {each.replace("-", "").replace("_", ""): each for each in lowered}
    same = [plain[key] for key in [wanted.replace("-", "").replace("_", "")] if key in plain]
    close = difflib.get_close_matches(wanted, list(lowered), n=3, cutoff=0.6)
    longer = [each for each in lowered if len(wanted) > 1 and each.startswith(wanted)]
    return [lowered[each] for each in dict.fromkeys([*same, *close, *longer])][:3]


@lru_cache(maxsize=1)
def _shipped() -> Registry:
    return Registry(Manifest.read(_MANIFEST, own=True))


def _successor(entry: Entry) -> str:
    successor = None if entry.deprecated is None else entry.deprecated.get("replaced_by")
    return "" if successor is None else f" Use {successor}."


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _file(file: FileRecord) -> dict[str, Any]:
    known: dict[str, Any] = {
        "name": file.name,
        "sha256": file.sha256,
        "sha256_prefix": file.sha256_prefix,
        "bytes": file.bytes,
        "format": file.format,
        "sources": list(file.sources),
    }
    if file.md5 is not None:
        known["md5"] = file.md5
    if file.unpack is not None:
        known["unpack"] = file.unpack.kind
    return known


def _of_data(resource: Resource) -> dict[str, Any]:
    return {
        "bytes": resource.bytes,
        "loader": resource.loader,
        "config": copy.deepcopy(dict(resource.config)),
        "splits": {split: list(names) for split, names in resource.splits.items()},
        "examples": dict(resource.examples),
        "tasks": list(resource.tasks),
        "classes": resource.classes,
        "citation": resource.citation,
        "manual": resource.manual,
        "notes": resource.notes,
    }


def _plain(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else copy.deepcopy(dict(value))  # what is handed out may be changed
