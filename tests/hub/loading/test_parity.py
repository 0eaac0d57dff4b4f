"""Parity cards: the input is what its definition says, and a card finds the first stage that differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import hub
from numzoo.hub.errors import FormatError, NotFoundError
from numzoo.hub.loading.parity import ramp, run_card, tokens
from numzoo.hub.registry.names import Registry


def test_the_ramp_is_its_definition() -> None:
    made = ramp((2, 3, 4, 5))
    assert made.dtype == np.float32
    for b, c, i, j in np.ndindex(2, 3, 4, 5):
        assert made[b, c, i, j] == ((37 * i + 101 * j + 211 * c + 53 * b) % 512 - 256) / 128


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 4), (2, 2, 2, 2, 2)])
def test_the_ramp_has_any_shape(shape: tuple[int, ...]) -> None:
    made = ramp(shape)
    assert made.shape == shape
    assert made.flat[0] == -2.0
    assert made[(0,) * (len(shape) - 1) + (1,)] == (101 - 256) / 128


def card(model: Any) -> dict[str, Any]:
    """The card of a model as it is, computed without the code under test's hooks: stage by stage."""
    x = np.asarray(ramp((1, 1, 28, 28)))
    stages = {}
    for name, part in (("features", model.features), ("classifier", model.classifier)):
        x = np.asarray(part(x.reshape(1, -1) if name == "classifier" else x).numpy())
        exact = x.astype(np.float64)
        stages[name] = [float(exact.sum()), float(np.abs(exact).sum())]
    order = np.argsort(-x[0])[:3]
    return {
        "input": "ramp-v1",
        "shape": [1, 1, 28, 28],
        "top": [[int(index), float(x[0, index])] for index in order],
        "stages": stages,
        "tolerance": {"f32": 1e-4},
    }


@pytest.fixture
def carded(
    zoo: Registry, weights: Any, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> Callable[..., Registry]:
    """A registry whose card was made from the model itself and then changed."""
    made = card(hub.load("lenet", registry=zoo))

    def make(change: Callable[[dict[str, Any]], None]) -> Registry:
        changed = json.loads(json.dumps(made))
        change(changed)
        return registry_of({"lenet.test": entry_of(weights, parity=changed)})

    return make


def test_a_card_that_fits_passes(carded: Callable[..., Registry]) -> None:
    result = hub.verify_parity("lenet", registry=carded(lambda made: None))
    assert result.passed
    assert result.first_difference is None
    assert result.largest_error < 1e-5
    assert "parity holds for 8 values" in str(result)


def scale(stage: str, index: int, factor: float) -> Callable[[dict[str, Any]], None]:
    def change(made: dict[str, Any]) -> None:
        made["stages"][stage][index] *= factor

    return change


def swap(made: dict[str, Any]) -> None:
    made["top"][0][0], made["top"][1][0] = made["top"][1][0], made["top"][0][0]


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "first stage": (scale("features", 1, 1.001), "stage features"),
    "second stage": (scale("classifier", 1, 1.001), "stage classifier"),
    "swapped logits": (swap, "value"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_the_first_difference_is_named(kind: str, carded: Callable[..., Registry]) -> None:
    change, what = CHANGES[kind]
    result = hub.verify_parity("lenet", registry=carded(change))
    assert not result.passed
    assert result.first_difference is not None
    assert result.first_difference.what.startswith(what)
    assert "parity is broken, first at" in str(result)


def unknown_stage(made: dict[str, Any]) -> None:
    made["stages"]["nowhere"] = [1.0, 1.0]


def unknown_class(made: dict[str, Any]) -> None:
    made["top"][0][0] = 10


@pytest.mark.parametrize("change", [unknown_stage, unknown_class])
def test_a_card_for_another_model_is_a_format_error(
    change: Callable[[dict[str, Any]], None], carded: Callable[..., Registry]
) -> None:
    with pytest.raises(FormatError, match="parity card"):
        hub.verify_parity("lenet", registry=carded(change))


def test_an_entry_without_a_card_says_so(zoo: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no parity card"):
        hub.verify_parity("lenet", registry=zoo)


def test_the_tokens_are_their_definition() -> None:
    assert tokens((2, 3)).tolist() == [[7, 108, 209], [60, 161, 262]]
    assert tokens((1, 50)).max() < 1000


def test_a_card_may_be_of_a_part_of_the_model(zoo: Registry) -> None:
    model = hub.load("lenet", registry=zoo)
    whole = card(model)
    image = np.asarray(model.features(ramp((1, 1, 28, 28))).numpy())
    order = np.argsort(-image[0].ravel())[:2]
    part = {
        **whole,
        "module": "features",
        "stages": {},
        "top": [[int(place), float(image[0].ravel()[place])] for place in order],
    }
    assert run_card(model, part, who="lenet").passed
    with pytest.raises(FormatError, match="names the module 'head'"):
        run_card(model, {**part, "module": "head"}, who="lenet")
    with pytest.raises(FormatError, match="wanted \\(batch, length\\)"):
        run_card(model, {**part, "input": "tokens-v1"}, who="lenet")
