"""PyTorch and torchvision for the tests that compare with them; where they are missing, those tests are skipped."""

from __future__ import annotations

import importlib.util
import runpy
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def reference() -> SimpleNamespace:
    """`reference.py` beside this file; skips where PyTorch or torchvision is not installed."""
    for package in ("torch", "torchvision"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"parity is measured where {package} is installed (the parity extra)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, at import
        return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("reference.py"))))
