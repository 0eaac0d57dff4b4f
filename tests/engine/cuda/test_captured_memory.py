"""What a captured step holds: memory of its own, used for one thing after another, and what lies elsewhere as long as it lives."""

from __future__ import annotations

import gc
from typing import Any

import emulated_capture
import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import CaptureError, OutOfMemoryError, nn
from numzoo.engine.capturing import Capturing
from numzoo.engine.cuda import pools

RNG = np.random.default_rng(11)


def on_gpu(*shape: int) -> Any:
    return engine.tensor(RNG.standard_normal(shape).astype(np.float32)).to("cuda")


def captured(step: Any, *arguments: Any, **settings: Any) -> Any:
    """The step, captured and replayed once."""
    found = engine.capture(step, warmup=1, **settings)
    for _ in range(2):
        found(*arguments)
    return found


def pool_of(step: Any) -> pools.PrivatePool:
    [pool] = [each for each in step._held if isinstance(each, pools.PrivatePool)]
    return pool


def test_what_is_freed_in_a_capture_serves_what_comes_later_in_it(gpu: Any) -> None:
    def step(x: Any) -> Any:
        for _ in range(12):
            x = (x * 1.5).tanh() - 0.25
        return x

    x = on_gpu(16, 64)
    found = captured(step, x)
    for value in (x, on_gpu(16, 64)):
        assert np.allclose(found(value).numpy(), step(value).numpy(), rtol=1e-6)
    assert pool_of(found).size <= 4 * 16 * 64 * 4


def test_the_memory_of_a_captured_step_is_told_as_long_as_it_lives(gpu: Any) -> None:
    gc.collect()
    before = len(pools.private_pools)
    found = captured(lambda x: x * 2.0, on_gpu(512))
    assert len(pools.private_pools) == before + 1
    assert "of these in captured steps       2.0 KiB" in engine.cuda.memory_summary()
    pool = pool_of(found)
    assert pool.owns(found._outputs.array)
    assert not pool.owns(found._inputs[0])
    assert not pool.owns(on_gpu(512).array)
    del pool
    found.forget()
    gc.collect()
    assert len(pools.private_pools) == before


def test_what_a_captured_step_reads_elsewhere_lives_as_long_as_it(gpu: Any) -> None:
    """Though its owners have other memory by now: weights, and gradients that are added to."""
    layer, x = nn.Linear(4, 3).to("cuda"), on_gpu(2, 4)
    with engine.no_grad():
        found = captured(lambda x: layer(x), x)
        wanted = found(x).numpy()
        for parameter in layer.parameters():
            parameter.set_array(engine.zeros(*parameter.shape, device="cuda").array)
        gc.collect()
        assert np.array_equal(found(x).numpy(), wanted)
    layer = nn.Linear(4, 3).to("cuda")

    def add(x: Any) -> Any:
        loss = layer(x).sum()
        loss.backward()
        return loss

    found = captured(add, x)
    wanted = found(x).numpy()
    for parameter in layer.parameters():
        parameter.grad = None
    gc.collect()
    assert np.array_equal(found(x).numpy(), wanted)
    assert all(parameter.grad is None for parameter in layer.parameters())


