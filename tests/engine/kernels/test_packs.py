"""Rearranged weights: found again, dropped when told, and never mistaken for another array's."""

from __future__ import annotations

import gc
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from numzoo.engine import enable_grad, no_grad
from numzoo.engine.kernels.cpu import onednn, packs
from numzoo.engine.kernels.cpu.convolution import conv2d
from numzoo.engine.kernels.cpu.linear import linear


@pytest.fixture(autouse=True)
def _nothing_is_trained() -> Iterator[None]:
    with no_grad():
        yield


FORM = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}


def test_changed_weights_count_once_they_are_forgotten(make: Any, assert_close: Any) -> None:
    x, weight = make((1, 8, 6, 6)), make((8, 8, 3, 3), seed=1)
    before = conv2d(x, weight, **FORM).copy()
    weight *= 2
    onednn.forget(weight)
    assert_close(conv2d(x, weight, **FORM), before.astype(np.float64) * 2)


def test_changed_linear_weights_count_at_every_stage(make: Any, assert_close: Any) -> None:
    x, weight = make((4, 12)), make((7, 12), seed=1)
    for stage in range(5):
        weight += 1
        onednn.forget(weight)
        for _ in range(stage):
            assert_close(linear(x, weight), x.astype(np.float64) @ weight.astype(np.float64).T)


def test_forgetting_a_view_forgets_the_whole_where_it_lies(make: Any, assert_close: Any) -> None:
    x, weight = make((1, 8, 6, 6)), make((8, 8, 3, 3), seed=1)
    before = conv2d(x, weight, **FORM).copy()
    weight[3:5] = 0
    onednn.forget(weight[4:5])
    after = conv2d(x, weight, **FORM)
    assert not after[:, 3:5].any()
    assert_close(after[:, :3], before[:, :3].astype(np.float64))


def test_forgetting_one_array_keeps_its_neighbours_packs(make: Any) -> None:
    x, whole = make((1, 8, 6, 6)), make((2, 8, 8, 3, 3), seed=1)
    conv2d(x, whole[0], **FORM)
    one = packs.kept_bytes()
    conv2d(x, whole[1], **FORM)
    assert packs.kept_bytes() == 2 * one
    onednn.forget(whole[1])
    assert packs.kept_bytes() == one
    onednn.forget(whole)
    assert packs.kept_bytes() == 0


def test_views_and_batch_sizes_share_one_pack(make: Any) -> None:
    weight = make((16, 16, 3, 3), seed=1)
    conv2d(make((1, 16, 8, 8)), weight, **FORM)
    one = packs.kept_bytes()
    conv2d(make((1, 16, 8, 8)), weight[:], **FORM)
    conv2d(make((4, 16, 8, 8)), weight, **FORM)
    assert packs.kept_bytes() == one


def test_where_graphs_are_recorded_convolutions_keep_what_serves_twice(make: Any) -> None:
    x, weight = make((1, 8, 6, 6)), make((8, 8, 3, 3))
    with enable_grad():
        first = conv2d(x, weight, **FORM).copy()
        assert packs.kept_bytes() == 0
        np.testing.assert_array_equal(conv2d(x, weight, **FORM), first)
        assert packs.kept_bytes() > 0


def test_packs_die_with_the_weights(make: Any) -> None:
    conv2d(make((1, 8, 6, 6)), make((8, 8, 3, 3)), **FORM)
    gc.collect()
    assert packs.kept_bytes() == 0


def test_new_weights_at_an_old_address_are_packed_anew(make: Any) -> None:
    x = make((1, 8, 6, 6))
    for number in range(1, 30):
        weight = np.full((8, 8, 3, 3), number, np.float32)
        centre = conv2d(x, weight, **FORM)[0, 0, 2, 2]
        np.testing.assert_allclose(centre, number * x[0, :, 1:4, 1:4].sum(), rtol=1e-4, atol=1e-3)
        del weight


def test_mapped_weights_are_kept_for_as_long_as_the_map(make: Any) -> None:
    weight = make((8, 8, 3, 3))
    space = mmap.mmap(-1, weight.nbytes)
    space[:] = weight.tobytes()
    mapped: Any = np.frombuffer(memoryview(space), np.float32).reshape(weight.shape)
    conv2d(make((1, 8, 6, 6)), mapped, **FORM)
    assert packs.kept_bytes() > 0
    onednn.forget(np.frombuffer(space, np.float32))
    assert packs.kept_bytes() == 0


def test_weights_in_a_bytes_object_are_used_but_not_kept(make: Any, assert_close: Any) -> None:
    x, weight = make((1, 8, 6, 6)), make((8, 8, 3, 3))
    frozen = np.frombuffer(weight.tobytes(), np.float32).reshape(weight.shape)
    assert_close(conv2d(x, frozen, **FORM), conv2d(x, weight, **FORM).astype(np.float64))
    packs.forget(weight)
    assert packs.kept_bytes() == 0


@pytest.mark.parametrize("array", [np.ones(3), np.ones((0, 2)), np.ones(())])
def test_forgetting_what_was_never_packed_is_fine(array: Any) -> None:
    onednn.forget(array)
    onednn.forget(array[::-1] if array.ndim else array)


def test_the_last_arrays_go_when_modules_have_lost_their_names(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = make((1, 8, 6, 6)), make((8, 8, 3, 3), seed=1)
    conv2d(x, weight, **FORM)
    records, name = packs._records, id(weight)
    assert name in records
    with monkeypatch.context() as ending:  # as when Python ends
        ending.setattr(packs, "_drop", None)
        ending.setattr(packs, "_records", None)
        del weight
        gc.collect()
    assert name not in records
