"""``numzoo finetune`` on texts: every family and head, resumed to the same bits, saved and read again, and what is refused."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sequences import ALBERT, DISTILBERT, ELECTRA, ROBERTA
from small_texts import BERT, VOCABULARY, write_manifest

from numzoo import engine, hub
from numzoo.hub.checkpoint import read_checkpoint, write_safetensors
from numzoo.hub.cli.main import main
from numzoo.hub.errors import IntegrityError, NotFoundError, UsageError
from numzoo.text import finetuning, models
from numzoo.text.finetuning.classifiers import classifier_of
from numzoo.text.finetuning.recipe import _groups, _stages

ROOT = Path(__file__).resolve().parents[3]
PLACES, PETS = ("paris", "mat"), ("cat", "dog", "kitten")


@pytest.fixture
def tweets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small models, and a table of short texts that a word decides."""
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    write_manifest(tmp_path)
    generator = random.Random(0)
    rows = []
    for number in range(160):
        words = generator.choices(["the", "a", "sat", "on", "who", "where", "lives", "in"], k=generator.randint(2, 8))
        words.insert(generator.randrange(len(words)), generator.choice(PETS if number % 2 else PLACES))
        rows.append(f"{' '.join(words)},{'pet' if number % 2 else 'place'}\n")
    (tmp_path / "texts.csv").write_text("text,label\n" + "".join(rows))
    return tmp_path


def command(tweets: Path, *more: object, model: str = "minilm_l6", out: str = "out") -> list[str]:
    start = ["finetune", model, tweets / "texts.csv", "--registry", tweets / "manifest.json", "--out", tweets / out]
    return [str(each) for each in (*start, "--lr", 0.01, "--batch", 16, *more)]


def test_a_sentence_encoder_learns_and_is_read_again(tweets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command(tweets, "--epochs", 8), "--json"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["accuracy"] > 0.85
    assert report["classes"] == ["pet", "place"]
    assert sum(row["texts"] for row in report["per_class"]) == sum(map(sum, report["confusion"])) == 32
    assert "2 classes, 128 texts to train on, 32 to check with" in captured.err
    out = tweets / "out"
    for name in ("confusion.png", "history.png"):
        assert (out / name).read_bytes()[:4] == b"\x89PNG"
    answers = []
    for place in (out / "model.safetensors", out):
        pipe = hub.pipeline(place)
        assert pipe.task == "text-classification"
        answers.append(pipe(["the cat sat", "who lives in paris"], top=1))
        assert [best[0][0] for best in answers[-1]] == ["pet", "place"]
    assert answers[0] == answers[1]
    assert main(["predict", str(out / "model.safetensors"), "a dog sat", "--top", "1"]) == 0
    assert capsys.readouterr().out.split()[1] == "pet"
    model = hub.load(out / "model.safetensors")
    assert model(np.array([[2, 7, 3]])).shape == (1, 2)
    assert hub.describe(out / "model.safetensors")["task"] == "text-classification"
    again = command(tweets, "--epochs", 1, model=str(out / "model.safetensors"), out="again")
    assert main([*again, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] > 0.8  # it begins where the other ended


def test_a_run_that_was_killed_resumes_to_the_same_weights(tweets: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".dev"), "NUMZOO_THREADS": "1"}

    def start(*more: str, out: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "numzoo", *command(tweets, "--epochs", 4, *more, out=out)]
        return subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)

    with start(out="a") as stopped:
        assert stopped.stderr is not None
        for line in stopped.stderr:
            if line.startswith("epoch 2/"):
                break
        stopped.send_signal(signal.SIGKILL)
    for out, more in (("a", ["--resume"]), ("b", [])):
        with start(*more, out=out) as finished:
            told = finished.communicate(timeout=120)[1]
        assert finished.returncode == 0, told
        assert ("epoch 1/4" in told) == (not more)
    one, other = (read_checkpoint(tweets / out / "model.safetensors") for out in "ab")
    assert all(one[name].tobytes() == other[name].tobytes() for name in other)


MPNET = {name: value for name, value in BERT.items() if name != "type_vocab_size"}
SMALL = {
    "bert": BERT,
    "roberta": ROBERTA,
    "distilbert": DISTILBERT,
    "albert": ALBERT,
    "electra": ELECTRA,
    "mpnet": MPNET,
}
KINDS = (
    "encoder",
    "masked_lm",
    "sentence_encoder",
    "sequence_classification",
    "token_classification",
    "sentence_classification",
)


BUILDERS = [(family, kind) for family in SMALL for kind in KINDS if f"{family}_{kind}" in models.builders()]


