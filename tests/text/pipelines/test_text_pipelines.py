"""Pipelines of text: small models whose answers are known, long texts, streams and stops, and the hub that makes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import engine, hub
from numzoo.engine import Tensor, nn
from numzoo.hub.checkpoint import write_safetensors
from numzoo.text import models, pipelines, tokenizers
from numzoo.text.errors import TokenizerError
from numzoo.text.pipelines.pieces import cut, unsure

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *["the", "a", "cat", "kitten", "dog", "sat", "on", "mat", "who", "where", "anna", "lives", "in", "paris", ".", "?"],
]
SIZES = {
    "vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "max_position_embeddings": 24,
}  # fmt: skip


@pytest.fixture
def tokenizer(tmp_path: Path) -> tokenizers.Tokenizer:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS), encoding="utf-8")
    return tokenizers.load(path)


class Told(nn.Module):
    """A model that answers by a function of the token numbers."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
        found = self.answer(np.asarray(input_ids))
        return tuple(map(Tensor, found)) if isinstance(found, tuple) else Tensor(found)


def one_hot(places: Any, classes: int) -> Any:
    return (np.eye(classes, dtype=np.float32)[places] * 20).astype(np.float32)


def test_sentences_are_found_by_what_they_are_like(tokenizer: tokenizers.Tokenizer) -> None:
    engine.manual_seed(0)
    pipe = pipelines.SentenceSimilarity(models.bert_sentence_encoder(**SIZES), tokenizer)
    texts = ["the cat sat on the mat .", "a dog", "the kitten", "a dog ."] * 12
    vectors = pipe(texts)
    assert vectors.shape == (48, 16)
    assert np.allclose(vectors[1], pipe("a dog"), atol=1e-5)  # batches of like length come back in the order given
    assert np.allclose(vectors[:4], vectors[44:], atol=1e-5)
    hits = pipe.search("a dog", texts[:4], top=2)
    assert (hits[0].place, hits[0].text) == (1, "a dog")
    assert hits[0].score == pytest.approx(1, abs=1e-4)
    assert next(hit.place for hit in pipe.search("a dog", vectors[:4], top=9)) == 1
    assert pipe.similarity("a dog", "a dog") == pytest.approx(1, abs=1e-4)
    assert pipe.similarity(["a dog", "the cat"], ["the cat"]).shape == (2, 1)
    assert pipe([]).shape == (0, 0)
    assert pipe.search("a dog", []) == []


def test_batches_hold_texts_of_as_many_tokens_whatever_their_characters(tokenizer: tokenizers.Tokenizer) -> None:
    encoder = pipelines.batches.Encoder(Told(lambda tokens: tokens), tokenizer, size=2)
    texts = ["a " * 7, "the cat sat", "kitten kitten", "a a", "on on on on", "mat"]
    batches = [(rows.tolist(), batch.attention_mask) for rows, batch, _ in encoder.batches(texts)]
    assert [rows for rows, _ in batches] == [[5, 3], [2, 1], [4, 0]]
    assert [(mask == 0).sum() for _, mask in batches] == [1, 1, 3]


def test_texts_are_classified(tokenizer: tokenizers.Tokenizer) -> None:
    model = Told(lambda ids: one_hot((ids == WORDS.index("dog")).any(axis=1).astype(int), 2))
    pipe = pipelines.TextClassification(model, tokenizer, ["no dog", "dog"])
    answers = pipe(["the dog sat", "the cat"], top=1)
    assert [answer[0][0] for answer in answers] == ["dog", "no dog"]
    assert pipe("a dog")[0][1] == pytest.approx(1, abs=1e-6)
    assert len(pipe("a dog")) == 2


def test_tokens_make_entities(tokenizer: tokenizers.Tokenizer) -> None:
    labels = ["O", "B-PER", "I-PER", "B-LOC"]
    told = {WORDS.index("anna"): 1, WORDS.index("cat"): 2, WORDS.index("paris"): 3}
    model = Told(lambda ids: one_hot(np.vectorize(lambda token: told.get(token, 0))(ids), 4))
    pipe = pipelines.TokenClassification(model, tokenizer, labels)
    first, second = pipe(["Anna cat lives in Paris .", "anna anna"])
    assert [(entity.label, entity.text, entity.start, entity.end) for entity in first] == [
        ("PER", "Anna cat", 0, 8),
        ("LOC", "Paris", 18, 23),
    ]
    assert [entity.text for entity in second] == ["anna", "anna"]
    assert pipe("the mat") == []


