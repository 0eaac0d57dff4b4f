"""Quiet arithmetic: NumPy need not warn of infinities and NaN, which are results here."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

__all__ = ["quiet"]

# An overflow or a NaN is a result like others. NumPy's own way to be quiet about it costs more than a small operation,
# so its warnings about the engine's arithmetic are filtered, and where somebody made errors of them, caught.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=str(__package__).replace(".", r"\."))


@contextmanager
def quiet() -> Iterator[None]:
    """No warning about arithmetic, whatever was made of warnings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
