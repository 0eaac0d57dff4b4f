"""The table of builders: what it offers, what it says to a wrong name, and what all models have in common."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from numzoo.engine import nn
from numzoo.vision import models

FOLDER = Path(models.__file__).parent

OTHERS = [*models.builders("face-detection"), *models.builders("style-transfer")]

PAPER = re.compile(r"arXiv:\d{4}\.\d{4,5}\b|Proc\. IEEE 1998")


def test_the_list_is_sorted_and_what_the_package_offers() -> None:
    assert models.builders() == sorted(models.builders())
    general = {name for name in models.__all__ if name.startswith("any_")}
    assert {*OTHERS, *models.builders(), *general, "builders"} == set(models.__all__)
    assert set(models.__all__) <= set(dir(models))


def test_the_list_can_be_changed_without_harm() -> None:
    models.builders().clear()
    assert "resnet50" in models.builders()


def test_no_builder_has_the_name_of_a_file() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")}
    assert not files & {*OTHERS, *models.builders()}


def test_no_family_has_a_public_function_that_the_table_lacks() -> None:
    for path in FOLDER.glob("*.py"):
        if path.stem in ("__init__", "blocks", "faces", "styles", "windows"):
            continue
        family = importlib.import_module(f"numzoo.vision.models.{path.stem}")
        builders = {
            name
            for name, value in vars(family).items()
            if inspect.isfunction(value)
            and value.__module__ == family.__name__
            and not name.startswith("_")
            and "classes" in inspect.signature(value).parameters
        }
        assert builders, path.stem
        assert builders <= set(models.__all__)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("resnet5", "resnet50"), ("mobilenetv2", "mobilenet_v2"), ("efficientnet-b0", "efficientnet_b0")],
)
def test_an_unknown_name_is_answered_with_near_ones(wrong: str, near: str) -> None:
    with pytest.raises(AttributeError, match=rf"no model named '{wrong}'; did you mean .*{near}.*\?"):
        getattr(models, wrong)


def test_a_name_like_no_other_is_told_of_the_list() -> None:
    with pytest.raises(AttributeError, match=r"no model named 'qqqq'; builders\(\) lists what there is"):
        _ = models.qqqq


def test_importing_the_package_imports_no_family() -> None:
    code = "import sys, numzoo.vision.models as m; print([n for n in sys.modules if n.startswith(m.__name__ + '.')])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment(), timeout=60
    )
    assert found.stdout.strip() == "[]"


def test_an_unknown_task_is_told_of_the_tasks() -> None:
    with pytest.raises(ValueError, match="no builders for 'chess'; tasks are image-classification, face-detection"):
        models.builders("chess")


@pytest.mark.parametrize("name", [*OTHERS, *models.builders()])
def test_a_builder_cites_its_paper(name: str) -> None:
    builder = getattr(models, name)
    assert builder.__name__ == name
    assert PAPER.search(builder.__doc__ or ""), builder.__doc__


@pytest.mark.parametrize("name", models.builders())
def test_another_number_of_classes_changes_the_heads_and_nothing_else(name: str) -> None:
    builder = getattr(models, name)
    usual, model = builder(), builder(classes=7)
    heads = type(model).classifier_modules
    assert isinstance(heads, tuple)
    assert heads
    for head in heads:
        assert isinstance(model.get_submodule(head), nn.Linear | nn.Conv2d)
    before = {key: tuple(value.shape) for key, value in usual.state_dict().items()}
    after = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert list(before) == list(after)
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {key for key in before if key.rpartition(".")[0] in heads}
    assert all(after[key] == (7, *before[key][1:]) for key in changed)


@pytest.mark.parametrize("name", [*OTHERS, *models.builders()])
def test_settings_are_keywords_only(name: str) -> None:
    parameters = inspect.signature(getattr(models, name)).parameters.values()
    assert all(p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in parameters)


@pytest.mark.parametrize("name", ["vgg16", "regnet_y_128gf", "vit_h_14"])
def test_building_a_large_model_fills_no_parameter(name: str) -> None:
    model = getattr(models, name)()
    assert all(parameter.is_pending for parameter in model.parameters())


def _environment() -> dict[str, str]:
    root = FOLDER.parent.parent
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / ".dev"), os.environ.get("PYTHONPATH", "")])}