def test_a_gap_is_filled(tokenizer: tokenizers.Tokenizer) -> None:
    model = Told(lambda ids: one_hot(np.where(ids == WORDS.index("[MASK]"), WORDS.index("cat"), ids), len(WORDS)))
    pipe = pipelines.FillMask(model, tokenizer)
    best = pipe("The [MASK] sat on the mat .")[0]
    assert (best.token, best.text) == ("cat", "the cat sat on the mat.")
    assert best.score == pytest.approx(1, abs=1e-5)
    assert [len(gap) for gap in pipe("[MASK] [MASK]", top=3)] == [3, 3]
    with pytest.raises(ValueError, match=r"write \[MASK\] where a word is missing"):
        pipe("the cat")


def spans(ids: Any) -> tuple[Any, Any]:
    return tuple(((ids == WORDS.index(word)) * 20).astype(np.float32) for word in ("in", "paris"))  # type: ignore[return-value]


class Span(Told):
    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
        from numzoo.text.models.heads import Span as Result

        return Result(*super().forward(input_ids, attention_mask, token_type_ids))


@pytest.mark.parametrize("before", [0, 3, 40, 200])
def test_an_answer_is_found_however_long_the_text_is(before: int, tokenizer: tokenizers.Tokenizer) -> None:
    text = "the cat sat . " * before + "Anna lives in Paris ." + " the mat" * before
    model = Span(spans)
    model.position_embeddings = nn.Embedding(24, 4)
    (answer,) = pipelines.QuestionAnswering(model, tokenizer)("where lives anna ?", text)
    assert answer.text == "in Paris"
    assert text[answer.start : answer.end] == "in Paris"
    assert answer.score > 0.9


def test_questions_that_leave_no_room_are_refused(tokenizer: tokenizers.Tokenizer) -> None:
    model = Span(spans)
    model.position_embeddings = nn.Embedding(24, 4)
    with pytest.raises(ValueError, match="takes all of the 24 tokens"):
        pipelines.QuestionAnswering(model, tokenizer)("where " * 30, "in paris")
    with pytest.raises(ValueError, match="neither may be empty"):
        pipelines.QuestionAnswering(model, tokenizer)("", "in paris")


