"""CUDA's kernels: NVIDIA's libraries and sources of our own, told to the operations they serve. The bodies serve the rest.

Imported by ``engine.device`` when an array on a GPU first computes. Importing needs neither CuPy nor a driver.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ...op import TABLE
from . import attention
from . import complaints as complaints
from .algebra import matrix
from .images import convolution, pooling, resampling
from .indexing import places, rows
from .layers import batch_norm, drawing, gating, group_norm, normalization, residuals, rotary, softmax
from .losses import alignment, entropy
from .reductions import ordering, scanning
from .sequences import recurrent
from .shapes import joining, placing

KERNELS: tuple[tuple[ModuleType, str], ...] = (
    (alignment, "ctc_nll ctc_nll_input"),
    (attention, "attend attend_backward attend_packed_backward"),
    (convolution, "conv2d conv2d_input conv2d_weight conv3d conv3d_input conv3d_weight"),
    (drawing, "drop_drawn"),
    (entropy, "class_counts class_entropy class_entropy_input"),
    (gating, "gated_product gated_product_backward"),
    (batch_norm, "batch_norm batch_norm_training batch_norm_backward batch_norm_residual_backward"),
    (group_norm, "group_norm group_norm_backward"),
    (joining, "cat_along join_heads stack_along"),
    (matrix, "matmul linear linear_weight"),
    (normalization, "layer_norm layer_norm_backward rms_norm rms_norm_backward"),
    (places, "gather_along largest_along nll product_along smallest_along spread_along take_slices"),
    (ordering, "order_along sort_along top_along"),
    (placing, "bordered padded rolled spread_items tril triu unbordered"),
    (pooling, "max_pool2d max_pool2d_input avg_pool2d avg_pool2d_input mean"),
    (recurrent, "lstm_layer lstm_backward gru_layer gru_backward rnn_layer rnn_backward"),
    (resampling, "resample sample sample_weight"),
    (residuals, "add_layer_norm add_layer_norm_backward add_rms_norm add_rms_norm_backward"),
    (rotary, "rotary"),
    (rows, "pick_rows place_rows take_rows sum_rows"),
    (scanning, "running_product running_sum"),
    (softmax, "softmax softmax_input log_softmax log_softmax_input"),
)
"""Modules of kernels, and the operations that each one serves."""

for _module, _names in KERNELS:
    for _name in _names.split():
        TABLE[_name].kernel("cuda")(getattr(_module, _name))
STEADY = (
    "layer_norm log_softmax logcumsumexp_of logsumexp_of nll prod running_product running_sum softmax variance vector_norm_of ctc_nll "
    "transducer_nll"
)
"""Operations whose results would suffer from few digits: under ``precision`` they are computed, and their results given, in float32."""
for _name in STEADY.split():
    TABLE[_name].steadies = True
# Kernels of one source for many operations, which register themselves.
import_module(f"{__name__}.elementwise.operations")
import_module(f"{__name__}.reductions.operations")
import_module(f"{__name__}.shapes.transposing")
