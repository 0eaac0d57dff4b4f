"""`hub.load` on files that PyTorch wrote from torchvision's models, with the quirks that the public files have."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from numzoo import hub

State = dict[str, Any]


def as_it_is(state: State) -> State:
    return state


def without_counters(state: State) -> State:
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


def old_densenet(state: State) -> State:
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name): value for name, value in state.items()}


def old_perceptron(state: State) -> State:
    names = {name: re.sub(r"mlp\.0\.", "mlp.linear_1.", re.sub(r"mlp\.3\.", "mlp.linear_2.", name)) for name in state}
    return {names[name]: value for name, value in state.items()}


def half(state: State) -> State:
    return {name: value.half() if value.ndim in (2, 4) else value for name, value in state.items()}


# model, what the public file is like, written in the old stream format, what the report must tell of it
FILES: list[tuple[str, Callable[[State], State], bool, str]] = [
    ("resnet18", without_counters, False, "defaulted"),
    ("densenet121", old_densenet, True, "renamed"),
    ("vit_b_32", old_perceptron, False, "renamed"),
    ("googlenet", as_it_is, True, "ignored"),
    ("resnet34", half, True, "converted"),
    ("swin_t", as_it_is, False, ""),
    ("swin_v2_t", as_it_is, False, ""),
    ("regnet_y_400mf", as_it_is, False, ""),
    ("mobilenet_v3_small", as_it_is, False, ""),
]


@pytest.mark.parametrize(("name", "change", "legacy", "told"), FILES, ids=[file[0] for file in FILES])
def test_a_public_files_quirks_are_declared_and_reported(
    name: str, change: Callable[[State], State], legacy: bool, told: str, reference: SimpleNamespace, tmp_path: Path
) -> None:
    import torch

    torch.manual_seed(0)
    state = reference.build(name).state_dict()
    torch.save(change(dict(state)), tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    model = hub.load(tmp_path / "w.pth", model=name)
    report = model.load_report
    assert report.initialised == ()
    for part in ("defaulted", "renamed", "ignored", "converted"):
        assert bool(getattr(report, part)) == (part == told), part
    loaded = model.state_dict()
    for key in report.loaded:
        wanted = state[key].half().float() if key in report.converted else state[key]
        np.testing.assert_array_equal(loaded[key].numpy(), wanted.numpy())


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "swin_t", "vit_b_32", "maxvit_t", "inception_v3"])
def test_other_classes_take_the_backbone_and_leave_only_the_head(
    name: str, reference: SimpleNamespace, tmp_path: Path
) -> None:
    import torch

    torch.save(reference.build(name).state_dict(), tmp_path / "w.pth")
    model = hub.load(tmp_path / "w.pth", model=name, classes=7)
    heads = type(model).classifier_modules
    assert model.load_report.initialised
    for key in model.load_report.initialised:
        assert key.startswith(tuple(f"{head}." for head in heads))
        assert 7 in model.state_dict()[key].shape
