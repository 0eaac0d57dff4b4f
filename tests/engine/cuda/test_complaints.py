"""Numbers that lie outside are errors on a GPU as on the CPU, told when a result is read: nothing waits to look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from emulated_cupy import listened

from numzoo import engine
from numzoo.engine import SettingError, ShapeError, nn

F = nn.functional
X = np.arange(12, dtype=np.float32).reshape(4, 3)
Act = Callable[[Any, Any], Any]
ACTS: dict[str, tuple[Act, list[int], list[int], type[Exception], str]] = {
    "embedding": (lambda x, i: F.embedding(i, x), [0, 3], [0, 4], ShapeError, "row 4"),
    "x[i]": (lambda x, i: x[i], [0, -4], [1, 4], ShapeError, "4"),
    "x[:, i]": (lambda x, i: x[:, i], [0, 2], [3, 1], ShapeError, "3"),
    "x[i, i]": (lambda x, i: x[i, i], [0, 2], [3, 1], ShapeError, "3"),
    "index_select": (lambda x, i: x.index_select(0, i), [1, 3], [1, -5], ShapeError, "-5"),
    "gather": (lambda x, i: x.gather(0, i.reshape(1, 2)), [1, 3], [1, 4], ShapeError, "4"),
    "scatter": (lambda x, i: x.scatter(0, i.reshape(1, 2), x[:1, :2] * 2), [1, 3], [1, 4], ShapeError, "4"),
    "scatter_add": (lambda x, i: x.scatter_add(0, i.reshape(2, 1), x[:2]), [1, 1], [1, 4], ShapeError, "4"),
    "amax": (lambda x, i: x.scatter_reduce(0, i.reshape(2, 1), x[2:], "amax"), [1, 1], [1, 4], ShapeError, "4"),
    "amin": (lambda x, i: x.scatter_reduce(0, i.reshape(2, 1), -x[2:], "amin"), [1, -1], [1, 4], ShapeError, "4"),
    "product": (lambda x, i: x.scatter_reduce(0, i.reshape(2, 1), x[2:], "prod"), [1, 1], [1, 4], ShapeError, "4"),
    "index_add": (lambda x, i: x.index_add(0, i, x[:2]), [2, 2], [2, 9], ShapeError, "9"),
    "index_fill": (lambda x, i: x.index_fill(0, i, 5.0), [2, -1], [2, -9], ShapeError, "-9"),
    "index_copy": (lambda x, i: x.index_copy(0, i, x[:2]), [2, 0], [2, 4], ShapeError, "4"),
    "one_hot": (lambda x, i: F.one_hot(i, 3), [2, 0], [2, 3], SettingError, "class 3.*3 classes"),
    "nll_loss": (lambda x, i: F.nll_loss(x[:2], i), [2, 0], [2, 3], ShapeError, "target 3 is no class"),
    "cross_entropy": (lambda x, i: F.cross_entropy(x[:2], i), [2, 0], [2, 3], ShapeError, "target 3 is no class"),
    "smoothed": (lambda x, i: F.cross_entropy(x[:2], i, label_smoothing=0.1), [2, -100], [2, -1], ShapeError, "-1"),
    "multi_margin": (lambda x, i: F.multi_margin_loss(x[:2], i), [2, 0], [2, 3], ShapeError, "target 3"),
    "unravel": (lambda x, i: engine.ops.unravel_index(i, (2, 3))[1], [5, 0], [6, 0], ShapeError, "6"),
    "remainder": (lambda x, i: 7 % i, [5, -1], [5, 0], SettingError, "divided by 0"),
    "max_norm": (lambda x, i: F.embedding(i, x.clone(), max_norm=2.0), [3, 3], [3, 4], ShapeError, "row 4"),
    "nll of a variance": (
        lambda x, i: F.gaussian_nll_loss(x[0, :2], x[1, :2], i.float()), [3, 3], [3, -1], SettingError, "negative",
    ),
    "bags": (lambda x, i: F.embedding_bag(i, x, engine.tensor([0, 1]).to(i.device)), [0, 3], [0, 4], ShapeError, "row 4"),
    "offsets": (lambda x, i: F.embedding_bag(i * 0, x, i, mode="sum"), [0, 1], [1, 0], ShapeError, "begin with 0"),
    "ctc": (
        lambda x, i: F.ctc_loss(x.reshape(4, 1, 3).log_softmax(2), i.reshape(1, 2), engine.tensor([4]).to(i.device), engine.tensor([2]).to(i.device)),
        [1, 2], [1, 3], ShapeError, "target 3 is no label",
    ),
    "lengths": (
        lambda x, i: F.ctc_loss(x.reshape(4, 1, 3).log_softmax(2), i.reshape(1, 2) * 0 + 1, i[:1], i[1:]), [4, 1], [5, 1], ShapeError, "input_lengths",
    ),
    "masked_scatter": (lambda x, i: x.masked_scatter(x > i[0], x[:2]), [5, 0], [1, 0], ShapeError, "10 times.*6 elements"),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.usefixtures("one_order")
def test_an_index_is_looked_at_on_the_gpu(name: str) -> None:
    act, good, bad, error, says = ACTS[name]
    x = engine.Tensor(X)
    there = x.to("cuda")
    for index in (good, bad):
        numbers = engine.tensor(index)
        moved = numbers.to("cuda")
        if index is good:
            with listened() as met:
                result = act(there, moved)
            assert {what.split(" at ")[0] for what in met} <= {"a copy to the GPU"}  # of what the act itself gives
            np.testing.assert_allclose(result.numpy(), act(x, numbers).numpy(), rtol=1e-6)
            continue
        with pytest.raises(error):
            act(x, numbers)
        with pytest.raises(error, match=f"{says}.*found on the GPU"):  # the next that may complain tells it too
            act(there, moved).numpy()
        assert there.tolist() == X.tolist()


@pytest.mark.usefixtures("one_order")
def test_a_wait_shows_what_was_wrong() -> None:
    F.one_hot(engine.tensor([7]).to("cuda"), 3)
    with pytest.raises(SettingError, match="class 7"):
        engine.cuda.synchronize()
    F.one_hot(engine.tensor([8]).to("cuda"), 3)
    with pytest.raises(SettingError, match="class 8"):
        F.one_hot(engine.tensor([1]).to("cuda"), 3)


@pytest.mark.usefixtures("one_order")
def test_bags_on_a_gpu_are_those_of_the_cpu() -> None:
    numbers, weights = np.array([0, 3, 1, 1, 2, 0]), np.float32([1, 2, 3, 4, 5, 6])
    for settings in (
        {"mode": "mean"}, {"mode": "sum"}, {"mode": "mean", "padding_idx": 1}, {"mode": "sum", "padding_idx": 0, "include_last_offset": True},
        {"mode": "sum", "per_sample_weights": weights, "padding_idx": 3},
    ):  # fmt: skip
        found = []
        for device in ("cpu", "cuda"):
            table = engine.tensor(X).to(device).requires_grad_()
            given = {n: engine.tensor(v).to(device) if n == "per_sample_weights" else v for n, v in settings.items()}
            starts = engine.tensor([0, 2, 2, 6] if "include_last_offset" in settings else [0, 2, 2]).to(device)
            x = engine.tensor(numbers).to(device)
            with listened() as met:
                out = F.embedding_bag(x, table, starts, **given)
                out.sum().backward()
            assert not met
            found.append((out.numpy(), table.grad.numpy()))
        for here, there in zip(*found, strict=True):
            np.testing.assert_allclose(here, there, rtol=1e-6)
    wide = engine.tensor(numbers.reshape(3, 2))
    there = F.embedding_bag(wide.to("cuda"), engine.tensor(X).to("cuda"))
    np.testing.assert_allclose(there.numpy(), F.embedding_bag(wide, engine.tensor(X)).numpy(), rtol=1e-6)


@pytest.mark.usefixtures("one_order")
def test_the_gradient_of_ctc_waits_for_nothing() -> None:
    scores = np.random.default_rng(0).standard_normal((5, 2, 4)).astype(np.float32)
    found = []
    for device in ("cpu", "cuda"):
        x = engine.tensor(scores).to(device).requires_grad_()
        given = [engine.tensor(v).to(device) for v in ([[1, 2, 2], [3, 1, 0]], [5, 4], [3, 2])]
        with listened() as met:
            F.ctc_loss(x.log_softmax(2), *given).backward()
        assert not met
        found.append(x.grad.numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-6)
