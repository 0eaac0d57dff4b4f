"""The manifest: what is known about every model, sample and data set, as checked data.

A manifest is JSON, held to ``manifest_schema.json`` beside this file. Reading one costs a JSON parse and a look at its
outline; an entry is checked in full when it is first asked for, so that one load does not pay for a hundred others.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from numzoo.hub.errors import FormatError, NotFoundError, StorageError, UsageError
from numzoo.hub.licensing.expressions import parse_license
from numzoo.hub.registry.foreign import Origin, check_foreign, check_sizes
from numzoo.hub.registry.keys import Keys, read_keys
from numzoo.hub.registry.lineage import check_lineage
from numzoo.hub.registry.record import Chunks, FileRecord, Unpack
from numzoo.hub.registry.schema import check

__all__ = ["Entry", "Keys", "Manifest", "Resource", "check_settings", "check_transform", "parse", "parse_keys"]

_HERE = Path(__file__).parent
_LARGEST = 64 << 20


@dataclass(frozen=True, slots=True)
class Resource:
    """Files with a name but without a model: a sample photograph or a data set.

    What follows the description is for data sets: the loader's dotted name and settings, split -> file names, split ->
    number of examples, what people do with it, how many classes it has, and `manual`, what a person has to do for files
    that have no source.
    """

    name: str
    files: tuple[FileRecord, ...]
    license: str
    source: str
    description: str = ""
    loader: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    examples: Mapping[str, int] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    classes: int | None = None
    citation: str = ""
    manual: str = ""
    notes: str = ""

    @property
    def bytes(self) -> int | None:
        """The size of all files together, or None where one is not known."""
        sizes = [file.bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One set of pretrained weights: the model that takes them, their files, and all that is known about them."""

    name: str
    model: str
    task: str
    files: tuple[FileRecord, ...]
    license: str
    source: str
    config: Mapping[str, Any] = field(default_factory=dict)
    keys: Keys = field(default_factory=Keys)
    transform: Mapping[str, Any] | None = None
    categories: str | tuple[str, ...] | None = None
    parameters: int | None = None
    gflops: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    pipeline: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""
    parity: Mapping[str, Any] | None = None
    revision: int = 1
    deprecated: Mapping[str, str] | None = None
    withdrawn: str | None = None
    registry: str = ""

    @property
    def tag(self) -> str:
        """What follows the model's name: ``imagenet1k-v1`` of ``resnet50.imagenet1k-v1``."""
        return self.name.partition(".")[2]

    @property
    def bytes(self) -> int | None:
        """The size of all files together, or None where one is not known."""
        sizes = [file.bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


class Manifest:
    """A manifest in memory. `who` is its name in messages, `base` the folder that its relative files start from,
    `origin` where it comes from if that is not numzoo itself: then it is held to the rules of foreign.py as well."""

    def __init__(
        self,
        document: object,
        *,
        who: str = "manifest",
        base: str = "",
        origin: Origin | None = None,
        own: bool = False,
    ) -> None:
        self.who, self.base = who, base
        self.label = "numzoo" if own else who
        self._foreign, self._blobs = origin is not None, () if origin is None else origin.blobs
        schema = _schema()
        check(document, schema, schema, who=who, postpone=("#/$defs/model", "#/$defs/resource", "#/$defs/data"))
        assert isinstance(document, dict)
        self._sections: dict[str, dict[str, Any]] = {
            section: document.get(section, {}) for section in ("models", "samples", "data")
        }
        self._entries: dict[str, Entry] = {}
        if origin is not None:
            check_foreign(document, origin, who=who)
        self.tags = self._tags(document.get("defaults", {}))
        self.aliases: Mapping[str, str] = document.get("aliases", {})
        check_lineage(self._sections["models"], self.aliases, self.tags, who=who)

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, own: bool = False) -> Manifest:
        """Read a manifest file; `own` says that it ships with numzoo. Raises StorageError, and FormatError with the
        JSON path of what is wrong."""
        path = Path(path)
        try:
            with open(path, "rb") as file:
                text = file.read(_LARGEST + 1)
        except FileNotFoundError:
            raise NotFoundError(f"There is no manifest at {path}.") from None
        except OSError as error:
            raise StorageError(f"The manifest {path} cannot be read: {error.strerror or error}.") from error
        if len(text) > _LARGEST:
            raise FormatError(f"The manifest {path} is larger than {_LARGEST >> 20} MiB, the most that is read.")
        folder = path.resolve().parent
        origin = None if own else Origin(folder=folder)
        return cls(parse(text, who=path.name), who=path.name, base=str(folder), origin=origin, own=own)

    @property
    def names(self) -> list[str]:
        """The full names (model.tag) of all model entries, in the manifest's order."""
        return list(self._sections["models"])

    @property
    def samples(self) -> list[str]:
        """The names of the sample photographs."""
        return list(self._sections["samples"])

    @property
    def data(self) -> list[str]:
        """The names of the data sets."""
        return list(self._sections["data"])

    def entry(self, name: str) -> Entry:
        """The entry with this full name, checked. Raises NotFoundError (KeyError's kin) for a name it lacks."""
        if name not in self._entries:
            fields = self._checked("models", name, "model")
            self._entries[name] = self._entry(name, fields)
        return self._entries[name]

    def resource(self, section: str, name: str) -> Resource:
        """The sample or data set (`section` is "samples" or "data") with this name, checked."""
        fields = dict(self._checked(section, name, "data" if section == "data" else "resource"))
        kind = {"samples": "sample"}.get(section, section)
        path = f"$.{section}[{name!r}]"
        files = self._files(fields.pop("files"), path, f"{kind}:{name}", fields)
        splits = {split: tuple(names) for split, names in fields.pop("splits", {}).items()}
        known = [file.name for file in files]
        for split, names in splits.items():
            for index, each in enumerate(names):
                if each not in known:
                    self._fail(f"{path}.splits.{split}[{index}]", f"is {each!r}, which is none of its files")
        if len(set(known)) < len(known):
            self._fail(f"{path}.files", "has two files of one name")
        if not fields.get("manual") and (bare := [file.name for file in files if not file.sources]):
            self._fail(path, f"has no source for {bare[0]}, and no field 'manual' says how a person gets it")
        tasks = tuple(fields.pop("tasks", ()))
        return Resource(name=f"{kind}:{name}", files=files, splits=splits, tasks=tasks, **fields)

    def fields(self, section: str, name: str) -> dict[str, Any]:
        """The fields of an entry as the manifest has them, checked; what is given may be changed."""
        kind = {"models": "model", "data": "data"}.get(section, "resource")
        return copy.deepcopy(self._checked(section, name, kind))

    def _tags(self, defaults: Mapping[str, str]) -> dict[str, list[str]]:
        """model -> its tags, the default one first."""
        tags: dict[str, list[str]] = {}
        for name in self._sections["models"]:
            model, _, tag = name.partition(".")
            tags.setdefault(model, []).append(tag)
        for model, tag in defaults.items():
            if tag not in tags.get(model, ()):
                self._fail(f"$.defaults.{model}", f"names the tag {tag!r}, but there is no entry {model}.{tag}")
            tags[model].sort(key=lambda each, first=tag: each != first)  # type: ignore[misc]
        for model, known in tags.items():
            if len(known) > 1 and model not in defaults:
                self._fail(
                    "$.defaults", f"lacks {model}, which has the tags {', '.join(known)}: one must be its default"
                )
        return tags

    def _checked(self, section: str, name: str, kind: str) -> dict[str, Any]:
        try:
            fields = self._sections[section][name]
        except KeyError:
            raise NotFoundError(f"{self.who} has no {name!r} among its {section}.") from None
        schema = _schema()
        check(fields, schema["$defs"][kind], schema, who=self.who, path=f"$.{section}[{name!r}]")
        assert isinstance(fields, dict)
        return fields

    def _entry(self, name: str, fields: Mapping[str, Any]) -> Entry:
        path = f"$.models[{name!r}]"
        known = dict(fields)
        files = self._files(known.pop("files"), path, name, known)
        keys = read_keys(known.pop("keys", {}), fail=lambda where, message: self._fail(f"{path}.keys{where}", message))
        if isinstance(known.get("categories"), list):
            known["categories"] = tuple(known["categories"])
        entry = Entry(name=name, files=files, keys=keys, registry=self.label, **known)
        if self._foreign and entry.bytes is not None:
            check_sizes(entry.config, entry.bytes, who=f"{self.who}: {path}.config")
        return entry

    def _files(
        self, files: list[dict[str, Any]], path: str, owner: str, entry: Mapping[str, Any]
    ) -> tuple[FileRecord, ...]:
        try:
            parse_license(entry["license"])
        except UsageError as error:
            self._fail(f"{path}.license", f"cannot stand: {error}")
        about = {"base": self.base, "owner": owner, "license": entry["license"], "origin": entry["source"]}
        records = []
        for index, fields in enumerate(files):
            known = dict(fields)
            if "chunks" in known:
                known["chunks"] = Chunks(known["chunks"]["size"], tuple(known["chunks"]["sha256"]))
            known.setdefault("name", file_name(next(iter(known["sources"]), "")) or re.split("[:/]", owner)[-1])
            known["sources"] = tuple(place for source in known["sources"] for place in self._places(source, fields))
            try:
                if "unpack" in known:
                    known["unpack"] = _unpack(known["unpack"])
                records.append(FileRecord(sha256=known.pop("sha256", None), **about, **known))
            except UsageError as error:
                self._fail(f"{path}.files[{index}]", f"is inconsistent: {error}")
        return tuple(records)

    def _places(self, source: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
        """The source itself; for ``blob:NAME`` where the registry keeps the file of this digest."""
        if not source.startswith("blob:"):
            return (source,)
        if "sha256" not in fields or re.fullmatch(r"blob:[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}", source) is None:
            self._fail("$", f"has the source {source!r:.80}; wanted blob:NAME, for a file with its full sha256")
        from numzoo.hub.registry.static.layout import blob_name

        return tuple(f"{beginning}{blob_name(fields['sha256'])}" for beginning in self._blobs)

    def _fail(self, path: str, message: str) -> NoReturn:
        raise FormatError(f"{self.who}: {path} {message.rstrip('.')}.")


def _unpack(fields: Mapping[str, Any]) -> Unpack:
    return Unpack(fields["kind"], fields.get("to", ""), tuple(fields.get("inner", {}).items()))


def check_settings(settings: object, *, who: str) -> None:
    """Raise FormatError unless `settings` can be a model's configuration: names to plain values and lists of them."""
    schema = _schema()
    check(settings, schema["$defs"]["settings"], schema, who=who)


def parse_keys(fields: object, *, who: str) -> Keys:
    """The spellings that an object like an entry's `keys` declares. Raises FormatError where it is malformed."""
    schema = _schema()
    check(fields, schema["$defs"]["keys"], schema, who=who)
    assert isinstance(fields, dict)

    def fail(where: str, message: str) -> NoReturn:
        raise FormatError(f"{who}: ${where} {message.rstrip('.')}.")

    return read_keys(fields, fail=fail)


def check_transform(settings: object, *, who: str) -> None:
    """Raise FormatError unless `settings` can be an entry's transform: a preset's dotted name and its settings."""
    schema = _schema()
    check(settings, schema["$defs"]["model"]["properties"]["transform"], schema, who=who)


def check_pipeline(settings: Mapping[str, Any], *, who: str) -> Mapping[str, Any]:
    """The settings themselves; FormatError unless they can be what an entry tells its pipeline."""
    schema = _schema()
    check(settings, schema["$defs"]["model"]["properties"]["pipeline"], schema, who=who)
    return settings


def parse(text: bytes, *, who: str) -> Any:
    """`text` as JSON in which no name stands twice and no number is NaN or infinite."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise FormatError(f"{who}: the name {twice!r} stands twice in one object.")
        return made

    def refuse(constant: str) -> NoReturn:
        raise FormatError(f"{who}: {constant} is no JSON number.")

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise FormatError(f"{who} is not valid JSON: {reason}.") from error


def file_name(source: str) -> str:
    """The last part of a source's path, when that can be a file's name."""
    last = re.split(r"[/!:]", source.partition("?")[0].partition("#")[0])[-1]
    return last if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}", last) else ""


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((_HERE / "manifest_schema.json").read_bytes())
    return schema
