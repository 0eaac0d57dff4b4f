"""`convert`: any checkpoint to safetensors, tensor by tensor, whole or not at all; for a model, under its names and its contract."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.hub.checkpoint.dtypes import NUMPY, SAFETENSORS
from numzoo.hub.checkpoint.safetensors import write_tensors
from numzoo.hub.errors import LoadError, UsageError
from numzoo.hub.loading.card import card_notes
from numzoo.hub.loading.contract import fit, under_model_names
from numzoo.hub.loading.places import translation_of
from numzoo.hub.loading.reading import CONFIG_KEY, MODEL_KEY
from numzoo.hub.loading.resolve import build, find_model
from numzoo.hub.loading.tensors import Tensors
from numzoo.hub.registry.keys import Keys
from numzoo.hub.registry.names import Registry

__all__ = ["AS_CONFIG", "DTYPES", "Outcome", "parse_renames", "plan_conversion", "write_outcome"]

Shapes = dict[str, tuple[np.dtype[Any], tuple[int, ...]]]

AS_CONFIG = "config"
"""The `model` that means: what the place's own config.json says."""

DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
_FLOATS = {"float64", "float32", "float16", "bfloat16"}


@dataclass
class Outcome:
    """What is to be written: names to dtypes and shapes, what gives each array, and the notes.

    `left` are names of the source that are not in it; `zeros` and `made` are names that the source lacks, as declared:
    they are zero, or as the model makes them.
    """

    shapes: Shapes
    give: Callable[[str], NDArray[Any]]
    notes: dict[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    zeros: tuple[str, ...] = ()
    made: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """The bytes of all tensors."""
        return sum(dtype.itemsize * int(np.prod(shape, dtype=np.int64)) for dtype, shape in self.shapes.values())


def plan_conversion(
    tensors: Tensors,
    registry: Registry,
    *,
    model: str | None = None,
    classes: int | None = None,
    prefix: str = "",
    renames: Keys | None = None,
    dtype: str | None = None,
) -> Outcome:
    """What a conversion would write. Raises LoadError where the tensors do not fit `model`, or two come to one name."""
    keys = (renames or Keys()).below(prefix) if prefix else renames or Keys()
    if model is None:
        if classes is not None:
            raise UsageError("convert: --classes says how many classes the model has; give --model too.")
        outcome = _renamed(tensors, keys)
    else:
        if renames is not None and renames.rename:
            raise UsageError("convert: give --model, whose names are known, or --rename, but not both.")
        outcome = _modelled(tensors, registry, model, classes, prefix)
    return outcome if dtype is None else _cast(outcome, dtype)


def write_outcome(path: Path, outcome: Outcome, *, shard_bytes: int | None = None) -> list[Path]:
    """Write one file, or shards of at most `shard_bytes` with their index; the paths written. The index comes last."""
    parts = [list(outcome.shapes)] if shard_bytes is None else _shards(outcome.shapes, shard_bytes)
    if len(parts) == 1:
        write_tensors(path, outcome.shapes, outcome.give, outcome.notes)
        return [path]
    stem = path.name.removesuffix(".safetensors")
    paths: list[Path] = []
    where: dict[str, str] = {}
    for number, names in enumerate(parts, 1):
        shard = path.with_name(f"{stem}-{number:05d}-of-{len(parts):05d}.safetensors")
        write_tensors(shard, {name: outcome.shapes[name] for name in names}, outcome.give, outcome.notes)
        paths.append(shard)
        where |= dict.fromkeys(names, shard.name)
    index = path.with_name(f"{stem}.safetensors.index.json")
    text = json.dumps({"metadata": {"total_size": outcome.bytes}, "weight_map": where}, indent=2, ensure_ascii=False)
    _write_text(index, text)
    return [*paths, index]


def _renamed(tensors: Tensors, keys: Keys) -> Outcome:
    """The tensors as they are, or under other names."""
    origins: dict[str, str] = {}
    left = []
    for name in tensors:
        if keys.ignores(name):
            left.append(name)
            continue
        target = keys.model_name(name)
        if target in origins:
            raise LoadError(f"{tensors.name}: {origins[target]} and {name} both become {target}.")
        origins[target] = name
    shapes = {
        target: (_dtype(tensors.infos[name].dtype), tensors.infos[name].shape) for target, name in origins.items()
    }
    return Outcome(shapes, lambda target: tensors[origins[target]], dict(tensors.notes), tuple(left))


def _modelled(tensors: Tensors, registry: Registry, model: str, classes: int | None, prefix: str) -> Outcome:
    """The tensors under a model's names, each held to its shape; the notes say which model it is and how it is used."""
    builder, config, keys, notes = _meant(tensors, registry, model)
    if classes is not None:
        config = {**config, "classes": classes}
    keys = keys.below(prefix) if prefix else keys
    state = build(builder, "models", config, who=tensors.name).state_dict()
    described = {
        name: np.broadcast_to(np.zeros((), _dtype(info.dtype)), info.shape) for name, info in tensors.infos.items()
    }
    _, report = fit(described, state, name=builder, source=tensors.name, sha256="", keys=keys)
    origins: dict[str, list[str]] = {}
    for name in tensors:
        for piece in (keys.pieces(name) or (name,)) if not keys.ignores(name) else ():
            if piece is not None:
                origins.setdefault(keys.model_name(piece).partition("[")[0], []).append(name)
    wanted = {name: (np.dtype(tensor.dtype), tuple(tensor.shape)) for name, tensor in state.items()}
    made = (*report.initialised, *report.defaulted)

    def give(target: str) -> NDArray[Any]:
        dtype, shape = wanted[target]
        if target in report.zeros:
            return np.zeros(shape, dtype)
        if target in made:
            return np.asarray(state[target].numpy())
        array = under_model_names({name: tensors[name] for name in origins[target]}, keys)[target]
        return array.reshape(shape).astype(dtype, copy=False)

    notes = {"format": "pt", MODEL_KEY: builder, CONFIG_KEY: json.dumps(config, separators=(",", ":")), **notes}
    return Outcome(wanted, give, notes, report.ignored, report.zeros, made)


def _meant(tensors: Tensors, registry: Registry, model: str) -> tuple[str, Mapping[str, Any], Keys, dict[str, str]]:
    """The builder, its settings, the spellings and the card of what `model` names."""
    if model == AS_CONFIG:
        said = None if tensors.place is None else translation_of(tensors.place)
        if said is None:
            raise UsageError(f"{tensors.name} has no config.json that would say its model; name one with --model.")
        labels = list(said.categories) if len(set(said.categories)) == len(said.categories) else []
        card = card_notes(
            categories=labels or None,
            transform=said.transform,
            task=said.task or None,
            pipeline=said.pipeline if said.task else None,
        )
        return said.model, said.config, said.keys, card
    if model in registry:
        from numzoo.hub.registry.categories import categories

        entry = registry.entry(model)
        names = categories(entry.categories) if isinstance(entry.categories, str) else entry.categories
        unique = list(names) if names and len(set(names)) == len(names) else None
        card = card_notes(categories=unique, transform=entry.transform, task=entry.task, pipeline=entry.pipeline)
        return entry.model, entry.config, entry.keys, card
    return find_model(model), {}, Keys(), {}


def _cast(outcome: Outcome, dtype: str) -> Outcome:
    if dtype not in DTYPES:
        raise UsageError(f"convert: the dtype is one of {', '.join(DTYPES)}, but {dtype!r} was given.")
    wanted = _dtype(DTYPES[dtype])
    shapes = {name: (wanted if was.name in _FLOATS else was, shape) for name, (was, shape) in outcome.shapes.items()}

    def give(name: str) -> NDArray[Any]:
        array = outcome.give(name)
        if array.dtype.name not in _FLOATS or array.dtype == wanted:
            return array
        with np.errstate(over="ignore"):
            made = array.astype(wanted)
        if np.isinf(made.astype(np.float32)).any() and not np.isinf(array.astype(np.float64)).any():
            raise UsageError(f"convert: {name} holds numbers beyond the range of {wanted}; take bf16 or f32.")
        return made

    return Outcome(shapes, give, outcome.notes, outcome.left, outcome.zeros, outcome.made)


def _shards(shapes: Shapes, most: int) -> list[list[str]]:
    """Names in their order, as many to a part as fit; a tensor that is larger than a part has one of its own."""
    parts: list[list[str]] = [[]]
    held = 0
    for name, (dtype, shape) in shapes.items():
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        if parts[-1] and held + size > most:
            parts.append([])
            held = 0
        parts[-1].append(name)
        held += size
    return parts


def _write_text(path: Path, text: str) -> None:
    import os

    from numzoo.hub.store.cache import storage

    temporary = path.with_name(f"{path.name}.{os.urandom(6).hex()}.part")
    with storage(f"write {path}", elsewhere=True):
        try:
            with open(temporary, "x", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _dtype(name: str) -> np.dtype[Any]:
    known = {dtype.name: dtype for dtype in (*SAFETENSORS.values(), *NUMPY.values())}
    return known[name].numpy() if name in known else np.dtype(name)


def parse_renames(pairs: list[str]) -> Keys:
    """``MATCH=TO`` texts of the command line as keys: regular expressions for whole names, the first that fits wins."""
    made = []
    for pair in pairs:
        match, equals, to = pair.partition("=")
        try:
            pattern = re.compile(match)
            if not equals or not match or re.search(r"\\(?!\d)", to):
                raise ValueError("wanted MATCH=TO")
            if any(int(number) > pattern.groups for number in re.findall(r"\\(\d+)", to)):
                raise ValueError("the new name asks for a group that the pattern lacks")
        except (re.error, ValueError) as error:
            raise UsageError(f"--rename {pair!r}: {error}; as in --rename 'backbone\\.(.+)=\\1'.") from None
        made.append((pattern, to))
    return Keys(rename=tuple(made))
