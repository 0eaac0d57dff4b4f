"""Which operations have kernels for a GPU, and which compute there by their bodies, through CuPy."""

from __future__ import annotations

import importlib

import pytest

from numzoo.engine import fft, linalg, nn, special  # noqa: F401 - what they define is in the table
from numzoo.engine.op import TABLE

BODIES = frozenset(
    [
        "_rows",
        "all",
        "amax",
        "amin",
        "angle",
        "any",
        "argmax",
        "argmin",
        "bordered",
        "broadcast_to",
        "cat_along",
        "cholesky",
        "clone",
        "columns",
        "columns_input",
        "complex",
        "conjugate",
        "count_nonzero",
        "ctc_nll",
        "ctc_nll_input",
        "det",
        "diagonal_line",
        "digamma",
        "equations",
        "erfinv",
        "extreme_so_far",
        "flip",
        "fourier",
        "gather_along",
        "gcd",
        "general_eigen",
        "gru_backward",
        "gru_layer",
        "imaginary_part",
        "inverse",
        "isreal",
        "items",
        "join_heads",
        "kth_along",
        "largest_along",
        "largest_places",
        "lcm",
        "logcumsumexp_of",
        "logsumexp_of",
        "lstm_backward",
        "lstm_layer",
        "max_along",
        "max_pool2d_pick",
        "middle",
        "middle_along",
        "min_along",
        "most_frequent_along",
        "move_from",
        "nll",
        "of_pairs",
        "of_real",
        "order_along",
        "overlapped",
        "padded",
        "pairs",
        "permute",
        "pick_places",
        "pick_rows",
        "place_rows",
        "polar",
        "polygamma_of",
        "prod",
        "product_along",
        "pseudoinverse",
        "put_along",
        "put_items",
        "put_places",
        "real_part",
        "recurrence",
        "resample",
        "reshape",
        "rnn_backward",
        "rnn_layer",
        "rolled",
        "rotary",
        "running_product",
        "running_sum",
        "sample",
        "sample_input",
        "sample_weight",
        "sgn",
        "singular",
        "singular_values",
        "slogdet",
        "smallest_along",
        "sort_along",
        "split_heads",
        "spread_along",
        "spread_items",
        "spread_places",
        "stack_along",
        "substituted",
        "sum",
        "sum_rows",
        "symmetric_eigen",
        "symmetric_values",
        "take_rows",
        "take_slices",
        "tall_qr",
        "to_real",
        "top_along",
        "tril",
        "triu",
        "unbordered",
        "unpadded",
        "variance",
        "vector_norm_of",
        "whole_qr",
        "windows",
        "with_diagonal",
    ]
)
"""Operations that may go without a kernel: views and moves of memory, which CuPy does well, and what models seldom compute."""

HOT = {
    "products": "matmul linear linear_weight",
    "convolutions": "conv2d conv2d_input conv2d_weight conv3d conv3d_input conv3d_weight",
    "attention": "attend attend_backward",
    "normalisation": "layer_norm layer_norm_backward rms_norm batch_norm batch_norm_training batch_norm_backward group_norm",
    "softmax and losses": "softmax softmax_input log_softmax class_entropy class_entropy_input",
    "pooling": "max_pool2d max_pool2d_input avg_pool2d avg_pool2d_input",
    "elementwise": "add sub mul div relu relu_input gelu gelu_input gelu_tanh silu cast drop",
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


def test_the_list_names_operations_that_there_are() -> None:
    assert set(table()) >= BODIES


@pytest.mark.parametrize("family", HOT)
def test_what_models_spend_their_time_on_has_kernels(family: str) -> None:
    having = table()
    assert [name for name in HOT[family].split() if not having[name]] == []
