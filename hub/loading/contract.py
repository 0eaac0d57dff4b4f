"""The load contract: every tensor of the file and of the model is accounted for, or the load fails.

A name of the file is loaded, or ignored because the entry declares so. A name of the model is loaded, or belongs to a
head that was asked to be fresh, or is declared absent, or is a batch counter that old files lack. Anything else is a
LoadError that lists what did not fit: no parameter is ever left random in silence. Tensors that an entry declares as
parts of one, as transposed or as flattened are put into the model's form first; the report names them all the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from numzoo.hub.errors import LoadError
from numzoo.hub.loading.report import LoadReport
from numzoo.hub.registry.keys import Keys
from numzoo.hub.registry.names import near

__all__ = ["fit", "under_model_names"]

Array = np.ndarray[Any, np.dtype[Any]]

_PART = re.compile(r"(?P<name>.+)\[(?P<place>\d{1,3})/(?P<of>\d{1,3})\]")
_COUNTER = ".num_batches_tracked"
_MOST = 8


def fit(
    arrays: Mapping[str, Array],
    state: Mapping[str, Any],
    *,
    name: str,
    source: str,
    sha256: str,
    keys: Keys | None = None,
    heads: Iterable[str] = (),
    fresh: bool = False,
    built: tuple[str, Mapping[str, Any]] = ("", {}),
    base: tuple[str, str] = ("", ""),
    adapted: tuple[str, ...] = (),
) -> tuple[dict[str, Array], LoadReport]:
    """Match the file's `arrays` with the model's `state` (name -> anything with a shape and a NumPy dtype).

    `heads` names the modules that depend on the number of classes; with `fresh` they may stay as they are where the
    file's have another number of classes (another first axis) or where it lacks them altogether. Returns what to load
    and the report; raises LoadError with all that does not fit. `built` is the builder and the settings that made the model,
    `base` the entry and digest that the weights come from, `adapted` the layers with adapters, for the report.
    """
    keys = keys or Keys()
    heads = tuple(f"{head}." for head in heads)
    given, renamed, ignored, clashes = _translate(arrays, keys)
    left = _fresh(given, state, heads) if fresh else set()

    loaded: dict[str, Array] = {}
    converted: dict[str, str] = {}
    problems = [_Problem(clash, "") for clash in clashes]
    unused = state.keys() - given.keys()
    surplus = given.keys() - state.keys()
    for target, (origin, array) in given.items():
        if target in left:
            continue
        if target not in state:
            text = f"unexpected in the file: {_called(origin, target)} {_shape(array)}"
            problems.append(_Problem(text, target, unused))
            continue
        wanted = state[target]
        if keys.reshapes(target) and array.size == _count(wanted.shape):
            array = array.reshape(tuple(wanted.shape))
        if tuple(array.shape) != tuple(wanted.shape):
            text = f"another shape: {_called(origin, target)} is {_shape(array)}, the model wants {_shape(wanted)}"
            problems.append(_Problem(text, target))
        elif _kind(array.dtype) != _kind(wanted.dtype):
            text = f"another kind of number: {_called(origin, target)} is {array.dtype}, wanted {wanted.dtype}"
            problems.append(_Problem(text, target))
        else:
            if array.dtype != wanted.dtype:
                converted[target] = f"{array.dtype} to {wanted.dtype}"
                array = _converted(array, wanted.dtype)
            loaded[target] = array

    reasons = dict.fromkeys(sorted(left), "a fresh head")
    defaulted: list[str] = []
    zeros: list[str] = []
    for target in state:
        if target in given or target in reasons:
            continue
        if keys.declares_absent(target):
            reasons[target] = "declared absent from the file"
        elif keys.declares_zero(target):
            loaded[target] = np.zeros(tuple(state[target].shape), state[target].dtype)
            zeros.append(target)
        elif target.endswith(_COUNTER):
            defaulted.append(target)
        else:
            problems.append(_Problem(f"missing from the file: {target} {_shape(state[target])}", target, surplus))
    if problems:
        way_out = ""
        if not fresh and any(problem.name.startswith(heads) for problem in problems):
            way_out = "For another number of classes give classes=: the head then stays fresh."
        if prefixes := _prefixes(arrays, state, heads):
            said = " or ".join(f"prefix={prefix!r}" for prefix in prefixes)
            way_out = f"The file has the model's names behind another beginning: give {said}."
        raise LoadError(_message(problems, name, source, len(loaded), way_out))
    report = LoadReport(
        name=name,
        source=source,
        sha256=sha256,
        loaded=tuple(loaded),
        renamed={origin: target for origin, target in renamed.items() if target.partition("[")[0] in loaded},
        zeros=tuple(zeros),
        ignored=tuple(ignored) + tuple(given[target][0] for target in given if target in left),
        initialised=tuple(target for target in state if target in reasons),
        defaulted=tuple(defaulted),
        converted=converted,
        reasons=reasons,
        model=built[0],
        config=dict(built[1]),
        base=base[0],
        base_sha256=base[1],
        adapted=adapted,
    )
    return loaded, report


def under_model_names(arrays: Mapping[str, Array], keys: Keys) -> dict[str, Array]:
    """The arrays of a file under the model's names, without those that the entry ignores."""
    return {target: array for target, (_, array) in _translate(arrays, keys)[0].items()}