@pytest.mark.parametrize(("family", "kind"), BUILDERS)
def test_every_encoder_gets_a_head_and_keeps_its_weights(family: str, kind: str) -> None:
    builder = f"{family}_{kind}"
    engine.manual_seed(0)
    pretrained = getattr(models, builder)(**SMALL[family])
    pretrained.load_report = type("Report", (), {"model": f"text.models.{builder}", "config": SMALL[family]})
    made = classifier_of(pretrained, 5, "it")
    ids = np.array([[2, 7, 8, 3], [2, 9, 3, 1]])
    inputs = {"input_ids": ids, "attention_mask": np.array([[1, 1, 1, 1], [1, 1, 1, 0]]), "token_type_ids": 0 * ids}
    assert made.network(**inputs).shape == (2, 5)
    inner = getattr(pretrained, family, pretrained).state_dict()
    kept = made.network.state_dict()
    assert all(
        np.array_equal(inner[name].numpy(), kept[f"{family}.{name}"].numpy())
        for name in inner
        if f"{family}.{name}" in kept
    )
    assert all(name.startswith(("classifier", "pre_classifier", f"{family}.pooler")) for name in made.fresh)
    assert len(_stages(made.network)) >= 3
    groups = _groups(made, finetuning.Recipe(lr=0.1, layer_decay=0.5))
    assert {group["lr"] for group in groups if "fresh" in group["name"]} <= {1.0}
    assert min(group["lr"] for group in groups) < 0.1
    count = sum(parameter.numel() for group in groups for parameter in group["params"])
    assert count == sum(parameter.numel() for parameter in made.network.parameters())
    rebuilt = getattr(models, made.builder.rpartition(".")[2])(**made.config)
    assert {name: each.shape for name, each in rebuilt.state_dict().items()} == {
        name: each.shape for name, each in kept.items()
    }


def test_a_folder_of_transformers_is_tuned_with_adapters_in_bf16(tweets: Path) -> None:
    folder = tweets / "bert"
    folder.mkdir()
    engine.manual_seed(3)
    state = models.bert_masked_lm(**BERT).state_dict()
    write_safetensors(folder / "model.safetensors", {name: each.numpy() for name, each in state.items()})
    (folder / "config.json").write_text(
        json.dumps({**BERT, "model_type": "bert", "architectures": ["BertForMaskedLM"]})
    )
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY.split()))
    recipe = finetuning.Recipe(epochs=1, lora=2, precision="bf16")
    report = finetuning.finetune(str(folder), tweets / "texts.csv", tweets / "out", recipe, progress=False)
    assert report.trained_parameters < report.parameters
    assert (
        hub.load(tweets / "out" / "model.safetensors").load_report.model == "text.models.bert_sequence_classification"
    )


def test_another_tokenizer_beside_the_model_is_refused(tweets: Path) -> None:
    assert main([*command(tweets, "--epochs", 1), "--quiet"]) == 0
    tokenizer = tweets / "out" / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"cat"', '"cow"'))
    for place in (tweets / "out" / "model.safetensors", tweets / "out"):
        with pytest.raises(IntegrityError, match=r"is not the tokenizer\.json that"):
            hub.pipeline(place)
    tokenizer.unlink()
    with pytest.raises(NotFoundError, match=r"was saved with tokenizer\.json beside it"):
        hub.pipeline(tweets / "out" / "model.safetensors")


def test_a_classifier_is_published_with_its_tokenizer(tweets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command(tweets, "--epochs", 1), "--quiet"]) == 0
    about = [
        "--license",
        "MIT",
        "--source",
        "https://example.org/tweets",
        "--registry",
        tweets / "zoo",
        "--name",
        "acme/tweets.v1",
    ]
    assert main([str(each) for each in ("publish", tweets / "out" / "model.safetensors", *about)]) == 0
    known = str(tweets / "zoo")
    names = [file["name"] for file in hub.describe("acme/tweets", registry=known)["files"]]
    assert names == ["model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    texts = ["the cat sat", "who lives in paris"]
    assert hub.pipeline("acme/tweets", registry=known)(texts) == hub.pipeline(tweets / "out")(texts)
    capsys.readouterr()


def test_a_file_beside_a_model_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match="does not lie beside"):
        hub.save(engine.nn.Linear(2, 2), tmp_path / "x.safetensors", beside=[tmp_path / "a" / "tokenizer.json"])


BAD: dict[str, tuple[list[object], str]] = {
    "changes of images": (["--augment", "light"], "--augment is for images"),
    "only what changed": (["--only-changed"], "only_changed is for models of images"),
    "more tokens than places": (["--longest", 25], "the model has places for 24 tokens"),
    "no tokens": (["--longest", 1], "longest must be a whole number"),
    "no such column": (["--text-column", "words"], "no column 'words'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_is_refused(kind: str, tweets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, words = BAD[kind]
    assert main(command(tweets, *options)) in (2, 5)
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "words"), [("writer", "is for text-generation"), ("rewriter", "is for text-to-text")]
)
def test_models_that_write_are_no_classifiers(
    model: str, words: str, tweets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(tweets, model=model)) == 2
    assert words in capsys.readouterr().err


def test_a_folder_among_the_classes_is_no_place_for_results(tweets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("pet", "place"):
        for number in range(3):
            (tweets / "books" / name).mkdir(parents=True, exist_ok=True)
            (tweets / "books" / name / f"{number}.txt").write_text(f"{name} {number}")
    words: list[Any] = [
        "finetune",
        "minilm_l6",
        tweets / "books",
        "--registry",
        tweets / "manifest.json",
        "--out",
        tweets / "books" / "out",
    ]
    assert main([str(each) for each in words]) == 2
    assert "would be taken for one" in capsys.readouterr().err
