"""Convolutions by cuDNN: NCHW in the interface, channels side by side in memory, the bias added in the same pass. Those of float64 are the bodies'."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ....dtype import Array, float32
from ....modes import TF32, are_deterministic_algorithms_enabled, modes
from ....ops.images.convolution import output_size
from ...plans import Plans
from ..forms import lies
from ..kept import kept_copy
from ..layout import channels_last, maker
from ..libraries import choosing, gemm
from ..libraries.graphs import data_type
from ..machine import Machine, machine
from ..shapes.transposing import copier, copy_like

__all__ = [
    "Convolution",
    "both_gradients",
    "conv2d",
    "conv2d_input",
    "conv2d_weight",
    "conv3d",
    "conv3d_input",
    "conv3d_weight",
    "strides_of_images",
]

Sizes = tuple[int, ...]
Plan = Callable[..., Any]
PLANS: Plans[Plan] = choosing.renewed(Plans())

SERVED = ("float32", "float16", "bfloat16")
"""Not float64: cuDNN's front end (from 1.18 on; 1.23 is the one that is used) gives the factor of every convolution and gradient as a
float32, and cuDNN, which computes in float64 then, reads its bits as those of 5e-324 times 0x3f800000. The bodies multiply by cublasLt."""
OTHERWISE = (
    "by a product for each place of the kernel, which is many times slower: see whether another precision, channels in multiples of 8, "
    "or a newer cuDNN serve it"
)
ALIGNED = 16
"""Bytes that cuDNN takes addresses to be multiples of."""


@dataclass(frozen=True)
class Convolution:
    """A convolution or one of its gradients, between arrays whose channels or whose planes lie side by side.

    ``kind`` is "forward" (image, weight and perhaps bias give a result), "input" (the result's gradient and the weight give
    the image's) or "weight" (the image and the result's gradient give the weight's). Tensors are numbered in that order, then
    comes what is computed, then the bias.
    """

    kind: str
    image: Sizes
    weight: Sizes
    result: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    dtype: str
    bias: bool = False
    activation: str = ""
    """"relu", or nothing."""
    tf32: bool = False
    deterministic: bool = False
    planes: bool = False
    """Whether not the channels but the planes lie side by side, in row order."""

    measurable = True

    @property
    def otherwise(self) -> str:
        """How it is computed where no engine does; by planes another layout is tried first, and nobody is warned."""
        return "" if self.planes else OTHERWISE

    @property
    def operands(self) -> tuple[Sizes, Sizes, Sizes]:
        """The shapes of the two operands and of what is computed."""
        return {
            "forward": (self.image, self.weight, self.result),
            "input": (self.result, self.weight, self.image),
            "weight": (self.image, self.result, self.weight),
        }[self.kind]

    def strides(self, shape: Sizes) -> Sizes:
        """Those of one of the arrays, in elements."""
        return gemm.dense(shape) if self.planes else strides_of_images(shape)

    def write(self, cudnn: Any, graph: Any) -> int:
        """Add tensors and operations to a graph of cuDNN's."""
        first, second, wanted = self.operands
        left, right = (
            graph.tensor(dim=list(shape), stride=list(self.strides(shape)), uid=number, name=f"operand {number}")
            for number, shape in enumerate((first, second), 1)
        )
        settings = {
            "pre_padding": list(self.padding), "post_padding": list(self.padding), "stride": list(self.stride),
            "dilation": list(self.dilation),
        }  # fmt: skip
        if self.kind == "forward":
            out = graph.conv_fprop(image=left, weight=right, **settings)
        elif self.kind == "input":
            out = graph.conv_dgrad(loss=left, filter=right, **settings)
        else:
            out = graph.conv_wgrad(image=left, loss=right, **settings)
        if self.bias:
            shape = (1, wanted[1], *(1 for _ in self.stride))
            bias = graph.tensor(dim=list(shape), stride=list(self.strides(shape)), uid=4, name="bias")
            out = graph.bias(input=out, bias=bias)
        if self.activation == "relu":
            out = graph.relu(input=out)
        out.set_output(True).set_data_type(data_type(cudnn, self.dtype)).set_uid(3)
        out.set_dim(list(wanted)).set_stride(list(self.strides(wanted)))
        return 4 if self.bias else 3


def strides_of_images(shape: Sizes) -> Sizes:
    """The strides, in elements, of (batch, channels, *sizes) without gaps whose channels lie side by side."""
    strides = [0] * len(shape)
    step = 1
    for axis in reversed(channels_last(len(shape))):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, *, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:  # fmt: skip
    """The cross-correlation of images, or volumes, with a kernel."""
    here = machine()
    modes_now = (modes.precision is TF32, are_deterministic_algorithms_enabled())
    key = (
        "forward", here, x.shape, x.strides, x.dtype, weight.shape, weight.strides, weight.dtype,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), stride, padding, dilation, groups, modes_now,
    )  # fmt: skip
    plan = PLANS.get(key)
    if plan is None:
        plan = PLANS.make(key, _plan_forward, here, x, weight, bias, stride, padding, dilation, groups, modes_now)
    return plan(x, weight, bias)


