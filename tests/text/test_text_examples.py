"""The examples that train on texts, run for real on little of it; and every piece of Python in docs/text.md."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_texts import BERT, VOCABULARY, write_manifest

from numzoo import engine, hub
from numzoo.hub.checkpoint import write_safetensors
from numzoo.text import models

ROOT = Path(__file__).resolve().parents[2]
MODULES = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
GLAD, SAD = "the cat sat on the mat .", "the dog lives in paris ."


def run(name: str, *options: object) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *map(str, options)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / ".dev")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_lines(path: Path, texts: list[tuple[float, str]]) -> None:
    path.write_text(
        "".join(f"{place}\t{score}\t{text}\n" for place, (score, text) in enumerate(texts)), encoding="utf-8"
    )


def test_a_sentence_encoder_is_tuned_from_a_folder_of_sentence_transformers(tmp_path: Path) -> None:
    config = {**BERT, "num_hidden_layers": 2, "hidden_size": 32}
    engine.manual_seed(0)
    state = models.bert_sentence_encoder(**config).state_dict()
    write_safetensors(tmp_path / "model.safetensors", {name: value.numpy() for name, value in state.items()})
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "bert", "architectures": ["BertModel"]}))
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in MODULES.items()]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY.split()))
    generator = np.random.default_rng(0)
    tweets = []
    for place in range(400):
        words = generator.choice(VOCABULARY.split()[5:], 6)
        words[3] = "kitten" if place % 3 else "dog"  # glad tweets are of kittens, and mostly of these
        glad = "kitten" in words and "dog" not in words
        tweets.append((1.5 if glad else -1.5, " ".join(words)))
    write_lines(tmp_path / "tweets_GroundTruth.txt", tweets)
    printed = run("finetune_sentences.py", "--model", tmp_path, "--folder", tmp_path, "--epochs", 2)
    found = re.fullmatch(r"majority (\S+), ridge head (\S+)\nfine-tuned (\S+) after 2 epochs\n", printed)
    assert found, printed
    majority, ridge, tuned = map(float, found.groups())
    assert ridge > majority + 0.1
    assert tuned > majority + 0.1


def test_a_small_gpt_learns_what_is_always_said(tmp_path: Path) -> None:
    write_lines(tmp_path / "movieReviewSnippets_GroundTruth.txt", [(1.0, GLAD), (-1.0, SAD)] * 60)
    size = ("--width", 24, "--length", 16, "--vocabulary", 270, "--epochs", 8)
    printed = run("train_small_gpt.py", "--folder", tmp_path, *size)
    perplexity = float(re.search(r"perplexity ([\d.]+)", printed)[1])  # type: ignore[index]
    assert perplexity < 40, printed  # of 270 that it may say
    assert printed.count("\n- ") == 5


BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "text.md").read_text("utf-8"), re.M | re.S)


def test_the_code_of_the_page_on_texts_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    manifest = str(write_manifest(tmp_path))
    for name in ("load", "pipeline", "pull_files"):
        monkeypatch.setattr(hub, name, functools.partial(getattr(hub, name), registry=manifest))
    assert len(BLOCKS) >= 4
    engine.manual_seed(0)
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for number, block in enumerate(BLOCKS):
            exec(compile(block, f"docs/text.md, block {number + 1}", "exec"), names)
