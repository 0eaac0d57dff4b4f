"""Other libraries' checkpoints with numzoo alone: their stored logits, their preprocessing, and what is refused.

tests/parity/make_foreign_goldens.py made the goldens with transformers and timm; tests/parity/test_foreign.py compares
with both directly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integers import integer_image, integer_weights

from numzoo import engine, hub
from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.errors import FormatError, HubError, LoadError, NotFoundError
from numzoo.hub.foreign.translation import families, translate
from numzoo.hub.loading.resolve import build

GOLDENS = json.loads((Path(__file__).parent / "goldens.json").read_text())


def folder_of(golden: dict[str, Any], folder: Path) -> Path:
    shapes = {name: tuple(shape) for name, shape in golden["names"].items()}
    arrays = integer_weights(shapes, golden["gain"])
    counters = {name: np.zeros(shape, np.int64) for name, shape in shapes.items() if name not in arrays}
    write_safetensors(folder / "model.safetensors", arrays | counters)
    (folder / "config.json").write_text(json.dumps(golden["config"]))
    return folder


@pytest.mark.parametrize("case", GOLDENS)
def test_a_folder_gives_the_logits_of_the_library_that_wrote_it(case: str, tmp_path: Path) -> None:
    golden = GOLDENS[case]
    model = hub.load(folder_of(golden, tmp_path))
    with engine.no_grad():
        logits = model(integer_image(2, 3, golden["size"])).numpy()
    assert np.abs(logits[:, :6] - np.array(golden["logits"])).max() < 1e-4 * golden["scale"]
    assert len(model.load_report.renamed) + len(model.load_report.loaded) > 0


def config(**changes: Any) -> dict[str, Any]:
    """A ViT's configuration, changed."""
    return {**GOLDENS["vit"]["config"], **changes}


OTHERWISE: dict[str, tuple[dict[str, Any], str]] = {
    "another activation": (config(hidden_act="gelu_new"), r"hidden_act is 'gelu_new', and numzoo's has 'gelu'"),
    "grey images": (config(num_channels=1), "num_channels is 1"),
    "patches that do not cover": (config(image_size=30), "patches of 8 pixels do not cover images of 30"),
    "strides elsewhere": (
        {**GOLDENS["resnet bottleneck"]["config"], "downsample_in_bottleneck": True},
        "the stride stands in the first 1 x 1",
    ),
    "a stem that keeps the size": ({**GOLDENS["regnet y"]["config"], "downsample_in_first_stage": False}, "downsample"),
    "windows larger than a stage": ({**GOLDENS["swin"]["config"], "window_size": 16}, "smaller than its windows of 16"),
    "windows of another training": (
        {**GOLDENS["swinv2"]["config"], "pretrained_window_sizes": [8, 8]},
        "pretrained_window_sizes",
    ),
    "places added to patches": ({**GOLDENS["swin"]["config"], "use_absolute_embeddings": True}, "use_absolute"),
    "another epsilon": ({**GOLDENS["swin"]["config"], "layer_norm_eps": 1e-6}, r"layer_norm_eps is 1e-06"),
    "no scales": ({**GOLDENS["convnext"]["config"], "layer_scale_init_value": 0}, "no scales"),
    "padding of TensorFlow": ({"architecture": "tf_efficientnetv2_s"}, "pads its convolutions as TensorFlow does"),
    "padding of another image": (
        {"model_type": "efficientnet", "image_size": 224, "depthwise_padding": [3]},
        "TensorFlow's padding is even at the blocks",
    ),
    "rows of another table": ({"model_type": "efficientnet", "kernel_sizes": [3] * 7}, "kernel_sizes are"),
    "a coarse last layer": (
        {"model_type": "mobilenet_v2", "depth_multiplier": 0.5, "finegrained_output": False},
        "finegrained_output",
    ),
    "ResNet-D": ({"architecture": "resnet50d"}, "ResNet-D"),
    "batch norms' epsilon": ({"architecture": "efficientnet_b7"}, "batch norms add 1e-5"),
    "changed by arguments": ({"architecture": "resnet50", "model_args": {"output_stride": 8}}, "model_args"),
    "another pooling": ({"architecture": "resnet50", "global_pool": "max"}, "global_pool is 'max'"),
    "code of its own": (config(auto_map={"AutoModel": "modeling.Mine"}), "never runs code of a repository"),
    "quantised": (config(quantization_config={"bits": 4}), "quantised"),
}


@pytest.mark.parametrize("case", OTHERWISE)
def test_what_would_be_computed_otherwise_is_refused_with_what_differs(case: str) -> None:
    given, reason = OTHERWISE[case]
    with pytest.raises(LoadError, match=reason):
        translate(given, {}, who="config.json")


