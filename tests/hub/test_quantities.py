"""Sizes and spans of time as people write them."""

from __future__ import annotations

import pytest

from numzoo.hub.errors import UsageError
from numzoo.hub.quantities import parse_age, parse_size

SIZES = {
    "0": 0,
    "12": 12,
    "20GB": 20_000_000_000,
    "1.5 gib": 3 << 29,
    "500MB": 500_000_000,
    " 3kb ": 3000,
    "2TiB": 2 << 40,
    "7B": 7,
}
AGES = {"90s": 90.0, "15m": 900.0, "12h": 43200.0, "30d": 2592000.0, "1.5w": 907200.0}


@pytest.mark.parametrize("text", SIZES)
def test_sizes(text: str) -> None:
    assert parse_size(text) == SIZES[text]


@pytest.mark.parametrize("text", AGES)
def test_ages(text: str) -> None:
    assert parse_age(text) == AGES[text]


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1e3", "nan", "20 XB", "1_000", "1,5GB", "9" * 40])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="wanted a size such as 20GB"):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1y", "inf d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="wanted a span of time such as"):
        parse_age(text)
