"""`load`: a name or a file to a model with its weights, in evaluation mode, with a report of what happened."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import UsageError
from numzoo.hub.loading.changes import merge_adapters
from numzoo.hub.loading.contract import fit, under_model_names
from numzoo.hub.loading.places import place_arrays, place_of
from numzoo.hub.loading.plan import Plan
from numzoo.hub.loading.reading import entry_arrays, path_arrays
from numzoo.hub.loading.resolve import build
from numzoo.hub.registry.choice import Registries
from numzoo.hub.registry.names import Registry, open_registry

if TYPE_CHECKING:
    import numpy as np

    from numzoo.hub.download.progress import Progress

    Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]

__all__ = ["as_path", "load"]

_SUFFIX = re.compile(r"\.(pth|pt|bin|ckpt|safetensors|npz|npy|gguf|onnx|h5|keras|index\.json)$", re.IGNORECASE)


def load(
    name_or_path: str | os.PathLike[str],
    *,
    model: str | Any | None = None,
    prefix: str | None = None,
    classes: int | None = None,
    device: Any = None,
    dtype: Any = None,
    stored: bool = False,
    trust_first_use: bool = False,
    offline: bool | None = None,
    registry: Registries = None,
    progress: Progress | Literal[False] | None = None,
) -> Any:
    """A model with pretrained weights, in evaluation mode; ``model.load_report`` says what was loaded and what not.

    `name_or_path` is a name of the registry ("resnet50", "resnet50.imagenet1k-v1"), a repository of the Hugging Face hub
    ("hf:OWNER/REPO", "hf:OWNER/REPO@REVISION"), a folder with a config.json, or a checkpoint file (of several, their index). A repository or folder
    says in its config.json which model it holds, where numzoo has that model and computes it in the same way; a file needs
    `model`: a registry name, a builder such as "vision.models.resnet50", or a model already built; not so a file that
    `hub.save` wrote. A file of changes (``hub.save(only="changed")``) is laid over the registry entry that it names;
    low-rank adapters are added into their weights, unless `model` is one that has adapters itself. In a file that holds
    more than the model, or holds it below another name ("state_dict.", "module."), `prefix` says how the model's tensors
    begin; the others are ignored, and the report lists them. `classes` gives another number of classes: the backbone is
    loaded, the head stays freshly initialised, and the report lists it. `device` and `dtype` are those of ``Module.to``.
    With `stored` the weights of an entry, a repository or a folder stay on a read-only mapping of the file, in the narrower
    type that it may have them in where the model computes with it: for a model that is used and not trained.
    `trust_first_use` accepts a file whose full sha256 the registry does not know, and a repository that was not used
    before; `offline` forbids the network (default: NUMZOO_OFFLINE), `registry` names
    other registries than the configured ones, one or several in their order (``hub.Registry``, a folder, an address).

    Raises LoadError when any tensor of the file or of the model is unaccounted for, NotFoundError for an unknown name
    (with what was perhaps meant), and what fetching and reading raise (`numzoo.hub.errors`).
    """
    classes = _checked_classes(classes)
    if prefix is not None and not isinstance(prefix, str):
        raise UsageError(f"prefix is the beginning of tensor names, such as 'state_dict.', but {prefix!r} was given.")
    known = open_registry(registry, offline=offline)
    fetch = Fetch(offline, trust_first_use, progress)
    path = as_path(name_or_path, known)
    place = place_of(name_or_path, path, fetch)
    if place is not None:
        arrays, plan = place_arrays(place, model, known, fetch, stored=stored)
    elif path is None:
        if prefix is not None:
            raise UsageError(
                "prefix is for a file of one's own; an entry of the registry says itself how names are spelt."
            )
        entry = known.entry(os.fspath(name_or_path))
        arrays, plan = entry_arrays(entry, fetch, stored=stored)
    else:
        arrays, plan = path_arrays(path, model, known, fetch)
    if model is not None and not isinstance(model, str):
        built, plan.model, plan.config = model, "", {}
    else:
        if isinstance(model, str):
            plan = plan.built_as(model, known)
        if classes is not None:
            plan.config = {**plan.config, "classes": classes}
        built = build(plan.model, "models", plan.config, who=plan.name)
    if path is not None and place is None:
        plan.name = plan.model or type(built).__name__  # no entry's name: its weights are others than the file's
    if any(name.endswith(".lora_A") for name in arrays) and not _has_adapters(built):
        arrays, plan.adapted = merge_adapters(arrays, source=plan.source)
    if prefix:
        plan.keys = plan.keys.below(prefix)
    if stored and hasattr(built, "hold_narrow"):
        built.hold_narrow({name: array.dtype for name, array in under_model_names(arrays, plan.keys).items()})
    return _fill(built, arrays, plan, classes, device=device, dtype=dtype)


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
        raise UsageError(f"hub.load takes a model's name or the path of a file, but {given!r:.60} was given.")
    if given in known or given.startswith("hf:"):
        return None
    looks_like_one = os.sep in given or "/" in given or _SUFFIX.search(given)
    return Path(given) if looks_like_one or os.path.exists(given) else None


def _has_adapters(model: Any) -> bool:
    return any(name.endswith(".lora_A") for name in model.state_dict())


def _fill(model: Any, arrays: Arrays, plan: Plan, classes: int | None, *, device: Any, dtype: Any) -> Any:
    """Load `arrays` into `model` under the contract."""
    if not all(callable(getattr(model, method, None)) for method in ("state_dict", "load_state_dict", "eval", "to")):
        raise UsageError(f"hub.load needs a model with state_dict and load_state_dict, but has {type(model).__name__}.")
    if dtype is not None:
        model = model.to(
            dtype=dtype
        )  # first: what the file has in this type stays on its mapping, and nothing is converted twice
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
    with contextlib.ExitStack() as under_way:  # what takes the CPU a while goes on while the GPU fetches
        if device is not None and plan.model:  # a model that was built elsewhere may write to what it is given
            from numzoo.hub.checkpoint.source import read_past

            under_way.enter_context(read_past(state.values()))
            under_way.enter_context(model.sending(state, device))
        model.load_state_dict(state, strict=False, assign=True)
        model.eval()
        if device is not None:
            model = model.to(device=device)
    model.load_report = replace(report, notes=plan.notes)
    return model
