"""The tensors of an entry or a file, and the plan that its notes or the registry make of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import FormatError, LoadError, NotFoundError, StorageError, UsageError
from numzoo.hub.loading.changes import BASE_KEY, BASE_SHA256_KEY, check_base, overlay
from numzoo.hub.loading.libraries import check_formats
from numzoo.hub.loading.plan import Plan
from numzoo.hub.loading.resolve import find_model
from numzoo.hub.registry.manifest import Entry, check_settings, parse
from numzoo.hub.registry.names import Registry

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]

__all__ = [
    "CONFIG_KEY",
    "MODEL_KEY",
    "check_sizes",
    "entry_arrays",
    "open_file",
    "path_arrays",
    "plan_from_notes",
    "read_entry",
    "tensors_of",
]

MODEL_KEY, CONFIG_KEY = "numzoo.model", "numzoo.config"
"""Where a safetensors file that `save` wrote says which builder and which settings its tensors belong to."""


def read_entry(entry: Entry) -> tuple[Arrays, str]:
    """The verified tensors of an entry under the file's names, and its sha256."""
    arrays, plan = entry_arrays(entry, Fetch())
    return arrays, plan.sha256


def entry_arrays(entry: Entry, fetch: Fetch, *, stored: bool = False) -> tuple[Arrays, Plan]:
    """The verified tensors of an entry under the file's names, and the plan that the entry makes of them."""
    from numzoo.hub.checkpoint import FORMATS

    files = [file for file in entry.files if file.format in FORMATS]
    if not files:
        formats = ", ".join(sorted({file.format for file in entry.files}))
        raise FormatError(f"{entry.name} has no file with tensors that can be read; its files are {formats}.")
    check_formats({file.format for file in files}, entry.name)
    arrays: Arrays = {}
    digests = []
    for file in files:
        stream, sha256 = fetch.open(file)
        digests.append(sha256)
        for own, array in tensors_of(stream, checksums=False, stored=stored).items():
            name = file.prefix + own
            if name in arrays:
                raise LoadError(f"{entry.name}: two of its files hold a tensor named {name!r}.")
            arrays[name] = array
    source = ", ".join(file.label for file in files)
    sha256 = ", ".join(digests)
    plan = Plan(entry.name, source, sha256, entry.model, entry.config, entry.config, entry.keys, (entry.name, sha256))
    return arrays, plan


def path_arrays(path: Path, model: str | Any | None, known: Registry, fetch: Fetch) -> tuple[Arrays, Plan]:
    """The tensors of a file of one's own, and the plan of its notes; a file without notes needs `model`."""
    from numzoo.hub.store.cache import digest_of

    stream = open_file(path)
    with stream:
        sha256 = digest_of(stream)
        stream.seek(0)
        plan = Plan(path.name, str(path), sha256)
        plan_from_notes(stream, plan)
        stream.seek(0)
        if not plan.model and model is None:
            raise UsageError(
                f"{path} does not say which model its tensors belong to. Give model=, as in "
                f"hub.load({str(path)!r}, model='resnet50'), or 'vision.models.resnet50', or a model already built."
            )
        arrays = tensors_of(stream)
    if plan.base[0]:
        arrays = over_base(arrays, plan, known, fetch)
    return arrays, plan


def over_base(arrays: Arrays, plan: Plan, known: Registry, fetch: Fetch) -> Arrays:
    """A file of changes, laid over the entry that it was learned on."""
    name, sha256 = plan.base
    try:
        entry = known.entry(name)
    except (NotFoundError, UsageError) as error:
        raise NotFoundError(f"{plan.source} holds changes to {name}, which this registry lacks: {error}") from None
    base, laid = entry_arrays(entry, fetch)
    check_base(plan.source, entry.name, sha256, laid.sha256)
    plan.overlaid = True
    return overlay(arrays, base, entry.keys)


def open_file(path: Path) -> BinaryIO:
    """A checkpoint file, open and noted as it was before it is hashed."""
    from numzoo.hub.store.opened import VerifiedFile

    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "no regular file"
            raise UsageError(f"{path} is {kind}; wanted a checkpoint file.")
        raw = open(path, "rb", buffering=0)  # noqa: SIM115 (the caller closes it)
        return VerifiedFile(raw, os.fstat(raw.fileno()))
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no file {path} and no model of that name; `numzoo ls` lists the models."
        ) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}.") from error


def tensors_of(stream: BinaryIO, *, checksums: bool = True, stored: bool = False) -> Arrays:
    """The tensors of an open file; a file whose sha256 was checked needs no checksums of its members as well."""
    from numzoo.hub.checkpoint import read_checkpoint
    from numzoo.hub.store.opened import VerifiedFile

    with stream:
        arrays = read_checkpoint(stream, checksums=checksums, stored=stored)
        if isinstance(stream, VerifiedFile):
            stream.check_unchanged()
        return arrays


def plan_from_notes(stream: BinaryIO, plan: Plan) -> None:
    """Which model and settings the file says it holds, if `save` wrote it. It is not trusted: both are checked."""
    from numzoo.hub.checkpoint import read_metadata

    notes = plan.notes = read_metadata(stream).notes
    model, config = notes.get(MODEL_KEY), notes.get(CONFIG_KEY, "{}")
    if model is None:
        return
    who = f"{plan.source}, {CONFIG_KEY}"
    settings = parse(config.encode(), who=who)
    check_settings(settings, who=who)
    check_sizes(settings, _size(stream), who)
    plan.model, plan.config, plan.stored = find_model(model), settings, settings
    plan.base = notes.get(BASE_KEY, ""), notes.get(BASE_SHA256_KEY, "")


def check_sizes(value: object, most: int, who: str) -> None:
    """Refuse a number beyond the file's own size: a model so large cannot be in it, but building it takes memory."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            check_sizes(each, most, who)
    elif isinstance(value, (int, float)) and abs(value) > most:
        raise FormatError(f"{who} holds the number {value:g}, but no model of that size is in a file of {most} bytes.")


def _size(stream: BinaryIO) -> int:
    place = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(place)
    return size
