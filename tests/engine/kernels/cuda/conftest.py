"""Kernels of a GPU ask nothing of the CPU's: these tests run where oneDNN is missing, and leave the sizes that it serves alone."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _library() -> None:
    """In the place of the one that skips the tests of the CPU's kernels."""


@pytest.fixture(autouse=True)
def _every_size() -> None:
    """In the place of the one that lets the CPU's kernels serve every size."""
