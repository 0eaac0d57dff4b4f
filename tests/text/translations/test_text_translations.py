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
    with engine.no_grad():
        given = model(np.arange(1, 19).reshape(2, 9))
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
    "scaled places": ({**GOLDENS["llama"]["config"], "rope_parameters": {"rope_type": "llama3"}}, "places are scaled"),
    "scaled places, older": ({"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2}}, "places are scaled"),
    "another activation": ({**GOLDENS["llama"]["config"], "hidden_act": "gelu"}, "hidden_act is 'gelu'"),
    "windows of some layers": ({**GOLDENS["qwen2"]["config"], "use_sliding_window": True}, "use_sliding_window"),
    "RoBERTa": ({"model_type": "roberta"}, "counted from behind the padding"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERWISE)
def test_what_would_be_computed_otherwise_is_refused(case: str) -> None:
    given, reason = OTHERWISE[case]
    with pytest.raises(LoadError, match=reason):
        translate(given, {}, who="config.json")


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