MALFORMED: dict[str, tuple[Any, str]] = {
    "a list": ([], "no JSON object"),
    "nothing": ({}, "neither model_type"),
    "no text": ({"model_type": 3}, "model_type is 3"),
    "control characters": ({"model_type": "vit\x1b[2J"}, "model_type is"),
    "a size of text": (config(hidden_size="large"), r"hidden_size is 'large'; wanted a whole number"),
    "a size beyond reason": (config(hidden_size=10**12), r"hidden_size is 10{12}; wanted"),
    "a negative depth": (config(num_hidden_layers=-1), "num_hidden_layers is -1"),
    "endless depth": (config(num_hidden_layers=10**6), "num_hidden_layers is 10{6}; wanted a whole number from 1 to 1000"),
    "half a layer": (config(num_hidden_layers=1.5), "num_hidden_layers is 1.5"),
    "heads that do not divide": (config(num_attention_heads=5), "a divisor of hidden_size, 32"),
    "an epsilon of text": (config(layer_norm_eps="small"), "layer_norm_eps is 'small'"),
    "depths that are none": ({**GOLDENS["convnext"]["config"], "depths": [1, 2]}, "a list of 4 whole numbers"),
    "depths of objects": ({**GOLDENS["convnext"]["config"], "depths": [{}, 2, 1, 1]}, "depths is"),
    "windows beyond reason": ({**GOLDENS["swin"]["config"], "window_size": 10**5}, "window_size is"),
    "labels with gaps": (config(id2label={"0": "a", "2": "b"}), "a name for each number from 0"),
    "labels that steer a terminal": (config(id2label={"0": "a\x1b]0;x\x07"}), "not all printable"),
    "labels of numbers": (config(id2label={"0": 1}), "id2label"),
    "no name of a flag": (config(qkv_bias="yes"), "qkv_bias is 'yes'"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_configuration_is_refused_with_the_field_that_is_wrong(case: str) -> None:
    given, reason = MALFORMED[case]
    with pytest.raises(FormatError, match=reason):
        translate(given, {}, who="config.json")


@pytest.mark.parametrize(
    ("given", "meant"),
    [({"model_type": "resnets"}, "Did you mean resnet"), ({"architecture": "resnet_50"}, "Did you mean resnet50")],
)
def test_an_unknown_architecture_names_what_was_perhaps_meant_and_what_is_known(given: Any, meant: str) -> None:
    with pytest.raises(NotFoundError, match=meant) as problem:
        translate(given, {}, who="config.json")
    assert "regnet" in str(problem.value)


def test_every_known_architecture_of_timm_becomes_a_builder_that_takes_its_settings() -> None:
    for name in families("timm"):
        said = translate({"architecture": name, "num_classes": 5}, {}, who="config.json")
        assert callable(build(said.model, "models", said.config, who=name).state_dict), name


HUGE: dict[str, dict[str, Any]] = {
    "resnet bottleneck": {"depths": [997, 1, 1, 1]},
    "vit": {"num_hidden_layers": 1000},
    "convnext": {"depths": [997, 1, 1, 1]},
    "swin": {"depths": [500, 2]},
    "regnet y": {"depths": [997, 1, 1, 1]},
}


@pytest.mark.parametrize("case", HUGE)
def test_more_layers_than_the_file_has_tensors_are_not_even_built(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*arguments: Any, **settings: Any) -> Any:
        raise AssertionError("it was built")

    folder = folder_of(GOLDENS[case], tmp_path)
    (folder / "config.json").write_text(json.dumps({**GOLDENS[case]["config"], **HUGE[case]}))
    monkeypatch.setattr("numzoo.hub.loading.load.build", build)
    with pytest.raises(LoadError, match=r"describes \d+ layers .* it holds only \d+ tensors"):
        hub.load(folder)


@pytest.mark.parametrize("case", ["resnet bottleneck", "vit", "convnext"])
def test_the_widest_layers_that_are_taken_end_in_the_contracts_report(case: str, tmp_path: Path) -> None:
    wide = {"hidden_sizes": [65536] * 4, "hidden_size": 65536, "intermediate_size": 1 << 18, "image_size": 16384}
    folder = folder_of(GOLDENS[case], tmp_path)
    (folder / "config.json").write_text(json.dumps({**GOLDENS[case]["config"], **wide}))
    with pytest.raises(LoadError, match="another shape"):
        hub.load(folder)


def test_windows_whose_tables_would_fill_the_memory_are_refused() -> None:
    given = {**GOLDENS["swin"]["config"], "depths": [500, 500], "window_size": 60, "image_size": 1024}
    with pytest.raises(FormatError, match="fit into memory"):
        translate(given, {}, who="config.json")
    with pytest.raises(FormatError, match="add up to at most 1000"):
        translate({**given, "depths": [900, 900]}, {}, who="config.json")


def test_random_changes_of_a_configuration_end_in_a_model_or_a_typed_error() -> None:
    generator = np.random.default_rng(3)
    values: list[Any] = [None, True, -1, 0, 1, 2.5, 10**9, 1e308, "x", "", [], [1], [[1]], {}, {"0": 1}, [10**9] * 4]
    cases = [golden["config"] for golden in GOLDENS.values()]
    for _ in range(600):
        given = dict(cases[generator.integers(len(cases))])
        for name in generator.choice(sorted(given), size=2):
            given[name] = values[generator.integers(len(values))]
        try:
            said = translate(given, {"preprocessor_config.json": None}, who="config.json")
        except HubError:
            continue
        assert said.model.startswith("vision.models.")


PROCESSORS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "ViT": (
        {"do_normalize": True, "do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2, "size": 224},
        {"resize": 224, "crop": 224, "stretch": True, "interpolation": "bilinear"},
    ),
    "a square by name": (
        {"image_processor_type": "ViTImageProcessor", "resample": 3, "size": {"height": 384, "width": 384}},
        {"resize": 384, "crop": 384, "stretch": True, "interpolation": "bicubic"},
    ),
    "ConvNeXt, small": (
        {"feature_extractor_type": "ConvNextFeatureExtractor", "crop_pct": 0.875, "resample": 3, "size": {"shortest_edge": 224}},
        {"resize": 256, "crop": 224, "interpolation": "bicubic"},
    ),
    "ConvNeXt, large": (
        {"image_processor_type": "ConvNextImageProcessor", "resample": 3, "size": {"shortest_edge": 384}},
        {"resize": 384, "crop": 384, "stretch": True, "interpolation": "bicubic"},
    ),
    "shorter side and centre": (
        {"do_center_crop": True, "crop_size": {"height": 224, "width": 224}, "resample": 2, "size": {"shortest_edge": 256}},
        {"resize": 256, "crop": 224, "interpolation": "bilinear"},
    ),
    "another scale": ({"rescale_factor": 1.0, "size": 224}, None),
    "no normalisation": ({"do_normalize": False, "size": 224}, None),
    "no square": ({"size": {"height": 224, "width": 300}}, None),
    "an unknown filter": ({"resample": 5, "size": 224}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", PROCESSORS)
def test_an_image_processor_becomes_a_transform_or_is_not_claimed_to_be_known(case: str) -> None:
    processor, wanted = PROCESSORS[case]
    said = translate(config(), {"preprocessor_config.json": processor}, who="config.json").transform
    if wanted is None:
        assert said is None
        return
    assert said is not None
    assert {name: said[name] for name in wanted} == wanted
    assert ("stretch" in said) == ("stretch" in wanted)
    settings = {name: value for name, value in said.items() if name != "preset"}
    assert build(said["preset"], "transforms", settings, who=case).settings().items() >= wanted.items()


def test_timms_preprocessing_is_read_as_its_evaluation_does_it() -> None:
    trained = {
        "input_size": [3, 288, 288],
        "crop_pct": 0.95,
        "interpolation": "bicubic",
        "mean": [0.5] * 3,
        "std": [0.2] * 3,
    }
    said = translate({"architecture": "resnet50", "pretrained_cfg": trained}, {}, who="config.json").transform
    assert said == {
        "preset": "vision.transforms.classification", "resize": 303, "crop": 288, "interpolation": "bicubic",
        "mean": [0.5] * 3, "std": [0.2] * 3,
    }  # fmt: skip
    squashed = {**trained, "crop_mode": "squash", "crop_pct": 1.0}
    said = translate({"architecture": "resnet50", "pretrained_cfg": squashed}, {}, who="config.json").transform
    assert said is not None
    assert said["stretch"] is True
    assert (
        translate(
            {"architecture": "resnet50", "pretrained_cfg": {**trained, "crop_mode": "border"}}, {}, who="c"
        ).transform
        is None
    )


def test_the_thousand_classes_of_imagenet_get_their_names() -> None:
    said = translate(
        {"architecture": "resnet50", "pretrained_cfg": {"tag": "a1_in1k", "num_classes": 1000}}, {}, who="c"
    )
    assert len(said.categories) == 1000
    said = translate({"architecture": "resnet50", "num_classes": 2, "label_names": ["a", "b"]}, {}, who="config.json")
    assert said.categories == ("a", "b")
    assert translate({"architecture": "resnet50", "num_classes": 1000}, {}, who="c").categories == ()