class Script(nn.Module):
    """A decoder that says its text, byte by byte, whatever was asked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.bytes = [*text.encode(), 256]

    def new_cache(self) -> Any:
        return [0]

    def forward(self, tokens: Any, mask: Any, cache: Any, last: bool = True) -> Tensor:
        token = self.bytes[min(cache[0], len(self.bytes) - 1)]
        cache[0] += 1
        return Tensor(one_hot(np.full(len(tokens), token), 262)[:, None])


@pytest.fixture
def writer(tmp_path: Path) -> pipelines.TextGeneration:
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {byte: chr(byte) for byte in plain} | {byte: chr(256 + place) for place, byte in enumerate(others)}
    vocabulary = {table[byte]: byte for byte in range(256)} | {"<|endoftext|>": 256}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("")
    return pipelines.TextGeneration(Script("a cat é 🙂 stop now"), tokenizers.load(tmp_path))


def test_a_stream_gives_whole_characters_and_no_part_of_a_stop(writer: pipelines.TextGeneration) -> None:
    assert writer("go") == "a cat é 🙂 stop now"
    pieces = list(writer.stream("go"))
    assert "".join(pieces) == "a cat é 🙂 stop now"
    assert not any("\ufffd" in piece for piece in pieces)
    assert "".join(writer.stream("go", stop=["stop", "never"])) == "a cat é 🙂 "
    assert writer("go", stop=" é") == "a cat"
    assert writer("go", longest=3) == "a c"
    assert (
        "".join(writer.stream("go", longest=5, stop="t s")) == "a cat"
    )  # what might have begun a stop comes in the end
    with pytest.raises(ValueError, match="none of them empty"):
        writer("go", stop="")


def test_where_a_text_stops_and_how_much_of_it_is_sure() -> None:
    assert cut("one two three", ["three", "two"]) == ("one ", True)
    assert cut("one", ["two"]) == ("one", False)
    assert unsure("what st", ["stop"]) == 2
    assert unsure("half \ufffd", []) == 1


def test_many_prompts_go_side_by_side(tmp_path: Path, writer: pipelines.TextGeneration) -> None:
    assert writer.many(["go", "go on"], stop=" é") == ["a cat", "a cat"]
    assert writer.many([]) == []


@pytest.mark.parametrize("top", [0, -1])
def test_how_many_answers_is_checked(top: int, tokenizer: tokenizers.Tokenizer) -> None:
    pipe = pipelines.TextClassification(Told(lambda ids: one_hot(np.zeros(len(ids), int), 2)), tokenizer)
    with pytest.raises(ValueError, match="top"):
        pipe("a", top=top)
    with pytest.raises(TypeError, match="texts are a string or a list of strings"):
        pipe([1])


def test_the_hub_makes_the_pipeline_of_an_entrys_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    engine.manual_seed(1)
    model = models.bert_sentence_encoder(**SIZES).eval()
    write_safetensors(
        tmp_path / "model.safetensors", {name: value.numpy() for name, value in model.state_dict().items()}
    )
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    files = [
        {"name": name, "sha256": hashlib.sha256((tmp_path / name).read_bytes()).hexdigest(), "format": format, "sources": [f"file:{name}"]}
        for name, format in (("model.safetensors", "safetensors"), ("vocab.txt", "vocabulary"))
    ]  # fmt: skip
    entry = {"model": "text.models.bert_sentence_encoder", "config": SIZES, "task": "sentence-similarity", "files": files,
             "license": "MIT", "source": "https://example.org", "pipeline": {"longest": 5}}  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": 1, "models": {"small.test": entry}}))
    pipe = hub.pipeline("small", registry=str(tmp_path / "manifest.json"))
    assert isinstance(pipe, pipelines.SentenceSimilarity)
    assert pipe.encoder.longest == 5
    assert np.allclose(
        pipe("the cat sat"), model(pipe.tokenizer("the cat sat").input_ids).detach().numpy()[0], atol=1e-5
    )


def test_a_folder_of_sentence_transformers_says_where_texts_are_cut(tmp_path: Path) -> None:
    engine.manual_seed(1)
    state = models.bert_sentence_encoder(**SIZES).state_dict()
    write_safetensors(tmp_path / "model.safetensors", {name: value.numpy() for name, value in state.items()})
    config = {**SIZES, "model_type": "bert", "architectures": ["BertModel"], "vocab_size": len(WORDS)}
    modules = [
        {"type": f"sentence_transformers.models.{kind}", "path": path}
        for kind, path in (("Transformer", ""), ("Pooling", "1_Pooling"))
    ]
    for name, document in (("config.json", config), ("modules.json", modules)):
        (tmp_path / name).write_text(json.dumps(document))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    said = tmp_path / "sentence_bert_config.json"
    for text, longest in (('{"max_seq_length": 6}', 6), ('{"max_seq_length": null}', None), ("[]", None)):
        said.write_text(text)
        pipe = hub.pipeline(str(tmp_path))
        places = pipe.model.config.max_position_embeddings
        assert pipe.encoder.longest == (longest or places)
    said.write_text('{"max_seq_length": 6}')
    pipe = hub.pipeline(str(tmp_path))
    assert np.array_equal(pipe("the cat sat on"), pipe("the cat sat on a mat and a dog"))
    for text, says in (('{"max_seq_length": "6"}', "max_seq_length is '6'"), ('{"max', "no JSON document")):
        said.write_text(text)
        with pytest.raises(TokenizerError, match=says):
            hub.pipeline(str(tmp_path))


@pytest.mark.parametrize("builder", ["gpt2_causal_lm", "llama_causal_lm"])
def test_a_text_grows_to_the_places_of_the_model_and_a_longer_prompt_is_refused(
    builder: str, writer: pipelines.TextGeneration
) -> None:
    sizes = {"vocab_size": 262, "n_positions": 12, "n_embd": 8, "n_layer": 1, "n_head": 2}
    if builder.startswith("llama"):
        sizes = {"vocab_size": 262, "max_position_embeddings": 12, "hidden_size": 8, "intermediate_size": 8}
        sizes |= {"num_hidden_layers": 1, "num_attention_heads": 2}
    engine.manual_seed(0)
    pipe = pipelines.TextGeneration(getattr(models, builder)(**sizes), writer.tokenizer)
    pipe.ends, pipe.tokenizer.special["pad"] = [], "<|endoftext|>"
    given: list[int] = []
    pipe.tokenizer.decode = lambda tokens, **_: given.append(len(tokens)) or "x" * len(tokens)  # type: ignore[method-assign, func-returns-value]
    assert [len(pipe("12345678", **way)) for way in ({}, {"beams": 2}, {"longest": 3})] == [5, 5, 3]
    assert [len(text) for text in pipe.many(["12345678", "1234"])] == [5, 5]
    assert len(pipe("123456789012")) == 1
    for ask in (lambda: pipe("1234567890123"), lambda: pipe.many(["1234567890123"])):
        with pytest.raises(ValueError, match="has 13 tokens, but the model has places for 12"):
            ask()


HEADS = ("bert_sequence_classification", "roberta_sequence_classification", "distilbert_sequence_classification")


@pytest.mark.parametrize("builder", HEADS)
def test_a_text_is_cut_to_the_places_that_the_model_has(builder: str, tokenizer: tokenizers.Tokenizer) -> None:
    settings = SIZES
    if builder.startswith("distilbert"):
        settings = {"vocab_size": len(WORDS), "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16, "max_position_embeddings": 24}  # fmt: skip
    pipe = pipelines.TextClassification(getattr(models, builder)(**settings), tokenizer, ["no", "yes"])
    assert pipe.encoder.longest == (
        22 if builder.startswith("roberta") else 24
    )  # two of RoBERTa's places hold no token
    assert len(pipe("the cat " * 40)) == 2
