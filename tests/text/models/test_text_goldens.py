"""Models of text against what transformers computes for weights and inputs made from integers."""

from __future__ import annotations

import pytest
from sequence_check import cases, check_golden, check_gradients
from sequences import Case


@pytest.mark.parametrize("case", cases("text"), ids=lambda case: case.name)
def test_names_shapes_and_results_are_the_golden_ones(case: Case) -> None:
    check_golden(case)


@pytest.mark.parametrize("case", cases("text"), ids=lambda case: case.name)
def test_training_gradients_are_the_golden_ones(case: Case) -> None:
    check_gradients(case)
