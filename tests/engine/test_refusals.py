"""Shapes, indices, matrices and signals that do not fit: which error, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import (
    ArgumentError,
    DtypeError,
    GradientError,
    MatrixError,
    SettingError,
    ShapeError,
    fft,
    linalg,
    nn,
)


def t(*shape: int, dtype: str = "float32") -> engine.Tensor:
    return engine.ones(*shape, dtype=dtype)


def i(*values: Any) -> engine.Tensor:
    return engine.tensor(list(values), dtype="int64")


Row = tuple[Callable[[], Any], type[Exception], str]
SHAPES: list[Row] = [
    (lambda: t(2, 3).repeat(2), ShapeError, r"repeat: .*each of the 2 axes of shape \(2, 3\)"),
    (lambda: t(2).tile(-1), ShapeError, "tile"),
    (lambda: t(3).repeat_interleave(i(1, 2)), ShapeError, "one count for each of the 3 elements"),
    (lambda: t(3).repeat_interleave(-1), SettingError, "from 0, not -1"),
    (lambda: t(3).repeat_interleave(t(3)), DtypeError, "whole numbers.*float32"),
    (lambda: t(3).repeat_interleave(2, output_size=5), ShapeError, "output_size is 5.*6"),
    (lambda: t(4).unfold(0, 5, 1), ShapeError, "a window of 5 does not fit the 4"),
    (lambda: t(4).unfold(0, 2, 0), SettingError, "step one from 1"),
    (lambda: t(4).diagonal(), ShapeError, "use diag for a vector"),
    (lambda: t(2, 2).diagonal(0, 1, 1), ShapeError, "named twice"),
    (lambda: t(2, 2, 2).diag(), ShapeError, "diag: wants a vector or a matrix"),
    (lambda: t().diag_embed(), ShapeError, "unsqueeze"),
    (lambda: t(3).tril(), ShapeError, r"tril: wants matrices.*\(3,\)"),
    (lambda: engine.tril_indices(-1, 2), SettingError, "from 0"),
    (lambda: engine.meshgrid(t(2, 2)), ShapeError, "one axis"),
    (lambda: engine.meshgrid(t(2), indexing="yx"), SettingError, "'ij' or 'xy'"),
    (lambda: t(2, 3).movedim((0, 1), 0), ShapeError, "2 source.*1 destination"),
    (lambda: t(2, 3).rot90(1, (0, 0)), ShapeError, "rot90"),
    (lambda: t(3).rot90(), ShapeError, "rot90: axis 1"),
    (lambda: t(2, 2, 2).t(), ShapeError, r"use \.mT"),
    (lambda: t(3).fliplr(), ShapeError, "at least 2 axes"),
    (lambda: t(2, 3).narrow(1, 2, 2), ShapeError, "narrow: elements 2 to 2 \\+ 2 do not lie within the 3"),
    (lambda: t(2, 3).select(1, 3), ShapeError, "select: index 3 is out of range for axis 1 of size 3; give -3 to 2"),
    (lambda: t(6).unflatten(0, (4, -1)), ShapeError, "unflatten: the 6 elements"),
    (lambda: t(6).unflatten(0, (-1, -1)), ShapeError, "unflatten"),
    (lambda: nn.functional.layer_norm(t(2, 3), (3,), eps=None), SettingError, "layer_norm: eps .* not None"),  # type: ignore[arg-type]
    (lambda: nn.functional.group_norm(t(2, 4), 2, eps=-1.0), SettingError, "group_norm: eps .* not -1.0"),
    (
        lambda: nn.functional.batch_norm(t(2, 3), None, None, training=True, eps="a"),
        SettingError,
        "batch_norm: eps .* not 'a'",
    ),  # type: ignore[arg-type]
    (lambda: engine.broadcast_tensors(t(2), t(3)), ShapeError, "do not broadcast"),
    (lambda: t(5).tensor_split(0), SettingError, "at least 1"),
    (lambda: t(5).hsplit(2), ShapeError, "5 elements.*2 equal pieces"),
    (lambda: t(5).vsplit(1), ShapeError, "at least 2 axes"),
    (lambda: engine.atleast_1d(), SettingError, "at least one tensor"),
    (lambda: engine.hstack([]), ShapeError, "at least one tensor"),
    (lambda: engine.block_diag(t(2, 2, 2)), ShapeError, "block_diag: wants matrices"),
    (lambda: t(2).sum_to_size(3), ShapeError, "sum_to_size"),
    (lambda: engine.pad(t(3), (1, 0), "reflect", 2.0), SettingError, "leave out value"),
    (lambda: engine.pad(t(3), (4, 0), "circular"), ShapeError, "up to 3 elements"),
    (lambda: engine.pad(t(3), (3, -1), "circular"), ShapeError, "up to 2 elements"),
    (lambda: engine.pad(t(3), (1, 1), "mirror"), SettingError, "'reflect', 'replicate' or 'circular'"),
    (lambda: t(3).H, ShapeError, r"use \.mH"),
]
INDICES: list[Row] = [
    (lambda: t(2, 3)[5], ShapeError, "5 is out of range for axis 0 of size 2; give -2 to 1"),
    (lambda: t(2, 3)[:, i(0, 3)], ShapeError, "3 is out of range for axis 1 of size 3; give -3 to 2"),
    (lambda: t(2, 3)[0, i(0, -4)], ShapeError, "-4 is out of range for axis 1"),
    (lambda: t(2, 3)[..., i(7)], ShapeError, "7 is out of range for axis 1"),
    (lambda: t(2, 3)[t(3) > 0], ShapeError, r"the mask \(3,\) does not fit the axes \(2,\)"),
    (lambda: t(2, 3)[0, 0, 0], ShapeError, "3 axes are indexed, but there are 2"),
    (lambda: t(2, 3)[i(0, 1), i(0, 1, 2)], ShapeError, "index"),
    (lambda: engine.gather(t(2, 3), 1), ArgumentError, "gather: takes x, dim and index"),
    (lambda: t(2, 3).index_select(1, i(3)), ShapeError, "index_select: index holds 3 to 3, but axis 1"),
    (lambda: t(2, 3).index_select(1, t(1)), DtypeError, r"index_select.*float32.*\.long\(\)"),
    (lambda: t(2, 3).index_select(1, engine.tensor([[0]])), ShapeError, "one axis at most"),
    (lambda: t(2).take_along_dim(engine.tensor([[0]]), 0), ShapeError, "as many axes"),
    (lambda: t(2, 2).take_along_dim(engine.tensor([[0]] * 3), 1), ShapeError, "do not broadcast beside axis 1"),
    (lambda: t(2).masked_select(t(2)), DtypeError, "must be boolean"),
    (lambda: t(2, 3).scatter(1, engine.tensor([[3]]), 1.0), ShapeError, "scatter: an index lies outside the 3"),
    (lambda: t(2, 3).scatter(1, engine.tensor([[0, 1]]), t(1, 1)), ShapeError, "at least as large as index"),
    (
        lambda: t(2, 3).scatter(1, engine.tensor([[0]]), t(1, 1, dtype="float64")),
        DtypeError,
        "float64 but x of float32",
    ),
    (lambda: t(2, 3).scatter(1, engine.tensor([[0]])), ArgumentError, "src or value="),
    (lambda: t(2, 3).scatter(1, engine.tensor([[0]]), 1.0, reduce="max"), SettingError, "see scatter_reduce"),
    (
        lambda: t(2, 3).scatter_reduce(1, engine.tensor([[0]]), t(1, 1), "max"),
        SettingError,
        "sum, prod, mean, amax, amin",
    ),
    (lambda: t(2, 3).index_add(0, i(0, 1), t(1, 3)), ShapeError, r"source \(1, 3\) must have shape \(2, 3\)"),
    (lambda: t(2, 3).index_add(0, i(2), t(1, 3)), ShapeError, "index_add: index holds 2 to 2"),
    (lambda: t(2, 3).index_fill(0, i(0), t(1)), ShapeError, "one number"),
    (lambda: t(2, 3).index_put((i(0),), t(3, dtype="float64")), DtypeError, "index_put"),
    (lambda: t(3).put(i(0, 1), t(1)), ShapeError, "2 places but 1"),
    (lambda: t(3).masked_scatter(t(3) > 0, t(2)), ShapeError, "the mask holds 3 times, but source has 2"),
    (lambda: t(3).masked_fill(t(3) > 0, 1j), DtypeError, "does not fit float32"),
    (lambda: nn.functional.one_hot(i(3), 3), SettingError, "class 3 is out of range for 3 classes"),
    (lambda: nn.functional.one_hot(i(-1)), SettingError, "class -1"),
    (lambda: nn.functional.one_hot(t(2)), DtypeError, r"\.long\(\)"),
    (lambda: nn.functional.one_hot(i()), SettingError, "give it"),
    (lambda: t(3).fill_diagonal_(0.0), ShapeError, "fill_diagonal_: wants a matrix"),
]
PRODUCTS: list[Row] = [
    (lambda: engine.mm(t(2), t(2, 2)), ShapeError, r"mm: wants \(matrix, matrix\).*matmul takes any"),
    (lambda: engine.bmm(t(2, 2, 2), t(3, 2, 2)), ShapeError, "bmm: the batches differ"),
    (lambda: engine.dot(t(2), t(3)), ShapeError, "matmul: x has 2 columns but y has 3 rows"),
    (lambda: engine.addmm(t(4), t(2, 3), t(3, 2)), ShapeError, r"addmm: x \(4,\) does not broadcast to the product"),
    (lambda: engine.addmm(t(2, dtype="float64"), t(2, 3), t(3, 2)), DtypeError, "addmm"),
    (lambda: engine.tensordot(t(2, 3), t(2, 3), 1), ShapeError, "tensordot: the axes"),
    (lambda: engine.tensordot(t(2), t(2), 2), SettingError, "a number of axes that both"),
    (lambda: engine.cross(t(2), t(2)), ShapeError, "one of them of size 3"),
    (lambda: linalg.multi_dot([t(2, 2), t(2), t(2, 2)]), ShapeError, "the first and the last may be vectors"),
    (lambda: linalg.matrix_power(t(2, 3), 2), ShapeError, "square matrices"),
    (lambda: engine.einsum("ij,jk->ik", t(2, 3)), ArgumentError, "names 2 operand"),
    (lambda: engine.einsum("ij->ik", t(2, 3)), ArgumentError, "the result of 'ij->ik'"),
    (lambda: engine.einsum("ij->ii", t(2, 3)), ArgumentError, "each letter of the operands once"),
    (lambda: engine.einsum("ij", t(2, 3, 4)), ShapeError, "'ij' does not name the 3 axes"),
    (lambda: engine.einsum("i1->i", t(2, 3)), ArgumentError, "made of letters"),
    (lambda: engine.einsum("ij,jk->ik", t(2, 3), t(4, 5)), ShapeError, "'j' has size 3 in one place and 4"),
    (lambda: engine.einsum("ii->i", t(2, 3)), ShapeError, "'i' (has|stands)"),
    (lambda: engine.einsum(t(2), t(2)), ArgumentError, "each followed by a list"),
]
MATRICES: list[Row] = [
    (
        lambda: engine.inverse(t(2, 2)),
        MatrixError,
        r"inverse: the matrix is singular \(shape \(2, 2\), float32\).*pinv",
    ),
    (lambda: linalg.inv(engine.stack([engine.eye(2), t(2, 2)])), MatrixError, r"number \(1,\) of the batch"),
    (lambda: linalg.solve(t(2, 2), t(2)), MatrixError, "solve: the matrix is singular"),
    (lambda: linalg.cholesky(-engine.eye(2)), MatrixError, "not positive definite"),
    (lambda: linalg.svd(engine.full((2, 2), float("nan"))), MatrixError, "NaN"),
    (lambda: linalg.inv(t(2, 3)), ShapeError, r"inverse: wants square matrices.*\(2, 3\)"),
    (lambda: linalg.inv(t(2, 2, dtype="float16")), DtypeError, r"inverse.*float16.*\.float\(\)"),
    (lambda: linalg.svd(t(2, 2, dtype="bfloat16")), DtypeError, "svd.*bfloat16"),
    (lambda: linalg.eigh(t(2, 2, dtype="int64")), DtypeError, "eigh.*int64"),
    (lambda: linalg.qr(t(3)), ShapeError, r"qr: wants matrices.*\(3,\)"),
    (lambda: linalg.qr(t(3, 3), "full"), SettingError, "'reduced', 'complete' or 'r'"),
    (lambda: linalg.eigh(t(2, 2), "X"), SettingError, "UPLO is 'L' or 'U'"),
    (lambda: linalg.solve(t(2, 2), t(3, 1)), ShapeError, "same number of rows"),
    (
        lambda: linalg.solve(engine.eye(2), t(2, 1, dtype="float64")),
        DtypeError,
        "solve: all tensors must have one dtype",
    ),
    (lambda: linalg.solve_triangular(t(2, 2), t(3, 1), upper=True), ShapeError, "solve_triangular"),
    (lambda: linalg.lstsq(t(3, 2), t(2, 1)), ShapeError, "same number of rows"),
    (lambda: linalg.lstsq(t(3, 2), t(3, 1), driver="x"), SettingError, "gelsy"),
    (lambda: linalg.pinv(t(2, 2), rtol=-1.0), SettingError, "rtol is a number from 0"),
    (lambda: linalg.matrix_norm(t(2, 2), "max"), SettingError, "'fro', 'nuc'"),
    (lambda: linalg.matrix_norm(t(2, 2), dim=(0,)), ShapeError, "two axes"),  # type: ignore[arg-type]
    (lambda: linalg.norm(t(2, 2, 2), 1), ShapeError, "of one axis or of two, not of 3"),
    (lambda: linalg.norm(t(2, 2, dtype="int64")), DtypeError, r"\.float\(\)"),
    (lambda: linalg.tensorinv(t(2, 3), 1), ShapeError, "as many elements"),
    (lambda: linalg.tensorsolve(t(2, 3), t(2)), ShapeError, "tensorsolve"),
    (lambda: linalg.vander(t()), ShapeError, "unsqueeze"),
]
SIGNALS: list[Row] = [
    (lambda: fft.fft(t()), ShapeError, "no axis to transform"),
    (lambda: fft.fft(t(4, dtype="float16")), DtypeError, "float32 or float64, not float16"),
    (lambda: fft.rfft(t(4) * 1j), DtypeError, "wants real numbers, not complex64"),
    (lambda: fft.fft(t(4), 0), ShapeError, "at least one element"),
    (lambda: fft.irfft(t(1)), ShapeError, "give n of at least 1"),
    (lambda: fft.fft(t(4), norm="unitary"), SettingError, "'backward', 'ortho' or 'forward'"),
    (lambda: fft.fft(t(4), dim=1), ShapeError, "axis 1 is out of range"),
    (lambda: fft.fftn(t(4), s=(1, 2)), ShapeError, "2 sizes were given"),
    (lambda: fft.fft2(t(4, 4), s=(1,)), ShapeError, "one for each"),
    (lambda: fft.fftfreq(0), SettingError, "from 1"),
    (lambda: engine.stft(t(3), 8, center=False), ShapeError, "fewer than one frame"),
    (lambda: engine.stft(t(20), 8, 0), SettingError, "hop_length are at least 1"),
    (lambda: engine.stft(t(20), 8, win_length=9), SettingError, "win_length between 1 and n_fft"),
    (lambda: engine.stft(t(20), 8, window=t(7)), ShapeError, "one weight for each of 8"),
    (lambda: engine.stft(t(20), 8, window=t(8, dtype="float64")), DtypeError, "window is of float64"),
    (lambda: engine.stft(t(2, 2, 20), 8), ShapeError, "one signal or a batch"),
    (lambda: engine.stft(t(20) * 1j, 8, onesided=True), SettingError, "two sides"),
    (lambda: engine.istft(t(5, 3), 8), DtypeError, "wants complex spectra"),
    (lambda: engine.istft(t(4, 3) * 1j, 8), ShapeError, "has 5 frequencies on one side"),
    (lambda: engine.istft(t(5, 3) * 1j, 8, 8, window=engine.hann_window(8), center=False), SettingError, "uncovered"),
    (lambda: engine.istft(t(5, 3) * 1j, 8, return_complex=True), SettingError, "onesided=False"),
    (lambda: engine.hann_window(-1), SettingError, "from 0, not -1"),
    (lambda: engine.kaiser_window(4, dtype="int64"), DtypeError, "floating-point dtype"),
]
NUMBERS: list[Row] = [
    (lambda: engine.imag(t(2)), DtypeError, "has no imaginary part"),
    (lambda: (t(2) * 1j).float(), DtypeError, r"cast: complex64.*float32.*\.real"),
    (lambda: engine.complex(t(2), t(2, dtype="float64")), DtypeError, "one real dtype, not float32 and float64"),
    (lambda: engine.complex(t(2, dtype="float16"), t(2, dtype="float16")), DtypeError, "float32 or float64"),
    (lambda: engine.view_as_complex(t(3)), ShapeError, "must have size 2"),
    (lambda: engine.view_as_real(t(3)), DtypeError, "wants a complex tensor"),
    (lambda: engine.adjoint(t(3)), ShapeError, "adjoint: wants matrices"),
]
EVERY = [*SHAPES, *INDICES, *PRODUCTS, *MATRICES, *SIGNALS, *NUMBERS]


@pytest.mark.parametrize(("call", "error", "says"), EVERY, ids=[row[2][:40] for row in EVERY])
def test_what_does_not_fit_is_refused_in_words_that_help(
    call: Callable[[], Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=f"(?s){says}") as caught:
        call()
    assert caught.type is error


def test_the_last_columns_of_a_whole_qr_have_no_gradient() -> None:
    x = engine.randn(4, 2, requires_grad=True)
    with pytest.raises(GradientError, match="use 'reduced'"):
        linalg.qr(x, "complete").Q.sum().backward()


def test_a_whole_number_beside_arrays_is_taken_first() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    given = engine.Tensor(x)[1, :, [0, 3]]
    assert given.shape == (3, 2)
    np.testing.assert_array_equal(given.numpy(), x[1][:, [0, 3]])


def test_writing_finds_the_places_that_reading_finds() -> None:
    x = engine.zeros(2, 3, 4)
    x[1, :, [0, 3]] = engine.tensor([[1.0, 2.0]] * 3)
    assert x[1, :, [0, 3]].tolist() == [[1.0, 2.0]] * 3
    assert x.sum().item() == 9


def test_windows_and_diagonals_are_views_and_only_diagonals_are_written_to() -> None:
    x = engine.zeros(3, 3)
    x.diagonal()[:] = 2
    assert x.sum().item() == 6
    with pytest.raises(SettingError, match="read-only"):
        x.unfold(0, 2, 1)[0] = 1
    assert x.fill_diagonal_(1.0).tolist() == np.eye(3).tolist()


def test_a_real_tensor_takes_the_real_part_of_a_complex_gradient() -> None:
    x = engine.tensor([1.0, 2.0], requires_grad=True)
    (x * (2 + 3j)).imag.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == "float32"
    assert x.grad.tolist() == [3, 3]


def test_a_step_against_a_complex_gradient_descends() -> None:
    z = engine.tensor([1 + 2j, -0.5j], requires_grad=True)
    loss = (z.exp() * z).abs().sum()
    loss.backward()
    assert z.grad is not None
    moved = engine.tensor((z - z.grad * 1e-3).numpy())
    assert (moved.exp() * moved).abs().sum().item() < loss.item()


def test_gradients_of_rows_taken_often_add_up_in_float32() -> None:
    table = engine.zeros(4, 40, dtype="bfloat16").requires_grad_()
    table[engine.zeros(1000, dtype="int64")].sum().backward()
    assert table.grad is not None
    assert table.grad[0, 0].item() == 1000
    assert not table.grad[1:].any().item()


def test_einsum_multiplies_the_smallest_pair_first() -> None:
    wide, tall = engine.ones(1, 300), engine.ones(300, 300)
    done = engine.einsum("ij,jk,kl,lm->im", wide, tall, tall, tall)
    assert done[0, 0].item() == 300**3


def test_views_can_be_taken_in_place() -> None:
    x = engine.tensor(np.arange(6.0).reshape(2, 1, 3))
    assert x.squeeze_(1).shape == (2, 3)
    assert x.t_().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert x.unsqueeze_(0).shape == (1, 3, 2)
    assert x.transpose_(0, 2).shape == (2, 3, 1)
    with pytest.raises(GradientError, match="squeeze_"):
        engine.ones(1, requires_grad=True).squeeze_()


def test_products_can_be_added_in_place() -> None:
    x = engine.ones(2, 2)
    assert x.addmm_(engine.eye(2), engine.eye(2), alpha=2).tolist() == [[3, 1], [1, 3]]
    assert x.addr_(engine.ones(2), engine.ones(2), beta=0).tolist() == [[1, 1], [1, 1]]


def test_rows_that_are_gone_through_give_their_gradients_back() -> None:
    x = engine.tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    first, _, third = x
    ((first * third).sum() + sum(row.sum() for row in x)).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[5, 6], [1, 1], [1, 2]]
