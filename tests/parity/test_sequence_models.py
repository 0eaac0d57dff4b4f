"""Models of text and sound beside transformers' own, with shared weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import sequence_check
from sequences import CASES, Case

for package in ("torch", "transformers"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(
            f"models of text are compared where {package} is installed (the parity extra)", allow_module_level=True
        )


@pytest.mark.filterwarnings("ignore")  # theirs, at import
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_results_equal_transformers(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import sequence_reference

    theirs, shapes, _ = sequence_reference.build(case)
    ours, layout = sequence_check.build(case)
    assert layout == shapes
    for found, wanted in zip(sequence_check.run(case, ours), sequence_reference.run(case, theirs), strict=True):
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()
