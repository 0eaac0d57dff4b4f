"""The gradient of every example by itself: for private training, influence and curvature.

The plain way runs the model once for each example, which is right for every model. Where the model is a chain of layers that
treat examples apart, one pass over the batch gives the same: what a layer was given and what came back to it make each
example's part of its weight's gradient (Goodfellow, "Efficient per-example gradient computations", 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import gradient as _gradient
from ..errors import ArgumentError, SettingError, ShapeError
from ..modes import Recording
from ..ops import cat, conv2d_weight, matmul, stack, zeros
from ..tensor import Tensor, tensor_like

METHODS = ("auto", "each", "batch")

# Layers that compute each example by itself, whatever their settings.
_APART = frozenset(
    {
        "AdaptiveAvgPool2d",
        "AvgPool2d",
        "CELU",
        "Conv2d",
        "ELU",
        "Flatten",
        "GELU",
        "Hardsigmoid",
        "Hardswish",
        "Hardtanh",
    }
    | {"Identity", "LeakyReLU", "Linear", "LogSigmoid", "MaxPool2d", "Mish", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid"}
    | {"Softplus", "Softsign", "Tanh", "ZeroPad2d"}
)
_WITH_RULE = ("Linear", "Conv2d")


def per_example_gradients(
    loss: Callable[[Any, Any], Tensor], model: Any, x: Any, y: Any, *, method: str = "auto"
) -> dict[str, Tensor]:
    """Dotted names of the trained parameters, and their gradients for every example: (batch, ...).

    Row i is the gradient of ``loss(model(x[i:i+1]), y[i:i+1])``, a single number. ``method`` is "each" (the model runs once for each
    example: right for any), "batch" (one run: for Sequential models of layers that treat examples apart, with all weights in
    linear and 2d-convolution layers), or "auto": the second where it is known to be right.
    """
    if method not in METHODS:
        raise SettingError(f"per_example_gradients: method must be one of {', '.join(METHODS)}, not {method!r:.40}")
    x, y = tensor_like("per_example_gradients", x), tensor_like("per_example_gradients", y)
    if not x.ndim or not y.ndim or x.shape[0] != y.shape[0]:
        raise ShapeError(
            f"per_example_gradients: x {tuple(x.shape)} and y {tuple(y.shape)} must have as many examples, along axis 0"
        )
    names = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not names:
        raise ArgumentError("per_example_gradients: the model has no parameter that wants a gradient")
    reason = _unfit(model)
    if method == "batch" and reason:
        raise ArgumentError(f"per_example_gradients: {reason}; use method='each'")
    count = x.shape[0]
    if not count:
        return {name: zeros(0, *p.shape, dtype=p.dtype, device=p.device) for name, p in names.items()}
    with Recording(True):
        if method == "each" or reason:
            return _each(loss, model, x, y, names)
        return _batch(loss, model, x, y, names)


def _each(loss: Any, model: Any, x: Tensor, y: Tensor, names: dict[str, Any]) -> dict[str, Tensor]:
    rows: dict[str, list[Tensor]] = {name: [] for name in names}
    for i in range(x.shape[0]):
        value = _number(loss(model(x[i : i + 1]), y[i : i + 1]))
        found = _gradient.grad(value, list(names.values()), allow_unused=True)
        for (name, parameter), gradient in zip(names.items(), found, strict=True):
            empty = zeros(*parameter.shape, dtype=parameter.dtype, device=parameter.device)
            rows[name].append(empty if gradient is None else gradient)
    return {name: stack(parts, 0) for name, parts in rows.items()}


def _batch(loss: Any, model: Any, x: Tensor, y: Tensor, names: dict[str, Any]) -> dict[str, Tensor]:
    calls: list[tuple[Any, Tensor, Tensor]] = []
    handles = []
    for part in model.modules():
        if type(part).__name__ in _WITH_RULE:
            handles.append(part.register_forward_hook(lambda layer, args, out: calls.append((layer, args[0], out))))
    try:
        out = model(x)
    finally:
        for handle in handles:
            handle.remove()
    total = _number(loss(out[:1], y[:1]))
    for i in range(1, x.shape[0]):
        total = total + _number(loss(out[i : i + 1], y[i : i + 1]))
    flows = _gradient.grad(total, [result for _, _, result in calls], allow_unused=True)
    found: dict[int, Tensor] = {}
    for (layer, given, _), flow in zip(calls, flows, strict=True):
        if flow is None:
            continue
        rule = _linear if type(layer).__name__ == "Linear" else _convolution
        for parameter, gradient in rule(layer, given.detach(), flow):
            held = found.get(id(parameter))
            found[id(parameter)] = gradient if held is None else held + gradient
    return {
        name: found[id(p)]
        if id(p) in found
        else zeros(x.shape[0], *p.shape, dtype=p.dtype, device=p.device)
        for name, p in names.items()
    }  # fmt: skip


def _linear(layer: Any, x: Tensor, flow: Tensor) -> list[tuple[Any, Tensor]]:
    batch = x.shape[0]
    rows, flows = x.reshape(batch, -1, x.shape[-1]), flow.reshape(batch, -1, flow.shape[-1])
    found = [(layer.weight, matmul(flows.transpose(1, 2), rows))]
    return found if layer.bias is None else [*found, (layer.bias, flows.sum(1))]


def _convolution(layer: Any, x: Tensor, flow: Tensor) -> list[tuple[Any, Tensor]]:
    shape = tuple(layer.weight.shape)
    parts = [
        conv2d_weight(flow[i : i + 1], x[i : i + 1], shape=shape, **layer._settings).unsqueeze(0)
        for i in range(x.shape[0])
    ]
    found = [(layer.weight, cat(parts, 0))]
    return found if layer.bias is None else [*found, (layer.bias, flow.sum((2, 3)))]


def _unfit(model: Any) -> str:
    """Why one pass over the batch would not do for this model; nothing if it does."""
    for name, part in model.named_modules():
        kind = type(part).__name__
        own = type(part).__module__.startswith(f"{__package__}.nn")
        where = f"{name or 'the model'} is a {kind}"
        if part._hooks is not None:
            return f"{where} with hooks"
        if kind == "Sequential" and own:
            continue
        if kind == "Dropout" and own and not part.training:
            continue
        if kind == "BatchNorm2d" and own and not part.training and not any(p.requires_grad for p in part.parameters()):
            continue
        if kind not in _APART or not own:
            return f"{where}, which may mix examples"
        if kind == "Flatten" and part.start_dim < 1:
            return f"{where} that does not begin at axis 1"
        if kind not in _WITH_RULE and any(p.requires_grad for p in part.parameters(recurse=False)):
            return f"{where}, for whose weights there is no rule"
        if kind == "Conv2d" and getattr(part, "_settings", None) is None:
            return f"{where} with padding of its own"
    return ""


def _number(value: Any) -> Tensor:
    if not isinstance(value, Tensor) or value.numel() != 1:
        shown = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ShapeError(f"per_example_gradients: the loss of one example must be a single number, not {shown}")
    return value.reshape(())
