"""Which operations have kernels for a GPU, and which compute there by their bodies, through CuPy."""

from __future__ import annotations

import importlib

import pytest

from numzoo.engine import fft, linalg, nn, special  # noqa: F401 - what they define is in the table
from numzoo.engine.op import TABLE

VIEWS = "broadcast_to diagonal_line flip items permute split_heads unpadded windows"
"""Operations whose results mostly are views, which cost no launch; where they are none, CuPy copies."""

ALGEBRA = """
    cholesky det equations general_eigen inverse pseudoinverse singular singular_values slogdet substituted symmetric_eigen symmetric_values
    tall_qr whole_qr fourier of_real to_real
"""
"""What cuSOLVER and cuFFT compute, by way of CuPy."""

COMPLEX = "angle complex conjugate imaginary_part isreal of_pairs pairs polar real_part sgn"

SELDOM = """
    columns columns_input digamma erfinv extreme_so_far gcd lcm kth_along largest_places logcumsumexp_of
    conv2d_norm max_pool2d_pick middle middle_along most_frequent_along move_from overlapped pick_places polygamma_of put_along put_items
    put_places recurrence sample_input spread_places with_diagonal
"""
"""What models seldom compute."""

OTHERS = """
    transducer_nll
    transducer_nll_input
"""
"""What some models compute, a few times in a step."""

BODIES = frozenset(f"{VIEWS} {ALGEBRA} {COMPLEX} {SELDOM} {OTHERS}".split())
"""Operations that go without a kernel: by their bodies, CuPy computes them."""

HOT = {
    "products": "matmul linear linear_weight",
    "convolutions": "conv2d conv2d_input conv2d_weight conv3d conv3d_input conv3d_weight",
    "attention": "attend attend_backward attend_packed_backward",
    "normalisation": "layer_norm layer_norm_backward add_layer_norm add_layer_norm_backward rms_norm batch_norm batch_norm_training "
    "batch_norm_backward group_norm",
    "softmax and losses": "softmax softmax_input log_softmax class_entropy class_entropy_input",
    "moves of memory": "cat_along stack_along join_heads clone reshape",
    "pooling": "max_pool2d max_pool2d_input avg_pool2d avg_pool2d_input",
    "elementwise": "add sub mul div relu relu_input gelu gelu_input gelu_tanh silu cast drop drop_drawn",
}
"""What most of a model's time goes into."""


def table() -> dict[str, bool]:
    """Each operation of the engine, and whether it has a kernel for a GPU."""
    importlib.import_module("numzoo.engine.kernels.cuda")
    return {name: "cuda" in op.kernels for name, op in TABLE.items() if op.__module__.startswith("numzoo.")}


def test_every_operation_has_a_kernel_or_is_listed_as_one_without() -> None:
    having = table()
    print(f"with a kernel: {' '.join(sorted(name for name, kernel in having.items() if kernel))}")
    print(f"by the body: {' '.join(sorted(name for name, kernel in having.items() if not kernel))}")
    unknown = sorted(name for name, kernel in having.items() if not kernel and name not in BODIES)
    assert not unknown, f"{unknown} have no CUDA kernel: write one, or list them here among those that do without"


def test_the_list_names_operations_that_there_are_and_that_have_none() -> None:
    having = table()
    assert set(having) >= BODIES
    assert not [name for name in BODIES if having[name]], "these have kernels: take them off the list"


@pytest.mark.parametrize("family", HOT)
def test_what_models_spend_their_time_on_has_kernels(family: str) -> None:
    having = table()
    assert [name for name in HOT[family].split() if not having[name]] == []
