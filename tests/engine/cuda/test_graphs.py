"""Captured steps on the emulated GPU: replays go on as calls would, and what does not fit is refused."""

from __future__ import annotations

import itertools
from typing import Any

import emulated_cupy
import numpy as np
import pytest
from emulated_capture import Recording
from emulated_cupy import listened
from emulated_gpu import EmulatedMachine

from numzoo import engine
from numzoo.engine import CaptureError, DeviceError, SettingError, nn
from numzoo.text.generation import stream
from numzoo.text.generation.steps import Decoder
from numzoo.text.models import bert_sequence_classification, gpt2_causal_lm, llama_causal_lm, t5_text_to_text
from numzoo.vision.models.resnet import BasicBlock, ResNet

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


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_a_residual_networks_replays_are_its_steps_to_the_bit(one_order: Any, precision: str) -> None:
    batches = [(on_gpu(2, 3, 16, 16), engine.tensor([n % 3, 2]).to("cuda")) for n in range(4)]
    found = []
    for captured in (False, True):
        engine.manual_seed(1)
        model = ResNet(BasicBlock, (1, 1, 1, 1), classes=3, stem_width=4, widths=(4, 4, 8, 8)).to("cuda")
        optimizer = engine.optim.SGD(model.parameters(), lr=0.05)

        def step(images: Any, labels: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            with engine.precision(precision):
                loss = nn.functional.cross_entropy(model(images).float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        act = engine.capture(step, warmup=1) if captured else step
        found.append([[act(*batch).item() for batch in batches], *(v.numpy() for v in model.state_dict().values())])
    for plain, own in zip(*found, strict=True):
        np.testing.assert_array_equal(plain, own)


def test_gradients_add_up_from_replay_to_replay(gpu: Any) -> None:
    batches = [on_gpu(5, 6) for _ in range(6)]
    found = []
    for captured in (False, True):
        model = network()

        def step(x: Any, model: Any = model) -> Any:
            loss = (model(x) ** 2).mean()
            loss.backward()
            return loss

        act = engine.capture(step, warmup=2) if captured else step
        for number, batch in enumerate(batches):
            if number == 4:
                for p in model.parameters():
                    p.grad.zero_()
            act(batch)
        found.append([p.grad.numpy() for p in model.parameters()])
    for plain, own in zip(*found, strict=True):
        assert np.allclose(plain, own, rtol=1e-5)


def test_a_gradient_that_begins_in_a_captured_step_still_flows_elsewhere(gpu: Any) -> None:
    x, w, slope = (engine.tensor(v).to("cuda") for v in ([1.0, 2.0], [3.0, 4.0], [5.0, 7.0]))
    x.requires_grad = w.requires_grad = True

    def step(slope: Any) -> Any:
        x.grad = w.grad = None
        early = w * 2
        thrice = x * 3
        # x, early and thrice are brought one array; x has it when thrice adds to it, and early after that.
        loss = ((x + early + thrice) * slope).sum()
        loss.backward()
        return loss

    act = engine.capture(step, warmup=1)
    for _ in range(3):
        act(slope)
    assert act.is_captured
    assert [x.grad.tolist(), w.grad.tolist()] == [[20, 28], [10, 14]]


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


def test_a_step_runs_on_the_gpu_of_its_tensors(gpu: Any, monkeypatch: Any) -> None:
    if not isinstance(gpu, EmulatedMachine):
        pytest.skip("a second GPU is imitated where the first one is")
    entered, launched, launch = [0], [], Recording.launch
    monkeypatch.setattr(emulated_cupy.Device, "__enter__", lambda self: entered.append(self.id))
    monkeypatch.setattr(emulated_cupy.Device, "__exit__", lambda self, *_: entered.pop() and None)
    monkeypatch.setattr(Recording, "launch", lambda self, stream: (launched.append(entered[-1]), launch(self, stream)))
    monkeypatch.setattr(gpu.xp.cuda.runtime, "getDeviceCount", lambda: 2)
    first = on_gpu(2, 2)
    step = engine.capture(lambda x, y: x + y, warmup=1)
    with monkeypatch.context() as second:
        second.setattr(emulated_cupy.DeviceArray, "device", property(lambda _: emulated_cupy.Device(1)))
        for _ in range(3):
            assert step(first, first).tolist() == (first * 2.0).tolist()
    assert launched == [1, 1]
    assert entered == [0]
    places = iter([0, 1])
    monkeypatch.setattr(emulated_cupy.DeviceArray, "device", property(lambda _: emulated_cupy.Device(next(places))))
    with pytest.raises(DeviceError, match="cuda:0 and on cuda:1; a step runs on one GPU"):
        step(first, on_gpu(2, 2))


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


LANGUAGE = {
    "gpt2": (gpt2_causal_lm, GPT2),
    "llama": (llama_causal_lm, LLAMA),
    "mistral": (llama_causal_lm, {**LLAMA, "sliding_window": 3}),
}
MASK = np.array([[0, 0, 1, 1, 1, 1, 1], [1] * 7])


def losses_of(make: Any, given: list[Any], loss_of: Any, *, captured: bool) -> list[float]:
    """What a model's training gives in four steps."""
    engine.manual_seed(2)
    model = make().to("cuda")
    optimizer = engine.optim.AdamW(model.parameters(), lr=0.01)

    def step(*tensors: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model, *tensors)
        loss.backward()
        optimizer.step()
        return loss

    act = engine.capture(step, warmup=1) if captured else step
    tensors = [engine.tensor(values).to("cuda") for values in given]
    return [act(*tensors).item() for _ in range(4)]


@pytest.mark.parametrize(
    ("name", "masked"), [("gpt2", False), ("gpt2", True), ("llama", False), ("llama", True), ("mistral", False)]
)
@pytest.mark.usefixtures("one_order")
def test_a_language_model_trains_in_one_launch(name: str, masked: bool) -> None:
    builder, settings = LANGUAGE[name]

    def loss_of(model: Any, tokens: Any, *mask: Any) -> Any:
        scores = model(tokens, *mask)[:, :-1].reshape((-1, 19))
        return nn.functional.cross_entropy(scores, tokens[:, 1:].reshape(-1))

    given = [np.arange(14).reshape(2, 7), *([MASK] if masked else [])]
    alone, captured = (
        losses_of(lambda: builder(vocab_size=19, **settings), given, loss_of, captured=one) for one in (False, True)
    )
    assert np.allclose(alone, captured, rtol=1e-5)
    assert alone[-1] < alone[0]


@pytest.mark.usefixtures("one_order")
def test_an_encoder_of_padded_texts_trains_in_one_launch() -> None:
    sizes = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "hidden_dropout_prob": 0.0,
    }

    def loss_of(model: Any, tokens: Any, mask: Any) -> Any:
        return nn.functional.cross_entropy(model(tokens, mask), tokens[:, 0] % 2)

    def make() -> Any:
        return bert_sequence_classification(vocab_size=19, attention_probs_dropout_prob=0.0, **sizes)

    given = [np.arange(14).reshape(2, 7), MASK[:, ::-1].copy()]
    alone, captured = (losses_of(make, given, loss_of, captured=one) for one in (False, True))
    assert np.allclose(alone, captured, rtol=1e-5)
    assert alone[-1] < alone[0]


@pytest.mark.parametrize("name", LANGUAGE)
def test_a_padded_prompt_is_read_in_one_launch_and_gone_on_from(name: str, one_order: Any) -> None:
    builder, settings = LANGUAGE[name]
    engine.manual_seed(2)
    model = builder(vocab_size=19, **settings).eval()
    prompt = np.arange(14).reshape(2, 7)
    with engine.no_grad():
        wanted = model(prompt, MASK).numpy()
        plain = list(stream(Decoder(model, MASK), prompt, longest=4))
        model.to("cuda")
        read = engine.capture(model, warmup=1)
        tokens, mask = engine.tensor(prompt).to("cuda"), engine.tensor(MASK).to("cuda")
        for _ in range(3):
            assert np.allclose(read(tokens, mask).numpy(), wanted, atol=1e-5)
        for given in (MASK, mask):  # on the CPU, and on the GPU, which keeps it
            step = Decoder(model, given)
            assert [t.tolist() for t in stream(step, prompt, longest=4)] == [t.tolist() for t in plain]
            step.select(np.array([1, 1, 0]))
            assert step(np.array([[3], [3], [3]])).shape == (3, 19)
        step = Decoder(model, mask)
        step(prompt)
        step(np.array([[3], [3]]))
        with listened() as met:
            step(np.array([[4], [4]]))
    if isinstance(one_order, EmulatedMachine):  # only there can it be heard
        assert [what.split(" at ")[0] for what in met] == ["a copy to the GPU", "get"], met  # the tokens, the logits


@pytest.mark.usefixtures("one_order")
def test_a_model_that_answers_trains_in_one_launch() -> None:
    sizes = {"d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.0}

    def loss_of(model: Any, asked: Any, mask: Any, answer: Any) -> Any:
        logits = model(asked, mask, answer)
        return nn.functional.cross_entropy(logits[:, :-1].reshape((-1, 19)), answer[:, 1:].reshape(-1))

    given = [np.arange(14).reshape(2, -1), MASK[:, ::-1].copy(), np.arange(10).reshape(2, -1)]
    alone, captured = (
        losses_of(lambda: t5_text_to_text(vocab_size=19, **sizes), given, loss_of, captured=one)
        for one in (False, True)
    )
    assert np.allclose(alone, captured, rtol=1e-5)
    assert alone[-1] < alone[0]
