"""The CPU's kernels: oneDNN where it pays, told to the operations they serve. The bodies serve everything else.

Imported by ``engine.device`` when the CPU first computes; the library itself is loaded by the first kernel that runs.
"""

from __future__ import annotations

from typing import Any

from ...op import TABLE
from . import (
    activation,
    arithmetic,
    attention,
    batching,
    convolution,
    convolved_norm,
    copy,
    dropping,
    elementary,
    entropy,
    gating,
    grouping,
    linear,
    matrix,
    normalization,
    pooling,
    rectifier,
    recurrent,
    resampling,
    residuals,
    rows,
    sampling,
    shape,
    special,
    volume,
)
from . import onednn as onednn
from .memory import Array, Result
from .packs import forget as forget


def mean(x: Array, axis: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Result:
    """The mean of each image's channel; other means are NumPy's."""
    if dtype is not None or x.ndim != 4 or axis not in ((2, 3), (-2, -1), [2, 3]):
        return NotImplemented
    result = pooling.global_avg_pool2d(x)
    return result if keepdim or result is NotImplemented else result.reshape(x.shape[:2])


for _module, _names in (
    (
        activation,
        "relu relu_input hardtanh hardtanh_input gelu gelu_input gelu_tanh gelu_tanh_input silu silu_input hardswish hardswish_input softmax log_softmax",
    ),
    (attention, "attend attend_backward attend_packed_backward"),
    (arithmetic, "add sub mul div clip"),
    (convolution, "conv2d conv2d_input conv2d_weight"),
    (convolved_norm, "conv2d_norm"),
    (copy, "cast _rows"),
    (dropping, "drop"),
    (entropy, "class_entropy"),
    (elementary, "sigmoid sigmoid_input tanh tanh_input"),
    (gating, "gated_product gated_product_backward"),
    (grouping, "group_norm group_norm_backward rms_norm rms_norm_backward"),
    (rectifier, "leaky_relu leaky_relu_input prelu hardsigmoid hardsigmoid_input"),
    (matrix, "matmul"),
    (linear, "linear linear_weight"),
    (batching, "batch_norm batch_norm_training batch_norm_backward batch_norm_residual_backward"),
    (normalization, "layer_norm layer_norm_backward"),
    (recurrent, "gru_layer gru_backward lstm_layer lstm_backward rnn_layer rnn_backward"),
    (shape, "cat_along stack_along"),
    (rows, "take_rows sum_rows"),
    (special, "erf erfc erfinv lgamma digamma polygamma_of logaddexp"),
    (pooling, "max_pool2d max_pool2d_input avg_pool2d avg_pool2d_input"),
    (resampling, "resample"),
    (residuals, "add_layer_norm add_layer_norm_backward add_rms_norm add_rms_norm_backward"),
    (sampling, "sample"),
    (volume, "conv3d conv3d_input conv3d_weight"),
):
    for _name in _names.split():
        TABLE[_name].kernel("cpu", complete=_name in ("add", "sub", "mul"))(getattr(_module, _name))
TABLE["mean"].kernel("cpu")(mean)
TABLE["linear"].narrow_kernel("cpu")(linear.linear_narrowed)
TABLE["attend"].narrow_kernel("cpu")(attention.attend_narrowed)
