"""``numzoo predict`` for texts: every task on a small model, standard input, and input of the wrong kind."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_texts import write_manifest

from numzoo import hub

Run = Callable[..., Any]


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest with a small random model of each task."""
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    return write_manifest(tmp_path)


def test_texts_are_compared_in_a_table(numzoo: Run, texts: Path) -> None:
    ended = numzoo("predict", "minilm_l6", "a cat", "a kitten", "a cat", "--registry", texts)
    lines = ended.out.splitlines()
    assert lines[0].split() == ["TEXT", "1", "2", "3"]
    assert lines[1].startswith("1  a cat ")
    assert lines[1].split()[-1] == lines[1].split()[-3] == "1.000"
    found = numzoo("predict", "minilm_l6", "a cat", "a kitten", "--json", "--registry", texts).json
    expected = hub.pipeline("minilm_l6", registry=str(texts)).similarity("a cat", "a kitten")
    assert found["cosines"][0][1] == pytest.approx(expected, abs=1e-5)
    assert found["texts"] == ["a cat", "a kitten"]


def test_classes_entities_gaps_and_answers_are_shown(numzoo: Run, texts: Path) -> None:
    judged = numzoo("predict", "judge", "a cat", "a dog", "--top", "1", "--registry", texts)
    assert [line.startswith("  ") for line in judged.out.splitlines()] == [False, True, False, True]
    best = numzoo("predict", "judge", "a cat", "--json", "--registry", texts).json["results"][0]["top"]
    assert {each["label"] for each in best} == {"O", "B-PER"}
    assert sum(each["probability"] for each in best) == pytest.approx(1)
    named = numzoo("predict", "namer", "Anna lives in Paris", "--json", "--registry", texts).json["results"][0]
    assert all(each["text"] == named["text"][each["start"] : each["end"]] for each in named["entities"])
    assert numzoo("predict", "namer", "anna", "--registry", texts).out.startswith("LABEL")
    filled = numzoo("predict", "filler", "the [MASK] [MASK] .", "--top", "3", "--json", "--registry", texts).json
    assert [len(gap) for gap in filled["results"][0]["gaps"]] == [3, 3]
    assert "gap 2:" in numzoo("predict", "filler", "the [MASK] [MASK] .", "--registry", texts).out
    assert len(numzoo("predict", "filler", "the [MASK] .", "--registry", texts).out.splitlines()) == 5
    asked = ("predict", "answerer", "who lives in paris ?", "anna lives in paris .", "--registry", texts)
    assert numzoo(*asked).out.startswith("SCORE")
    assert len(numzoo(*asked, "--json", "--top", "2").json["answers"]) == 2


def test_a_text_goes_on_as_the_pipeline_has_it(numzoo: Run, texts: Path) -> None:
    write = hub.pipeline("writer", registry=str(texts))
    ended = numzoo("predict", "writer", "go", "--longest", "9", "--registry", texts)
    assert ended.out == write("go", longest=9) + "\n"
    drawn = (
        "predict",
        "writer",
        "go",
        "on",
        "--longest",
        "9",
        "--temperature",
        "2",
        "--seed",
        "3",
        "--registry",
        texts,
    )
    expected = [write(text, longest=9, sample=True, temperature=2.0, seed=3) for text in ("go", "on")]
    assert [each["answer"] for each in numzoo(*drawn, "--json").json["results"]] == expected
    assert numzoo(*drawn).out == f"go:\n{expected[0]}\non:\n{expected[1]}\n"


def test_a_message_is_written_as_the_model_knows_conversations(numzoo: Run, texts: Path) -> None:
    pipe = hub.pipeline("smollm2_135m", registry=str(texts))
    message, system = {"role": "user", "content": "Capital?"}, {"role": "system", "content": "Be brief."}
    command = ("predict", "smollm2_135m", "Capital?", "--longest", "8", "--registry", texts)
    assert numzoo(*command).out == pipe([message], longest=8) + "\n"
    assert numzoo(*command, "--system", "Be brief.").out == pipe([system, message], longest=8) + "\n"
    plain = numzoo(*command, "--plain", "--json").json
    assert (plain["chat"], plain["results"][0]["answer"]) == (False, pipe("Capital?", longest=8))


