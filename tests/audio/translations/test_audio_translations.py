"""Folders of transformers' speech models with numzoo alone: their stored outputs, both spellings of a weight, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integers import integer_array, integer_weights

from numzoo import engine, hub
from numzoo.audio.errors import AudioError
from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.errors import FormatError, HubError, LoadError
from numzoo.hub.foreign.translation import translate

GOLDENS = json.loads((Path(__file__).parent / "goldens.json").read_text())


def folder_of(golden: dict[str, Any], folder: Path, respell: Any = str) -> Path:
    shapes = {name: tuple(shape) for name, shape in golden["names"].items()}
    counters = {name: np.zeros((), np.int64) for name in shapes if name.endswith("num_batches_tracked")}
    arrays = {**integer_weights(shapes, 1.0), **counters}
    write_safetensors(folder / "model.safetensors", {respell(name): array for name, array in arrays.items()})
    (folder / "config.json").write_text(json.dumps(golden["config"]))
    return folder


def outputs(model: Any) -> np.ndarray[Any, Any]:
    with engine.no_grad():
        return np.asarray(model(integer_array(5, (2, 400))).numpy()).reshape(-1)[:12]


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("case", GOLDENS)
def test_a_folder_gives_the_outputs_of_transformers(case: str, older: bool, tmp_path: Path) -> None:
    def spelt(name: str) -> str:
        """Files up to transformers 4.30 have the parts of the positional weight under other names."""
        if not older:
            return name
        return name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        )

    model = hub.load(folder_of(GOLDENS[case], tmp_path, spelt))
    wanted = np.array(GOLDENS[case]["outputs"])
    assert np.abs(outputs(model) - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert model.load_report.initialised == ()


def test_what_only_training_reads_may_be_missing_and_the_report_says_so(tmp_path: Path) -> None:
    golden = GOLDENS["wav2vec2 ctc"]
    names = {name: shape for name, shape in golden["names"].items() if not name.endswith("masked_spec_embed")}
    model = hub.load(folder_of({**golden, "names": names}, tmp_path))
    assert list(model.load_report.initialised) == ["wav2vec2.masked_spec_embed"]


def test_a_model_of_words_can_have_a_head_of_other_words(tmp_path: Path) -> None:
    model = hub.load(folder_of(GOLDENS["wav2vec2 layers"], tmp_path), classes=3)
    assert model(integer_array(5, (2, 400))).shape == (2, 3)
    assert set(model.load_report.initialised) == {"classifier.weight", "classifier.bias"}


def test_a_folder_of_a_model_of_classes_is_a_pipeline_that_names_them(tmp_path: Path) -> None:
    folder = folder_of(GOLDENS["wav2vec2 layers"], tmp_path)
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False, "sampling_rate": 16_000}))
    hear = hub.pipeline(folder)
    sound = integer_array(5, (1, 400))
    with engine.no_grad():
        logits = hear.model(sound).numpy()[0].astype(np.float64)
    chances = np.exp(logits) / np.exp(logits).sum()
    found = hear(sound[0], top=2)
    assert [label for label, _ in found] == [f"word {place}" for place in np.argsort(-chances)[:2]]
    assert [chance for _, chance in found] == pytest.approx(sorted(chances)[::-1][:2], rel=1e-5)
    with pytest.raises(ValueError, match="top is a number of classes from 1, not 0"):
        hear(sound[0], top=0)
    with pytest.raises(AudioError, match="5 samples, too few to be heard"):
        hear(sound[0, :5])


CTC = GOLDENS["wav2vec2 ctc"]["config"]
OTHERWISE: dict[str, tuple[dict[str, Any], str]] = {
    "adapters": ({**CTC, "add_adapter": True}, "add_adapter is True"),
    "adapters of a language": ({**CTC, "adapter_attn_dim": 16}, "adapter_attn_dim is 16"),
    "another activation": ({**CTC, "hidden_act": "mish"}, "hidden_act is 'mish'"),
    "another norm": ({**CTC, "feat_extract_norm": "batch"}, "feat_extract_norm is 'batch'"),
    "WavLM with a batch norm": (
        {**GOLDENS["wavlm"]["config"], "conv_pos_batch_norm": True},
        "conv_pos_batch_norm is True",
    ),
    "convolutions between": ({"model_type": "wav2vec2-conformer"}, "convolutions between attention and perceptron"),
}


@pytest.mark.parametrize("case", OTHERWISE)
def test_what_would_be_computed_otherwise_is_refused(case: str) -> None:
    given, reason = OTHERWISE[case]
    with pytest.raises(LoadError, match=reason):
        translate(given, {}, who="config.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["Wav2Vec2ForXVector"]}, "Wav2Vec2ForCTC"),
        ({"conv_stride": [5, 2]}, "a list of 3 whole numbers"),
        ({"num_attention_heads": 7}, "a divisor of hidden_size, 24"),
        ({"num_conv_pos_embedding_groups": 7}, "a divisor of hidden_size, 24"),
        ({"layerdrop": 2}, "a number from 0 to 1"),
        ({"model_type": "wavlm", "architectures": ["WavLMForXVector"]}, "WavLMForCTC"),
        ({"model_type": "wavlm", "architectures": ["WavLMForCTC"], "num_buckets": 3}, "num_buckets"),
        ({"model_type": "wavlm", "architectures": ["WavLMForCTC"], "max_bucket_distance": 80}, "max_bucket_distance"),
    ],
)
def test_a_field_of_a_wrong_kind_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        translate({**CTC, **changes}, {}, who="config.json")


def test_random_changes_end_in_a_model_or_a_typed_error() -> None:
    generator = np.random.default_rng(4)
    values: list[Any] = [None, True, -1, 0, 2.5, 10**9, 1e308, "x", [], [1], {}, {"0": "a"}]
    cases = [golden["config"] for golden in GOLDENS.values()]
    for _ in range(500):
        given = dict(cases[generator.integers(len(cases))])
        for name in generator.choice(sorted(given), size=2):
            given[name] = values[generator.integers(len(values))]
        try:
            assert translate(given, {}, who="config.json").model.startswith("audio.models.")
        except HubError:
            continue
