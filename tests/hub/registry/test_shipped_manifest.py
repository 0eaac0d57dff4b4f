"""The manifest that ships with the package: it fits its schema, its builders, its categories, and itself."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from numzoo import hub
from numzoo.hub.download.embedded import embedded_path, open_embedded
from numzoo.hub.loading.resolve import build, resolve
from numzoo.hub.registry.categories import categories
from numzoo.hub.registry.manifest import Entry
from numzoo.hub.registry.names import default_registry

ROOT = Path(__file__).parents[3]
REGISTRY = default_registry()
NAMES = REGISTRY.names()
VISION = REGISTRY.names(task="image-classification")
TORCHVISION = [name for name in NAMES if "imagenet1k" in name]


def test_the_manifest_fits_its_schema() -> None:
    schema = json.loads((ROOT / "hub" / "registry" / "manifest_schema.json").read_bytes())
    document = json.loads((ROOT / "weights_manifest.json").read_bytes())
    jsonschema.Draft202012Validator(schema).validate(document)


def test_all_classification_weights_of_torchvision_are_there() -> None:
    assert len(TORCHVISION) == 115
    assert len({name.partition(".")[0] for name in TORCHVISION}) == 80


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_sound(name: str) -> None:
    entry = REGISTRY.entry(name)
    assert entry.name == name
    resolve(entry.model, "models")
    assert entry.files
    assert all(file.sources for file in entry.files)
    if entry.categories is not None:
        labels = entry.categories if isinstance(entry.categories, tuple) else categories(entry.categories)
        assert len(labels) == entry.config["vocab_size" if entry.model.endswith("_ctc") else "classes"]
        assert all(label.strip() == label and label for label in labels)
    if entry.transform is not None:
        settings = dict(entry.transform)
        preset = build(settings.pop("preset"), "transforms", settings, who=name)
        if "mean" not in settings:
            return  # of sounds: tests/audio/transforms
        channels = 1 if len(settings["mean"]) == 1 else 3
        image = np.zeros((settings["resize"] + 3, settings["resize"] + 9, 3), np.uint8)
        assert preset(image).shape == (channels, settings["crop"], settings["crop"])


@pytest.mark.parametrize("name", NAMES)
def test_the_builder_takes_the_configuration_and_makes_the_declared_number_of_parameters(name: str) -> None:
    entry = REGISTRY.entry(name)
    model = build(entry.model, "models", entry.config, who=name)
    assert sum(int(np.prod(parameter.shape)) for parameter in model.parameters()) == entry.parameters
    if entry.task != "image-classification":
        return
    modules = dict(model.named_modules())
    heads = type(model).classifier_modules
    assert heads[0] in modules  # those that follow are auxiliary heads, which a configuration may leave out


@pytest.mark.parametrize("name", NAMES)
def test_every_declared_key_rule_is_about_names_that_the_model_has_or_may_have(name: str) -> None:
    entry = REGISTRY.entry(name)
    if not (entry.keys.rename or entry.keys.absent):
        return
    state = build(entry.model, "models", entry.config, who=name).state_dict()
    for pattern in entry.keys.absent:
        assert any(pattern.fullmatch(key) for key in state)
    if entry.keys.rename:
        assert all(entry.keys.model_name(key) == key for key in state)


OLD_SPELLINGS = [
    (
        "densenet121",
        "features.denseblock1.denselayer2.norm.1.running_mean",
        "features.denseblock1.denselayer2.norm1.running_mean",
    ),
    ("densenet121", "features.denseblock1.denselayer2.conv.2.weight", "features.denseblock1.denselayer2.conv2.weight"),
    ("densenet121", "features.transition1.norm.weight", "features.transition1.norm.weight"),
    ("vit_b_16", "encoder.layers.encoder_layer_0.mlp.linear_1.weight", "encoder.layers.encoder_layer_0.mlp.0.weight"),
    ("vit_b_16", "encoder.layers.encoder_layer_11.mlp.linear_2.bias", "encoder.layers.encoder_layer_11.mlp.3.bias"),
]


@pytest.mark.parametrize(("model", "old", "new"), OLD_SPELLINGS)
def test_old_spellings_become_the_models(model: str, old: str, new: str) -> None:
    entry = REGISTRY.entry(model)
    assert entry.keys.model_name(old) == new
    assert new in build(entry.model, "models", entry.config, who=model).state_dict()


def test_digests_and_names_agree() -> None:
    for name in TORCHVISION:
        (file,) = REGISTRY.entry(name).files
        beginning = file.name.rpartition("-")[2].partition(".")[0]
        assert (file.sha256 or file.sha256_prefix or "").startswith(beginning[:8])
        assert file.sha256_prefix is None or beginning.startswith(file.sha256_prefix)


VOCABULARIES = ("sentencepiece", "tiktoken", "tokenizer-json", "vocabulary")


def test_files_are_told_apart() -> None:
    """One digest is one file of weights: two entries that share it would have been mixed up. Vocabularies and parts are shared."""
    files = [file for name in NAMES for file in REGISTRY.entry(name).files]
    known = [file.key for file in files if file.format not in VOCABULARIES and file.prefix != "vocoder."]
    assert len(set(known)) == len(known)
    assert len(known) > 190


DEFAULTS = {
    "resnet18": "imagenet1k-v1",
    "resnet50": "imagenet1k-v2",
    "mobilenet_v2": "imagenet1k-v1",
    "mobilenet_v3_large": "imagenet1k-v2",
    "wide_resnet50_2": "imagenet1k-v1",
    "regnet_y_128gf": "imagenet1k-swag-e2e-v1",
    "vit_b_16": "imagenet1k-v1",
    "vgg16": "imagenet1k-v1",
}


@pytest.mark.parametrize("model", DEFAULTS)
def test_a_bare_name_means_what_people_expect(model: str) -> None:
    assert REGISTRY.full_name(model) == f"{model}.{DEFAULTS[model]}"


def test_a_default_is_never_less_sure_than_another_tag() -> None:
    """The rule of docs/registry.md: a full digest goes before a part of one."""
    for model, tags in REGISTRY.manifest.tags.items():
        known = [_sure(REGISTRY.entry(f"{model}.{tag}")) for tag in tags]
        assert known[0] == max(known), model


def test_weights_for_noncommercial_use_say_so() -> None:
    swag = [name for name in NAMES if "swag" in name]
    assert len(swag) == 12
    assert {REGISTRY.entry(name).license for name in swag} == {"CC-BY-NC-4.0"}


def test_what_ships_inside_the_package_is_there_and_right() -> None:
    for name in NAMES:
        for file in REGISTRY.entry(name).files:
            if any(source.startswith("package:") for source in file.sources):
                path = embedded_path(file)
                assert path is not None, name
                open_embedded(file, path).close()


def test_samples_and_data_are_sound() -> None:
    assert {"cat", "coffee", "astronaut", "rocket", "china", "flower"} <= set(REGISTRY.manifest.samples)
    for name in REGISTRY.manifest.samples:
        (file,) = REGISTRY.resource(f"sample:{name}").files
        assert file.sha256 is not None
        assert file.bytes is not None
    names = [file.name for file in REGISTRY.files("data:mnist")]
    assert names == [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ]
    assert all(file.sha256 and file.bytes for file in REGISTRY.files("data:vader"))


def _sure(entry: Entry) -> bool:
    return all(file.sha256 is not None for file in entry.files)


def test_the_embedded_network_loads_and_computes_what_pytorch_does_with_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "never-made"))
    report = hub.load("lenet", offline=True).load_report
    assert (report.name, report.initialised, report.defaulted) == ("lenet.mnist", (), ())
    result = hub.verify_parity("lenet", offline=True)
    assert result.passed, str(result)
    assert not (tmp_path / "never-made").exists()
