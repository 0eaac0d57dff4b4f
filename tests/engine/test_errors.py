"""Every public function and layer with shapes, dtypes and settings that do not fit: which error, and what it says."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import (
    ArgumentError,
    CaptureError,
    DeviceError,
    DtypeError,
    EngineError,
    ExchangeError,
    GradientError,
    MatrixError,
    OutOfMemoryError,
    SettingError,
    ShapeError,
    StateError,
    errors,
    nn,
)

F = nn.functional
STANDARD = {
    ShapeError: ValueError, DtypeError: TypeError, DeviceError: RuntimeError, ArgumentError: TypeError, SettingError: ValueError,
    GradientError: RuntimeError, MatrixError: ValueError, StateError: ValueError, OutOfMemoryError: MemoryError, CaptureError: RuntimeError,
    ExchangeError: BufferError,
}  # fmt: skip


def test_every_error_is_the_engines_and_the_standard_librarys() -> None:
    found = {c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, EngineError)} - {EngineError}
    assert found == set(STANDARD)
    for error, standard in STANDARD.items():
        assert issubclass(error, EngineError)
        assert issubclass(error, standard)


def t(*shape: int, dtype: str = "float32") -> engine.Tensor:
    return engine.ones(*shape, dtype=dtype)


# who, call, error, what the message must say: the op, what was given, and a way out
Row = tuple[str, Callable[[], Any], type[Exception], str]
SHAPES: list[Row] = [
    ("add", lambda: t(2, 3) + t(4), ShapeError, r"add.*\(2, 3\).*\(4,\).*equal or 1"),
    ("mul", lambda: t(2, 3) * t(3, 2), ShapeError, r"mul.*\(2, 3\).*\(3, 2\)"),
    ("maximum", lambda: engine.maximum(t(2), t(3)), ShapeError, r"maximum.*\(2,\).*\(3,\)"),
    ("where", lambda: engine.where(t(2) > 0, t(3), t(3)), ShapeError, r"where.*\(2,\).*\(3,\)"),
    ("reshape", lambda: t(2, 3).reshape(4, 2), ShapeError, r"reshape: 6 elements of shape \(2, 3\).*\(4, 2\).*-1"),
    ("reshape twice unknown", lambda: t(2, 3).reshape(-1, -1), ShapeError, "at most one -1"),
    ("reshape empty", lambda: t(0, 3).reshape(-1, 0), ShapeError, "reshape"),
    ("permute", lambda: t(2, 3).permute(0, 0), ShapeError, "permute"),
    ("transpose", lambda: t(2, 3).transpose(0, 2), ShapeError, "transpose: axis 2"),
    ("expand", lambda: t(2, 3).expand(4, 3), ShapeError, r"expand: shape \(2, 3\).*\(4, 3\).*size 1"),
    ("expand unknown", lambda: t(2).expand(-1, 2), ShapeError, "expand"),
    ("squeeze", lambda: t(2).squeeze(3), ShapeError, "squeeze: axis 3"),
    ("flip", lambda: t(2).flip(1), ShapeError, "flip: axis 1"),
    ("roll", lambda: t(2, 2).roll((1, 2), (0,)), ShapeError, "roll: 2 shift"),
    ("cat", lambda: engine.cat([t(2, 3), t(3, 2)]), ShapeError, r"cat.*\(2, 3\), \(3, 2\)"),
    ("stack", lambda: engine.stack([t(2), t(3)]), ShapeError, r"stack.*\(2,\), \(3,\)"),
    ("split", lambda: t(5).split([2, 2]), ShapeError, "split.*add up to 5"),
    ("pad", lambda: F.pad(t(2), (1, 1, 1, 1)), ShapeError, r"pad.*\(2,\)"),
    ("pad odd", lambda: F.pad(t(2), (1,)), ShapeError, "pad"),
    ("pad away", lambda: F.pad(t(2), (-2, -1)), ShapeError, "cuts off more"),
    ("reflect", lambda: F.pad(t(1, 2), (2, 0), "reflect"), ShapeError, "'reflect' can add up to 1"),
    (
        "matmul",
        lambda: t(2, 3) @ t(4, 5),
        ShapeError,
        r"matmul: x has 3 columns but y has 4 rows \(x \(2, 3\), y \(4, 5\)\)",
    ),
    ("matmul batch", lambda: t(2, 3, 4) @ t(3, 4, 5), ShapeError, "batch axes"),
    ("matmul numbers", lambda: t() @ t(2), ShapeError, r"multiply numbers with \*"),
    ("linear", lambda: F.linear(t(2, 3), t(5, 4)), ShapeError, r"linear: x has 3 features but weight expects 4"),
    ("linear bias", lambda: F.linear(t(2, 3), t(5, 3), t(4)), ShapeError, r"linear: bias \(4,\)"),
    ("linear weight", lambda: F.linear(t(2, 3), t(3)), ShapeError, "linear"),
    ("Linear", lambda: nn.Linear(3, 2)(t(2, 4)), ShapeError, "linear: x has 4 features but weight expects 3"),
    (
        "conv2d channels",
        lambda: F.conv2d(t(8, 3, 32, 32), t(64, 4, 3, 3)),
        ShapeError,
        r"conv2d: x has 3 channels but weight expects 4 \(x \(8, 3, 32, 32\), weight \(64, 4, 3, 3\)\)",
    ),
    (
        "conv2d groups",
        lambda: F.conv2d(t(1, 4, 5, 5), t(3, 2, 3, 3), groups=2),
        ShapeError,
        "groups=2 does not divide the 3",
    ),
    ("conv2d axes", lambda: F.conv2d(t(8, 8), t(2, 3, 3, 3)), ShapeError, r"unsqueeze\(0\)"),
    (
        "conv2d size",
        lambda: F.conv2d(t(1, 1, 2, 9), t(1, 1, 3, 3)),
        ShapeError,
        "spans 3 pixels but x has only 2.*larger image or more padding",
    ),
    (
        "conv2d bias",
        lambda: F.conv2d(t(1, 1, 5, 5), t(2, 1, 3, 3), t(3)),
        ShapeError,
        r"bias \(3,\).*2 output channels",
    ),
    ("Conv2d", lambda: nn.Conv2d(3, 4, 3)(t(2, 5, 8, 8)), ShapeError, "x has 5 channels but weight expects 3"),
    (
        "max_pool2d",
        lambda: F.max_pool2d(t(1, 1, 2, 2), 3),
        ShapeError,
        r"max_pool2d: a window of \(3, 3\).*larger image",
    ),
    ("max_pool2d axes", lambda: F.max_pool2d(t(2, 2), 2), ShapeError, "unsqueeze"),
    ("avg_pool2d", lambda: F.avg_pool2d(t(1, 1, 2, 2), 3), ShapeError, "avg_pool2d"),
    ("adaptive", lambda: F.adaptive_avg_pool2d(t(2, 2), 1), ShapeError, "adaptive_avg_pool2d"),
    ("adaptive empty", lambda: F.adaptive_avg_pool2d(t(1, 1, 0, 4), 1), ShapeError, "adaptive_avg_pool2d"),
    (
        "batch_norm",
        lambda: F.batch_norm(t(2, 3, 4, 4), t(4), t(4)),
        ShapeError,
        r"batch_norm: x has 3 channels.*\(4,\)",
    ),
    (
        "batch_norm training",
        lambda: F.batch_norm(t(1, 3), None, None, training=True),
        ShapeError,
        r"more than one value.*larger batch or \.eval",
    ),
    (
        "batch_norm empty",
        lambda: F.batch_norm(t(0, 3, 2, 2), None, None, training=True),
        ShapeError,
        "more than one value",
    ),
    ("BatchNorm2d", lambda: nn.BatchNorm2d(3)(t(2, 4, 2, 2)), ShapeError, "4 channels"),
    ("BatchNorm2d axes", lambda: nn.BatchNorm2d(3)(t(2, 3)), ShapeError, r"BatchNorm2d.*\(2, 3\)"),
    (
        "layer_norm",
        lambda: F.layer_norm(t(2, 3), (4,)),
        ShapeError,
        r"layer_norm: the last axes of x \(2, 3\) must be \(4,\)",
    ),
    ("layer_norm weight", lambda: F.layer_norm(t(2, 3), (3,), t(4)), ShapeError, r"layer_norm: weight \(4,\)"),
    ("LayerNorm", lambda: nn.LayerNorm(3)(t(2, 4)), ShapeError, "layer_norm"),
    (
        "cross_entropy",
        lambda: F.cross_entropy(t(2, 3), engine.tensor([0, 1, 2])),
        ShapeError,
        r"cross_entropy.*\(2, 3\).*\(2,\).*\(3,\)",
    ),
    (
        "cross_entropy class",
        lambda: F.cross_entropy(t(2, 3), [0, 3]),
        ShapeError,
        r"target 3 is no class: there are 3 \(0 to 2; -100 is ignored\)",
    ),
    ("cross_entropy negative", lambda: F.cross_entropy(t(2, 3), [0, -1]), ShapeError, "target -1"),
    ("cross_entropy weight", lambda: F.cross_entropy(t(2, 3), [0, 1], weight=t(2)), ShapeError, r"weight \(2,\)"),
    ("cross_entropy soft", lambda: F.cross_entropy(t(2, 3), t(2, 4)), ShapeError, r"\(2, 4\)"),
    ("cross_entropy soft weight", lambda: F.cross_entropy(t(2, 3), t(2, 3), weight=t(2)), ShapeError, r"weight \(2,\)"),
    ("cross_entropy number", lambda: F.cross_entropy(t(), [0]), ShapeError, "cross_entropy"),
    (
        "attention",
        lambda: F.scaled_dot_product_attention(t(2, 3, 4), t(2, 5, 6), t(2, 5, 4)),
        ShapeError,
        "attention: query.*last axis",
    ),
    ("attention axes", lambda: F.scaled_dot_product_attention(t(4), t(4), t(4)), ShapeError, "attention"),
    (
        "MultiheadAttention",
        lambda: nn.MultiheadAttention(4, 2)(t(4), t(4), t(4)),
        ShapeError,
        "MultiheadAttention",
    ),
    (
        "MultiheadAttention width",
        lambda: nn.MultiheadAttention(4, 2)(t(3, 1, 5), t(3, 1, 5), t(3, 1, 5)),
        ShapeError,
        "MultiheadAttention.*widths",
    ),
    (
        "MultiheadAttention mask",
        lambda: nn.MultiheadAttention(4, 2)(*[t(3, 1, 4)] * 3, attn_mask=t(2, 2)),
        ShapeError,
        "attn_mask must have shape",
    ),
    ("max_pool2d_input", lambda: engine.gather(t(2, 2), engine.tensor([[2]]), axis=0), ShapeError, "gather"),
]
DTYPES: list[Row] = [
    ("matmul", lambda: t(2, 2) @ t(2, 2, dtype="float64"), DtypeError, r"matmul.*float32, float64.*\.to\(dtype\)"),
    ("linear", lambda: F.linear(t(2, 2, dtype="float16"), t(2, 2)), DtypeError, "linear.*float16, float32"),
    ("conv2d", lambda: F.conv2d(t(1, 1, 3, 3, dtype="int64"), t(1, 1, 3, 3)), DtypeError, "conv2d.*int64, float32"),
    ("mean", lambda: t(2, dtype="int64").mean(), DtypeError, r"mean.*int64.*\.float\(\)"),
    ("var", lambda: t(2, dtype="int64").var(), DtypeError, r"var.*int64.*\.float\(\)"),
    ("cross_entropy", lambda: F.cross_entropy(t(2, 3, dtype="int64"), [0, 1]), DtypeError, "cross_entropy.*int64"),
    ("cross_entropy target", lambda: F.cross_entropy(t(2, 3), t(2, dtype="bool")), DtypeError, "cross_entropy.*bool"),
    ("index", lambda: t(2)[t(1)], DtypeError, "index.*float32"),
    ("gather", lambda: engine.gather(t(2, 2), t(1, 1), axis=0), DtypeError, "gather.*float32"),
    ("bits", lambda: t(2) | t(2), DtypeError, "bitwise_or.*float32"),
    ("dropout", lambda: F.dropout(t(2, dtype="int64")), DtypeError, r"dropout.*int64.*\.float\(\)"),
    ("to", lambda: nn.Linear(2, 2).to("int8"), DtypeError, "Linear.to.*int8"),
    ("cast", lambda: t(2).to("S3"), DtypeError, "S3"),
]
SETTINGS: list[Row] = [
    ("Conv2d groups", lambda: nn.Conv2d(3, 4, 3, groups=2), SettingError, "Conv2d: groups=2 must divide in_channels=3"),
    ("Conv2d kernel", lambda: nn.Conv2d(3, 4, 0), SettingError, r"Conv2d: kernel_size \(0, 0\)"),
    ("Conv2d three", lambda: nn.Conv2d(3, 4, (3, 3, 3)), SettingError, "kernel_size"),
    ("Conv2d stride", lambda: nn.Conv2d(3, 4, 3, stride=0), SettingError, "stride"),
    ("Conv2d padding", lambda: nn.Conv2d(3, 4, 3, padding=-1), SettingError, "padding"),
    ("Conv2d word", lambda: nn.Conv2d(3, 4, 3, padding="sane"), SettingError, "'same'"),
    ("Conv2d channels", lambda: nn.Conv2d(0, 4, 3), SettingError, "in_channels must.*at least 1, not 0"),
    (
        "conv2d stride",
        lambda: F.conv2d(t(1, 1, 5, 5), t(1, 1, 3, 3), stride=0),
        SettingError,
        r"conv2d: stride \(0, 0\)",
    ),
    (
        "conv2d float",
        lambda: F.conv2d(t(1, 1, 5, 5), t(1, 1, 3, 3), stride=1.5),
        SettingError,
        "stride must be a whole number",
    ),
    (
        "conv2d same",
        lambda: F.conv2d(t(1, 1, 5, 5), t(1, 1, 3, 3), stride=2, padding="same"),
        SettingError,
        "'same' wants stride 1",
    ),
    ("conv2d word", lambda: F.conv2d(t(1, 1, 5, 5), t(1, 1, 3, 3), padding="sane"), SettingError, "'same' or 'valid'"),
    ("Linear", lambda: nn.Linear(-1, 2), SettingError, "Linear: in_features must.*at least 0, not -1"),
    ("max_pool2d padding", lambda: F.max_pool2d(t(1, 1, 5, 5), 2, padding=2), SettingError, "at most half"),
    ("max_pool2d kernel", lambda: F.max_pool2d(t(1, 1, 5, 5), 0), SettingError, "max_pool2d"),
    ("max_pool2d stride", lambda: F.max_pool2d(t(1, 1, 5, 5), 2, stride=0), SettingError, "max_pool2d: stride"),
    ("avg_pool2d", lambda: F.avg_pool2d(t(1, 1, 5, 5), "2"), SettingError, "kernel_size"),
    ("adaptive", lambda: F.adaptive_avg_pool2d(t(1, 1, 5, 5), (1, 2, 3)), SettingError, "output_size"),
    ("adaptive word", lambda: F.adaptive_avg_pool2d(t(1, 1, 5, 5), "a"), SettingError, "output_size"),
    ("BatchNorm2d", lambda: nn.BatchNorm2d(0), SettingError, "num_features must.*at least 1, not 0"),
    ("BatchNorm2d eps", lambda: nn.BatchNorm2d(3, eps=-1.0), SettingError, "eps"),
    ("Dropout", lambda: nn.Dropout(1.5), SettingError, "Dropout: the probability.*1.5"),
    ("Dropout nan", lambda: nn.Dropout(float("nan")), SettingError, "Dropout"),
    ("StochasticDepth", lambda: nn.StochasticDepth(-0.1), SettingError, "StochasticDepth"),
    ("stochastic mode", lambda: nn.StochasticDepth(0.5, "rows")(t(2)), SettingError, "'row' or 'batch'"),
    ("gelu", lambda: F.gelu(t(2), "tan"), SettingError, "'none' or 'tanh'"),
    ("pad", lambda: F.pad(t(2), (1, 1), "mirror"), SettingError, "'reflect'"),
    (
        "cross_entropy",
        lambda: F.cross_entropy(t(2, 3), [0, 1], reduction="avg"),
        SettingError,
        "'mean', 'sum' or 'none'",
    ),
    (
        "cross_entropy smoothing",
        lambda: F.cross_entropy(t(2, 3), [0, 1], label_smoothing=2.0),
        SettingError,
        "label_smoothing",
    ),
    ("attention", lambda: F.scaled_dot_product_attention(*[t(1, 2, 2)] * 3, dropout_p=2.0), SettingError, "dropout_p"),
    (
        "MultiheadAttention",
        lambda: nn.MultiheadAttention(5, 2),
        SettingError,
        "embed_dim 5 must be a multiple of num_heads 2",
    ),
    ("MultiheadAttention none", lambda: nn.MultiheadAttention(4, 0), SettingError, "num_heads must.*not 0"),
    ("Linear word", lambda: nn.Linear("3", 2), SettingError, "Linear: in_features must be a whole number.*'3'"),
    ("LayerNorm", lambda: nn.LayerNorm(2.5), SettingError, "LayerNorm: normalized_shape must.*2.5"),
    ("Dropout word", lambda: nn.Dropout("half"), SettingError, "'half'"),
    ("dropout none", lambda: F.dropout(t(2), None), SettingError, "dropout: the probability"),
    ("split", lambda: t(4).split(0), SettingError, "at least 1"),
    ("chunk", lambda: t(4).chunk(0), SettingError, "at least 1"),
    ("precision", lambda: engine.precision("int8").__enter__(), SettingError, "'bf16'"),
]
ARGUMENTS: list[Row] = [
    (
        "unknown setting",
        lambda: engine.conv2d(t(1, 1, 3, 3), t(1, 1, 3, 3), strides=(1, 1)),
        ArgumentError,
        r"conv2d: has no argument 'strides'; it takes \(x, weight",
    ),
    ("no tensors", lambda: engine.add(), ArgumentError, "add: takes"),
    ("one tensor", lambda: engine.add(t(2)), ArgumentError, "add: takes.*only 1"),
    ("too many", lambda: engine.add(t(2), t(2), t(2)), ArgumentError, "add.*3 positional"),
    (
        "missing setting",
        lambda: engine.max_pool2d(t(1, 1, 4, 4)),
        ArgumentError,
        "max_pool2d: the setting 'kernel_size' is missing",
    ),
    ("a word", lambda: engine.matmul("a", t(2)), ArgumentError, "matmul.*str"),
    ("none", lambda: engine.conv2d(None, t(1, 1, 3, 3)), ArgumentError, "conv2d.*NoneType"),
    ("a module", lambda: engine.relu(nn.ReLU()), ArgumentError, "relu.*ReLU"),
    ("cat of a number", lambda: engine.cat(3), ArgumentError, "cat: wants a list of tensors, not int"),
    ("stack of words", lambda: engine.stack(["a"]), ArgumentError, "stack.*str"),
    ("pad of none", lambda: F.pad(None, (1, 1)), ArgumentError, "pad.*NoneType"),
    ("dropout of a word", lambda: F.dropout("x"), ArgumentError, "dropout.*str"),
    (
        "attention of none",
        lambda: F.scaled_dot_product_attention(None, None, None),
        ArgumentError,
        "attention.*NoneType",
    ),
    ("loss of a word", lambda: F.cross_entropy("x", [0]), ArgumentError, "cross_entropy.*str"),
    ("squeeze", lambda: engine.squeeze({}), ArgumentError, "squeeze.*dict"),
]
DEVICES: list[Row] = [
    ("unknown", lambda: t(2).to(device="tpu"), DeviceError, "'cpu', 'cuda'"),
    ("index", lambda: engine.zeros(2, device="cuda:x"), DeviceError, "cuda:x"),
    ("threads", lambda: engine.set_threads(1.5), DeviceError, "at least 1"),
]
EVERY = [
    pytest.param(*row[1:], id=f"{group}: {row[0]}")
    for group, rows in (
        ("shape", SHAPES),
        ("dtype", DTYPES),
        ("setting", SETTINGS),
        ("argument", ARGUMENTS),
        ("device", DEVICES),
    )
    for row in rows
]


@pytest.mark.parametrize(("call", "error", "says"), EVERY)
def test_what_does_not_fit_is_refused_in_words_that_help(
    call: Callable[[], Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=f"(?s){says}") as caught:
        call()
    text = str(caught.value)
    assert isinstance(caught.value, EngineError)
    assert len(text) > 25
    assert "operands could not be" not in text
    assert "ufunc" not in text


# ---- lists and arrays are inputs too ----------------------------------------------------------------------------

TAKEN: list[tuple[str, Callable[[Any], Any], Any]] = [
    ("softmax", lambda x: engine.softmax(x, axis=0), [1.0, 2.0]),
    ("sum", engine.sum, [[1, 2], [3, 4]]),
    ("cat", lambda x: engine.cat([x, x]), [1.0, 2.0]),
    ("stack", lambda x: engine.stack([x, x]), [1, 2]),
    ("linear", lambda x: engine.linear(x, [[1.0, 1.0]]), [1.0, 2.0]),
    ("pad", lambda x: F.pad(x, [1, 1]), [1.0]),
    ("squeeze", engine.squeeze, [[1]]),
    ("dropout", lambda x: F.dropout(x, 0.5, training=False), [1.0]),
    ("layer norm", lambda x: F.layer_norm(x, 2), [1.0, 2.0]),
    ("var", engine.var, [1.0, 3.0]),
    ("matmul", lambda x: engine.matmul(x, x), [1.0, 2.0]),
    ("exp", engine.exp, [1.0]),
    ("reshape", lambda x: engine.reshape(x, (2, 1)), [1, 2]),
    ("cross entropy", lambda x: engine.cross_entropy(x, [0]), [[1.0, 2.0]]),
    ("argmax", engine.argmax, [3, 9]),
    ("where", lambda x: engine.where(x, x, 0), [1, 0]),
    ("clip", lambda x: engine.clip(x, low=1.0), [0.5, 2.0]),
]


@pytest.mark.parametrize(("call", "data"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_operations_take_lists_and_arrays(call: Callable[[Any], Any], data: Any) -> None:
    wanted = call(engine.tensor(data))
    for given in (data, engine.tensor(data).numpy()):
        result = call(given)
        assert result.dtype == wanted.dtype
        np.testing.assert_array_equal(result.numpy(), wanted.numpy())


# ---- nothing, and one ------------------------------------------------------------------------------------------

LAYERS: list[tuple[str, Callable[[], nn.Module], tuple[int, ...]]] = [
    ("Linear", lambda: nn.Linear(3, 2), (0, 3)),
    ("Linear of nothing", lambda: nn.Linear(0, 2), (4, 0)),
    ("Linear deep", lambda: nn.Linear(3, 2), (2, 0, 3)),
    ("Conv2d", lambda: nn.Conv2d(2, 4, 3, padding=1), (0, 2, 5, 5)),
    ("Conv2d strided", lambda: nn.Conv2d(2, 4, 3, stride=2, groups=2), (0, 2, 7, 7)),
    ("Conv2d 1x1", lambda: nn.Conv2d(2, 4, 1), (0, 2, 5, 5)),
    ("MaxPool2d", lambda: nn.MaxPool2d(2), (0, 2, 4, 4)),
    ("MaxPool2d channels", lambda: nn.MaxPool2d(3, 2, 1), (2, 0, 5, 5)),
    ("AvgPool2d", lambda: nn.AvgPool2d(2), (0, 2, 4, 4)),
    ("AdaptiveAvgPool2d", lambda: nn.AdaptiveAvgPool2d(1), (0, 2, 4, 4)),
    ("AdaptiveAvgPool2d uneven", lambda: nn.AdaptiveAvgPool2d(3), (0, 2, 4, 4)),
    ("BatchNorm2d", lambda: nn.BatchNorm2d(2).eval(), (0, 2, 4, 4)),
    ("LayerNorm", lambda: nn.LayerNorm(4), (0, 4)),
    ("GELU", lambda: nn.GELU(), (0, 3)),
    ("Softmax", lambda: nn.Softmax(1), (0, 3)),
    ("Softmax of nothing", lambda: nn.Softmax(1), (3, 0)),
    ("LogSoftmax", lambda: nn.LogSoftmax(0), (0, 3)),
    ("Dropout", lambda: nn.Dropout(0.5), (0, 3)),
    ("StochasticDepth", lambda: nn.StochasticDepth(0.5), (0, 3)),
    ("Flatten", lambda: nn.Flatten(), (0, 3, 4)),
    ("Hardswish", lambda: nn.Hardswish(), (0,)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(("make", "shape"), [row[1:] for row in LAYERS], ids=[row[0] for row in LAYERS])
def test_layers_pass_empty_batches_through_and_back(
    make: Callable[[], nn.Module], shape: tuple[int, ...], dtype: str
) -> None:
    layer = make().to(dtype)
    x = engine.zeros(shape, dtype=dtype, requires_grad=True)
    out = layer(x)
    assert out.shape[0] == shape[0]
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.shape == shape
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.shape == parameter.shape
        if shape[0] == 0:
            assert not parameter.grad.any()


def test_the_loss_of_an_empty_batch_is_not_a_number_and_its_sum_is_zero() -> None:
    x = engine.zeros(0, 3, requires_grad=True)
    labels = engine.zeros(0, dtype="int64")
    assert np.isnan(F.cross_entropy(x, labels).item())
    assert F.cross_entropy(x, labels, reduction="sum").item() == 0
    assert F.cross_entropy(x, labels, reduction="none").shape == (0,)
    F.cross_entropy(x, labels, reduction="sum").backward()
    assert x.grad is not None
    assert x.grad.shape == (0, 3)


def test_attention_over_no_queries_gives_none() -> None:
    query, key = engine.zeros(2, 0, 4), engine.zeros(2, 3, 4)
    assert F.scaled_dot_product_attention(query, key, key).shape == (2, 0, 4)
    layer = nn.MultiheadAttention(4, 2, batch_first=True)
    assert layer(engine.zeros(0, 3, 4), engine.zeros(0, 3, 4), engine.zeros(0, 3, 4))[0].shape == (0, 3, 4)


def test_numbers_without_axes_go_through_what_takes_them() -> None:
    x = engine.tensor(2.0, requires_grad=True)
    table: list[tuple[Callable[[], engine.Tensor], float]] = [
        (lambda: x.sum(), 2),
        (lambda: x.mean(), 2),
        (lambda: x.max(), 2),
        (lambda: x.amin(), 2),
        (lambda: x.softmax(), 1),
        (lambda: x.log_softmax(), 0),
        (lambda: x.reshape(1)[0], 2),
        (lambda: x.unsqueeze(0).squeeze(), 2),
        (lambda: x.expand(3).sum(), 6),
        (lambda: x.flatten().sum(), 2),
        (lambda: x.T, 2),
        (lambda: x[None].sum(), 2),
        (lambda: x[...], 2),
        (lambda: x.norm(), 2),
        (lambda: x.permute(), 2),
        (lambda: x.flip(), 2),
    ]
    for call, wanted in table:
        out = call()
        assert out.item() == wanted
        out.backward()
    assert engine.argmax(x).item() == 0
    assert x.max(0)[0].item() == 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pooling_and_convolution_carry_special_numbers(value: float) -> None:
    image = np.zeros((1, 1, 4, 4), np.float32)
    image[0, 0, 1, 1] = value
    x = engine.tensor(image)
    np.testing.assert_equal(F.avg_pool2d(x, 2).numpy()[0, 0, 0, 0], np.float32(value))
    best = F.max_pool2d(x, 2).numpy()[0, 0]
    np.testing.assert_equal(best[0, 0], np.float32(0 if value == -np.inf else value))
    assert best[1, 1] == 0
    out = F.conv2d(x, engine.ones(1, 1, 2, 2)).numpy()[0, 0]
    np.testing.assert_equal(out[0, 0], np.float32(value))
    assert out[2, 2] == 0
