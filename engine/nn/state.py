"""State dictionaries: what fits, what is missing, what is too much, and taking the values."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..device import is_array, move, namespace
from ..dtype import kind
from ..errors import DtypeError, StateError
from ..ops import touch
from ..tensor import Tensor, tensor_of
from .parameter import Parameter

__all__ = [
    "StateReport",
]

if TYPE_CHECKING:
    from .module import Module


@dataclass(frozen=True)
class StateReport:
    """What became of each name: ``mismatched`` holds (name, shape given, shape wanted).

    ``missing, unexpected = module.load_state_dict(state, strict=False)`` and ``.missing_keys`` serve PyTorch's users.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]

    @property
    def missing_keys(self) -> list[str]:
        return list(self.missing)

    @property
    def unexpected_keys(self) -> list[str]:
        return list(self.unexpected)

    def __iter__(self) -> Iterator[list[str]]:
        return iter((self.missing_keys, self.unexpected_keys))

    def __str__(self) -> str:
        lines = [f"  loaded: {len(self.loaded)} tensors"]
        for title, names, others in (
            ("missing", self.missing, self.unexpected),
            ("unexpected", self.unexpected, self.missing),
        ):
            if names:
                lines.append(f"  {title}: {len(names)}")
                lines += [f"    {name}{_near(name, others)}" for name in names[:12]]
                lines += [f"    ... and {len(names) - 12} more"] * (len(names) > 12)
        if self.mismatched:
            lines.append(f"  of another shape: {len(self.mismatched)}")
            lines += [f"    {name}: given {given}, wanted {wanted}" for name, given, wanted in self.mismatched[:12]]
        return "\n".join(lines)


def check_values(who: str, own: Mapping[str, Tensor], given: Any) -> None:
    """Refuse what is no state at all, and values that the entries' dtypes cannot hold."""
    if not isinstance(given, Mapping):
        raise StateError(f"{who}: a state is a mapping of names to tensors or arrays, not {type(given).__name__}")
    for name, value in given.items():
        if not (isinstance(value, Tensor) or is_array(value)):
            raise StateError(
                f"{who}: {name!r} of the state is a {type(value).__name__}, not a tensor or an array"
                + ("; pass that inner mapping itself" if isinstance(value, Mapping) else "")
            )
        if name not in own:
            continue
        try:
            wider = kind(value.dtype) > max(kind(own[name].dtype), 1)
        except DtypeError:
            wider = True
        if wider:
            raise StateError(f"{who}: {name!r} of the state is {value.dtype}, which {own[name].dtype} cannot hold")


def compare(own: Mapping[str, Tensor], given: Mapping[str, Any]) -> StateReport:
    """How a state dictionary fits a module's entries."""
    shared = [name for name in own if name in given]
    mismatched = [
        (n, tuple(given[n].shape), tuple(own[n].shape)) for n in shared if tuple(given[n].shape) != tuple(own[n].shape)
    ]
    wrong = {name for name, _, _ in mismatched}
    return StateReport(
        loaded=tuple(name for name in shared if name not in wrong),
        missing=tuple(name for name in own if name not in given),
        unexpected=tuple(name for name in given if name not in own),
        mismatched=tuple(mismatched),
    )


def load_into(module: Module, given: Mapping[str, Any], report: StateReport, assign: bool) -> None:
    """Put the values that fit into the module, in the dtype and place of what they replace."""
    wanted = set(report.loaded)
    for name, holder, attribute, own in module.state_entries():
        if name not in wanted:
            continue
        value = given[name]
        array = value.array if isinstance(value, Tensor) else value
        array = move(array, own.device).astype(own.dtype, copy=False)
        if isinstance(own, Parameter) and (assign or own.is_pending):
            own.set_array(array if assign else array.copy())
        elif assign:
            holder.__dict__[attribute] = tensor_of(namespace(array).asarray(array))
        elif isinstance(own.array, np.ndarray) and not own.array.flags.writeable:
            own.array = array.copy()
        else:
            own.array[...] = array
            touch(own)


def _near(name: str, others: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, others[:200], 1, 0.8)
    return f"  (near {close[0]!r})" if close else ""
