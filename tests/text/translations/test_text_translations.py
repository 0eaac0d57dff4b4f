"""Folders of transformers' text models with numzoo alone: their stored outputs, older spellings, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integers import integer_weights

from numzoo import engine, hub
from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.errors import FormatError, HubError, LoadError
from numzoo.hub.foreign.translation import translate

GOLDENS = json.loads((Path(__file__).parent / "goldens.json").read_text())


def folder_of(golden: dict[str, Any], folder: Path, respell: Any = str) -> Path:
    arrays = integer_weights({name: tuple(shape) for name, shape in golden["names"].items()}, 1.0)
    write_safetensors(folder / "model.safetensors", {respell(name): array for name, array in arrays.items()})
    (folder / "config.json").write_text(json.dumps(golden["config"]))
    return folder


def outputs(model: Any) -> np.ndarray[Any, Any]:
    tokens = np.arange(1, 19).reshape(2, 9)
    with engine.no_grad():
        given = model(tokens, decoder_input_ids=tokens[:, :4]) if hasattr(model, "decode") else model(tokens)
    return np.asarray((given[0] if isinstance(given, tuple) else given).numpy()).reshape(-1)[:12]


@pytest.mark.parametrize("case", GOLDENS)
def test_a_folder_gives_the_outputs_of_transformers(case: str, tmp_path: Path) -> None:
    model = hub.load(folder_of(GOLDENS[case], tmp_path))
    wanted = np.array(GOLDENS[case]["outputs"])
    assert np.abs(outputs(model) - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert model.load_report.initialised == ()


@pytest.mark.parametrize("case", ["bert classes", "bert masked", "bert"])
def test_the_oldest_files_call_a_norms_parameters_gamma_and_beta(case: str, tmp_path: Path) -> None:
    def older(name: str) -> str:
        return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

    model = hub.load(folder_of(GOLDENS[case], tmp_path, older))
    wanted = np.array(GOLDENS[case]["outputs"])
    assert np.abs(outputs(model) - wanted).max() < 1e-4 * np.abs(wanted).max()


OTHERWISE: dict[str, tuple[dict[str, Any], str]] = {
    "relative places": ({**GOLDENS["bert"]["config"], "position_embedding_type": "relative_key"}, "position_embedding_type"),
    "a decoder": ({**GOLDENS["bert"]["config"], "is_decoder": True}, "is_decoder is True"),
    "scaled places": ({**GOLDENS["llama"]["config"], "rope_parameters": {"rope_type": "yarn"}}, "places are scaled"),
    "scaled places, older": ({"model_type": "llama", "rope_scaling": {"type": "dynamic", "factor": 2}}, "places are scaled"),
    "another activation": ({**GOLDENS["llama"]["config"], "hidden_act": "gelu"}, "hidden_act is 'gelu'"),
    "windows of some layers": ({**GOLDENS["qwen2"]["config"], "use_sliding_window": True}, "use_sliding_window"),
    "another padding": ({"model_type": "roberta", "pad_token_id": 0}, "places are counted from behind it"),
    "other buckets": ({"model_type": "mpnet", "relative_attention_num_buckets": 8}, "transformers computes with 32"),
    "an output of its own": ({"model_type": "gpt2", "tie_word_embeddings": False}, "tie_word_embeddings is False"),
    "another perceptron": ({"model_type": "t5", "feed_forward_proj": "gated-cube"}, "feed_forward_proj is 'gated-cube'"),
    "Qwen3": ({"model_type": "qwen3"}, "normalises queries and keys"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERWISE)
def test_what_would_be_computed_otherwise_is_refused(case: str) -> None:
    given, reason = OTHERWISE[case]
    with pytest.raises(LoadError, match=reason):
        translate(given, {}, who="config.json")


ROPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({"rope_theta": 5.0}, {"rope_theta": 5.0}),
    "newer": ({"rope_parameters": {"rope_type": "default", "rope_theta": 5.0}}, {"rope_theta": 5.0}),
    "older": ({"rope_theta": 5.0, "rope_scaling": {"type": "linear", "factor": 2}}, {"rope_theta": 5.0, "rope_type": "linear", "rope_factor": 2.0}),
    "nothing": ({"rope_scaling": None}, {"rope_theta": 10000.0}),
}  # fmt: skip


@pytest.mark.parametrize("case", ROPES)
def test_rotary_positions_are_told_in_three_ways(case: str) -> None:
    given, wanted = ROPES[case]
    config = translate({**GOLDENS["llama"]["config"], "rope_parameters": None, **given}, {}, who="config.json").config
    assert {name: value for name, value in config.items() if name.startswith("rope")} == wanted


@pytest.mark.parametrize("missing", ["factor", "original_max_position_embeddings"])
def test_a_scaling_without_its_settings_is_refused(missing: str) -> None:
    scaling = {
        "rope_type": "llama3",
        "factor": 8,
        "low_freq_factor": 1,
        "high_freq_factor": 4,
        "original_max_position_embeddings": 64,
    }
    del scaling[missing]
    with pytest.raises(FormatError, match=missing):
        translate({**GOLDENS["llama"]["config"], "rope_scaling": scaling}, {}, who="config.json")


FLAGS = {
    "mean": {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
    "cls": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": False},
    "max": {"pooling_mode": "max", "embedding_dimension": 24},
}


def modules(*kinds: str) -> list[dict[str, Any]]:
    """modules.json of sentence-transformers."""
    paths = ["", *(f"{place}_{kind}" for place, kind in enumerate(kinds[1:], 1))]
    return [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]


@pytest.mark.parametrize("kind", FLAGS)
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("case", ["bert", "roberta", "distilbert", "mpnet", "mpnet masked"])
def test_a_folder_of_sentence_transformers_pools_as_it_says(
    case: str, kind: str, normalize: bool, tmp_path: Path
) -> None:
    golden = GOLDENS[case]
    encoder = hub.load(folder_of(golden, tmp_path))
    tokens, mask = np.arange(1, 19).reshape(2, 9), np.array([[1] * 9, [1] * 5 + [0] * 4])
    with engine.no_grad():
        encoder = getattr(encoder, "mpnet", encoder)
        vectors = encoder(tokens, mask).last_hidden_state.numpy()
    there = mask[:, :, None] != 0
    wanted = {
        "mean": (vectors * there).sum(axis=1) / there.sum(axis=1),
        "cls": vectors[:, 0],
        "max": np.where(there, vectors, -np.inf).max(axis=1),
    }[kind]
    listed = modules("Transformer", "Pooling", *(["Normalize"] if normalize else []))
    (tmp_path / "modules.json").write_text(json.dumps(listed))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(FLAGS[kind]))
    model = hub.load(tmp_path)
    with engine.no_grad():
        found = model(tokens, mask).numpy()
    if normalize:
        wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert model.load_report.initialised == ()


NO_POOLING: dict[str, tuple[Any, Any, str]] = {
    "a layer behind": (modules("Transformer", "Pooling", "Dense"), FLAGS["mean"], "lists .*Dense"),
    "no pooling": (modules("Transformer"), None, "another order"),
    "two poolings": (modules("Transformer", "Pooling"), {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, "it pools by"),
    "another pooling": (modules("Transformer", "Pooling"), {"pooling_mode": "lasttoken"}, "pooling_mode is 'lasttoken'"),
    "nothing set": (modules("Transformer", "Pooling"), None, "it pools by nothing"),
    "elsewhere": ([{"type": "Transformer", "path": "0_T"}, {"type": "Pooling", "path": "1_Pooling"}], None, "other folders"),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_POOLING)
def test_a_pooling_that_is_not_numzoos_is_refused(case: str) -> None:
    listed, pooling, reason = NO_POOLING[case]
    with pytest.raises(LoadError, match=reason):
        translate(GOLDENS["bert"]["config"], {"modules.json": listed, "1_Pooling/config.json": pooling}, who="c")


@pytest.mark.parametrize("listed", [{}, 3, ["x"], "Transformer"])
def test_modules_that_are_no_list_are_refused(listed: Any) -> None:
    with pytest.raises(FormatError, match="a list of modules"):
        translate(GOLDENS["bert"]["config"], {"modules.json": listed}, who="c")


def test_names_of_the_classes_are_those_of_the_configuration() -> None:
    given = {**GOLDENS["roberta classes"]["config"], "id2label": {str(place): f"kind {place}" for place in range(5)}}
    said = translate(given, {}, who="c")
    assert (said.task, said.categories[4], said.config["classes"]) == ("text-classification", "kind 4", 5)


def test_a_head_that_is_unknown_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(FormatError, match="BertForMaskedLM"):
        translate({**GOLDENS["bert"]["config"], "architectures": ["BertForNextSentencePrediction"]}, {}, who="c")


def test_random_changes_end_in_a_model_or_a_typed_error() -> None:
    generator = np.random.default_rng(4)
    values: list[Any] = [None, True, -1, 0, 2.5, 10**9, 1e308, "x", [], [1], {}, {"0": "a"}, {"rope_theta": "x"}]
    cases = [golden["config"] for golden in GOLDENS.values()]
    for _ in range(500):
        given = dict(cases[generator.integers(len(cases))])
        for name in generator.choice(sorted(given), size=2):
            given[name] = values[generator.integers(len(values))]
        try:
            assert translate(given, {}, who="config.json").model.startswith(("text.models.", "vision.models."))
        except HubError:
            continue
