"""The GPU's memory: freed as backward passes, told of in words when it lacks, and shared with other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine, hub
from numzoo.engine import OutOfMemoryError, nn


def is_real() -> bool:
    from numzoo.engine import device

    return type(device.cupy()).__name__ == "module"


real = pytest.mark.usefixtures("_real")


@pytest.fixture
def _real() -> None:
    if not is_real():
        pytest.skip("the emulated GPU has no memory of its own")


@real
def test_what_cannot_be_had_is_told_with_what_is_held() -> None:
    engine.zeros(1 << 20, device="cuda")
    x = engine.zeros(1, 1, device="cuda").expand(1 << 21, 1 << 21)
    with pytest.raises(OutOfMemoryError, match=r"(?s)asked for 16384\.00 GiB.*smaller batch.*held by arrays"):
        x + 1.0
    assert (engine.ones(4, device="cuda") + 1.0).tolist() == [2.0] * 4


@real
def test_backward_frees_what_it_has_passed() -> None:
    layers = [nn.Linear(1024, 1024).to("cuda") for _ in range(8)]
    x = engine.rand(4096, 1024, device="cuda")
    for _ in range(2):  # the first time the gradients are made, which stay
        y = x
        before = engine.cuda.memory_allocated()
        for layer in layers:
            y = layer(y).relu()
        held = engine.cuda.memory_allocated() - before
        y.sum().backward()
        left = engine.cuda.memory_allocated() - before
    assert held >= 8 * y.numel() * 4  # each layer's result is kept for the way back
    assert left < (1 + 1 / 16) * y.numel() * 4  # that of the last one is y itself


@real
def test_unused_memory_is_given_back() -> None:
    values = engine.zeros(64 << 20, device="cuda")
    del values
    before = engine.cuda.memory_reserved()
    engine.cuda.empty_cache()
    assert engine.cuda.memory_reserved() <= before - (256 << 20)
    assert "held by arrays" in engine.cuda.memory_summary()


@real
def test_idle_memory_in_short_pieces_goes_back_where_a_long_one_is_wanted() -> None:
    engine.cuda.empty_cache()
    before = engine.cuda.memory_reserved()
    pieces = [engine.zeros(size << 18, device="cuda") for size in (64, 65, 66, 67)]  # each had from the driver
    del pieces
    assert engine.cuda.memory_reserved() >= before + (250 << 20)
    kept = engine.zeros(240 << 18, device="cuda")
    assert engine.cuda.memory_reserved() <= before + (250 << 20)
    again = [kept + 0.0 for _ in range(2)]
    assert (again[1] == 0.0).all().item()


@real
def test_what_lasts_holds_no_room_of_what_was_freed() -> None:
    from numzoo.engine.kernels.cuda.libraries import installed as libraries
    from numzoo.engine.kernels.cuda.machine import machine

    square = engine.ones(64, 64, device="cuda")
    (square @ square).sum().item()
    engine.cuda.empty_cache()
    before = engine.cuda.memory_reserved()
    engine.zeros(64 << 20, device="cuda")  # is free again at once
    products = libraries._products[id(machine())]
    for kept in (products._workspaces, products._addresses):
        kept.clear()  # so that it is had anew
    (square @ square).sum().item()
    engine.cuda.empty_cache()
    assert engine.cuda.memory_reserved() <= before + products.workspace + (4 << 20)


@real
def test_memory_is_shared_with_pytorch_and_cupy() -> None:
    import cupy

    torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
    for dtype in (torch.float32, torch.bfloat16, torch.int64):
        theirs = torch.arange(12, device="cuda").reshape(3, 4).to(dtype)
        own = engine.from_dlpack(theirs)
        own[0, 0] = 7
        assert theirs[0, 0].item() == 7
        assert torch.from_dlpack(own).data_ptr() == theirs.data_ptr()
    array = cupy.arange(6)
    assert engine.Tensor(array).array is array
    assert cupy.from_dlpack(engine.Tensor(array)).data.ptr == array.data.ptr


@real
@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_more_elements_than_32_bits_count(dtype: str) -> None:
    count = (1 << 31) + 17
    x = engine.ones(count, dtype=dtype, device="cuda")
    y = x + x
    assert y[-1].item() == 2
    assert y.sum(dtype="int64" if dtype == "int8" else "float64").item() == 2 * count
    assert (y.reshape((1, -1)) * x[:1]).shape == (1, count)


def test_weights_go_from_a_file_to_the_gpu(tmp_path: Any) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(5, 5))
    hub.save(model, tmp_path / "model.safetensors")
    fresh = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(5, 5))
    loaded = hub.load(tmp_path / "model.safetensors", model=fresh, device="cuda")
    for name, value in loaded.state_dict().items():
        assert value.device.type == "cuda"
        assert np.array_equal(value.numpy(), model.state_dict()[name].numpy())


def test_sizes_of_zero_and_numbers_that_are_none() -> None:
    empty = engine.zeros(0, 4, device="cuda")
    assert (empty @ engine.ones(4, 3, device="cuda")).shape == (0, 3)
    assert empty.sum().item() == 0
    assert nn.functional.softmax(empty, -1).shape == (0, 4)
    odd = engine.tensor([float("nan"), float("inf"), 1.0]).to("cuda")
    assert np.isnan((odd * 0.0).numpy()[:2]).all()
    assert np.isnan(odd.max().item())


def test_tensors_on_two_devices_are_both_named() -> None:
    with pytest.raises(engine.DeviceError, match=r"cpu and cuda:0"):
        engine.ones(2, device="cuda") + engine.ones(2)
