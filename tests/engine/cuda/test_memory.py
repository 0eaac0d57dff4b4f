"""What is said when memory lacks, on the CPU and on a GPU, and the numbers of a GPU's memory."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from numzoo import engine
from numzoo.engine import DeviceError, OutOfMemoryError
from numzoo.engine import device as devices
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


def test_what_libraries_work_in_is_told(gpu: Any, monkeypatch: Any) -> None:
    if not hasattr(gpu, "memory"):
        pytest.skip("a real GPU is asked in tests/gpu")
    from types import SimpleNamespace

    from numzoo.engine.kernels.cuda import libraries

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


def test_the_memory_of_a_captured_step_counts_as_long_as_it_lives(monkeypatch: Any) -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed, whose pools these are")
    monkeypatch.setattr(devices, "cupy", lambda: cupy)
    before = len(memory.private_pools)
    pool = memory.PrivatePool()
    assert pool in memory.private_pools
    del pool
    gc.collect()
    assert len(memory.private_pools) == before
