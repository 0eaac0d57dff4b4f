"""`hub.transform` and `hub.pipeline`: what the entry says, from picture to labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from numzoo import hub
from numzoo.hub.errors import FormatError, UsageError
from numzoo.hub.registry.names import Registry


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A grey picture of 40 x 50 pixels from a fixed seed."""
    pixels = np.random.default_rng(5).integers(0, 256, (40, 50), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def test_the_answer_is_the_softmax_of_the_model_on_the_prepared_image(zoo: Registry, picture: Path) -> None:
    answer = hub.pipeline("lenet", registry=zoo)(picture, top=10)
    prepared = hub.transform("lenet", registry=zoo)(PIL.Image.open(picture))
    logits = hub.load("lenet", registry=zoo)(prepared[None]).numpy()[0].astype(np.float64)
    wanted = np.exp(logits) / np.exp(logits).sum()
    assert [label for label, _ in answer] == [str(index) for index in np.argsort(-wanted)]
    np.testing.assert_allclose([p for _, p in answer], np.sort(wanted)[::-1], rtol=1e-6)
    assert sum(p for _, p in answer) == pytest.approx(1.0)


def test_paths_pictures_arrays_and_lists_give_the_same(zoo: Registry, picture: Path) -> None:
    classify = hub.pipeline("lenet", registry=zoo)
    wanted = classify(str(picture))
    opened = PIL.Image.open(picture)
    assert classify(opened) == wanted
    assert classify(np.array(opened)) == wanted
    several = classify([picture, opened], top=2)
    assert [[label for label, _ in row] for row in several] == [[label for label, _ in wanted[:2]]] * 2
    np.testing.assert_allclose([p for _, p in several[0]], [p for _, p in wanted[:2]], rtol=1e-5)
    assert classify([]) == []


def test_a_pipeline_records_no_graph(zoo: Registry, picture: Path) -> None:
    classify = hub.pipeline("lenet", registry=zoo)
    prepared = hub.transform("lenet", registry=zoo)(PIL.Image.open(picture))
    assert not classify.model(prepared[None]).requires_grad


@pytest.mark.parametrize("top", [0, -1, 1.5, True])
def test_a_top_that_is_no_number_is_refused(zoo: Registry, picture: Path, top: Any) -> None:
    with pytest.raises(UsageError, match="top"):
        hub.pipeline("lenet", registry=zoo)(picture, top=top)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "task": ({"task": "video-classification"}, "video-classification"),
    "categories": ({"categories": None}, "no list of categories"),
    "transform": ({"transform": None}, "preprocessing"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_entry_without_what_a_pipeline_needs_is_refused(
    kind: str, weights: Any, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    fields, message = REFUSED[kind]
    entry = {name: value for name, value in {**entry_of(weights), **fields}.items() if value is not None}
    with pytest.raises(UsageError, match=message):
        hub.pipeline("lenet", registry=registry_of({"lenet.test": entry}))


def test_categories_of_another_model_are_refused(
    weights: Any, entry_of: Callable[..., Any], registry_of: Callable[..., Registry], picture: Path
) -> None:
    zoo = registry_of({"lenet.test": entry_of(weights, categories="imagenet1k")})
    with pytest.raises(FormatError, match="1000 names"):
        hub.pipeline("lenet", registry=zoo)(picture)


def test_changing_a_description_changes_no_entry(zoo: Registry) -> None:
    described = zoo.describe("lenet")
    described["transform"]["mean"][0] = 9.0
    described["files"][0]["sources"].clear()
    described["config"].clear()
    assert zoo.describe("lenet")["transform"]["mean"] == [0.5]
    assert "mean=[0.5]" in repr(hub.transform("lenet", registry=zoo))
    assert hub.load("lenet", registry=zoo).load_report.config == {"classes": 10}