def test_a_text_is_answered_with_a_text(numzoo: Run, texts: Path) -> None:
    pipe = hub.pipeline("rewriter", registry=str(texts))
    command = ("predict", "rewriter", "The cat sat.", "--registry", texts)
    assert numzoo(*command, "--longest", "6").out == pipe("The cat sat.", longest=6) + "\n"
    best = numzoo(*command, "--longest", "6", "--beams", "3", "--json").json["results"]
    assert best == [{"text": "The cat sat.", "answer": pipe("The cat sat.", longest=6, beams=3)}]
    short = numzoo("predict", "rewriter", "The cat sat.", "A dog.", "--task", "summarization", "--registry", texts)
    assert short.out == f"The cat sat.:\n{pipe.summarize('The cat sat.')}\nA dog.:\n{pipe.summarize('A dog.')}\n"
    drawn = numzoo(*command, "--temperature", "2", "--seed", "0", "--longest", "6").out
    assert drawn == pipe("The cat sat.", sample=True, temperature=2.0, seed=0, longest=6) + "\n"


def test_standard_input_is_a_text_or_a_text_in_each_line(texts: Path) -> None:
    def predict(body: bytes, *arguments: str) -> Any:
        command = [sys.executable, "-m", "numzoo", "predict", *arguments, "--registry", texts, "--json"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / ".dev")}
        return subprocess.run(command, input=body, capture_output=True, env=environment)

    assert json.loads(predict("a cat\n\nthe dög\r\n".encode(), "minilm_l6", "-").stdout)["texts"] == [
        "a cat",
        "the dög",
    ]
    asked = json.loads(predict(b"anna lives\nin paris .", "answerer", "who ?", "-").stdout)
    assert asked["text"] == "anna lives\nin paris ."
    broken = predict(b"caf\xe9", "minilm_l6", "-")
    assert (broken.returncode, broken.stdout) == (2, b"")
    assert b"no UTF-8 text: byte 3" in broken.stderr


REFUSED: dict[str, tuple[list[str], str]] = {
    "one text to compare": (["minilm_l6", "a cat"], "give two or more"),
    "an empty text": (["minilm_l6", "a cat", " "], "an empty one was given"),
    "a file's name": (["minilm_l6", "a cat", "MANIFEST"], "is the name of a file. For a text within a file: numzoo predict minilm_l6 - <"),
    "a sample": (["minilm_l6", "a cat", "sample:cat"], "is the name of a file"),
    "half a character": (["minilm_l6", "a cat", "\udcff"], "is no UTF-8 text"),
    "no gap": (["filler", "the cat"], "write [MASK] where a word is missing"),
    "a question alone": (["answerer", "who ?"], "the question and where its answer stands"),
    "a question too long": (["answerer", "who " * 40, "anna"], "takes all of the 24 tokens"),
    "a frozen temperature": (["writer", "go", "--temperature", "0"], "temperature must be above 0"),
    "an empty stop": (["writer", "go", "--stop", ""], "none of them empty"),
    "an unknown task": (["rewriter", "go", "--task", "rhyme"], "no task 'rhyme'; it has summarization"),
    "a task of another model": (["writer", "go", "--task", "rhyme"], "--task is for models that answer texts with texts"),
    "a conversation with T5": (["rewriter", "go", "--system", "x"], "--system is for conversations"),
    "beams that draw": (["rewriter", "go", "--beams", "2", "--temperature", "1"], "beams and sample=True do not go together"),
    "a system without conversations": (["writer", "go", "--system", "x"], "--system is for conversations"),
    "nothing on standard input": (["minilm_l6", "-"], "standard input holds none"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_input_of_the_wrong_kind_is_refused(
    kind: str, numzoo: Run, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, words = REFUSED[kind]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    given = [str(texts) if each == "MANIFEST" else each for each in arguments]
    ended = numzoo("predict", *given, "--registry", texts)
    assert ended.code == 2, ended
    assert words in ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(("model", "words"), [("writer", "give a shorter one"), ("rewriter", "cut it into parts")])
def test_a_million_characters_on_standard_input_are_refused_where_they_are_too_many(
    model: str, words: str, numzoo: Run, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a" * 1_000_000))
    ended = numzoo("predict", model, "-", "--registry", texts)
    assert (ended.code, words in ended.err, ended.out) == (2, True, ""), ended.err[:300]


def test_the_mark_that_some_editors_write_is_no_part_of_a_text(
    numzoo: Run, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\ufeffa cat\r\na cat\r\n"))
    found = numzoo("predict", "minilm_l6", "-", "--json", "--registry", texts).json
    assert found["texts"] == ["a cat", "a cat"]


def test_a_very_long_text_is_read_as_far_as_the_model_goes(numzoo: Run, texts: Path) -> None:
    long = "a cat " * 20_000
    found = numzoo("predict", "minilm_l6", long, "a cat " * 15, "--json", "--registry", texts).json["cosines"]
    assert np.allclose(found, 1, atol=1e-4)  # both are cut to the same 24 tokens