class Everything(nn.Module):
    """Layers whose gradients keep something of theirs, of several kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.images, self.moments, self.pool = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.MaxPool2d(2)
        self.table, self.norm, self.heads = nn.Embedding(9, 8), nn.LayerNorm(8), nn.Linear(8, 24)
        self.cells, self.scores = nn.GRU(8, 8), nn.Linear(12, 5)

    def forward(self, image: Any, words: Any) -> Any:
        seen = self.pool(self.moments(self.images(image)).relu()).mean((2, 3))  # (batch, 4)
        seen = seen + nn.functional.interpolate(image, (3, 3), mode="bilinear").mean((1, 2, 3)).unsqueeze(1)
        x = self.norm(self.table(words))  # (batch, words, 8)
        query, key, value = (y.reshape((2, 5, 2, 4)).transpose(1, 2) for y in self.heads(x).chunk(3, -1))
        x = x + nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(x.shape)
        x = nn.functional.gelu(self.cells(x.transpose(0, 1))[0][-1])  # (batch, 8)
        return self.scores(engine.cat([seen, x], 1))


RULES: dict[str, Any] = {
    "SGD": lambda p: engine.optim.SGD(p, lr=0.05, momentum=0.9),
    "AdamW": lambda p: engine.optim.AdamW(p, lr=0.01),
    "LAMB": lambda p: engine.optim.LAMB(p, lr=0.01),
}


def trained(rule: str, precision: str, ways: str, *, captured: bool) -> tuple[list[float], dict[str, Any]]:
    engine.manual_seed(3)
    model = Everything().to("cuda")
    optimizer = RULES[rule](model.parameters())
    scaler = engine.GradScaler() if "scaled" in ways else None
    averaged = engine.optim.EMA(model, decay=0.5) if "averaged" in ways else None
    random = np.random.default_rng(0)
    given = random.standard_normal((2, 2, 6, 6)).astype(np.float32), random.integers(0, 9, (2, 5)), np.array([1, 4])
    images, words, classes = (engine.tensor(values).to("cuda") for values in given)

    def step(images: Any, words: Any, classes: Any) -> Any:
        with engine.precision(precision):
            scores = engine.checkpoint(model, images, words) if "checkpointed" in ways else model(images, words)
        loss = nn.functional.cross_entropy(scores.float(), classes)
        optimizer.zero_grad()
        (loss if scaler is None else scaler.scale(loss)).backward()
        if scaler is not None:
            scaler.unscale_(optimizer)
        if "clipped" in ways:
            engine.optim.clip_grad_norm_(list(model.parameters()), 0.5)
        optimizer.step() if scaler is None else scaler.step(optimizer)
        if scaler is not None:
            scaler.update()
        if averaged is not None:
            averaged.update()
        return loss.detach()

    act = engine.capture(step, warmup=2) if captured else step
    losses = [act(images * float(number + 1), words, classes).item() for number in range(6)]
    means = {} if averaged is None else {f"mean of {name}": value.get() for name, value in averaged.means.items()}
    return losses, {name: value.float().numpy() for name, value in model.state_dict().items()} | means


@pytest.mark.parametrize(
    ("rule", "precision", "ways"),
    [("SGD", "f32", "averaged"), ("AdamW", "bf16", "scaled, checkpointed"), ("LAMB", "bf16", "clipped")],
)
@pytest.mark.usefixtures("one_order")
def test_a_captured_step_of_many_layers_trains_as_plain_ones(rule: str, precision: str, ways: str) -> None:
    plain, own = (trained(rule, precision, ways, captured=each) for each in (False, True))
    assert np.allclose(plain[0], own[0], rtol=1e-5)
    for name, value in plain[1].items():
        assert np.allclose(value, own[1][name], rtol=1e-4, atol=1e-6), name


def test_a_step_that_finds_no_memory_says_so_and_is_captured_when_there_is_some(gpu: Any, monkeypatch: Any) -> None:
    if not hasattr(gpu, "had"):
        pytest.skip("the emulated GPU's memory can be made to lack")
    step = engine.capture(lambda x: (x * 2.0).exp(), warmup=1)
    x = on_gpu(64)
    wanted = step(x).numpy()
    had = gpu.had
    recorded = []

    def full(size: int) -> Any:
        if emulated_capture.Recording.now is None:
            return had(size)
        recorded.append(size)
        raise MemoryError("Out of memory allocating 3,221,225,472 bytes (allocated so far: 1,024 bytes).")

    with monkeypatch.context() as lacking:
        lacking.setattr(gpu, "allocator", full)
        before = gpu.held()
        for _ in range(2):
            with pytest.raises(OutOfMemoryError, match=r"(?s)asked for 3\.00 GiB.*cuda:0"):
                step(x)
        assert not step.is_captured
        gc.collect()
        assert len(gpu.held()) == len(before)
    assert recorded
    assert np.array_equal(step(x).numpy(), wanted)
    assert step.is_captured


def test_what_a_step_made_outlives_it(gpu: Any) -> None:
    """Gradients and what it stored lie in its memory, which is then theirs alone."""
    layer, x, kept = nn.Linear(4, 3).to("cuda"), on_gpu(2, 4), []

    def step(x: Any) -> Any:
        for parameter in layer.parameters():
            parameter.grad = None
        loss = (layer(x) ** 2).sum()
        loss.backward()
        kept[:] = [loss.detach()]
        return loss

    found = captured(step, x)
    wanted = [kept[0].numpy(), *(parameter.grad.numpy() for parameter in layer.parameters())]
    found.forget()
    del found
    gc.collect()
    others = [on_gpu(4, 3) for _ in range(8)]
    assert others
    for before, after in zip(wanted, [kept[0], *(parameter.grad for parameter in layer.parameters())], strict=True):
        assert np.array_equal(before, after.numpy())


def test_a_step_that_is_dropped_leaves_nothing_with_the_parameters_that_it_changed(one_order: Any) -> None:
    if not hasattr(one_order, "living"):
        pytest.skip("tests/gpu counts the real one's memory")
    layer, x = nn.Linear(64, 64).to("cuda"), on_gpu(8, 64)
    optimizer = engine.optim.SGD(layer.parameters(), lr=0.01)

    def step(x: Any) -> Any:
        with engine.precision("bf16"):
            loss = layer(x).float().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def held() -> int:
        optimizer.zero_grad()
        gc.collect()
        return sum(each.size for each in one_order.living())

    for _ in range(2):
        step(x)
    before = held()
    for _ in range(3):
        captured(step, x)
        for parameter in layer.parameters():
            assert parameter.grad is not None  # of the step's memory, which is dropped before it
    assert held() <= before + 512  # the rates, for the next captured step
    assert not [each for each in gc.get_objects() if type(each) is Capturing]


def test_two_captured_steps_have_memory_of_their_own(gpu: Any) -> None:
    x = on_gpu(3, 5)
    first = captured(lambda x: x.exp() - 1.0, x, copy=False)
    second = captured(lambda x: x.sin() + 1.0, x, copy=False)
    one, two = first(x), second(x)
    assert np.allclose(one.numpy(), np.expm1(x.numpy()), rtol=1e-5, atol=1e-6)
    assert np.allclose(two.numpy(), np.sin(x.numpy()) + 1, rtol=1e-5)
    second.forget()
    assert np.allclose(first(-x).numpy(), np.expm1(-x.numpy()), rtol=1e-5, atol=1e-6)
    with pytest.raises(CaptureError, match="1 tensor"):
        first(x, x)
