"""Plans: what a kernel has worked out for one combination of shapes, strides, types and settings.

A plan is a function that takes the arrays and computes. Kernels look it up by a tuple, in one step; only the first call
of a combination asks oneDNN. A combination that oneDNN cannot serve has the plan `unsupported`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

from ..plans import Plans
from . import library as _library
from .library import Library
from .memory import RefusedError

Plan: TypeAlias = "Callable[..., Any]"

PLANS: Plans[Plan] = Plans()


def unsupported(*_: object) -> Any:
    """The plan of what these kernels do not serve."""
    return NotImplemented


def plan(key: Hashable, build: Callable[..., Plan | None], *arguments: Any) -> Plan:
    """The plan for `key`, made by `build(library, *arguments)` where there is none yet."""
    return PLANS.make(key, _built, build, *arguments)


def _built(build: Callable[..., Plan | None], *arguments: Any) -> Plan:
    library: Library | None = _library.library()
    try:
        return (build(library, *arguments) if library is not None else None) or unsupported
    except RefusedError:
        return unsupported


def clear() -> None:
    """Forget all plans, as a change of the number of threads requires."""
    PLANS.clear()