@dataclass(frozen=True, slots=True)
class _Problem:
    """One thing that does not fit; when it is shown, `name` is looked for among the `free` names of the other side."""

    what: str
    name: str
    free: Collection[str] = ()

    def text(self) -> str:
        guesses = near(self.name, self.free) if self.free else []
        return f"{self.what} (near {guesses[0]})" if guesses else self.what


def _translate(
    arrays: Mapping[str, Array], keys: Keys
) -> tuple[dict[str, tuple[str, Array]], dict[str, str], list[str], list[str]]:
    """The model's name -> (the file's name, its array); what was renamed; what is ignored; names that clash."""
    given: dict[str, tuple[str, Array]] = {}
    renamed: dict[str, str] = {}
    ignored: list[str] = []
    clashes: list[str] = []
    parts: dict[tuple[str, int], dict[int, tuple[str, Array]]] = {}
    for name, array in arrays.items():
        if keys.ignores(name):
            ignored.append(name)
            continue
        pieces = keys.pieces(name)
        if pieces is not None and (not array.ndim or array.shape[0] % len(pieces)):
            clashes.append(
                f"{name} {_shape(array)} cannot be cut into the {len(pieces)} equal pieces that the entry says"
            )
            continue
        for number, origin in enumerate(pieces or (name,)):
            if origin is None:
                ignored.append(f"{name} (piece {number + 1} of {len(pieces or ())})")
                continue
            step = array.shape[0] // len(pieces) if pieces else 0
            piece = array[number * step : (number + 1) * step] if pieces else array
            target = keys.model_name(origin)
            if target != origin:
                renamed[origin] = target
            if part := _PART.fullmatch(target):
                parts.setdefault((part["name"], int(part["of"])), {})[int(part["place"])] = (origin, piece)
                continue
            if target in given:
                clashes.append(
                    f"two tensors of the file for one name: {given[target][0]} and {origin} both become {target}"
                )
                continue
            given[target] = (origin, piece.T if keys.transposes(target) else piece)
    for (target, count), places in parts.items():
        problem, array = _join(target, count, places, keys)
        if problem or target in given:
            clashes.append(problem or f"parts and the whole of one tensor: {target}")
        else:
            given[target] = (" + ".join(places[place][0] for place in sorted(places)), array)
    return given, renamed, ignored, clashes


