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
            assert not met
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
