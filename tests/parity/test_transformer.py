"""Attention layers and transformers beside PyTorch's: names of the state, results and gradients from shared weights, and training."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim

if importlib.util.find_spec("torch") is None:
    pytest.skip(
        "transformers are compared with PyTorch where torch is installed (the parity extra)", allow_module_level=True
    )

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch

from conformance.compare import close, ours, theirs


def twins(name: str, *args: Any, **settings: Any) -> tuple[Any, Any]:
    """A layer of each side in float64, with the same random state."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, about nested tensors
        reference = getattr(torch.nn, name)(*args, **settings).double()
    made = getattr(nn, name)(*args, **settings, dtype="float64")
    state = reference.state_dict()
    assert list(made.state_dict()) == list(state)
    generator = np.random.default_rng(3)
    values = {key: generator.standard_normal(tuple(value.shape)) * 0.3 for key, value in state.items()}
    made.load_state_dict(values)
    reference.load_state_dict({key: torch.tensor(value) for key, value in values.items()})
    return made, reference


def same(
    made: Any, reference: Any, inputs: list[Any], masks: dict[str, Any] | None = None, training: bool = True
) -> None:
    """Equal results, and equal gradients of inputs and parameters."""
    made.train(training), reference.train(training)
    masks = masks or {}
    a, b = [ours(x, True) for x in inputs], [theirs(x, True) for x in inputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, about masks of two kinds
        left = made(*a, **{k: ours(v) if isinstance(v, np.ndarray) else v for k, v in masks.items()})
        right = reference(*b, **{k: theirs(v) if isinstance(v, np.ndarray) else v for k, v in masks.items()})
    lefts, rights = (list(r) if isinstance(r, tuple) else [r] for r in (left, right))
    mine: Any = 0.0
    other: Any = 0.0
    for x, y in zip(lefts, rights, strict=True):
        assert (x is None) == (y is None)
        if x is not None:
            close(x, y, 1e-9, "result")
            weights = np.random.default_rng(1).standard_normal(x.shape)
            mine, other = mine + (x * ours(weights)).sum(), other + (y * theirs(weights)).sum()
    mine.backward(), other.backward()
    for x, y in zip(a, b, strict=True):
        close(x.grad, y.grad, 1e-8, "gradient of an input")
    gradients = {key: parameter.grad for key, parameter in made.named_parameters()}
    for key, parameter in reference.named_parameters():
        close(gradients[key], parameter.grad, 1e-8, key)


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


ATTENTION: list[dict[str, Any]] = [
    {}, {"bias": False}, {"batch_first": True}, {"kdim": 6, "vdim": 5}, {"add_bias_kv": True}, {"add_zero_attn": True},
    {"kdim": 6, "vdim": 5, "add_bias_kv": True, "add_zero_attn": True, "batch_first": True}, {"add_bias_kv": True, "bias": False},
]  # fmt: skip
MASKS: dict[str, Any] = {
    "none": dict,
    "padding": lambda: {
        "key_padding_mask": np.array([[False, True, False, False, True], [True, False, False, False, False]])
    },
    "added padding": lambda: {"key_padding_mask": normal(2, 5, seed=4)},
    "pairs": lambda: {"attn_mask": normal(3, 5, seed=5) > 0.6},
    "pairs of heads": lambda: {"attn_mask": normal(8, 3, 5, seed=6)},
    "both": lambda: {"key_padding_mask": np.array([[False] * 4 + [True]] * 2), "attn_mask": normal(3, 5, seed=5) > 0.9},
}


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("settings", ATTENTION, ids=str)
def test_multihead_attention_is_pytorchs(settings: dict[str, Any], masks: str, need_weights: bool) -> None:
    made, reference = twins("MultiheadAttention", 8, 4, **settings)
    query, key, value = (
        normal(3, 2, 8),
        normal(5, 2, settings.get("kdim", 8), seed=1),
        normal(5, 2, settings.get("vdim", 8), seed=2),
    )
    if settings.get("batch_first"):
        query, key, value = (np.ascontiguousarray(t.swapaxes(0, 1)) for t in (query, key, value))
    same(made, reference, [query, key, value], {**MASKS[masks](), "need_weights": need_weights})


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("average", [True, False])
def test_one_example_without_a_batch_is_attended_to(average: bool, batch_first: bool) -> None:
    made, reference = twins("MultiheadAttention", 8, 2, batch_first=batch_first)
    masks = {"key_padding_mask": np.array([False, True, False, False, False]), "attn_mask": normal(2, 3, 5, seed=4)}
    same(made, reference, [normal(3, 8), normal(5, 8), normal(5, 8)], {**masks, "average_attn_weights": average})


@pytest.mark.parametrize("batch_first", [True, False])
def test_self_attention_of_one_tensor_is_pytorchs(batch_first: bool) -> None:
    made, reference = twins("MultiheadAttention", 8, 2, batch_first=batch_first)
    x = normal(4, 3, 8)
    a, b = ours(x, True), theirs(x, True)
    left, right = made(a, a, a, need_weights=False)[0], reference(b, b, b, need_weights=False)[0]
    close(left, right)
    (left * left).sum().backward(), (right * right).sum().backward()
    close(a.grad, b.grad)
    close(made.in_proj_weight.grad, reference.in_proj_weight.grad)


LAYERS: list[dict[str, Any]] = [
    {}, {"batch_first": True}, {"norm_first": True}, {"bias": False}, {"activation": "gelu", "layer_norm_eps": 1e-3, "batch_first": True},
]  # fmt: skip
CAUSAL = np.triu(np.full((5, 5), -np.inf), 1)


@pytest.mark.parametrize("form", ["plain", "causal", "causal and padded", "padded"])
@pytest.mark.parametrize("settings", LAYERS, ids=str)
def test_encoders_are_pytorchs(settings: dict[str, Any], form: str) -> None:
    made, reference = twins("TransformerEncoderLayer", 8, 2, 12, 0.0, **settings)
    masks: dict[str, Any] = {}
    if "causal" in form:
        masks["src_mask"] = CAUSAL
    if "padded" in form:
        masks["src_key_padding_mask"] = np.array([[False] * 5, [False] * 3 + [True] * 2, [False] * 5])
        if "causal" in form:
            masks["src_key_padding_mask"] = np.where(masks["src_key_padding_mask"], -np.inf, 0.0)
    x = normal(3, 5, 8) if settings.get("batch_first") else normal(5, 3, 8)
    same(made, reference, [x], masks)
    same(made, reference, [normal(5, 8)])
    stack = nn.TransformerEncoder(made, 2, nn.LayerNorm(8, dtype="float64"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, about nested tensors
        other = torch.nn.TransformerEncoder(reference, 2, torch.nn.LayerNorm(8).double())
    if "src_mask" in masks:
        masks["mask"] = masks.pop("src_mask")
    made.zero_grad(), reference.zero_grad()
    stack.zero_grad(), other.zero_grad()
    same(stack, other, [x], masks)


@pytest.mark.parametrize("settings", LAYERS, ids=str)
def test_whole_transformers_are_pytorchs(settings: dict[str, Any]) -> None:
    made, reference = twins("Transformer", 8, 2, 2, 2, 12, 0.0, **settings)
    src, tgt = normal(6, 3, 8), normal(5, 3, 8, seed=1)
    if settings.get("batch_first"):
        src, tgt = src.swapaxes(0, 1).copy(), tgt.swapaxes(0, 1).copy()
    padding = np.where(np.arange(6) >= np.array([[6], [4], [5]]), -np.inf, 0.0)
    masks = {"tgt_mask": CAUSAL, "src_key_padding_mask": padding, "memory_key_padding_mask": padding}
    same(made, reference, [src, tgt], masks)
    made.zero_grad(), reference.zero_grad()
    same(made, reference, [normal(6, 8), normal(5, 8)])


def test_the_causal_mask_is_pytorchs() -> None:
    close(nn.Transformer.generate_square_subsequent_mask(5), torch.nn.Transformer.generate_square_subsequent_mask(5))


class Small:
    """A small language model, the same for both sides."""

    def __init__(self, side: Any, width: int = 32, words: int = 50) -> None:
        self.side = side
        self.words = side.Embedding(words, width)
        self.places = side.Embedding(16, width)
        self.encoder = side.TransformerEncoder(
            side.TransformerEncoderLayer(width, 4, 64, 0.0, "gelu", batch_first=True), 2
        )
        self.head = side.Linear(width, words)
        self.parts = {"words": self.words, "places": self.places, "encoder": self.encoder, "head": self.head}

    def loss(self, library: Any, tokens: Any) -> Any:
        mask = self.side.Transformer.generate_square_subsequent_mask(15)
        x = self.words(tokens[:, :-1]) + self.places(library.arange(15))
        logits = self.head(self.encoder(x, mask=mask))
        return self.side.functional.cross_entropy(logits.reshape(-1, 50), tokens[:, 1:].reshape(-1))

    def parameters(self) -> list[Any]:
        return [p for part in self.parts.values() for p in part.parameters()]


def test_a_hundred_steps_of_training_follow_pytorchs() -> None:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference, made = Small(torch.nn), Small(nn)
    for name, part in reference.parts.items():
        made.parts[name].load_state_dict({k: v.numpy().copy() for k, v in part.state_dict().items()})
    rules = optim.AdamW(made.parameters(), lr=3e-3), torch.optim.AdamW(reference.parameters(), lr=3e-3)
    generator = np.random.default_rng(0)
    curves: list[tuple[float, float]] = []
    for _ in range(100):
        # Sentences that count on from a random word, by a random step: something to learn.
        tokens = (generator.integers(0, 50, (8, 1)) + generator.integers(1, 4, (8, 1)) * np.arange(16)) % 50
        losses = made.loss(engine, engine.tensor(tokens)), reference.loss(torch, torch.tensor(tokens))
        for rule, loss in zip(rules, losses, strict=True):
            rule.zero_grad()
            loss.backward()
            rule.step()
        curves.append((float(losses[0]), float(losses[1].detach())))
    given, wanted = np.array(curves).T
    assert wanted[-1] < 0.7 * wanted[0]
    np.testing.assert_allclose(given, wanted, rtol=1e-3)
