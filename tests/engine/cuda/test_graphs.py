"""Captured steps on the emulated GPU: replays go on as calls would, and what does not fit is refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import CaptureError, DeviceError, SettingError, nn
from numzoo.text.models import gpt2_causal_lm, llama_causal_lm, t5_text_to_text

RNG = np.random.default_rng(5)


def on_gpu(*shape: int) -> Any:
    return engine.tensor(RNG.standard_normal(shape).astype(np.float32)).to("cuda")


def network() -> nn.Module:
    engine.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).to("cuda")


def training_step(model: nn.Module, optimizer: Any) -> Any:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        away = model(x) - y
        loss = (away * away).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


def test_replays_train_as_calls_do(gpu: Any) -> None:
    batches = [(on_gpu(5, 6), on_gpu(5, 3)) for _ in range(6)]
    losses, weights = [], []
    for captured in (False, True):
        model = network()
        step = training_step(model, engine.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
        step = engine.capture(step, warmup=2) if captured else step
        losses.append([step(*batch).item() for batch in batches])
        weights.append({name: value.numpy().copy() for name, value in model.state_dict().items()})
    assert np.allclose(losses[0], losses[1], rtol=1e-6)
    for name, value in weights[0].items():
        assert np.allclose(value, weights[1][name], rtol=1e-6, atol=1e-7), name


def test_results_are_copies_unless_the_same_tensors_are_asked_for(gpu: Any) -> None:
    double = engine.capture(lambda x: {"twice": x * 2.0}, warmup=1)
    values = [on_gpu(3) for _ in range(4)]
    results = [double(value)["twice"] for value in values]
    assert [r.tolist() for r in results] == [(v * 2.0).tolist() for v in values]
    same = engine.capture(lambda x: x * 2.0, warmup=1, copy=False)
    results = [same(value) for value in values]
    assert results[2].array is results[3].array


def test_an_inference_step_is_captured_with_its_mode(gpu: Any) -> None:
    model = network().eval()
    step = engine.capture(model, warmup=1)
    with engine.no_grad():
        first, second = step(on_gpu(4, 6)), step(on_gpu(4, 6))
    assert first.shape == second.shape == (4, 3)
    with pytest.raises(CaptureError, match="recording=False"):
        step(on_gpu(4, 6))
    step.forget()
    assert not step.is_captured
    assert step(on_gpu(2, 6)).shape == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (lambda: (on_gpu(3, 2), 2.0), r"\(2, 2\).*\(3, 2\).*drop_last"),
        (lambda: (on_gpu(2, 2).half(), 2.0), "float32.*float16"),
        (lambda: (on_gpu(2, 2), 3.0), "what is no tensor must stay the same"),
        (lambda: (engine.zeros(2, 2), 2.0), "cuda:0.*cpu"),
        (lambda: (on_gpu(2, 2), on_gpu(2, 2)), "with 2"),
    ],
    ids=["shape", "dtype", "number", "device", "count"],
)
def test_a_call_that_does_not_fit_is_refused(gpu: Any, arguments: Any, words: str) -> None:
    step = engine.capture(lambda x, factor: x * factor, warmup=1)
    for _ in range(2):
        step(on_gpu(2, 2), 2.0)
    with pytest.raises(CaptureError, match=words):
        step(*arguments())


def test_a_tensor_on_the_cpu_is_refused_before_anything_runs(gpu: Any) -> None:
    step = engine.capture(lambda x: x * 2.0, warmup=1)
    step(engine.zeros(2))
    with pytest.raises(DeviceError, match="on the CPU"):
        step(engine.zeros(2))


@pytest.mark.parametrize(
    "act",
    [
        lambda x: x * float(x.sum()),
        lambda x: x * engine.tensor([1.0, 2.0]).to("cuda"),
        lambda x: x if x.sum() > 0 else -x,
        lambda x: engine.tensor(x.numpy()),
    ],
    ids=["item", "from the CPU", "truth", "numpy"],
)
def test_a_step_with_a_part_for_the_cpu_is_refused_and_nothing_changes(gpu: Any, act: Any) -> None:
    x = on_gpu(2)
    step = engine.capture(act, warmup=1)
    before = step(x).tolist()
    for _ in range(2):
        with pytest.raises(CaptureError, match="captured step runs on the GPU alone"):
            step(x)
    assert act(x).tolist() == before


def test_a_step_that_fails_says_what_it_met(gpu: Any) -> None:
    calls = []

    def step(x: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise ValueError("seven")
        return x

    captured = engine.capture(step, warmup=1)
    captured(on_gpu(1))
    with pytest.raises(CaptureError, match="step cannot be captured: ValueError: seven"):
        captured(on_gpu(1))


@pytest.mark.parametrize("warmup", [0, -1, True, 1.5])
def test_a_step_wants_a_run_before_it_is_captured(warmup: Any) -> None:
    with pytest.raises(SettingError, match="warmup"):
        engine.capture(lambda x: x, warmup=warmup)


def test_it_decorates(gpu: Any) -> None:
    @engine.capture(warmup=1)
    def named(x: Any) -> Any:
        """Its text."""
        return x + 1.0

    assert (named.__name__, named.__doc__) == ("named", "Its text.")
    assert [named(engine.tensor([v]).to("cuda")).tolist() for v in (1.0, 2.0, 3.0)] == [[2.0], [3.0], [4.0]]
    assert named.is_captured


def test_attention_drops_anew_at_each_replay(gpu: Any) -> None:
    heads = on_gpu(1, 2, 12, 8)
    step = engine.capture(lambda x: nn.functional.scaled_dot_product_attention(x, x, x, dropout_p=0.5), warmup=1)
    results = [step(heads).numpy() for _ in range(5)]
    assert all((first != again).any() for first, again in itertools.pairwise(results))
    assert "attention_seed" in gpu.launched


GPT2 = {
    "n_positions": 12,
    "n_embd": 8,
    "n_layer": 1,
    "n_head": 2,
    "embd_pdrop": 0.0,
    "resid_pdrop": 0.0,
    "attn_pdrop": 0.0,
}
LLAMA = {
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}


@pytest.mark.parametrize(
    ("builder", "settings"), [(gpt2_causal_lm, GPT2), (llama_causal_lm, LLAMA)], ids=["gpt2", "llama"]
)
def test_a_language_model_trains_in_one_launch(gpu: Any, builder: Any, settings: dict[str, Any]) -> None:
    losses = []
    for captured in (False, True):
        engine.manual_seed(2)
        model = builder(vocab_size=19, **settings).to("cuda")
        optimizer = engine.optim.AdamW(model.parameters(), lr=0.01)

        def step(tokens: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(tokens)[:, :-1].reshape((-1, 19)), tokens[:, 1:].reshape(-1))
            loss.backward()
            optimizer.step()
            return loss

        act = engine.capture(step, warmup=1) if captured else step
        tokens = engine.tensor(np.arange(14).reshape(2, 7)).to("cuda")
        losses.append([act(tokens).item() for _ in range(4)])
    assert np.allclose(losses[0], losses[1], rtol=1e-5)
    assert losses[0][-1] < losses[0][0]


def test_a_model_that_answers_trains_in_one_launch(gpu: Any) -> None:
    losses = []
    for captured in (False, True):
        engine.manual_seed(2)
        sizes = {
            "vocab_size": 19,
            "d_model": 8,
            "d_kv": 4,
            "d_ff": 12,
            "num_layers": 1,
            "num_heads": 2,
            "dropout_rate": 0.0,
        }
        model = t5_text_to_text(**sizes).to("cuda")
        optimizer = engine.optim.AdamW(model.parameters(), lr=0.01)

        def step(asked: Any, answer: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            logits = model(asked, None, answer)
            loss = nn.functional.cross_entropy(logits[:, :-1].reshape((-1, 19)), answer[:, 1:].reshape(-1))
            loss.backward()
            optimizer.step()
            return loss

        act = engine.capture(step, warmup=1) if captured else step
        asked, answer = (engine.tensor(np.arange(n).reshape(2, -1)).to("cuda") for n in (14, 10))
        losses.append([act(asked, answer).item() for _ in range(4)])
    assert np.allclose(losses[0], losses[1], rtol=1e-5)
    assert losses[0][-1] < losses[0][0]
