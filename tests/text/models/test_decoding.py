"""Decoders: step by step equals all at once, padding changes nothing, bad input is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sequence_check
from sequences import ALBERT, BERT, CASES, DISTILBERT, GPT2, LLAMA, ROBERTA, T5, Case, inputs

from numzoo import engine
from numzoo.text import models
from numzoo.text.models.cache import KeyValueCache

CAUSAL = [case for case in CASES if case.kind == "causal"]


@pytest.mark.parametrize("case", CAUSAL, ids=lambda case: case.name)
def test_step_by_step_gives_what_all_at_once_gives(case: Case) -> None:
    model, _ = sequence_check.build(case)
    given = inputs("causal")
    tokens, mask = given["input_ids"], given["attention_mask"]
    with engine.no_grad():
        whole = model(tokens, mask).numpy()
        cache = KeyValueCache()
        parts = [model(tokens[:, :9], mask[:, :9], cache), model(tokens[:, 9:12], None, cache)]
        parts += [model(tokens[:, place : place + 1], None, cache) for place in range(12, 17)]
    found = np.concatenate([part.numpy() for part in parts], axis=1)
    assert np.abs(found - whole)[mask != 0].max() < 1e-5 * np.abs(whole).max()
    assert cache.length == 17


LARGE: dict[str, Any] = {
    "gpt2": lambda: models.gpt2_causal_lm(vocab_size=900, n_positions=64, n_embd=192, n_layer=2, n_head=3),
    "llama": lambda: models.llama_causal_lm(
        vocab_size=900, hidden_size=192, intermediate_size=512, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", ["precision", "parameters"])
@pytest.mark.parametrize("name", LARGE)
def test_steps_in_bfloat16_stay_near_those_in_float32(name: str, way: str) -> None:
    engine.manual_seed(0)
    model = LARGE[name]().eval()

    def steps() -> Any:
        cache = model.new_cache()
        with engine.no_grad():
            parts = [model(np.arange(12)[None], None, cache, last=True)]
            parts += [model(np.array([[7 * number]]), None, cache, last=True) for number in range(9)]
        return np.concatenate([part.float().numpy() for part in parts], axis=1)

    wanted = steps()
    if way == "precision":
        with engine.precision("bf16"):
            found = steps()
    else:
        model.to(dtype=engine.bfloat16)
        found = steps()
    assert 0 < np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()


def test_padding_on_the_left_changes_nothing() -> None:
    model, _ = sequence_check.build(CAUSAL[0])
    given = inputs("causal")
    with engine.no_grad():
        padded = model(given["input_ids"], given["attention_mask"]).numpy()[1, 6:]
        alone = model(given["input_ids"][1:2, 6:]).numpy()[0]
    assert np.abs(padded - alone).max() < 1e-5 * np.abs(alone).max()


def test_a_selected_cache_goes_on_as_its_rows_would() -> None:
    model, _ = sequence_check.build(CAUSAL[0])
    given = inputs("causal")
    tokens, mask = given["input_ids"], given["attention_mask"]
    with engine.no_grad():
        cache = KeyValueCache()
        model(tokens[:, :16], mask[:, :16], cache)
        cache.select(np.array([2, 1]))
        found = model(tokens[[2, 1], 16:], None, cache, last=True).numpy()
        whole = model(tokens, mask).numpy()[[2, 1], 16:]
    assert np.abs(found - whole).max() < 1e-5 * np.abs(whole).max()


def test_interleaved_rotation_is_the_same_with_its_rows_reordered() -> None:
    engine.manual_seed(0)
    halves = models.llama_causal_lm(**LLAMA).eval()
    state = {name: value.numpy() for name, value in halves.state_dict().items()}
    width = LLAMA["hidden_size"] // LLAMA["num_attention_heads"]
    for name, value in state.items():
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = value.reshape(-1, 2, width // 2, value.shape[1])
            state[name] = heads.transpose(0, 2, 1, 3).reshape(value.shape)
    pairs = models.llama_causal_lm(**LLAMA, rope_interleaved=True).eval()
    pairs.load_state_dict(state)
    tokens = inputs("causal")["input_ids"]
    assert np.allclose(halves(tokens).detach().numpy(), pairs(tokens).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: models.bert_encoder(**{**BERT, "num_attention_heads": 5}), ValueError, "multiple of num_attention_heads 5"),
        (lambda: models.bert_encoder(**{**BERT, "hidden_act": "cube"}), ValueError, "hidden_act must be one of gelu"),
        (lambda: models.bert_encoder(**BERT)(np.zeros((1, 41), int)), ValueError, "41 tokens were given, but there are places for 40"),
        (lambda: models.bert_encoder(**BERT)(np.zeros(4, int)), ValueError, r"\(batch, length\)"),
        (lambda: models.bert_encoder(**BERT)(np.zeros((1, 4))), TypeError, "token numbers are integers"),
        (lambda: models.bert_encoder(**BERT)(np.full((1, 4), 211)), ValueError, "run from 0 to 210, but 211"),
        (lambda: models.bert_encoder(**BERT)(np.full((1, 4), -1)), ValueError, "but -1 was given"),
        (lambda: models.bert_encoder(**BERT)(np.zeros((1, 4), int), np.ones((1, 3))), ValueError, "attention_mask"),
        (lambda: models.bert_sentence_encoder(**BERT, pooling="first"), ValueError, "pooling must be one of mean, cls, max"),
        (lambda: models.roberta_encoder(**ROBERTA)(np.full((1, 39), 5)), ValueError, "39 tokens were given, but there are places for 38"),
        (lambda: models.distilbert_encoder(**{**DISTILBERT, "n_heads": 5}), ValueError, "dim 48 must be a multiple of n_heads 5"),
        (lambda: models.albert_encoder(**{**ALBERT, "num_hidden_groups": 5}), ValueError, "num_hidden_groups must lie"),
        (lambda: models.gpt2_causal_lm(**GPT2)(np.zeros((1, 41), int)), ValueError, "41 tokens were given, but there are places for 40"),
        (lambda: models.t5_text_to_text(**{**T5, "feed_forward_proj": "gated-cube"}), ValueError, "feed_forward_proj must be one of"),
        (lambda: models.t5_text_to_text(**T5)(np.zeros((1, 4), int)), ValueError, "wants decoder_input_ids"),
        (lambda: models.t5_text_to_text(**T5).read(np.full((1, 4), 211)), ValueError, "t5: token numbers run from 0 to 210"),
        (lambda: models.llama_causal_lm(**{**LLAMA, "num_key_value_heads": 4}), ValueError, "multiple of num_key_value_heads 4"),
        (lambda: models.llama_causal_lm(**{**LLAMA, "head_dim": 7}), ValueError, "must be even"),
        (lambda: models.llama_causal_lm(**LLAMA)(np.zeros((1, 3), int), np.ones((1, 2))), ValueError, "attention_mask"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_a_sentence_encoder_gives_vectors_of_length_one_that_padding_does_not_move() -> None:
    model = models.bert_sentence_encoder(**BERT).eval()
    given = inputs("tokens")
    vectors = model(given["input_ids"], given["attention_mask"]).detach().numpy()
    assert np.allclose((vectors**2).sum(axis=1), 1, atol=1e-5)
    alone = model(given["input_ids"][1:2, :10]).detach().numpy()
    assert np.allclose(vectors[1], alone[0], atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "mpnet"])
def test_a_sentence_is_the_mean_the_first_or_the_largest_of_its_vectors(family: str) -> None:
    (case,) = [case for case in CASES if case.name == family]
    encoder, _ = sequence_check.build(case)
    given = inputs(case.kind)
    with engine.no_grad():
        vectors = encoder(**given).last_hidden_state.numpy()
    there = given["attention_mask"][:, :, None] != 0
    wanted = {
        "mean": (vectors * there).sum(axis=1) / there.sum(axis=1),
        "cls": vectors[:, 0],
        "max": np.where(there, vectors, -np.inf).max(axis=1),
    }
    for kind, expected in wanted.items():
        model = getattr(models, f"{family}_sentence_encoder")(pooling=kind, normalize=False, **case.settings).eval()
        model.load_state_dict(encoder.state_dict(), assign=True)
        assert np.allclose(model(**given).detach().numpy(), expected, atol=1e-5)


def test_an_answer_step_by_step_is_the_one_all_at_once() -> None:
    for name in ("t5", "t5_gated"):
        (case,) = [case for case in CASES if case.name == name]
        model, _ = sequence_check.build(case)
        given = inputs(case.kind)
        answer = given["decoder_input_ids"]
        with engine.no_grad():
            whole = model(**given).numpy()
            cache = model.read(given["input_ids"], given["attention_mask"])
            parts = [model.decode(answer[:, :4], cache), model.decode(answer[:, 4:6], cache)]
            parts += [model.decode(answer[:, place : place + 1], cache) for place in range(6, 11)]
        found = np.concatenate([part.numpy() for part in parts], axis=1)
        assert np.abs(found - whole).max() < 1e-5 * np.abs(whole).max()


def test_labels_are_moved_behind_the_first_token() -> None:
    model = models.t5_text_to_text(**T5, decoder_start_token_id=2)
    assert model.shifted(np.array([[5, 6, -100]])).numpy().tolist() == [[2, 5, 6]]
    assert model.shifted(np.array([[5, -100, -100]])).numpy().tolist() == [[2, 5, 0]]
    assert model(np.array([[3, 4]]), labels=np.array([[5, 6]])).shape == (1, 2, 211)


def test_gradients_flow_through_a_cache() -> None:
    (case,) = [case for case in CASES if case.name == "gpt2"]
    model, _ = sequence_check.build(case)
    tokens = inputs("causal")["input_ids"]
    model(tokens)[:, -1].sum().backward()
    wanted = model.transformer.h[0].attn.c_attn.weight.grad.numpy().copy()
    model.zero_grad()
    cache = KeyValueCache()
    model(tokens[:, :9], None, cache)
    model(tokens[:, 9:], None, cache, last=True).sum().backward()
    assert np.allclose(model.transformer.h[0].attn.c_attn.weight.grad.numpy(), wanted, atol=1e-4 * np.abs(wanted).max())


def test_an_encoder_trains() -> None:
    model = models.bert_sequence_classification(**BERT, classes=3)
    given = inputs("tokens")
    engine.nn.functional.cross_entropy(model(**given), engine.tensor([0, 1, 2])).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
