"""Every model against what torchvision computes for weights and images made from integers (goldens.json)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.vision import models

GOLDENS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("goldens.json").read_text())

COMPUTED = [name for name, golden in GOLDENS.items() if "logits" in golden]


def test_every_builder_has_a_golden() -> None:
    assert list(GOLDENS) == models.builders()


@pytest.mark.parametrize("name", models.builders())
def test_the_layout_is_the_golden_one(name: str, layout_digest: Callable[..., str]) -> None:
    golden, model = GOLDENS[name], getattr(models, name)()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert sum(parameter.numel() for parameter in model.parameters()) == golden["parameters"]
    assert len(shapes) == golden["entries"]
    assert layout_digest(shapes) == golden["layout_sha256"]


@pytest.mark.parametrize("name", models.builders())
def test_the_logits_are_the_golden_ones(
    name: str, integer_weights: Callable[..., Any], integer_image: Callable[..., Any]
) -> None:
    golden = GOLDENS[name]
    if "logits" not in golden:
        pytest.skip(f"filling {golden['parameters']:,} parameters takes too long: names, shapes and counts only")
    model = getattr(models, name)().eval()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    report = model.load_state_dict(integer_weights(shapes, golden["gain"]), strict=False, assign=True)
    assert all(key.endswith(("tracked", "index", "table")) for key in report.missing)
    with engine.no_grad():
        logits = model(integer_image(2, 1 if name == "lenet" else 3, golden["size"])).numpy()
    wanted = np.array(golden["logits"])
    assert np.abs(logits[:, : wanted.shape[1]] - wanted).max() < 1e-4 * golden["scale"]
    assert np.abs(logits).max() == pytest.approx(golden["scale"], rel=1e-4)