conv3d = conv2d


def conv2d_input(
    flow: Array, weight: Array, *, shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:
    """The gradient of a convolution for its image."""
    return _gradient("input", flow, weight, shape, stride, padding, dilation, groups)


def conv2d_weight(
    flow: Array, x: Array, *, shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:
    """The gradient of a convolution for its weight."""
    return _gradient("weight", flow, x, shape, stride, padding, dilation, groups)


conv3d_input, conv3d_weight = conv2d_input, conv2d_weight


def _gradient(
    kind: str, flow: Array, other: Array, shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:
    here = machine()
    modes_now = (modes.precision is TF32, are_deterministic_algorithms_enabled())
    key = (
        kind, here, flow.shape, flow.strides, flow.dtype, other.shape, other.strides, other.dtype, shape, stride, padding, dilation,
        groups, modes_now,
    )  # fmt: skip
    plan = PLANS.get(key)
    if plan is None:
        settings = (stride, padding, dilation, groups)
        plan = PLANS.make(key, _plan_gradient, here, kind, flow, other, tuple(shape), settings, modes_now)
    return plan(flow, other)


def both_gradients(
    flow: Array, x: Array, weight: Array, *, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:
    """Those for the image and for the weight, planned as one."""
    here = machine()
    modes_now = (modes.precision is TF32, are_deterministic_algorithms_enabled())
    key = (
        "both", here, flow.shape, flow.strides, flow.dtype, x.shape, x.strides, x.dtype, weight.shape, weight.strides, weight.dtype,
        stride, padding, dilation, groups, modes_now,
    )  # fmt: skip
    plan = PLANS.get(key)
    if plan is None:
        settings = (stride, padding, dilation, groups)
        plan = PLANS.make(key, _plan_both, here, flow, x, weight, settings, modes_now)
    return plan(flow, x, weight)


# ---- plans -------------------------------------------------------------------------------------------------------


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _fits(
    image: Sizes, weight: Sizes, result: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> bool:
    """Whether these are the sizes of one convolution; the body says what is wrong where they are not."""
    axes = len(stride)
    if not (len(image) == len(weight) == len(result) == axes + 2) or 0 in (*image, *weight, *result):
        return False
    if image[1] != weight[1] * groups or weight[0] % groups or (image[0], weight[0]) != result[:2]:
        return False
    if min(*stride, *dilation) < 1 or min(padding) < 0:
        return False
    return result[2:] == tuple(map(output_size, image[2:], weight[2:], stride, padding, dilation))


def _plan_forward(
    here: Machine, x: Array, weight: Array, bias: Array | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int,
    modes_now: tuple[bool, bool],
) -> Plan:  # fmt: skip
    if x.dtype.name not in SERVED or weight.dtype != x.dtype or x.ndim != len(stride) + 2 or weight.ndim != x.ndim:
        return _refuse
    if bias is not None and (bias.dtype != x.dtype or bias.shape != weight.shape[:1]):
        return _refuse
    sizes = tuple(map(output_size, x.shape[2:], weight.shape[2:], stride, padding, dilation))
    shape = (x.shape[0], weight.shape[0], *sizes)
    if min(sizes) < 1 or not _fits(x.shape, weight.shape, shape, stride, padding, dilation, groups):
        return _refuse
    planes = _by_planes(x, modes_now[0])
    # fmt: off
    wanted = Convolution(
        "forward", x.shape, weight.shape, shape, stride, padding, dilation, x.dtype.name, bias is not None, "", *modes_now, planes
    )
    # fmt: on
    run, planes = _run(here, wanted)
    if run is None:
        return _refuse
    order = _order(x.ndim, planes)
    make, address = maker(here, shape, x.dtype, order), here.address
    turns = _turning(x, order), _turning(weight, order), None if bias is None else _turning(bias, (0,))
    lie, turn = turns[0] is None and turns[2] is None, turns[1]
    biased = bias is not None  # a plan must not hold the array itself

    def compute(x: Array, weight: Array, bias: Array | None) -> Array:
        if turn is not None:
            weight = kept_copy(weight, order, turn)
        first, second = address(x), address(weight)
        if not lie or (first | second) % ALIGNED:
            return copying(x, weight, bias)
        out = make()
        run(first, second, address(out))
        return out

    def compute_with_bias(x: Array, weight: Array, bias: Array) -> Array:
        if turn is not None:
            weight = kept_copy(weight, order, turn)
        first, second, third = address(x), address(weight), address(bias)
        if not lie or (first | second | third) % ALIGNED:
            return copying(x, weight, bias)
        out = make()
        run(first, second, address(out), third)
        return out

    def copying(x: Array, weight: Array, bias: Array | None) -> Array:
        x, weight = _taken(here, x, turns[0], order), _taken(here, weight, None, order)
        out = make()
        more = () if bias is None else (_taken(here, bias, turns[2], order),)
        run(*map(address, (x, weight, out, *more)))
        return out

    return compute_with_bias if biased else compute


def _plan_gradient(
    here: Machine, kind: str, flow: Array, other: Array, shape: Sizes, settings: tuple[Any, ...], modes_now: tuple[bool, bool]
) -> Plan:  # fmt: skip
    if flow.dtype.name not in SERVED or other.dtype != flow.dtype:
        return _refuse
    image, weight = (shape, other.shape) if kind == "input" else (other.shape, shape)
    if not _fits(image, weight, flow.shape, *settings):
        return _refuse
    stride, padding, dilation, _ = settings
    planes = _by_planes(flow, modes_now[0])
    wanted = Convolution(
        kind, image, weight, flow.shape, stride, padding, dilation, flow.dtype.name, False, "", *modes_now, planes
    )
    run, planes = _run(here, wanted)
    if run is None:
        return _refuse
    order = _order(len(shape), planes)
    make, address = maker(here, shape, flow.dtype, order), here.address
    turns, flows_first = (_turning(flow, order), _turning(other, order)), kind == "input"
    # Weights lie with their channels side by side, whatever images do, and so do their gradients.
    back = copier(make(), channels_last(len(shape))) if planes and kind == "weight" and not _is_flat(shape) else None
    lie = turns == (None, None)

    def compute(flow: Array, other: Array) -> Array:
        first, second = address(flow), address(other)
        if not lie or (first | second) % ALIGNED:
            flow, other = _taken(here, flow, turns[0], order), _taken(here, other, turns[1], order)
            first, second = address(flow), address(other)
        out = make()
        if flows_first:
            run(first, second, address(out))
        else:
            run(second, first, address(out))
        return out if back is None else back(out)

    return compute


def _plan_both(
    here: Machine, flow: Array, x: Array, weight: Array, settings: tuple[Any, ...], modes_now: tuple[bool, bool]
) -> Plan:
    to_image = _plan_gradient(here, "input", flow, weight, x.shape, settings, modes_now)
    to_weight = _plan_gradient(here, "weight", flow, x, weight.shape, settings, modes_now)
    if _refuse in (to_image, to_weight):
        return _refuse
    return lambda flow, x, weight: [to_image(flow, weight), to_weight(flow, x)]


def _run(here: Machine, wanted: Convolution) -> tuple[Callable[..., None] | None, bool]:
    """What computes it from addresses, and whether by planes: where no engine does, one may where channels lie side by side."""
    run = here.prepare(wanted)
    if run is None and wanted.planes:
        wanted = replace(wanted, planes=False)
        run = here.prepare(wanted)
    return run, wanted.planes


def _by_planes(x: Array, tf32: bool) -> bool:
    """Whether cuDNN computes faster where planes lie side by side.

    The units that want channels side by side do not compute in whole float32. Those that do turn images around in launches of their own.
    """
    return x.dtype == float32 and x.ndim == 4 and not tf32


def _order(ndim: int, planes: bool) -> tuple[int, ...]:
    return tuple(range(ndim)) if planes else channels_last(ndim)


def _is_flat(shape: Sizes) -> bool:
    """Whether both orders are the same memory."""
    return shape[1] == 1 or math.prod(shape[2:]) == 1


def _turning(array: Array, order: tuple[int, ...]) -> Callable[[Array], Array] | None:
    """What copies arrays of this layout into an order of axes; None for those that lie so."""
    return None if lies(array, order) else copier(array, order)


def _taken(here: Machine, array: Array, turn: Callable[[Array], Array] | None, order: tuple[int, ...]) -> Array:
    """An array as the library reads it: itself, or a copy."""
    if turn is not None:
        return turn(array)
    return copy_like(array, order if array.ndim > 1 else (0,)) if here.address(array) % ALIGNED else array
