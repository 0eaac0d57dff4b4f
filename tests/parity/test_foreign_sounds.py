"""Folders that transformers writes for its models of speech, loaded from their config.json; its tokenizer beside ours."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from numzoo import engine, hub
from numzoo.audio.decoding import greedy
from numzoo.audio.pipelines.letters import load_letters

Config = dict[str, Any]

_SMALL = {
    "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 32, "vocab_size": 11,
    "conv_dim": [8, 8, 12], "conv_stride": [5, 2, 2], "conv_kernel": [10, 3, 3], "classifier_proj_size": 10,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "num_codevectors_per_group": 4,
    "codevector_dim": 8, "proj_codevector_dim": 8,
}  # fmt: skip
_STABLE = {**_SMALL, "feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}

SOUNDS: dict[str, tuple[str, str, Config]] = {
    "wav2vec2": ("Wav2Vec2Model", "Wav2Vec2Config", {**_SMALL, "mask_time_prob": 0.0}),
    "wav2vec2 pretraining": ("Wav2Vec2ForPreTraining", "Wav2Vec2Config", _STABLE),
    "wav2vec2 ctc": ("Wav2Vec2ForCTC", "Wav2Vec2Config", {**_SMALL, "layer_norm_eps": 1e-2}),
    "wav2vec2 large ctc": ("Wav2Vec2ForCTC", "Wav2Vec2Config", {**_STABLE, "num_conv_pos_embeddings": 9}),
    "wav2vec2 classes": ("Wav2Vec2ForSequenceClassification", "Wav2Vec2Config", {**_STABLE, "num_labels": 5}),
    "wav2vec2 layers": (
        "Wav2Vec2ForSequenceClassification", "Wav2Vec2Config",
        {**_SMALL, "use_weighted_layer_sum": True, "id2label": {number: f"word {number}" for number in range(6)}},
    ),
    "hubert": ("HubertModel", "HubertConfig", {**_SMALL, "feat_extract_activation": "relu"}),
    "hubert plain": ("HubertModel", "HubertConfig", {**_SMALL, "conv_pos_batch_norm": True, "feat_proj_layer_norm": False}),
    "hubert ctc": ("HubertForCTC", "HubertConfig", _STABLE),
    "wavlm": ("WavLMModel", "WavLMConfig", {**_SMALL, "mask_time_prob": 0.0, "num_buckets": 12, "max_bucket_distance": 20}),
    "wavlm large ctc": ("WavLMForCTC", "WavLMConfig", _STABLE),
    "wavlm classes": (
        "WavLMForSequenceClassification", "WavLMConfig", {**_SMALL, "use_weighted_layer_sum": True, "num_labels": 5},
    ),
    "hubert classes": ("HubertForSequenceClassification", "HubertConfig", {**_SMALL, "hidden_act": "gelu_new"}),
}  # fmt: skip


@pytest.mark.parametrize("case", SOUNDS)
def test_a_folder_of_a_speech_model_gives_its_outputs(case: str, reference: SimpleNamespace, tmp_path: Path) -> None:
    import torch

    transformers = pytest.importorskip("transformers", reason="the parity extra has transformers")
    architecture, config, settings = SOUNDS[case]
    theirs = getattr(transformers, architecture)(getattr(transformers, config)(**settings)).eval()
    generator = np.random.default_rng(zlib.crc32(case.encode()))
    with torch.no_grad():
        for name, tensor in theirs.state_dict().items():
            if tensor.is_floating_point() and "running_var" not in name:
                tensor += torch.from_numpy(generator.normal(size=tuple(tensor.shape)).astype(np.float32) / 8)
    theirs.save_pretrained(tmp_path)
    sound = generator.normal(size=(2, 700)).astype(np.float32)
    with torch.no_grad():
        base = theirs.wav2vec2 if architecture.endswith("PreTraining") else theirs
        outputs = base(torch.from_numpy(sound))
    expected = (outputs.logits if "logits" in outputs else outputs.last_hidden_state).numpy()
    model = hub.load(tmp_path)
    with engine.no_grad():
        given = model(sound).numpy()
    assert np.abs(given - expected).max() < 1e-4 * np.abs(expected).max()
    assert model.load_report.initialised == ()


@pytest.mark.parametrize("lower", [False, True])
def test_greedy_letters_make_the_text_of_transformers_tokenizer(lower: bool, tmp_path: Path, reference: Any) -> None:
    transformers = pytest.importorskip("transformers", reason="the parity extra has transformers")
    tokens = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]
    vocabulary = tmp_path / "vocab.json"
    vocabulary.write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    theirs = transformers.Wav2Vec2CTCTokenizer(str(vocabulary), do_lower_case=lower)
    theirs.save_pretrained(tmp_path / "saved")
    files = {file.name: file for file in (tmp_path / "saved").iterdir()}
    letters = load_letters(files, len(tokens))
    generator = np.random.default_rng(2)
    for _ in range(50):
        path = np.repeat(generator.choice(len(tokens), 30), generator.integers(1, 4, 30))
        path[generator.random(len(path)) < 0.3] = 0
        table = np.eye(len(tokens))[path]
        found = letters.text(greedy(table).tokens)
        wanted = re.sub("<s>|</s>|<unk>", "", theirs.decode(path))  # left out there, they would join equal neighbours
        assert found == " ".join(wanted.split())
