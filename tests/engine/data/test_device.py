"""Batches on a device: the loader's own, one copied ahead, and a state that says where the receiver stands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, DeviceError
from numzoo.engine.data import DataLoader, TensorDataset, on_device

VALUES = np.arange(22, dtype=np.float32).reshape(11, 2)


def loader(**settings: Any) -> DataLoader:
    return DataLoader(
        TensorDataset(engine.tensor(VALUES), engine.arange(11)), batch_size=4, shuffle=True, seed=3, **settings
    )


def listed(batches: Any) -> list[Any]:
    return [(x.tolist(), y.tolist()) for x, y in batches]


@pytest.mark.parametrize("pinned", [False, True])
def test_the_batches_are_the_loaders_and_lie_on_the_gpu(gpu: Any, pinned: bool) -> None:
    batches = list(on_device(loader(pin_memory=pinned)))
    assert listed(batches) == listed(loader())
    assert {str(value.device) for batch in batches for value in batch} == {"cuda:0"}
    assert len(on_device(loader())) == 3


def test_nested_batches_arrays_and_other_things(gpu: Any) -> None:
    given = {"x": VALUES[:, ::-1], "names": ["a", "b"], "more": (engine.zeros(0), 3)}
    [batch] = on_device([given])
    assert batch["x"].device.type == batch["more"][0].device.type == "cuda"
    assert batch["x"].tolist() == VALUES[:, ::-1].tolist()
    assert (batch["names"], batch["more"][1]) == (["a", "b"], 3)


def test_the_state_is_that_of_the_batch_that_was_given_last(gpu: Any) -> None:
    whole = listed(loader())
    batches = on_device(loader())
    running = iter(batches)
    for count in (1, 2):
        next(running)
        again = loader()
        again.load_state_dict(batches.state_dict())
        assert listed(again) == whole[count:]
    assert len(list(running)) == 1
    again = loader()
    again.load_state_dict(batches.state_dict())
    assert listed(again) != whole  # the next epoch


def test_on_the_cpu_it_only_makes_tensors() -> None:
    [batch] = on_device([VALUES], "cpu")
    assert isinstance(batch, engine.Tensor)
    assert np.shares_memory(batch.array, VALUES)


def test_a_gpu_that_is_missing_is_told_at_once() -> None:
    if not engine.cuda.is_available():
        with pytest.raises(DeviceError, match="device 'cuda'"):
            on_device([VALUES])


def test_what_is_no_loader_is_refused() -> None:
    with pytest.raises(ArgumentError, match="wants a loader"):
        on_device(3, "cpu")  # type: ignore[arg-type]
