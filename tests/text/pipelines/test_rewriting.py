"""Texts answered with texts: transformers' own answers from a real SentencePiece file, tasks, streams, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sequence_check
from sequences import CASES, T5
from small_texts import sentencepiece_model

from numzoo import engine, hub
from numzoo.hub.checkpoint import write_safetensors
from numzoo.text import models, pipelines
from numzoo.text.pipelines.rewriting import text_to_text

GOLDENS: dict[str, Any] = json.loads(Path(__file__).with_name("rewriting_goldens.json").read_text())
CASE = {case.name: case for case in CASES}
TASKS = {
    "summarization": {"prefix": "summarize: ", "beams": 2, "longest": 6},
    "translation_en_to_de": {"prefix": "translate English to German: ", "longest": 5},
}


@pytest.fixture
def spiece(tmp_path: Path) -> Path:
    (tmp_path / "spiece.model").write_bytes(sentencepiece_model())
    return tmp_path / "spiece.model"


def pipe_of(name: str, spiece: Path) -> pipelines.TextToText:
    model, _ = sequence_check.build(CASE[name])
    return text_to_text(model, {"spiece.model": spiece}, settings={"tasks": TASKS})


def test_sources_are_cut_as_transformers_cuts_them(spiece: Path) -> None:
    pipe = pipe_of("t5", spiece)
    assert [pipe._source(text) for text in GOLDENS["texts"]] == GOLDENS["sources"]
    assert pipe.tokenizer.number("<extra_id_0>") == len(pipe.tokenizer) - 1


@pytest.mark.parametrize("golden", GOLDENS["answers"], ids=lambda each: f"{each['model']}, {each['kind']}")
def test_answers_are_those_of_transformers(golden: dict[str, Any], spiece: Path) -> None:
    pipe = pipe_of(golden["model"], spiece)
    assert pipe.tokens(GOLDENS["texts"], **golden["settings"]) == golden["tokens"]
    assert pipe(GOLDENS["texts"], **golden["settings"]) == golden["answers"]
    pipe.size = 1
    assert pipe(GOLDENS["texts"][0], **golden["settings"]) == golden["answers"][0]


def test_a_stream_gives_the_same_in_pieces(spiece: Path) -> None:
    pipe = pipe_of("t5_gated", spiece)
    text = GOLDENS["texts"][1]
    assert "".join(pipe.stream(text, longest=14)) == pipe(text, longest=14) == GOLDENS["answers"][6]["answers"][1]
    assert pipe(text, longest=14, stop="st") == "???m "


def test_a_task_has_its_prefix_and_its_settings(spiece: Path) -> None:
    pipe = pipe_of("t5", spiece)
    german = pipe("translate English to German: A dog", longest=5)
    assert pipe.translate("A dog", "English", "German") == pipe.translate("A dog", "en", "de") == german
    assert pipe.translate(["A dog"], "en", "de", longest=3) == [pipe("translate English to German: A dog", longest=3)]
    assert pipe.translate("A dog", "English", "Spanish") == pipe("translate English to Spanish: A dog")
    assert pipe.summarize("A dog") == pipe("summarize: A dog", beams=2, longest=6)
    drawn = [
        pipe.summarize("A dog", sample=True, seed=seed) for seed in (1, 1)
    ]  # draws in the place of the task's beams
    assert drawn[0] == drawn[1]
    pipe.tasks = {}
    assert pipe.summarize("A dog", longest=6) == pipe("summarize: A dog", longest=6)


REFUSED = {
    "an empty text": (lambda pipe: pipe(" "), "a text is wanted, and ' ' was given"),
    "no text": (lambda pipe: pipe([1]), "texts are a string or a list of strings"),
    "an empty text of a task": (lambda pipe: pipe.summarize(["A dog", ""]), "text 1 of 2 is empty"),
    "too long a text": (lambda pipe: pipe("A dog " * 2000), "2048 are read at most: cut it into parts"),
    "a language by a code": (lambda pipe: pipe.translate("A dog", "en", "xx"), "'xx' is no language by name.*translation_en_to_de"),
    "an unknown task": (lambda pipe: pipe.ask("rhyme", "A dog"), "no task 'rhyme'; it has summarization, translation_en_to_de"),
    "too little": (lambda pipe: pipe("A dog", no_repeat=-1), "no_repeat must be a whole number from 0"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_answered_is_refused(kind: str, spiece: Path) -> None:
    call, words = REFUSED[kind]
    with pytest.raises((TypeError, ValueError), match=words):
        call(pipe_of("t5", spiece))


@pytest.mark.parametrize("family", ["t5", "mt5"])
def test_a_folder_says_what_its_model_was_trained_for(family: str, spiece: Path) -> None:
    folder = spiece.parent
    settings = {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False} if family == "mt5" else T5
    told = {"num_beams": 2, "max_length": 7, "prefix": "summarize: ", "early_stopping": True, "min_length": 4}
    others = {"rhyme & reason": {"prefix": "x"}}
    config = {"model_type": family, **T5, "task_specific_params": {"summarization": told, **others}}
    config["architectures"] = [f"{family.upper()}ForConditionalGeneration"]
    (folder / "config.json").write_text(json.dumps(config))
    engine.manual_seed(0)
    model = models.t5_text_to_text(**settings).eval()
    write_safetensors(folder / "model.safetensors", {name: each.numpy() for name, each in model.state_dict().items()})
    pipe = hub.pipeline(folder)
    assert isinstance(pipe, pipelines.TextToText)
    assert pipe.model.config.gated == (family == "mt5")
    assert pipe.tasks == {
        "summarization": {"prefix": "summarize: ", "beams": 2, "early": True, "longest": 6, "shortest": 3}
    }
    assert pipe.summarize("A dog") == pipe("summarize: A dog", beams=2, early=True, longest=6, shortest=3)


def test_the_entry_of_t5_has_its_tasks_and_may_be_written_with_a_hyphen() -> None:
    from numzoo.hub.registry.names import open_registry

    entry = open_registry(None).entry("t5-small")
    assert entry.name == "t5_small.v1"
    assert entry.pipeline["tasks"]["translation_en_to_ro"]["prefix"] == "translate English to Romanian: "
