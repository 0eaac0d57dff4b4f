"""Plans: what a kernel has worked out for one combination of shapes, strides, types and settings.

A plan is a function that takes the arrays and computes. Kernels look it up by a tuple, in one step; only the first call
of a combination asks oneDNN. A combination that oneDNN cannot serve has the plan `unsupported`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

from . import library as _library
from .library import Library
from .memory import RefusedError

Plan: TypeAlias = "Callable[..., Any]"

MOST = 2048

# Two generations: when the young one is full it becomes the old one, and what is used again moves back. So what was not
# used during the last MOST new combinations is forgotten, and a hit costs one dictionary look-up.
PLANS: dict[Hashable, Plan] = {}
_old: dict[Hashable, Plan] = {}


def unsupported(*_: object) -> Any:
    """The plan of what these kernels do not serve."""
    return NotImplemented


def plan(key: Hashable, build: Callable[..., Plan | None], *arguments: Any) -> Plan:
    """The plan for `key`, made by `build(library, *arguments)` where there is none yet."""
    found = _old.pop(key, None)
    if found is None:
        library: Library | None = _library.library()
        try:
            found = (build(library, *arguments) if library is not None else None) or unsupported
        except RefusedError:
            found = unsupported
    if len(PLANS) >= MOST:
        _old.clear()
        _old.update(PLANS)
        PLANS.clear()
    PLANS[key] = found
    return found


def clear() -> None:
    """Forget all plans, as a change of the number of threads requires."""
    PLANS.clear()
    _old.clear()