def _join(target: str, count: int, pieces: Mapping[int, tuple[str, Array]], keys: Keys) -> tuple[str, Array]:
    """The parts of one tensor, joined along the first axis; or what is wrong with them."""
    first = next(iter(pieces.values()))[1]
    arrays = []
    for place in range(count):
        name = f"{target}[{place}/{count}]"
        if place in pieces:
            array = pieces[place][1]
            arrays.append(array.T if keys.transposes(name) else array)
        elif keys.declares_zero(name):
            arrays.append(np.zeros_like(first))
        else:
            return f"missing from the file: part {place + 1} of {count} of {target}", first
    if len({array.shape for array in arrays}) > 1:
        return f"parts of other shapes: {target} from {', '.join(_shape(array) for array in arrays)}", first
    if first.ndim == 0 or len({array.dtype for array in arrays}) > 1:
        return (
            f"parts that cannot be joined: {target} from {', '.join(str(a.dtype) + _shape(a) for a in arrays)}",
            first,
        )
    if all(_is_description(array) for array in arrays):
        return "", np.broadcast_to(first.flat[0], (sum(len(array) for array in arrays), *first.shape[1:]))
    return "", np.concatenate(arrays)


def _is_description(array: Array) -> bool:
    """Whether the array is one number stretched to a shape: a look whether all fits, which takes no memory."""
    return array.ndim > 0 and array.size > 1 and not any(array.strides)


def _converted(array: Array, dtype: Any) -> Array:
    return np.broadcast_to(np.zeros((), dtype), array.shape) if _is_description(array) else array.astype(dtype)


def _count(shape: Iterable[int]) -> int:
    return math.prod(int(size) for size in shape)


def _fresh(given: Mapping[str, tuple[str, Array]], state: Mapping[str, Any], heads: tuple[str, ...]) -> set[str]:
    """The names of the heads that stay fresh: those of another class count in the file, and those it lacks entirely."""
    fresh: set[str] = set()
    for head in heads:
        wanted = {target: tuple(state[target].shape) for target in state if target.startswith(head)}
        found = {target: tuple(given[target][1].shape) for target in wanted if target in given}
        other = [target for target, shape in found.items() if shape != wanted[target]]
        only_classes = all(found[t][1:] == wanted[t][1:] and len(found[t]) == len(wanted[t]) for t in other)
        if not found or (other and only_classes and len(found) == len(wanted)):
            fresh |= wanted.keys()
    return fresh


def _prefixes(arrays: Mapping[str, Array], state: Mapping[str, Any], heads: tuple[str, ...]) -> list[str]:
    """The beginnings, none of them empty, behind which the file holds every name of the model's but heads and counters.

    Files of training runs wrap a state dictionary ("state_dict.", "model.") or hold several; wrappers of PyTorch's put
    "module." before every name.
    """
    wanted = [name for name in state if not name.startswith(heads) and not name.endswith(_COUNTER)]
    if not wanted:
        return []
    found = [name[: -len(wanted[0])] for name in arrays if name.endswith(wanted[0]) and name != wanted[0]]
    return [prefix for prefix in found if prefix.endswith(".") and all(prefix + name in arrays for name in wanted)]


def _kind(dtype: Any) -> str:
    """Real, integer, boolean or complex; bfloat16 and its kin (NumPy's kind "V") are real numbers."""
    return {"V": "f", "u": "i"}.get(dtype.kind, str(dtype.kind))


def _called(origin: str, target: str) -> str:
    return origin if origin == target else f"{origin} (renamed {target})"


def _shape(array: Any) -> str:
    return str(tuple(array.shape))


def _message(problems: list[_Problem], name: str, source: str, fitting: int, way_out: str) -> str:
    lines = [f"{source} does not fit {name}: {fitting} tensors fit, {len(problems)} do not."]
    lines += [f"  {problem.text()}" for problem in problems[:_MOST]]
    if len(problems) > _MOST:
        lines.append(f"  and {len(problems) - _MOST} more")
    return "\n".join([*lines, way_out] if way_out else lines)
