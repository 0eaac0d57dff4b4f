"""Files of what fine-tuning changed: small, tied to the weights they were learned on, and read back as plain models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import hub
from numzoo.engine import nn
from numzoo.hub.checkpoint import read_checkpoint, read_metadata, write_safetensors
from numzoo.hub.errors import FormatError, IntegrityError, LoadError, NotFoundError, UsageError
from numzoo.hub.registry.names import Registry
from numzoo.vision import transforms

X = np.random.default_rng(0).standard_normal((3, 1, 28, 28)).astype(np.float32)


def stirred(model: Any, part: str) -> None:
    """Some of the parameters moved, as training would."""
    for name, parameter in model.named_parameters():
        if part in name:
            parameter.set_array(
                parameter.numpy() + np.random.default_rng(1).standard_normal(parameter.shape).astype(np.float32) * 0.1
            )


def test_only_what_changed_is_in_the_file(zoo: Registry, tmp_path: Path) -> None:
    model = hub.load("lenet", registry=zoo)
    stirred(model, "classifier.5")
    path = hub.save(model, tmp_path / "x.safetensors", only="changed", registry=zoo)
    assert sorted(read_checkpoint(path)) == ["classifier.5.bias", "classifier.5.weight"]
    loaded = hub.load(path, registry=zoo)
    np.testing.assert_array_equal(loaded(X).numpy(), model(X).numpy())
    report = loaded.load_report
    assert (report.base, report.base_sha256) == ("lenet.test", model.load_report.sha256)
    assert "base         lenet.test" in str(report)
    assert hub.save(loaded, tmp_path / "y.safetensors", only="changed", registry=zoo).read_bytes() == path.read_bytes()


def test_nothing_changed_makes_an_empty_file_that_is_the_base(zoo: Registry, tmp_path: Path) -> None:
    model = hub.load("lenet", registry=zoo)
    path = hub.save(model, tmp_path / "x.safetensors", only="changed", registry=zoo)
    assert read_checkpoint(path) == {}
    np.testing.assert_array_equal(hub.load(path, registry=zoo)(X).numpy(), model(X).numpy())


def test_a_fresh_head_is_a_change(zoo: Registry, tmp_path: Path) -> None:
    model = hub.load("lenet", classes=3, registry=zoo)
    path = hub.save(model, tmp_path / "x.safetensors", only="changed", registry=zoo)
    assert {name.rpartition(".")[0] for name in read_checkpoint(path)} == set(model.classifier_modules)
    loaded = hub.load(path, registry=zoo)
    assert loaded(X).shape == (3, 3)
    np.testing.assert_array_equal(loaded(X).numpy(), model(X).numpy())
    assert hub.load(path, classes=7, registry=zoo)(X).shape == (3, 7)


@pytest.mark.parametrize("only", ["changed", None])
def test_adapters_are_saved_small_and_loaded_into_the_weights(only: Any, zoo: Registry, tmp_path: Path) -> None:
    model = hub.load("lenet", registry=zoo)
    layers = nn.add_lora(model, rank=2)
    stirred(model, "lora_B")
    stirred(model, "classifier.5")
    path = hub.save(model, tmp_path / "x.safetensors", only=only, registry=zoo)
    if only:
        assert path.stat().st_size < 0.2 * 780_000
    loaded = hub.load(path, registry=zoo)
    assert sorted(loaded.load_report.adapted) == sorted(layers)
    assert f"adapted      {len(layers)} layers" in str(loaded.load_report)
    assert not any("lora" in name for name in loaded.state_dict())
    np.testing.assert_allclose(loaded(X).numpy(), model(X).numpy(), rtol=1e-4, atol=1e-4)


def test_adapters_go_on_in_a_model_that_has_some(zoo: Registry, tmp_path: Path) -> None:
    model = hub.load("lenet", registry=zoo)
    nn.add_lora(model, rank=2)
    stirred(model, "lora_B")
    path = hub.save(model, tmp_path / "x.safetensors", only="changed", registry=zoo)
    other = hub.load("lenet", registry=zoo)
    nn.add_lora(other, rank=2)
    np.testing.assert_array_equal(hub.load(path, model=other, registry=zoo)(X).numpy(), model(X).numpy())
    assert other.load_report.adapted == ()


def test_a_merged_model_is_saved_as_a_plain_one(zoo: Registry, tmp_path: Path) -> None:
    model = hub.load("lenet", registry=zoo)
    nn.add_lora(model, rank=2)
    stirred(model, "lora_B")
    nn.merge_lora(model)
    loaded = hub.load(hub.save(model, tmp_path / "x.safetensors"), registry=zoo)
    np.testing.assert_array_equal(loaded(X).numpy(), model(X).numpy())


def test_another_base_is_refused(
    zoo: Registry,
    weights: dict[str, Any],
    entry_of: Callable[..., Any],
    registry_of: Callable[..., Registry],
    tmp_path: Path,
) -> None:
    model = hub.load("lenet", registry=zoo)
    path = hub.save(model, tmp_path / "x.safetensors", only="changed", registry=zoo)
    others = {**weights, "classifier.5.bias": weights["classifier.5.bias"] + 1}
    other = registry_of({"lenet.test": entry_of(others)})
    with pytest.raises(IntegrityError, match=r"changes to lenet.test with sha256 .* but this registry's"):
        hub.load(path, registry=other)
    with pytest.raises(IntegrityError, match="The model holds changes"):
        hub.save(model, tmp_path / "y.safetensors", only="changed", registry=other)
    lacking = registry_of({"alexnet.test": entry_of(others)})
    with pytest.raises(NotFoundError, match=r"changes to lenet\.test, which this registry lacks"):
        hub.load(path, registry=lacking)


def test_only_wants_a_base(zoo: Registry, tmp_path: Path) -> None:
    from numzoo.vision import models

    with pytest.raises(UsageError, match="registry entry"):
        hub.save(models.lenet(), tmp_path / "x.safetensors", builder="lenet", only="changed")
    with pytest.raises(UsageError, match="'changed' or left out"):
        hub.save(models.lenet(), tmp_path / "x.safetensors", only="all")  # type: ignore[arg-type]


DAMAGED: dict[str, tuple[dict[str, Any], str]] = {
    "no B": ({"features.0.lora_A": np.ones((1, 1, 5, 5), np.float32), "features.0.lora_scale": np.float32(1)}, r"lacks features.0.lora_B"),
    "no rank": (
        {
            "features.0.lora_A": np.ones((0, 1, 5, 5), np.float32),
            "features.0.lora_B": np.ones((32, 0, 1, 1), np.float32),
            "features.0.lora_scale": np.array(1, np.float32),
        },
        "does not fit",
    ),
    "no layer": ({f"x.lora_{part}": np.ones((1, 1), np.float32) for part in ("A", "B", "scale")}, r"lacks x.weight"),
    "shapes": (
        {
            "classifier.5.lora_A": np.ones((2, 3), np.float32),
            "classifier.5.lora_B": np.ones((10, 2), np.float32),
            "classifier.5.lora_scale": np.array(1, np.float32),
        },
        "does not fit",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_adapters_are_refused(case: str, zoo: Registry, weights: dict[str, Any], tmp_path: Path) -> None:
    arrays, message = DAMAGED[case]
    write_safetensors(tmp_path / "x.safetensors", {**weights, **{n: np.asarray(a) for n, a in arrays.items()}})
    with pytest.raises(LoadError, match=message):
        hub.load(tmp_path / "x.safetensors", model="lenet", registry=zoo)


PRESET = transforms.classification(resize=28, crop=28, mean=[0.5], std=[0.5])


def test_a_file_with_its_own_categories_is_a_pipeline(zoo: Registry, tmp_path: Path) -> None:
    model = hub.load("lenet", classes=3, registry=zoo)
    path = hub.save(model, tmp_path / "x.safetensors", categories=["cat", "dog", "Ärger"], transform=PRESET)
    classify = hub.pipeline(path)
    image = np.random.default_rng(2).integers(0, 256, (40, 40), dtype=np.uint8)
    answer = classify(image)
    assert {label for label, _ in answer} == {"cat", "dog", "Ärger"}
    prepared = np.asarray(PRESET(image))[None]
    logits = model(prepared).numpy()[0].astype(np.float64)
    np.testing.assert_allclose(dict(answer)["dog"], (np.exp(logits) / np.exp(logits).sum())[1], rtol=1e-5)
    assert hub.transform(str(path)) == PRESET
    assert read_metadata(path).notes["numzoo.task"] == "image-classification"


REFUSED_CARDS: list[tuple[dict[str, Any], str]] = [
    ({"categories": "cats"}, "a list of names, .* but 'cats' was given"),
    ({"categories": 3}, "a list of names, .* but 3 was given"),
    ({"categories": []}, "a list of names"),
    ({"categories": ["a", "a"]}, "two categories"),
    ({"categories": ["a\nb"]}, "control characters"),
    ({"categories": ["a"], "transform": 3}, "a preset"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED_CARDS)
def test_a_card_that_cannot_be_is_not_written(
    given: dict[str, Any], message: str, zoo: Registry, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        hub.save(hub.load("lenet", registry=zoo), tmp_path / "x.safetensors", **given)
    assert not (tmp_path / "x.safetensors").exists()


HOSTILE: list[tuple[dict[str, str], type[Exception], str]] = [
    ({"numzoo.categories": "[1, 2]"}, FormatError, "a list of names"),
    ({"numzoo.categories": "{"}, FormatError, "not valid JSON"),
    ({"numzoo.categories": '["\\u001b[31mred"]'}, FormatError, "control characters"),
    ({"numzoo.categories": '["a"]', "numzoo.transform": '{"preset": "os.system"}'}, FormatError, "preset"),
    ({"numzoo.categories": '["a"]', "numzoo.transform": '{"preset": "vision.transforms.classification", "crop": 10000000}'}, FormatError, "crop"),
    ({"numzoo.categories": '["a"]', "numzoo.task": "translation"}, UsageError, "for translation"),
    ({}, UsageError, "does not name its categories"),
]  # fmt: skip


@pytest.mark.parametrize(("notes", "kind", "message"), HOSTILE)
def test_a_hostile_card_is_refused(
    notes: dict[str, str], kind: type[Exception], message: str, weights: dict[str, Any], tmp_path: Path
) -> None:
    known = {
        "numzoo.model": "vision.models.lenet",
        "numzoo.config": json.dumps({"classes": 10}),
        "numzoo.task": "image-classification",
    }
    write_safetensors(tmp_path / "x.safetensors", weights, {**known, **notes})
    with pytest.raises(kind, match=message):
        hub.pipeline(tmp_path / "x.safetensors")


def test_a_missing_file_and_wrong_counts_are_named(zoo: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        hub.pipeline(tmp_path / "none.safetensors")
    model, path = hub.load("lenet", registry=zoo), tmp_path / "x.safetensors"
    with pytest.raises(UsageError, match=r"2 categories were given for a model whose \S+ has 10 outputs"):
        hub.save(model, path, categories=["one", "two"], transform=PRESET)
    assert not path.exists()
    # A file that says so all the same is refused when it is used.
    hub.save(model, path, categories=[f"digit {n}" for n in range(10)], transform=PRESET)
    notes = {**read_metadata(path).notes, "numzoo.categories": '["one", "two"]'}
    write_safetensors(path, read_checkpoint(path), notes)
    with pytest.raises(FormatError, match="2 names"):
        hub.pipeline(path)(np.zeros((28, 28), np.uint8))


def test_a_pipeline_has_the_names_of_the_bytes_that_it_loaded(
    zoo: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numzoo.hub.loading import asked

    model = hub.load("lenet", classes=3, registry=zoo)
    path = hub.save(model, tmp_path / "x.safetensors", categories=["cat", "dog", "bird"], transform=PRESET)
    other = hub.save(model, tmp_path / "y.safetensors", categories=["one", "two", "three"], transform=PRESET)
    read = asked.read_card

    def swapped(given: Path) -> Any:
        card = read(given)
        other.replace(given)  # Another file comes to lie there between the first look and the load.
        return card

    monkeypatch.setattr(asked, "read_card", swapped)
    assert hub.pipeline(path).categories == ("one", "two", "three")
