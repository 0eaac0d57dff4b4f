"""`load`: a name or a file to a model with its weights, in evaluation mode, with a report of what happened."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import FormatError, LoadError, NotFoundError, StorageError, UsageError
from numzoo.hub.loading.changes import BASE_KEY, BASE_SHA256_KEY, check_base, merge_adapters, overlay
from numzoo.hub.loading.contract import fit
from numzoo.hub.loading.resolve import build, find_model
from numzoo.hub.registry.choice import Registries
from numzoo.hub.registry.manifest import Entry, Keys, check_settings, parse
from numzoo.hub.registry.names import Registry, open_registry

if TYPE_CHECKING:
    import numpy as np

    from numzoo.hub.download.progress import Progress

    Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]

__all__ = ["CONFIG_KEY", "MODEL_KEY", "as_path", "load", "read_entry"]

MODEL_KEY, CONFIG_KEY = "numzoo.model", "numzoo.config"
"""Where a safetensors file that `save` wrote says which builder and which settings its tensors belong to."""

_SUFFIX = re.compile(r"\.(pth|pt|bin|ckpt|safetensors|npz)$", re.IGNORECASE)


def load(
    name_or_path: str | os.PathLike[str],
    *,
    model: str | Any | None = None,
    prefix: str | None = None,
    classes: int | None = None,
    device: Any = None,
    dtype: Any = None,
    trust_first_use: bool = False,
    offline: bool | None = None,
    registry: Registries = None,
    progress: Progress | Literal[False] | None = None,
) -> Any:
    """A model with pretrained weights, in evaluation mode; ``model.load_report`` says what was loaded and what not.

    `name_or_path` is a name of the registry ("resnet50", "resnet50.imagenet1k-v1") or a checkpoint file (safetensors or
    PyTorch's). A file needs `model`: a registry name, a builder such as "vision.models.resnet50", or a model already
    built; not so a file that `hub.save` wrote. A file of changes (``hub.save(only="changed")``) is laid over the registry
    entry that it names; low-rank adapters are added into their weights, unless `model` is one that has adapters itself.
    In a file that holds more than the model, or holds it below another name ("state_dict.", "module."), `prefix` says
    how the model's tensors begin; the others are ignored, and the report lists them. `classes` gives another number of
    classes: the backbone is loaded, the head stays freshly initialised, and the report lists it. `device` and `dtype` are those of ``Module.to``.
    `trust_first_use` accepts a file whose full sha256 the registry does not know, `offline` forbids the network
    (default: NUMZOO_OFFLINE), `registry` is another manifest.

    Raises LoadError when any tensor of the file or of the model is unaccounted for, NotFoundError for an unknown name
    (with what was perhaps meant), and what fetching and reading raise (`numzoo.hub.errors`).
    """
    classes = _checked_classes(classes)
    if prefix is not None and not isinstance(prefix, str):
        raise UsageError(f"prefix is the beginning of tensor names, such as 'state_dict.', but {prefix!r} was given.")
    known = open_registry(registry, offline=offline)
    path = as_path(name_or_path, known)
    if path is None:
        if prefix is not None:
            raise UsageError(
                "prefix is for a file of one's own; an entry of the registry says itself how names are spelt."
            )
        entry = known.entry(os.fspath(name_or_path))
        arrays, plan = _read_entry(entry, Fetch(offline, trust_first_use, progress))
    else:
        arrays, plan = _read_path(path, model, known, Fetch(offline, trust_first_use, progress))
    if model is not None and not isinstance(model, str):
        built, plan.model, plan.config = model, "", {}
    else:
        if isinstance(model, str):
            plan = plan.built_as(model, known)
        if classes is not None:
            plan.config = {**plan.config, "classes": classes}
        built = build(plan.model, "models", plan.config, who=plan.name)
    if path is not None:
        plan.name = plan.model or type(built).__name__  # no entry's name: its weights are others than the file's
    if any(name.endswith(".lora_A") for name in arrays) and not _has_adapters(built):
        arrays, plan.adapted = merge_adapters(arrays, source=plan.source)
    if prefix:
        plan.keys = plan.keys.below(prefix)
    return _fill(built, arrays, plan, classes, device=device, dtype=dtype)


def read_entry(entry: Entry) -> tuple[Arrays, str]:
    """The verified tensors of an entry under the file's names, and its sha256."""
    arrays, plan = _read_entry(entry, Fetch())
    return arrays, plan.sha256


@dataclass
class _Plan:
    """What is to be built and from what: `stored` is the configuration of the file, `config` that of the model."""

    name: str
    source: str
    sha256: str
    model: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    stored: Mapping[str, Any] = field(default_factory=dict)
    keys: Keys = field(default_factory=Keys)
    base: tuple[str, str] = ("", "")
    adapted: tuple[str, ...] = ()
    overlaid: bool = False

    def built_as(self, model: str, known: Registry) -> _Plan:
        """The same file for the model that `model` names: an entry (with its key spellings) or a builder."""
        if model in known:
            entry = known.entry(model)
            self.model, self.config = entry.model, entry.config
            if not self.overlaid:  # what lies over a base has the model's own names
                self.keys = entry.keys
        else:
            self.model, self.config = find_model(model), {}
        return self


def _checked_classes(classes: object) -> int | None:
    if classes is None:
        return None
    if not isinstance(classes, Integral) or isinstance(classes, bool) or classes < 1:
        raise UsageError(f"classes is a positive number of classes, but {classes!r} was given.")
    return int(classes)  # NumPy's integers too: the settings of a model are written into files


def as_path(given: str | os.PathLike[str], known: Registry) -> Path | None:
    """The file that `given` means, or None where it is a name of the registry, which wins over a file of that name."""
    if isinstance(given, os.PathLike):
        return Path(given)
    if not isinstance(given, str) or not given:
        raise UsageError(f"hub.load takes a model's name or the path of a file, but {given!r} was given.")
    if given in known:
        return None
    looks_like_one = os.sep in given or "/" in given or _SUFFIX.search(given)
    return Path(given) if looks_like_one or os.path.isfile(given) else None


def _read_entry(entry: Entry, fetch: Fetch) -> tuple[Arrays, _Plan]:
    from numzoo.hub.checkpoint import FORMATS

    files = [file for file in entry.files if file.format in FORMATS]
    if not files:
        formats = ", ".join(sorted({file.format for file in entry.files}))
        raise FormatError(f"{entry.name} has no file with tensors that can be read; its files are {formats}.")
    arrays: Arrays = {}
    digests = []
    for file in files:
        stream, sha256 = fetch.open(file)
        digests.append(sha256)
        for own, array in _read(stream, checksums=False).items():
            name = file.prefix + own
            if name in arrays:
                raise LoadError(f"{entry.name}: two of its files hold a tensor named {name!r}.")
            arrays[name] = array
    source = ", ".join(file.label for file in files)
    sha256 = ", ".join(digests)
    plan = _Plan(entry.name, source, sha256, entry.model, entry.config, entry.config, entry.keys, (entry.name, sha256))
    return arrays, plan


def _read_path(path: Path, model: str | Any | None, known: Registry, fetch: Fetch) -> tuple[Arrays, _Plan]:
    from numzoo.hub.store.cache import digest_of

    stream = _open(path)
    with stream:
        sha256 = digest_of(stream)
        stream.seek(0)
        plan = _Plan(path.name, str(path), sha256)
        _from_metadata(stream, plan)
        stream.seek(0)
        if not plan.model and model is None:
            raise UsageError(
                f"{path} does not say which model its tensors belong to. Give model=, as in "
                f"hub.load({str(path)!r}, model='resnet50'), or 'vision.models.resnet50', or a model already built."
            )
        arrays = _read(stream)
    if plan.base[0]:
        arrays = _over_base(arrays, plan, known, fetch)
    return arrays, plan


def _over_base(arrays: Arrays, plan: _Plan, known: Registry, fetch: Fetch) -> Arrays:
    """A file of changes, laid over the entry that it was learned on."""
    name, sha256 = plan.base
    try:
        entry = known.entry(name)
    except (NotFoundError, UsageError) as error:
        raise NotFoundError(f"{plan.source} holds changes to {name}, which this registry lacks: {error}") from None
    base, laid = _read_entry(entry, fetch)
    check_base(plan.source, entry.name, sha256, laid.sha256)
    plan.overlaid = True
    return overlay(arrays, base, entry.keys)


def _has_adapters(model: Any) -> bool:
    return any(name.endswith(".lora_A") for name in model.state_dict())


def _open(path: Path) -> BinaryIO:
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


def _read(stream: BinaryIO, *, checksums: bool = True) -> Arrays:
    """The tensors of an open file; a file whose sha256 was checked needs no checksums of its members as well."""
    from numzoo.hub.checkpoint import read_checkpoint
    from numzoo.hub.store.opened import VerifiedFile

    with stream:
        arrays = read_checkpoint(stream, checksums=checksums)
        if isinstance(stream, VerifiedFile):
            stream.check_unchanged()
        return arrays


def _from_metadata(stream: BinaryIO, plan: _Plan) -> None:
    """Which model and settings the file says it holds, if `save` wrote it. It is not trusted: both are checked."""
    from numzoo.hub.checkpoint import read_metadata

    notes = read_metadata(stream).notes
    model, config = notes.get(MODEL_KEY), notes.get(CONFIG_KEY, "{}")
    if model is None:
        return
    who = f"{plan.source}, {CONFIG_KEY}"
    settings = parse(config.encode(), who=who)
    check_settings(settings, who=who)
    _check_sizes(settings, _size(stream), who)
    plan.model, plan.config, plan.stored = find_model(model), settings, settings
    plan.base = notes.get(BASE_KEY, ""), notes.get(BASE_SHA256_KEY, "")


def _check_sizes(value: object, most: int, who: str) -> None:
    """Refuse a number beyond the file's own size: a model so large cannot be in it, but building it takes memory."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            _check_sizes(each, most, who)
    elif isinstance(value, (int, float)) and abs(value) > most:
        raise FormatError(f"{who} holds the number {value:g}, but no model of that size is in a file of {most} bytes.")


def _size(stream: BinaryIO) -> int:
    place = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(place)
    return size


def _fill(model: Any, arrays: Arrays, plan: _Plan, classes: int | None, *, device: Any, dtype: Any) -> Any:
    """Load `arrays` into `model` under the contract."""
    if not all(callable(getattr(model, method, None)) for method in ("state_dict", "load_state_dict", "eval", "to")):
        raise UsageError(f"hub.load needs a model with state_dict and load_state_dict, but has {type(model).__name__}.")
    heads = tuple(getattr(model, "classifier_modules", ()))
    fresh = classes is not None and classes != plan.stored.get("classes")
    wanted = model.state_dict()
    for name, tensor in wanted.items():
        if classes is not None and name.startswith(tuple(f"{head}." for head in heads)) and tensor.shape[0] != classes:
            raise UsageError(
                f"classes={classes} was given with a model that was already built, whose {name} is for "
                f"{tensor.shape[0]}. Build it with classes={classes}, or name its builder in model=."
            )
    state, report = fit(
        arrays,
        wanted,
        name=plan.name,
        source=plan.source,
        sha256=plan.sha256,
        keys=plan.keys,
        heads=heads,
        fresh=fresh,
        built=(plan.model, plan.config),
        base=plan.base,
        adapted=plan.adapted,
    )
    model.load_state_dict(state, strict=False, assign=True)
    model.eval()
    if device is not None or dtype is not None:
        model = model.to(**{k: v for k, v in (("device", device), ("dtype", dtype)) if v is not None})
    model.load_report = report
    return model
