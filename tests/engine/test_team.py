"""Threads that share a piece of work."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim
from numzoo.engine.team import together


def test_every_member_works_once_and_at_the_same_time() -> None:
    barrier, seen = threading.Barrier(3, timeout=10), []

    def work(member: int) -> None:
        barrier.wait()
        seen.append(member)

    for _ in range(2):
        together(work, 3)
    assert sorted(seen) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("member", [0, 1])
def test_an_error_comes_back_when_all_are_done(member: int) -> None:
    done = []

    def work(which: int) -> None:
        if which == member:
            raise ValueError(f"member {which}")
        done.append(which)

    with pytest.raises(ValueError, match=f"member {member}"):
        together(work, 2)
    assert done == [1 - member]


@pytest.mark.parametrize("rule", [optim.AdamW, optim.SGD, optim.LAMB, optim.Lion])
def test_a_step_is_the_same_to_the_bit_with_any_number_of_threads(rule: type[optim.Optimizer]) -> None:
    generator = np.random.default_rng(0)
    start, slopes = generator.standard_normal((2, 700, 1000)).astype(np.float32)
    results = []
    before = engine.device.threads()
    try:
        for threads in (1, 2, 3):
            engine.set_threads(threads)
            parameter = nn.Parameter(start.copy())
            step = rule([parameter], lr=0.1)  # type: ignore[call-arg]
            for _ in range(3):
                parameter.grad = engine.Tensor(slopes)
                step.step()
            results.append(parameter.numpy().copy())
    finally:
        engine.set_threads(before)
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])
