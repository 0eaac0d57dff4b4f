"""`hub.load` and `hub.save`: a registry of one's own, real files, and everything that may not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import hub
from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.errors import (
    FormatError,
    IntegrityError,
    LoadError,
    NotFoundError,
    OfflineError,
    TrustError,
    UsageError,
)
from numzoo.hub.registry.names import Registry
from numzoo.vision import models

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]


def state(model: Any) -> Arrays:
    return {name: np.array(tensor.numpy()) for name, tensor in model.state_dict().items()}


def test_every_tensor_of_the_file_is_loaded_and_reported(zoo: Registry, weights: Arrays) -> None:
    model = hub.load("lenet", registry=zoo)
    loaded = state(model)
    assert loaded.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(loaded[name], array)
    report = model.load_report
    assert set(report.loaded) == set(weights)
    assert (report.ignored, report.initialised, report.defaulted, dict(report.renamed)) == ((), (), (), {})
    assert report.sha256 == zoo.entry("lenet").files[0].sha256
    assert str(report).startswith("lenet.test from weights-0.safetensors")
    assert not model.training


def test_other_classes_leave_the_head_fresh_and_the_report_lists_it(zoo: Registry, weights: Arrays) -> None:
    model = hub.load("lenet.test", classes=3, registry=zoo)
    assert model.load_report.initialised == ("classifier.5.weight", "classifier.5.bias")
    assert set(model.load_report.ignored) == {"classifier.5.weight", "classifier.5.bias"}
    loaded = state(model)
    assert loaded["classifier.5.weight"].shape == (3, 84)
    assert np.abs(loaded["classifier.5.weight"]).sum() > 0
    np.testing.assert_array_equal(loaded["classifier.3.weight"], weights["classifier.3.weight"])
    assert "a fresh head" in str(model.load_report)


def test_the_same_number_of_classes_keeps_the_head(zoo: Registry, weights: Arrays) -> None:
    model = hub.load("lenet", classes=10, registry=zoo)
    assert model.load_report.initialised == ()
    np.testing.assert_array_equal(state(model)["classifier.5.bias"], weights["classifier.5.bias"])


@pytest.mark.parametrize("classes", [0, -1, 2.5, True, "10"])
def test_a_number_of_classes_that_is_none_is_refused(zoo: Registry, classes: Any) -> None:
    with pytest.raises(UsageError, match="positive number of classes"):
        hub.load("lenet", classes=classes, registry=zoo)


def without(weights: Arrays, name: str) -> Arrays:
    return {key: array for key, array in weights.items() if key != name}


MISFITS: dict[str, tuple[Callable[[Arrays], Arrays], str]] = {
    "missing": (lambda w: without(w, "classifier.0.bias"), r"missing from the file: classifier\.0\.bias"),
    "missing head": (lambda w: without(w, "classifier.5.bias"), r"missing from the file: classifier\.5\.bias"),
    "unexpected": (lambda w: {**w, "extra": np.zeros(2, np.float32)}, r"unexpected in the file: extra \(2,\)"),
    "renamed": (
        lambda w: {**without(w, "classifier.0.weight"), "clasifier.0.weight": w["classifier.0.weight"]},
        r"clasifier\.0\.weight \(120, 1200\) \(near classifier\.0\.weight\)",
    ),
    "shape": (
        lambda w: {**w, "classifier.0.bias": np.zeros(7, np.float32)},
        r"classifier\.0\.bias is \(7,\), the model",
    ),
    "transposed head": (
        lambda w: {**w, "classifier.5.weight": np.zeros((84, 10), np.float32)},
        r"classifier\.5\.weight is \(84, 10\), the model wants \(10, 84\)",
    ),
    "integers": (lambda w: {**w, "classifier.0.bias": np.zeros(120, np.int64)}, r"another kind of number: classifier"),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_anything_unaccounted_for_is_an_error_that_names_it(
    kind: str, weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    change, message = MISFITS[kind]
    zoo = registry_of({"lenet.test": entry_of(change(weights))})
    with pytest.raises(LoadError, match=message):
        hub.load("lenet", registry=zoo)


def test_a_head_of_another_width_is_no_fresh_head(
    weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    changed = {**weights, "classifier.5.weight": np.zeros((10, 83), np.float32)}
    with pytest.raises(LoadError, match="another shape"):
        hub.load("lenet", classes=3, registry=registry_of({"lenet.test": entry_of(changed)}))


def test_batch_counters_that_old_files_lack_are_reported_and_zero(
    weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    old = {name: array for name, array in weights.items() if not name.endswith("num_batches_tracked")}
    model = hub.load("lenet", registry=registry_of({"lenet.test": entry_of(old)}))
    assert model.load_report.defaulted == ("features.1.num_batches_tracked", "features.5.num_batches_tracked")
    assert model.load_report.initialised == ()
    assert state(model)["features.1.num_batches_tracked"] == 0


def test_declared_spellings_are_rewritten_ignored_and_absent(
    weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    foreign = {f"net.{name}": array for name, array in weights.items() if not name.startswith("classifier.5")}
    foreign["teacher.weight"] = np.zeros(3, np.float32)
    keys = {
        "rename": [{"match": r"net\.(.*)", "to": r"\1"}],
        "ignore": [r"teacher\..*"],
        "absent": [r"classifier\.5\..*"],
    }
    report = hub.load("lenet", registry=registry_of({"lenet.test": entry_of(foreign, keys=keys)})).load_report
    assert report.renamed["net.classifier.0.bias"] == "classifier.0.bias"
    assert report.ignored == ("teacher.weight",)
    assert report.initialised == ("classifier.5.weight", "classifier.5.bias")
    assert "declared absent" in str(report)


def test_two_names_that_become_one_are_refused(
    weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    twice = {**weights, "old.classifier.0.bias": weights["classifier.0.bias"]}
    keys = {"rename": [{"match": r"old\.(.*)", "to": r"\1"}]}
    with pytest.raises(LoadError, match=r"both become classifier\.0\.bias"):
        hub.load("lenet", registry=registry_of({"lenet.test": entry_of(twice, keys=keys)}))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_float_types_are_converted_and_the_report_says_so(
    dtype: str, weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    import ml_dtypes

    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    stored = {**weights, "classifier.0.bias": weights["classifier.0.bias"].astype(kind)}
    model = hub.load("lenet", registry=registry_of({"lenet.test": entry_of(stored)}))
    assert dict(model.load_report.converted) == {"classifier.0.bias": f"{dtype} to float32"}
    np.testing.assert_array_equal(state(model)["classifier.0.bias"], stored["classifier.0.bias"].astype(np.float32))


def test_the_model_takes_the_wanted_dtype(zoo: Registry, weights: Arrays) -> None:
    model = hub.load("lenet", dtype="float64", registry=zoo)
    assert {str(tensor.dtype) for tensor in model.parameters()} == {"float64"}
    np.testing.assert_array_equal(state(model)["classifier.0.bias"], weights["classifier.0.bias"].astype(np.float64))


def test_what_a_file_has_in_the_wanted_dtype_stays_on_its_mapping(
    weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    import mmap

    import ml_dtypes

    kind = np.dtype(ml_dtypes.bfloat16)
    stored = {name: array.astype(kind) if array.dtype == np.float32 else array for name, array in weights.items()}
    model = hub.load("lenet", dtype="bfloat16", registry=registry_of({"lenet.test": entry_of(stored)}))
    assert not model.load_report.converted
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), stored[name])
    owner: Any = model.state_dict()["classifier.0.bias"].array
    while not isinstance(owner, mmap.mmap):
        owner = owner.obj if isinstance(owner, memoryview) else owner.base
        assert owner is not None


def test_a_changed_blob_fails_every_load(zoo: Registry) -> None:
    path = hub.pull("lenet", registry=zoo)
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)
    for _ in range(2):
        with pytest.raises(IntegrityError, match="sha256"):
            hub.load("lenet", registry=zoo)


def test_a_file_without_a_full_digest_waits_for_trust_and_is_then_locked(
    weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    entry = entry_of(weights)
    whole = entry["files"][0].pop("sha256")
    entry["files"][0]["sha256_prefix"] = whole[:8]
    del entry["files"][0]["bytes"]
    zoo = registry_of({"lenet.test": entry})
    with pytest.raises(TrustError, match="trust"):
        hub.load("lenet", registry=zoo)
    assert hub.load("lenet", registry=zoo, trust_first_use=True).load_report.sha256 == whole
    assert hub.load("lenet", registry=zoo).load_report.sha256 == whole


def test_offline_a_missing_file_is_named_and_a_cached_one_serves(
    weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    entry = entry_of(weights)
    entry["files"][0]["sources"].insert(0, "https://192.0.2.1/lenet.safetensors")
    only_far = {**entry, "files": [{**entry["files"][0], "sources": ["https://192.0.2.1/lenet.safetensors"]}]}
    zoo = registry_of({"lenet.test": entry, "lenet.far": only_far}, defaults={"lenet": "test"})
    with pytest.raises(OfflineError):
        hub.load("lenet.far", registry=zoo, offline=True)
    hub.load(
        "lenet",
        registry=registry_of(
            {"lenet.test": {**entry, "files": [{**entry["files"][0], "sources": entry["files"][0]["sources"][1:]}]}}
        ),
    )
    assert hub.load("lenet.far", registry=zoo, offline=True).load_report.initialised == ()


def test_a_saved_model_needs_nothing_but_its_path(zoo: Registry, tmp_path: Path) -> None:
    model = hub.load("lenet", classes=4, registry=zoo)
    path = hub.save(model, tmp_path / "mine.safetensors")
    again = hub.load(path)
    for name, array in state(model).items():
        np.testing.assert_array_equal(state(again)[name], array)
    assert again.load_report.config == {"classes": 4}
    other = hub.load(str(path), classes=6)
    assert other.load_report.initialised == ("classifier.5.weight", "classifier.5.bias")


def test_a_model_built_by_hand_is_saved_with_its_builder(tmp_path: Path) -> None:
    model = models.lenet(classes=2)
    path = hub.save(model, tmp_path / "a.safetensors", builder="vision.models.lenet", config={"classes": 2})
    assert state(hub.load(path))["classifier.5.bias"].shape == (2,)
    plain = hub.save(model, tmp_path / "b.safetensors")
    with pytest.raises(UsageError, match="model="):
        hub.load(plain)


MODELS: dict[str, Callable[[], Any]] = {
    "dotted": lambda: "vision.models.lenet",
    "bare": lambda: "lenet",
    "built": lambda: models.lenet(classes=10),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_file_takes_the_model_that_is_named_or_given(kind: str, weights: Arrays, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "w.safetensors", weights)
    model = hub.load(tmp_path / "w.safetensors", model=MODELS[kind]())
    np.testing.assert_array_equal(state(model)["classifier.5.bias"], weights["classifier.5.bias"])
    assert not model.training


def test_a_head_that_does_not_fit_names_the_way_out(zoo: Registry) -> None:
    with pytest.raises(LoadError, match="give classes="):
        hub.load("lenet", model=models.lenet(classes=7), registry=zoo)


def test_a_model_built_elsewhere_is_not_saved_as_the_entrys(zoo: Registry, tmp_path: Path) -> None:
    model = hub.load("lenet", model=models.lenet(classes=7), classes=7, registry=zoo)
    assert model.load_report.initialised == ("classifier.5.weight", "classifier.5.bias")
    with pytest.raises(UsageError, match="model="):
        hub.load(hub.save(model, tmp_path / "mine.safetensors"))


BAD_NOTES = {
    "other function": ({"numzoo.model": "vision.io.write_image", "numzoo.config": "{}"}, UsageError),
    "other package": ({"numzoo.model": "os.system", "numzoo.config": '{"command": "true"}'}, UsageError),
    "import inside": ({"numzoo.model": "vision.models.importlib", "numzoo.config": "{}"}, NotFoundError),
    "private": ({"numzoo.model": "vision.models._unknown", "numzoo.config": '{"name": "x"}'}, UsageError),
    "no builder": ({"numzoo.model": "vision.models.builders", "numzoo.config": "{}"}, UsageError),
    "unknown builder": ({"numzoo.model": "vision.models.resnet5000", "numzoo.config": "{}"}, NotFoundError),
    "config is no object": ({"numzoo.model": "vision.models.lenet", "numzoo.config": "[1]"}, FormatError),
    "config is no JSON": ({"numzoo.model": "vision.models.lenet", "numzoo.config": "{"}, FormatError),
    "config nests": ({"numzoo.model": "vision.models.lenet", "numzoo.config": '{"classes": {"a": 1}}'}, FormatError),
    "unknown setting": ({"numzoo.model": "vision.models.lenet", "numzoo.config": '{"colour": 1}'}, FormatError),
}


@pytest.mark.parametrize("kind", BAD_NOTES)
def test_what_a_file_says_of_its_model_is_not_trusted(kind: str, weights: Arrays, tmp_path: Path) -> None:
    notes, error = BAD_NOTES[kind]
    write_safetensors(tmp_path / "w.safetensors", weights, notes)
    with pytest.raises(error):
        hub.load(tmp_path / "w.safetensors")


def test_an_unknown_name_says_what_was_perhaps_meant() -> None:
    with pytest.raises(NotFoundError, match="Did you mean resnet50"):
        hub.load("resnet5O")


def test_an_unknown_builder_says_what_was_perhaps_meant(weights: Arrays, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "w.safetensors", weights)
    with pytest.raises(NotFoundError, match=r"no model 'ResNet-18'\. Did you mean resnet18 or "):
        hub.load(tmp_path / "w.safetensors", model="ResNet-18")


def test_classes_of_a_model_without_a_classifier_are_refused_in_words(weights: Arrays, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "w.safetensors", weights)
    with pytest.raises(UsageError, match=r"has no setting 'classes'; classes= is for models that end in a classifier"):
        hub.load(tmp_path / "w.safetensors", model="bert_sentence_encoder", classes=3)


@pytest.mark.parametrize("name", ["nowhere.pth", "./nowhere", "folder/resnet50"])
def test_a_path_without_a_file_is_not_found(name: str) -> None:
    with pytest.raises(NotFoundError, match="There is no file"):
        hub.load(name)


@pytest.mark.parametrize("given", ["", 5, None])
def test_what_is_no_name_is_refused(given: Any) -> None:
    with pytest.raises(UsageError):
        hub.load(given)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_device_is_no_checkpoint() -> None:
    with pytest.raises(UsageError, match="no regular file"):
        hub.load("/dev/zero", model="lenet")


def test_a_file_inside_the_package_needs_no_cache_and_its_digest_is_checked(
    weights: Arrays,
    entry_of: Callable[..., Any],
    registry_of: Callable[..., Registry],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import numzoo.hub.download.embedded

    entry = entry_of(weights)
    entry["files"][0]["sources"] = ["package:vision/weights/tiny.safetensors"]
    (tmp_path / "vision" / "weights").mkdir(parents=True)
    inside = tmp_path / "vision" / "weights" / "tiny.safetensors"
    (tmp_path / "weights-0.safetensors").rename(inside)
    monkeypatch.setattr(numzoo.hub.download.embedded, "_ROOT", tmp_path)
    monkeypatch.setenv("NUMZOO_HOME", "/dev/null/nowhere")
    zoo = registry_of({"lenet.test": entry})
    assert len(hub.load("lenet", registry=zoo, offline=True).load_report.loaded) == len(weights)
    assert hub.pull("lenet", registry=zoo) == inside
    body = bytearray(inside.read_bytes())
    body[-1] ^= 1
    inside.write_bytes(body)
    with pytest.raises(IntegrityError, match="install numzoo again"):
        hub.load("lenet", registry=zoo)


@pytest.mark.parametrize("source", ["package:../secret", "package:/etc/passwd", "package:a/../../b", "package:.hidden"])
def test_a_package_source_cannot_leave_the_package(
    source: str, weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    entry = entry_of(weights)
    entry["files"][0]["sources"] = [source]
    with pytest.raises(UsageError, match="no source in the package"):
        hub.load("lenet", registry=registry_of({"lenet.test": entry}))


WRAPPERS = ["state_dict.", "module.", "state_dict.module."]


@pytest.mark.parametrize("prefix", WRAPPERS)
def test_a_wrapped_state_is_refused_with_the_prefix_that_takes_it(prefix: str, weights: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    extra = {"optimizer.momentum": np.zeros(3, np.float32)}
    write_safetensors(path, {**{prefix + name: array for name, array in weights.items()}, **extra})
    with pytest.raises(LoadError, match=rf"give prefix='{prefix}'"):
        hub.load(path, model="lenet")
    model = hub.load(path, model="lenet", prefix=prefix)
    for name, array in weights.items():
        np.testing.assert_array_equal(state(model)[name], array)
    assert model.load_report.ignored == ("optimizer.momentum",)
    assert model.load_report.renamed[f"{prefix}classifier.0.bias"] == "classifier.0.bias"
    with pytest.raises(LoadError, match=rf"give prefix='{prefix}'"):
        hub.load(path, model="lenet", prefix="net.")


def test_of_two_states_in_a_file_the_prefix_chooses_one(weights: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    average = {f"ema.{name}": np.asarray(array * 2) for name, array in weights.items()}
    write_safetensors(path, {**average, **{f"model.{name}": array for name, array in weights.items()}})
    with pytest.raises(LoadError, match=r"give prefix='ema\.' or prefix='model\.'"):
        hub.load(path, model="lenet")
    model = hub.load(path, model="lenet", prefix="ema.", classes=3)
    np.testing.assert_array_equal(state(model)["classifier.0.bias"], weights["classifier.0.bias"] * 2)
    assert model.load_report.initialised == ("classifier.5.weight", "classifier.5.bias")
    assert len(model.load_report.ignored) == len(weights) + 2


def test_a_prefix_is_for_files_and_is_a_text(zoo: Registry, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="of one's own"):
        hub.load("lenet", prefix="model.", registry=zoo)
    with pytest.raises(UsageError, match="but 3 was given"):
        hub.load(tmp_path / "w.safetensors", model="lenet", prefix=3)  # type: ignore[arg-type]


def test_an_error_names_the_file_and_the_model(weights: Arrays, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "w.safetensors", without(weights, "classifier.0.bias"))
    with pytest.raises(LoadError, match=r"w\.safetensors does not fit vision\.models\.lenet"):
        hub.load(tmp_path / "w.safetensors", model="lenet")
    with pytest.raises(LoadError, match=r"w\.safetensors does not fit LeNet"):
        hub.load(tmp_path / "w.safetensors", model=models.lenet())


def test_numpys_integers_are_numbers_of_classes(zoo: Registry) -> None:
    model = hub.load("lenet", classes=np.int64(3), registry=zoo)
    assert (type(model.load_report.config["classes"]), model.load_report.config["classes"]) == (int, 3)


WRONG_KINDS: dict[str, Callable[[], Any]] = {
    "load": lambda: hub.load(5),  # type: ignore[arg-type]
    "registry": lambda: hub.load("lenet", registry=3),  # type: ignore[arg-type]
    "describe": lambda: hub.describe(None),  # type: ignore[arg-type]
    "pull": lambda: hub.pull(5),  # type: ignore[arg-type]
    "pull_files": lambda: hub.pull_files(None),  # type: ignore[arg-type]
    "transform": lambda: hub.transform(None),  # type: ignore[arg-type]
    "pipeline": lambda: hub.pipeline(b"lenet"),  # type: ignore[arg-type]
    "pattern": lambda: hub.list(5),  # type: ignore[arg-type]
    "task": lambda: hub.list(task=5),  # type: ignore[arg-type]
    "saved object": lambda: hub.save(object(), "x.safetensors"),
    "saved where": lambda: hub.save(models.lenet(), None),  # type: ignore[arg-type]
    "builder": lambda: hub.save(models.lenet(), "x.safetensors", builder=3),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("kind", WRONG_KINDS)
def test_an_argument_of_another_kind_is_a_usage_error(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="given"):
        WRONG_KINDS[kind]()
    assert list(tmp_path.iterdir()) == []


HUGE = {
    "classes": ("vision.models.lenet", '{"classes": 1000000000000}'),
    "growth": ("vision.models.densenet121", '{"growth_rate": 1000000000}'),
    "width": ("vision.models.mobilenet_v2", '{"width_multiplier": 1e9}'),
    "endless": ("vision.models.mobilenet_v2", '{"width_multiplier": 1e300}'),
    "in a list": ("vision.models.lenet", '{"classes": [1000000000000]}'),
}


@pytest.mark.parametrize("kind", HUGE)
def test_a_file_cannot_ask_for_a_model_larger_than_itself(kind: str, tmp_path: Path) -> None:
    """Batch norms of such a model would take gigabytes before the first tensor could be found missing."""
    from numzoo.hub.loading.reading import CONFIG_KEY, MODEL_KEY

    path = tmp_path / "w.safetensors"
    builder, config = HUGE[kind]
    write_safetensors(path, {"w": np.zeros(1)}, {MODEL_KEY: builder, CONFIG_KEY: config})
    with pytest.raises(FormatError, match="no model of that size"):
        hub.load(path)


def test_classes_do_not_contradict_a_model_that_is_built(weights: Arrays, zoo: Registry, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "w.safetensors", weights)
    with pytest.raises(UsageError, match="classes=3 was given with a model that was already built"):
        hub.load(tmp_path / "w.safetensors", model=models.lenet(classes=10), classes=3)
    model = hub.load(tmp_path / "w.safetensors", model=models.lenet(classes=3), classes=3)
    assert model.load_report.initialised == ("classifier.5.weight", "classifier.5.bias")
    assert hub.load("lenet", model=models.lenet(), registry=zoo).load_report.name == "lenet.test"
    assert hub.load("lenet", model="lenet", registry=zoo).load_report.name == "lenet.test"
