"""Which of several algorithms of a library computes a size fastest on this GPU: timed when the size is first used, if that is wanted.

Off at first, as in other libraries: a first use then costs up to some seconds and the memory of workspaces, which sizes that never
come again do not pay back. What was chosen is kept on the disk. Where the same bits are wanted each time, nothing is timed: a
choice by the clock may fall otherwise tomorrow.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from ....capturing import in_capture
from ....modes import are_deterministic_algorithms_enabled
from ...plans import Plans
from ..machine import Machine

__all__ = ["at_first_call", "fastest", "is_wanted", "measure", "renewed"]

Run = Callable[..., None]

MOST = 10
"""Algorithms that are timed for one size: the library's own guesses come best first."""
SECONDS = 2.0
"""What building and timing those of one size may take; what was found by then is chosen."""
MILLISECONDS = 2.0
"""About what one algorithm is timed for."""
MARGIN = 0.97
"""A later guess is taken for faster from here on; closer ones are told apart by noise alone."""

_wanted = False
_renewed: list[Plans[Any]] = []


def measure(wanted: bool) -> None:
    """Let choices be measured from now on, or (False) leave them to the libraries' guesses."""
    global _wanted
    if wanted != _wanted:
        _wanted = wanted
        for plans in _renewed:
            plans.clear()


def is_wanted() -> bool:
    """Whether choices are measured, or taken from what was measured."""
    return _wanted and not are_deterministic_algorithms_enabled()


def renewed(plans: Plans[Any]) -> Plans[Any]:
    """The plans, which will be made anew whenever choices begin or end to be measured."""
    _renewed.append(plans)
    return plans


def at_first_call(run: Run, choose: Callable[..., Run]) -> Run:
    """What runs as ``run`` does while a step is captured, and from the first call outside of that on as what ``choose`` gives for its addresses."""
    waiting, lock = True, threading.Lock()

    def call(*addresses: int) -> None:
        nonlocal run, waiting
        if waiting and not in_capture():  # which may not wait for the GPU
            with lock:
                if waiting:
                    run = choose(*addresses)
                    waiting = False
        run(*addresses)

    return call


def fastest(
    here: Machine, candidates: Iterable[tuple[Any, Callable[[], None]]], failures: tuple[type[Exception], ...]
) -> Any:
    """The name of the candidate whose work takes the GPU the least time, or None where none runs.

    One is asked for after the one before was timed. Those that fail, or have no room, are passed over.
    """
    best, least = None, math.inf
    passed_over: tuple[type[Exception], ...] = (MemoryError, *failures)
    end = time.monotonic() + SECONDS
    for count, (name, work) in enumerate(candidates, 1):
        try:
            work()  # the first call loads code
            took = here.milliseconds(work, 1)
            if took < 2 * least:
                times = max(2, min(10, int(MILLISECONDS / max(took, 1e-3))))
                took = min(here.milliseconds(work, times) for _ in range(2))
        except passed_over:
            continue
        if took < least * MARGIN:
            best, least = name, took
        if count >= MOST or time.monotonic() > end:
            break
    return best
