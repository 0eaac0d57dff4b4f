"""New tensors on a GPU are made there, with the CPU's numbers, and so may be made in a captured step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from emulated_cupy import listened

from numzoo import engine

DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "uint8", "bool", "complex64")
MADE = {
    "zeros": lambda **to: engine.zeros(2, 3, **to),
    "ones": lambda **to: engine.ones((2, 3), **to),
    "full": lambda **to: engine.full((3, 2), 1, **to),
    "eye": lambda **to: engine.eye(3, 4, **to),
    "arange": lambda **to: engine.arange(1, 9, 2, **to),
    "linspace": lambda **to: engine.linspace(0, 8, 5, **to),
    "logspace": lambda **to: engine.logspace(0, 2, 3, **to),
    "new_full": lambda **to: engine.zeros(1, device=to["device"]).new_full((2,), 1, dtype=to["dtype"]),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.usefixtures("one_order")
def test_nothing_comes_from_the_cpu(name: str) -> None:
    for dtype in DTYPES:
        with listened() as met:
            made = MADE[name](dtype=dtype, device="cuda")
        assert not met
        wanted = MADE[name](dtype=dtype, device="cpu")
        assert (made.device.type, made.dtype, made.shape) == ("cuda", wanted.dtype, wanted.shape)
        np.testing.assert_array_equal(made.numpy(), wanted.numpy())


@pytest.mark.usefixtures("one_order")
def test_numbers_that_do_not_fit_and_devices_that_are_not_there_are_refused() -> None:
    with pytest.raises((OverflowError, ValueError)):
        engine.full((2,), 2**70, dtype="int64", device="cuda")
    with pytest.raises(engine.DeviceError, match="no cuda:7"):
        engine.zeros(2, device="cuda:7")
    assert engine.full((2,), 0.1, device="cuda").tolist() == engine.full((2,), 0.1).tolist()
    assert engine.arange(0.0, 1.0, 0.3, device="cuda").tolist() == engine.arange(0.0, 1.0, 0.3).tolist()
    assert engine.linspace(3, 3, 0, device="cuda").shape == (0,)


@pytest.mark.usefixtures("one_order")
def test_a_captured_step_makes_its_own() -> None:
    def act(x: Any) -> Any:
        return (
            x + engine.arange(4, device="cuda") * engine.full((4,), 2.0, device="cuda") + engine.eye(4, device="cuda")
        )

    step = engine.capture(act, warmup=1)
    for value in (1.0, 2.0, 3.0):
        x = engine.full((4,), value)
        wanted = x + engine.arange(4) * 2.0 + engine.eye(4)
        assert step(x.to("cuda")).tolist() == wanted.tolist()


@pytest.mark.usefixtures("one_order")
def test_one_element_is_written_where_it_lies() -> None:
    x = engine.zeros(2, 3, device="cuda")
    x[0, 1] = 5.0
    x[1, 2] = engine.tensor(7.0).to("cuda")
    assert x.tolist() == [[0.0, 5.0, 0.0], [0.0, 0.0, 7.0]]


@pytest.mark.usefixtures("one_order")
def test_both_zeros_are_settings_of_their_own() -> None:
    x = engine.tensor([1.0, math.nan]).to("cuda")
    assert [math.copysign(1, engine.ops.nan_to_num(x, nan=zero).tolist()[1]) for zero in (0.0, -0.0)] == [1, -1]
