"""Weights and images made from integers alone, as fixtures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import integers
import pytest


@pytest.fixture(name="integer_weights")
def _integer_weights() -> Callable[[Mapping[str, tuple[int, ...]], float], dict[str, Any]]:
    return integers.integer_weights


@pytest.fixture(name="integer_image")
def _integer_image() -> Callable[[int, int, int], Any]:
    return integers.integer_image


@pytest.fixture(name="layout_digest")
def _layout_digest() -> Callable[[Mapping[str, tuple[int, ...]]], str]:
    return integers.layout_digest
