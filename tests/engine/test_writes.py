"""Writing between forward and backward: what would make gradients wrong is refused, what cannot is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import GradientError, Tensor, nn, optim, writes


def leaf(*values: float) -> Tensor:
    return engine.tensor(list(values), requires_grad=True)


def assign(w: Tensor) -> None:
    with engine.no_grad():
        w[0] = 5.0


def through_a_view(w: Tensor) -> None:
    w.detach()[1:][...] = engine.ones(1)


def step(w: Tensor) -> None:
    w.grad = engine.ones(2)
    optim.SGD([w], lr=0.1).step()


def fill(w: Tensor) -> None:
    nn.init.zeros_(w)


WRITES: list[Callable[[Tensor], None]] = [assign, through_a_view, step, fill]


@pytest.mark.parametrize("write", WRITES)
def test_what_a_rule_needs_may_not_have_been_written_to(write: Callable[[Tensor], None]) -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    out = (x * w).sum()  # the product of the two
    write(w)
    with pytest.raises(GradientError, match=r"backward of mul: y \(float32 \(2,\)\) was written to") as caught:
        out.backward()
    lines = Path(__file__).read_text().splitlines()
    line = next(i for i, text in enumerate(lines, 1) if "# the product of the two" in text)
    assert f"{Path(__file__).name}:{line}" in str(caught.value)


def test_what_no_rule_needs_may_be_written_to() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    out = (x + w).sum() + (x * 2).sum()
    assign(w)
    out.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3, 3]


def test_a_write_before_the_forward_call_and_one_after_backward_count_for_nothing() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    for _ in range(3):
        x.grad = None
        (x * w).sum().backward()
        assign(w)
        assert x.grad is not None
    assert x.grad.tolist() == [5, 4]


def test_writing_to_another_part_of_the_same_memory_is_no_change() -> None:
    flat = np.arange(4, dtype=np.float32)
    first, second = Tensor(flat[:2], requires_grad=True), Tensor(flat[2:], requires_grad=True)
    x = leaf(1.0, 1.0)
    out = (x * first).sum()
    assign(second)
    out.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1]
    out = (x * first).sum()
    assign(Tensor(flat))
    with pytest.raises(GradientError, match="written to"):
        out.backward()


def test_a_step_between_two_backward_passes_of_one_graph_is_caught() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = optim.Adam(model.parameters())
    loss = model(engine.ones(2, 3)).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(GradientError, match="backward of linear: weight"):
        loss.backward()


def test_weights_that_were_replaced_are_caught() -> None:
    layer = nn.Linear(2, 2)
    x = engine.ones(1, 2, requires_grad=True)
    for change in (lambda: layer.load_state_dict(nn.Linear(2, 2).state_dict(), assign=True), layer.double):
        out = layer.float()(x).sum()
        change()
        with pytest.raises(GradientError, match="written to"):
            out.backward()


def test_two_networks_may_be_stepped_in_turn() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 1)
    one, two = optim.SGD(first.parameters(), lr=0.1), optim.SGD(second.parameters(), lr=0.1)
    for _ in range(2):
        fake = first(engine.ones(3, 2))
        two.zero_grad()
        second(fake.detach()).sum().backward()
        two.step()
        one.zero_grad()
        second(fake).sum().backward()  # older than the step of the second, which it does not need
        one.step()


def test_the_memory_of_writes_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(writes, "LIMIT", 20)
    monkeypatch.setattr(writes, "PARTS", 5)
    kept = [leaf(float(i), 1.0) for i in range(100)]
    base = np.zeros(200, np.float32)
    for i, w in enumerate(kept):
        assign(w)
        Tensor(base)[i] = 1.0
        Tensor(base[i : i + 2])[0] = 1.0
    assert len(writes._tensors) <= 21
    assert all(len(parts) <= 6 for parts in writes._parts.values())
    out = (leaf(1.0, 1.0) * kept[-1]).sum()
    assign(kept[-1])
    with pytest.raises(GradientError, match="written to"):
        out.backward()


@pytest.mark.parametrize("of_data", [True, False])
def test_a_linear_layer_reads_its_weight_on_the_way_back_only_for_its_input(of_data: bool) -> None:
    layer, x = nn.Linear(2, 3), engine.ones(4, 2).requires_grad_(not of_data)
    first, second = layer(x).sum(), (layer(x) * 2.0).sum()
    first.backward()
    optim.SGD(layer.parameters(), lr=0.1).step()
    if of_data:
        second.backward()
        assert layer.weight.grad is not None
        assert layer.weight.grad.tolist() == [[12.0, 12.0]] * 3
    else:
        with pytest.raises(GradientError, match=r"weight .* was written to"):
            second.backward()
