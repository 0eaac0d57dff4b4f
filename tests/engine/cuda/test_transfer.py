"""Weights on their way to the GPU: every byte, through few buffers, whatever their number and size."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo import engine, hub
from numzoo.engine import OutOfMemoryError, nn
from numzoo.engine.cuda import transfer
from numzoo.engine.device import Device
from numzoo.hub.checkpoint import read_checkpoint, write_safetensors
from numzoo.hub.checkpoint.source import read_past
from numzoo.vision import models

RNG = np.random.default_rng(9)


@pytest.mark.parametrize("processors", [1, 5])
@pytest.mark.parametrize("piece", [7, 64, 4096])
def test_every_byte_arrives(gpu: Any, monkeypatch: Any, piece: int, processors: int) -> None:
    monkeypatch.setattr(transfer, "PIECE", piece)
    monkeypatch.setattr(transfer, "_processors", lambda: processors)
    arrays = [
        RNG.standard_normal((3, 5)).astype(np.float32),
        np.zeros((0, 4)),
        np.array(7),
        RNG.standard_normal(33).astype(ml_dtypes.bfloat16),
        RNG.integers(0, 9, (4, 4)).T,
        RNG.integers(0, 2, 100).astype(bool),
    ]
    for found, wanted in zip(transfer.to_gpu(arrays, Device("cuda")), arrays, strict=True):
        assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
        assert np.array_equal(found.get(), wanted)
    assert transfer.to_gpu([], Device("cuda")) == []


@pytest.mark.parametrize("processors", [1, 3])
def test_what_lies_on_an_unwritten_mapping_is_read_from_its_file(
    gpu: Any, tmp_path: Path, monkeypatch: Any, processors: int
) -> None:
    monkeypatch.setattr(transfer, "PIECE", 64)
    monkeypatch.setattr(transfer, "_processors", lambda: processors)
    given = {name: RNG.standard_normal(shape).astype(np.float32) for name, shape in (("a", (9, 7)), ("b", (3,)), ("c", (40,)))}  # fmt: skip
    write_safetensors(tmp_path / "weights.safetensors", given)
    mapped = read_checkpoint(tmp_path / "weights.safetensors")
    mapped["b"][...] = 5  # in this process alone: the file keeps what it had
    own = np.arange(50.0)
    with read_past(mapped.values()):
        found = transfer.to_gpu([*mapped.values(), own], Device("cuda"))
    for place, wanted in zip(found, [*given.values(), own], strict=True):
        assert np.array_equal(place.get(), wanted)
    found = transfer.to_gpu(list(mapped.values()), Device("cuda"))
    assert np.array_equal(found[list(mapped).index("b")].get(), np.full(3, 5))


def test_a_file_that_cannot_be_read_again_is_copied_from_its_mapping(
    gpu: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    def fail(*_: Any) -> int:
        raise OSError("nothing to be had")

    write_safetensors(tmp_path / "weights.safetensors", {"a": np.arange(30.0)})
    mapped = read_checkpoint(tmp_path / "weights.safetensors")
    for broken in (fail, lambda *_: 0):
        monkeypatch.setattr(transfer.os, "preadv", broken)
        with read_past(mapped.values()):
            [found] = transfer.to_gpu([mapped["a"]], Device("cuda"))
        assert np.array_equal(found.get(), np.arange(30.0))


def test_a_loaded_model_goes_from_its_file_to_the_gpu(gpu: Any, tmp_path: Path, monkeypatch: Any) -> None:
    read = []
    whole = transfer._read
    monkeypatch.setattr(transfer, "_read", lambda *given: read.append(len(given[0])) or whole(*given))
    begun, ahead = [], transfer.ahead
    monkeypatch.setattr(transfer, "ahead", lambda arrays, device: begun.append(len(arrays)) or ahead(arrays, device))  # type: ignore[func-returns-value]
    model = models.lenet()
    hub.save(model, tmp_path / "lenet.safetensors")
    loaded = hub.load(tmp_path / "lenet.safetensors", model="vision.models.lenet", device="cuda")
    wanted = model.state_dict()
    for name, value in loaded.state_dict().items():
        assert np.array_equal(value.numpy(), wanted[name].numpy())
    assert sum(read) > 100_000
    assert begun == [len(list(model.parameters()))]
    fresh = models.lenet()  # built elsewhere: what it does with its weights is its own affair
    read.clear()
    hub.load(tmp_path / "lenet.safetensors", model=fresh, device="cuda")
    assert not read
    assert len(begun) == 1


@pytest.mark.parametrize("processors", [1, 3])
def test_what_was_begun_ahead_is_taken_once(gpu: Any, monkeypatch: Any, processors: int) -> None:
    monkeypatch.setattr(transfer, "PIECE", 64)
    monkeypatch.setattr(transfer, "_processors", lambda: processors)
    arrays = [RNG.standard_normal((5, 7)).astype(np.float32) for _ in range(4)]
    begun: list[int] = []
    whole = transfer._places
    monkeypatch.setattr(transfer, "_places", lambda cupy, given, at: begun.append(len(given)) or whole(cupy, given, at))  # type: ignore[func-returns-value]
    with transfer.ahead(arrays[:3], Device("cuda")):
        first = transfer.to_gpu([arrays[1], arrays[3], arrays[0]], Device("cuda"))
        second = transfer.to_gpu(arrays[:2], Device("cuda"))
        third = transfer.to_gpu([arrays[2]], Device("cuda"))
    assert begun == [3, 1, 2]
    places = [*first, *second, *third]
    for place, wanted in zip(places, [arrays[number] for number in (1, 3, 0, 0, 1, 2)], strict=True):
        assert np.array_equal(place.get(), wanted)
    assert len({place.data.ptr for place in places}) == 6
    assert transfer._begun.sending is None


def test_what_goes_wrong_meanwhile_ends_what_was_begun(gpu: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(transfer, "PIECE", 64)
    monkeypatch.setattr(transfer, "_processors", lambda: 2)
    arrays = [np.ones(1000, np.float32) for _ in range(3)]
    found: list[Any] = []

    def fail() -> None:
        with transfer.ahead(arrays, Device("cuda")):
            found.append(transfer._begun.sending)
            raise ValueError("seven")

    with pytest.raises(ValueError, match="seven"):
        fail()
    [sending] = found
    assert not sending._loads
    assert all(sent.done() for sent in sending._sent)
    assert transfer._begun.sending is None


@pytest.mark.parametrize("processors", [1, 3])
def test_a_thread_that_fails_stops_the_others(gpu: Any, monkeypatch: Any, processors: int) -> None:
    if not hasattr(gpu, "had"):
        pytest.skip("the emulated GPU's driver can be made to fail")
    monkeypatch.setattr(transfer, "PIECE", 64)
    monkeypatch.setattr(transfer, "_processors", lambda: processors)
    model = nn.Linear(64, 64)
    wanted = {name: value.numpy().copy() for name, value in model.state_dict().items()}

    def fail(*_: Any) -> None:
        raise RuntimeError("cudaErrorUnknown")

    with monkeypatch.context() as broken:
        broken.setattr(gpu.xp.cuda.runtime, "memcpyAsync", fail)
        with pytest.raises(RuntimeError, match="cudaErrorUnknown"):
            model.to("cuda")
    for name, value in model.state_dict().items():
        assert str(value.device) == "cpu"
        assert np.array_equal(value.numpy(), wanted[name])
    assert str(model.to("cuda").weight.device) == "cuda:0"


def test_a_model_for_which_there_is_no_room_stays_where_it_is(gpu: Any, tmp_path: Path, monkeypatch: Any) -> None:
    if not hasattr(gpu, "had"):
        pytest.skip("the emulated GPU's memory can be made to lack")
    asked: list[int] = []

    def lacks(size: int) -> Any:
        asked.append(size)
        if len(asked) % 3 == 0:  # after some of it was had
            raise MemoryError("Out of memory allocating 3,221,225,472 bytes (allocated so far: 1,024 bytes).")
        return gpu.had(size)

    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    assert {value.numpy().shape for value in model.state_dict().values()} == {
        (8, 8),
        (8,),
    }  # they are drawn when asked for
    hub.save(models.lenet(), tmp_path / "lenet.safetensors")
    before = len(gpu.held())
    with monkeypatch.context() as lacking:
        lacking.setattr(gpu, "allocator", lacks)
        with pytest.raises(OutOfMemoryError, match=r"to: asked for 3\.00 GiB"):
            model.to("cuda")
        with pytest.raises(OutOfMemoryError, match=r"to: asked for 3\.00 GiB"):
            hub.load(tmp_path / "lenet.safetensors", model="vision.models.lenet", device="cuda")
    assert {str(value.device) for value in model.state_dict().values()} == {"cpu"}
    gc.collect()
    assert len(gpu.held()) == before


def test_the_driver_is_asked_for_memory_once(gpu: Any, monkeypatch: Any) -> None:
    if not hasattr(gpu, "had"):
        pytest.skip("the emulated GPU counts what is asked of the driver")
    asked: list[int] = []
    monkeypatch.setattr(gpu.xp.cuda, "alloc", asked.append)
    arrays = [np.zeros(1 << 18, np.float32), np.zeros(3, np.float32), np.zeros(1 << 20, np.float32)]
    transfer.to_gpu(arrays, Device("cuda"))
    assert asked == [(1 << 20) + 512 + (4 << 20)]
    transfer.to_gpu(arrays[:2], Device("cuda"))
    assert len(asked) == 1  # a small model's is had in pieces


def test_a_module_goes_there_and_back(gpu: Any, tmp_path: Any) -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 4))
    model[2].bias = model[2].weight  # shared, of whatever use
    mapped = np.lib.format.open_memmap(tmp_path / "w.npy", "w+", np.float32, (4, 2, 3, 3))
    mapped[...] = 3
    model[0].weight.set_array(mapped)
    wanted = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    model.to("cuda", dtype="bfloat16")
    assert {str(value.device) for value in model.state_dict().values()} == {"cuda:0"}
    assert model[2].bias is model[2].weight
    assert model[0].weight.dtype == engine.bfloat16
    for name, value in model.to("cpu", dtype="float32").state_dict().items():
        assert np.allclose(value.numpy(), wanted[name], rtol=1e-2, atol=1e-2), name


@pytest.mark.usefixtures("one_order")
def test_a_leaf_s_gradient_is_memory_of_its_own() -> None:
    """Of a sum it is one number that stands for all, to which CuPy would let an optimiser write."""
    first, second = (engine.tensor(np.ones((2, 3), np.float32)).to("cuda").requires_grad_() for _ in range(2))
    (first + second).sum().backward()
    gradients = [leaf.grad.array for leaf in (first, second)]  # type: ignore[union-attr]
    gradients[0][0, 0] = 5.0
    assert gradients[0].get().tolist() == [[5.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    assert gradients[1].get().tolist() == [[1.0] * 3] * 2
