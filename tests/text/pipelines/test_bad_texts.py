"""What no model was made for, given to every pipeline of texts: each is the right result or an error that says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_texts import MODELS, VOCABULARY, write_manifest

from numzoo import hub
from numzoo.hub.checkpoint import read_checkpoint, write_safetensors
from numzoo.text import pipelines, tokenizers
from numzoo.text.errors import TokenizerError

TASKS = {name: task for name, (_, task, _) in MODELS.items()}
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "fill-mask": lambda pipe, text: pipe("[MASK] " + text if isinstance(text, str) else text, top=1),
    "question-answering": lambda pipe, text: pipe("who ?", text),
    "sentence-similarity": lambda pipe, text: pipe(text),
    "text-classification": lambda pipe, text: pipe(text),
    "text-generation": lambda pipe, text: pipe(text, longest=2),
    "text-to-text": lambda pipe, text: pipe(text, longest=2),
    "token-classification": lambda pipe, text: pipe(text),
}
RESULT = "a result"
MILLION = "a" * 1_000_000
TEXTS: dict[str, tuple[Any, dict[str, str]]] = {
    "nothing": ("", {"question-answering": "neither may be empty", "text-generation": "at least one token", "text-to-text": "a text is wanted"}),
    "white space": (" \n", {"question-answering": "neither may be empty", "text-to-text": "a text is wanted"}),
    "a word of a million letters": (MILLION, {"text-generation": "places for 512; give a shorter one", "text-to-text": "2048 are read at most"}),
    "many words": ("the cat sat . " * 20_000, {
        "text-generation": "places for 512", "text-to-text": "2048 are read at most",
        "question-answering": "",  # see below
    }),
    "half a character": ("a \ud83d cat", dict.fromkeys(CALLS, r"half a character, '\\ud83d', at place")),
    "a NUL": ("a \0 cat", {}),
    "tokens of others": ("<|im_foo|> [FOO] <pad> </s> <s> [PAD] [SEP] <extra_id_0> cat", {}),
    "every script": ("🙂 你好 \u202e \ufeff e\u0301 \U000e0001", {}),
    "bytes": (b"cat", dict.fromkeys(CALLS, "strings|a prompt is a text, or a list of messages, not b'cat'")),
    "no text": (None, dict.fromkeys(CALLS, "strings|a prompt is a text, or a list of messages, not None")),
    "a number": (7, dict.fromkeys(CALLS, "strings|a prompt is a text, or a list of messages, not 7")),
}  # fmt: skip


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("zoo")
    patch = pytest.MonkeyPatch()
    patch.setenv("NUMZOO_HOME", str(folder / "home"))
    manifest = write_manifest(folder)
    pipes = {name: hub.pipeline(name, registry=str(manifest)) for name in MODELS}
    patch.undo()
    return {**pipes, "folder": folder}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("name", MODELS)
def test_a_text_gives_a_result_or_an_error_that_says_why(name: str, kind: str, zoo: dict[str, Any]) -> None:
    text, errors = TEXTS[kind]
    task = TASKS[name]
    words = errors.get(task)
    if words == "":
        text = text[:3000]  # a text of any length is answered, window by window: enough of them are seen here
    if not words:
        assert CALLS[task](zoo[name], text) is not None
        return
    with pytest.raises((TypeError, ValueError), match=words):
        CALLS[task](zoo[name], text)


def test_a_gap_behind_what_is_read_is_missed(zoo: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="lies beyond the 24 tokens that are read"):
        zoo["filler"]("the cat sat . " * 20 + "[MASK]")


def test_an_empty_list_gives_an_empty_list(zoo: dict[str, Any]) -> None:
    for name in ("judge", "namer", "filler", "rewriter"):
        assert zoo[name]([]) == []


WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "BertForSequenceClassification": lambda model, tokenizer: pipelines.TextClassification(model, tokenizer)("zebra"),
    "a decoder": lambda model, tokenizer: pipelines.TextGeneration(model, tokenizer)("zebra"),
    "T5": lambda model, tokenizer: pipelines.TextToText(model, tokenizer)("zebra"),
}


@pytest.mark.parametrize(("name", "kind"), [("judge", 0), ("writer", 1), ("rewriter", 2)])
def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(
    name: str, kind: int, zoo: dict[str, Any], tmp_path: Path
) -> None:
    words = [*VOCABULARY.split(), *(f"word{place}" for place in range(300)), "zebra"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "[SEP]"}))
    call = list(WRONG.values())[kind]
    with pytest.raises(
        ValueError,
        match=r"token numbers run from 0 to \d+, but \d+ was given; those of another model's tokenizer do not fit",
    ):
        call(zoo[name].model, tokenizers.load(tmp_path))


def test_a_model_with_more_rows_than_tokens_writes_what_it_can(zoo: dict[str, Any], tmp_path: Path) -> None:
    state = read_checkpoint(zoo["folder"] / "writer.safetensors")
    wide = {
        name: np.concatenate([array, array[:9]]) if array.shape[0] == 257 else array for name, array in state.items()
    }
    write_safetensors(tmp_path / "wide.safetensors", wide)
    config = {**MODELS["writer"][2], "vocab_size": 266}
    from numzoo.text import models

    model = hub.load(tmp_path / "wide.safetensors", model=models.llama_causal_lm(**config))
    pipe = pipelines.TextGeneration(model, zoo["writer"].tokenizer)
    drawn = [pipe("go", longest=60, sample=True, temperature=50.0, seed=seed) for seed in range(3)]
    assert all(isinstance(text, str) for text in drawn)


def test_an_encoder_wants_to_know_what_stands_around_a_text(zoo: dict[str, Any]) -> None:
    with pytest.raises(TokenizerError, match=r"which tokens stand around a text.*tokenizer\.json says it"):
        pipelines.TextClassification(zoo["judge"].model, zoo["writer"].tokenizer)


def test_the_files_of_roberta_say_what_stands_around_a_text(tmp_path: Path) -> None:
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "Ġ", "Ġb", "<mask>"]
    (tmp_path / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nĠ b\n")
    tokenizer = tokenizers.load(tmp_path)
    assert tokenizer.encode("a b") == [0, 4, 7, 2]
    assert tokenizer.encode("a <mask> b") == [0, 4, 8, 7, 2]  # the space before a gap belongs to it
    assert tokenizer("a", "b").input_ids.tolist() == [[0, 4, 2, 2, 5, 2]]


def test_conversations_end_where_who_speaks_ends(zoo: dict[str, Any]) -> None:
    backend = zoo["smollm2_135m"].tokenizer.backend
    backend.add_special_tokens(["<|im_end|>"])
    pipe = pipelines.TextGeneration(
        zoo["smollm2_135m"].model,
        tokenizers.Tokenizer(backend, special={"eos": "<|endoftext|>"}, template="<|im_start|>"),
    )
    assert pipe.ends == [256, 257]


def test_a_template_may_lie_in_a_file_of_its_own(zoo: dict[str, Any], tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).write_bytes((zoo["folder"] / name).read_bytes())
    several = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": "[INST]"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": several}))
    assert tokenizers.load(tmp_path).template == "[INST]"
    (tmp_path / "chat_template.jinja").write_text("<|im_start|>")
    assert (
        tokenizers.load(tmp_path).chat([{"role": "user", "content": "Hi"}]).startswith("<|im_start|>user\nHi<|im_end|>")
    )
    (tmp_path / "chat_template.jinja").write_text("{{ secret }}")
    with pytest.raises(
        TokenizerError, match=r"none of those known here.*give that text \(numzoo predict: with --plain\)"
    ):
        tokenizers.load(tmp_path).chat([{"role": "user", "content": "Hi"}])
