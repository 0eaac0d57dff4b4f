"""What is said when memory lacks, on the CPU and on a GPU, and the numbers of a GPU's memory."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from numzoo import engine
from numzoo.engine import DeviceError, OutOfMemoryError, nn
from numzoo.engine.cuda import memory


def test_on_the_cpu_the_operation_is_named_and_a_way_out() -> None:
    x = engine.zeros(1, 1).expand(1 << 24, 1 << 24)
    for act in (lambda: x + 1.0, lambda: x.exp(), lambda: engine.where(x > 0, x, x)):
        with pytest.raises(OutOfMemoryError, match=r"\w+: .*(MiB|GiB|TiB|PiB|bytes).*smaller batch") as caught:
            act()
        assert isinstance(caught.value, MemoryError)


def test_on_a_gpu_what_was_asked_and_what_is_held_are_told(gpu: Any, monkeypatch: Any) -> None:
    if not hasattr(gpu, "memory"):
        pytest.skip("a real GPU is asked in tests/gpu")
    x = engine.ones(4, device="cuda")

    def full(*_: Any, **__: Any) -> Any:
        raise MemoryError("Out of memory allocating 3,221,225,472 bytes (allocated so far: 1,024 bytes).")

    operation = engine.ops.clone
    monkeypatch.setitem(operation.implementations, type(x.array), full)
    with pytest.raises(
        OutOfMemoryError, match=r"(?s)clone: asked for 3\.00 GiB.*empty_cache.*cuda:0.*held by arrays.*free"
    ):
        x.clone()


def test_the_memory_that_lasts_is_counted(gpu: Any, monkeypatch: Any) -> None:
    from types import SimpleNamespace

    from numzoo.engine.kernels.cuda import machine

    held, reserved = engine.cuda.memory_allocated(), engine.cuda.memory_reserved()
    pool = SimpleNamespace(used_bytes=lambda: 3 << 20, total_bytes=lambda: 5 << 20)
    monkeypatch.setattr(machine, "lasting_pools", [*machine.lasting_pools, pool])
    assert engine.cuda.memory_allocated() == held + (3 << 20)
    assert engine.cuda.memory_reserved() == reserved + (5 << 20)


def test_what_libraries_work_in_is_told(gpu: Any, monkeypatch: Any) -> None:
    if not hasattr(gpu, "memory"):
        pytest.skip("a real GPU is asked in tests/gpu")
    from types import SimpleNamespace

    from numzoo.engine.kernels.cuda.libraries import installed as libraries

    monkeypatch.setattr(libraries, "_products", {id(gpu): SimpleNamespace(held=64 << 20)})
    monkeypatch.setattr(libraries, "_engines", {id(gpu): SimpleNamespace(largest_workspace=3 << 20)})
    told = engine.cuda.memory_summary()
    assert "of these cublasLt works in      64.0 MiB" in told
    assert "most that cuDNN borrows          3.0 MiB" in told
    monkeypatch.setattr(libraries, "_products", {id(gpu): "cuBLAS"})
    assert "of these cublasLt works in           0 B" in engine.cuda.memory_summary()


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 40, "3072.00 GiB")]
)
def test_sizes_in_words(size: int, text: str) -> None:
    assert memory.size_text(size) == text


def test_the_cpu_has_no_such_numbers() -> None:
    with pytest.raises(DeviceError, match="cpu is no GPU"):
        engine.cuda.memory_allocated("cpu")


def test_without_a_gpu_it_is_said_what_is_missing() -> None:
    if engine.cuda.is_available():
        pytest.skip("there is a GPU")
    assert engine.cuda.device_count() == 0
    for act in (
        lambda: engine.ones(2).to("cuda"),
        lambda: engine.nn.Linear(2, 2).to("cuda"),
        engine.cuda.synchronize,
        lambda: engine.zeros(2, device="cuda"),
    ):
        with pytest.raises(DeviceError, match=r"(CuPy|NVIDIA).*(pip install|device='cpu')"):
            act()


class Small(nn.Module):
    """A little of everything that models have: tables, attention, norms, images, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.all, self.joined = nn.Embedding(50, 16), nn.Linear(16, 48), nn.Linear(16, 16)
        self.norm, self.dropout, self.scores = nn.LayerNorm(16), nn.Dropout(0.2), nn.Linear(16, 50)
        self.images, self.moments, self.pool = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.MaxPool2d(3, 1, 1)

    def forward(self, words: engine.Tensor) -> engine.Tensor:
        x = self.table(words)
        heads = (y.reshape((*words.shape, 2, 8)).transpose(1, 2) for y in self.all(x).chunk(3, -1))
        seen = nn.functional.scaled_dot_product_attention(*heads, is_causal=True, dropout_p=0.1 * self.training)
        x = self.norm(x + self.dropout(self.joined(seen.transpose(1, 2).reshape(x.shape))))
        image = self.pool(self.moments(self.images(x.unsqueeze(1))).relu())
        return self.scores(nn.functional.gelu(x + image.mean(1)))


def held(gpu: Any) -> int:
    """The bytes that arrays hold."""
    gc.collect()
    return sum(each.size for each in gpu.living()) if hasattr(gpu, "living") else engine.cuda.memory_allocated()


@pytest.mark.parametrize(("precision", "captured"), [("f32", False), ("bf16", True)], ids=["plain", "captured"])
def test_a_dropped_model_leaves_no_memory_behind(one_order: Any, precision: str, captured: bool) -> None:
    """Not in plans, copies of weights, optimisers, graphs."""

    def trained() -> None:
        words = engine.tensor([[1, 7, 3, 9, 40], [2, 2, 8, 4, 6]]).to("cuda")
        model = Small().to("cuda")
        optimizer = engine.optim.AdamW(model.parameters(), lr=1e-3)

        def step(words: engine.Tensor) -> engine.Tensor:
            with engine.precision(precision):
                scores = model(words)
            loss = nn.functional.cross_entropy(scores.reshape((-1, 50)).float(), words.reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        act = engine.capture(step) if captured else step
        for _ in range(6):
            act(words)
        model.eval()
        with engine.no_grad():
            model(words)

    row = engine.ones(4, 4, device="cuda")
    nn.functional.dropout(row @ row, 0.5)  # what lasts: the random stream's place, the libraries' workspace
    before = held(one_order)
    trained()
    assert held(one_order) == before


def test_a_captured_step_leaves_no_memory_behind_though_nothing_is_called_after_it(one_order: Any) -> None:
    def replayed() -> None:
        model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 5)).to("cuda")
        images = engine.ones(2, 3, 4, 4, device="cuda")
        step = engine.capture(engine.no_grad()(lambda: model(images)), copy=False)
        for _ in range(6):
            step()

    square = engine.ones(4, 4, device="cuda")
    square @ square  # the libraries' workspace lasts
    before = held(one_order)
    replayed()
    assert held(one_order) == before
