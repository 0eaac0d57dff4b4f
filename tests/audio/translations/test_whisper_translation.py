"""Folders of transformers' Whisper with numzoo alone: its stored outputs, what is refused, and entries' names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integers import integer_weights

from numzoo import hub
from numzoo.audio import models
from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.errors import HubError, LoadError
from numzoo.hub.foreign.translation import translate

GOLDEN = json.loads((Path(__file__).parent / "whisper_golden.json").read_text())


@pytest.mark.parametrize("prefix", ["model.", ""])
def test_a_folder_gives_the_outputs_of_transformers(prefix: str, tmp_path: Path) -> None:
    arrays = integer_weights({name: tuple(shape) for name, shape in GOLDEN["names"].items()}, 1.0)
    write_safetensors(
        tmp_path / "model.safetensors", {name.replace("model.", prefix, 1): array for name, array in arrays.items()}
    )
    (tmp_path / "config.json").write_text(json.dumps(GOLDEN["config"]))
    model = hub.load(tmp_path)
    sound = ((np.arange(2 * 6 * 20).reshape(2, 6, 20) * 37 % 64 - 32) / 32).astype(np.float32)
    found = model(sound, np.arange(1, 9).reshape(2, 4) * 11).detach().numpy().reshape(-1)[:12]
    wanted = np.array(GOLDEN["outputs"])
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert model.load_report.initialised == ()


def test_a_pipeline_computes_with_float16_weights_as_the_file_has_them(tmp_path: Path) -> None:
    arrays = integer_weights({name: tuple(shape) for name, shape in GOLDEN["names"].items()}, 1.0)
    narrow = {name: array.astype(np.float16) for name, array in arrays.items()}
    write_safetensors(tmp_path / "model.safetensors", narrow)
    (tmp_path / "config.json").write_text(json.dumps(GOLDEN["config"]))
    loaded, used = hub.load(tmp_path), hub.load(tmp_path, stored=True)
    assert {str(tensor.dtype) for tensor in loaded.state_dict().values()} == {"float32"}
    matrices = {name for name, tensor in used.state_dict().items() if str(tensor.dtype) == "float16"}
    assert "decoder.token_embedding.weight" in matrices
    assert {name for name in matrices if used.state_dict()[name].ndim != 2} == set()
    assert not any(used.state_dict()[name].array.flags.writeable for name in matrices)
    assert matrices.isdisjoint(used.load_report.converted)
    used.requires_grad_(False)
    sound = ((np.arange(2 * 6 * 20).reshape(2, 6, 20) * 37 % 64 - 32) / 32).astype(np.float32)
    tokens = np.arange(1, 9).reshape(2, 4) * 11
    np.testing.assert_allclose(used(sound, tokens).numpy(), loaded(sound, tokens).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"scale_embedding": True}, "scale_embedding"),
        ({"encoder_ffn_dim": 32}, "four times as wide"),
        ({"activation_function": "relu"}, "activation_function"),
    ],
)
def test_what_would_be_computed_otherwise_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        translate({**GOLDEN["config"], **change}, {}, who="config.json")


def test_a_translation_says_its_task_and_its_features() -> None:
    said = translate({**GOLDEN["config"], "num_mel_bins": 128}, {}, who="config.json")
    assert said.task == "speech-recognition"
    assert said.transform == {"preset": "audio.transforms.whisper_mel", "n_mels": 128, "seconds": 30}
    assert "transformers" in (said.library,)


def test_random_changes_end_in_a_model_or_a_typed_error() -> None:
    generator = np.random.default_rng(4)
    values: list[Any] = [None, True, -1, 0, 2.5, 10**9, 1e308, "x", [], [1], {}]
    for _ in range(300):
        given = dict(GOLDEN["config"])
        for name in generator.choice(list(given), 2):
            given[str(name)] = values[generator.integers(len(values))]
        try:
            translate(given, {}, who="config.json")
        except HubError:
            continue


@pytest.mark.parametrize(
    "name", ["whisper_tiny.openai", "whisper_tiny.huggingface", "whisper_large.v3", "whisper_base_en.openai"]
)
def test_the_names_of_every_file_of_whisper_become_the_models(name: str) -> None:
    entry = hub.list(name)
    assert entry == [name]
    from numzoo.hub.registry.names import open_registry

    found = open_registry(None).entry(name)
    state = models.whisper(**found.config).state_dict()
    if name.endswith("huggingface"):
        layers = found.config["size"] == "tiny" and 4
        theirs = {
            translated
            for layer in range(int(layers))
            for translated in (
                found.keys.model_name(f"model.decoder.layers.{layer}.encoder_attn.q_proj.weight"),
                found.keys.model_name(f"model.encoder.layers.{layer}.fc2.bias"),
                found.keys.model_name("model.decoder.embed_positions.weight"),
            )
        }
        assert theirs <= set(state)
        assert len(theirs) == 9
    else:
        assert {found.keys.model_name(f"model_state_dict.{key}") for key in state} == set(state)
