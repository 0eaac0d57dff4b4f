"""Device time of single operations on a GPU beside PyTorch's: forward, and backward with gradients in the layout of the result.

    python benchmarks/gpu_ops.py --json ops.json
    python benchmarks/gpu_ops.py --only "batch_norm" "conv 3x3"

PyTorch's profiler counts what the device computes, for both libraries: kernels, copies and fills, without the host's part. Microseconds of one
call; ratios are PyTorch's time over ours. The JSON has each operation's kernels too.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gpu_cases
import numpy as np
from rounds import CHECKOUT

TIMES = 3
Call = Callable[..., Any]


class Library(NamedTuple):
    """A library, its functions of networks, and how an array of NumPy becomes its tensor on the device."""

    own: bool
    root: Any
    functional: Any
    device: str

    def tensor(self, values: np.ndarray[Any, Any], dtype: str = "", last: bool = False) -> Any:
        if self.own:
            given = self.root.tensor(values).to(self.device)
            given = given.to(dtype=dtype) if dtype else given
            return given.permute((0, 2, 3, 1)).contiguous().permute((0, 3, 1, 2)) if last else given
        given = self.root.from_numpy(values).to(self.device)
        given = given.to(getattr(self.root, dtype)) if dtype else given
        return given.contiguous(memory_format=self.root.channels_last) if last else given

    def wait(self) -> None:
        if self.device == "cuda":
            self.root.cuda.synchronize()


class Case(NamedTuple):
    """An operation: ``make(library)`` gives a function of tensors of these shapes; images lie channels last."""

    name: str
    make: Callable[[Library], Call]
    shapes: tuple[tuple[int, ...], ...]
    dtype: str = "float32"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--only", nargs="*", help="operations with one of these texts in their names")
    parser.add_argument("--seconds", type=float, default=600, help="begin no operation after so many seconds")
    parser.add_argument(
        "--device", default="cuda", help="cpu tries the benchmark itself, by the clock and on small tensors"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(CHECKOUT))
    import torch

    from numzoo import engine
    from numzoo.engine.nn import functional

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    libraries = {
        "numzoo": Library(True, engine, functional, options.device),
        "torch": Library(False, torch, torch.nn.functional, options.device),
    }
    rows: list[dict[str, Any]] = []
    ends = time.monotonic() + options.seconds
    for case in cases():
        if options.only and not any(text in case.name for text in options.only):
            continue
        if time.monotonic() > ends:
            print("the time is over; the rest is not measured")
            break
        row: dict[str, Any] = {"name": case.name, "shapes": case.shapes, "dtype": case.dtype}
        for side, library in libraries.items():
            try:
                row |= {f"{side} {key}": value for key, value in measured(case, library).items()}
            except Exception as error:  # one that fails must not cost the others
                row[f"{side} error"] = f"{type(error).__name__}: {error}"[:300]
        rows.append(row)
        print(line(row), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"about": gpu_cases.about(options.device), "rows": rows}))


def measured(case: Case, library: Library) -> dict[str, Any]:
    """Device time and kernels of the call, and of its backward pass alone."""
    generator = np.random.default_rng(0)
    small = library.device == "cpu"
    shapes = [tuple(min(n, 16) for n in shape) if small and len(shape) != 4 else shape for shape in case.shapes]
    shapes = [
        (min(shape[0], 2), *shape[1:]) if small and len(shape) == 4 and shape[2] > 3 else shape for shape in shapes
    ]
    images = any(text in case.name for text in ("norm ", "pool", "conv", "relu", "average"))
    tensors = [
        library.tensor(
            generator.standard_normal(shape).astype(np.float32), case.dtype, images and len(shape) == 4
        ).detach()
        for shape in shapes
    ]
    call = case.make(library)
    with library.root.no_grad():
        forward, kernels = on_the_device(library, [lambda: call(*tensors)] * TIMES)
    found = {"forward": forward, "forward kernels": kernels}
    for tensor in tensors:
        tensor.requires_grad = True
    result = call(*tensors)
    flow = result.detach().clone()  # as the result lies
    result.backward(flow)
    del result

    def back(result: Any) -> Call:
        def run() -> None:
            for tensor in tensors:
                tensor.grad = None
            result.backward(flow)

        return run

    found["backward"], found["backward kernels"] = on_the_device(
        library, [back(call(*tensors)) for _ in range(TIMES + 2)]
    )
    return found


def on_the_device(library: Library, calls: list[Call]) -> tuple[float, list[Any]]:
    """Microseconds of one of these calls, which are alike, and its longest kernels; the first two only warm up."""
    if len(calls) > TIMES:
        calls, first = calls[2:], calls[:2]
    else:
        first = calls[:2]
    for call in first:
        call()
    library.wait()
    if library.device == "cpu":
        start = time.perf_counter()
        for call in calls:
            call()
        return (time.perf_counter() - start) / len(calls) * 1e6, []
    import torch
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as watched:
        for call in calls:
            call()
        library.wait()
        torch.cuda.synchronize()
    events = [event for event in watched.key_averages() if event.self_device_time_total > 0]
    rows = [(e.key[:90], e.count / len(calls), round(e.self_device_time_total / len(calls), 1)) for e in events]
    return sum(row[2] for row in rows), sorted(rows, key=lambda row: -row[2])[:8]


def line(row: dict[str, Any]) -> str:
    """A row for people."""
    text = f"{row['name']:<28}{row['dtype']:<9}"
    for way in ("forward", "backward"):
        own, other = row.get(f"numzoo {way}"), row.get(f"torch {way}")
        if own and other:
            text += f" {way} {own:9.1f} / {other:9.1f} us {other / own:5.2f}x"
    return text + "".join(f"  {side}: {row[f'{side} error']}" for side in ("numzoo", "torch") if f"{side} error" in row)


# ---- the operations -------------------------------------------------------------------------------------------------

ROWS = (8192, 768)
WIDE = (8192, 3072)
HEADS = (64, 12, 128, 64)
LONG_HEADS = (8, 12, 512, 64)
IMAGE_HEADS = (64, 12, 197, 64)
SOUND_HEADS = (16, 8, 1500, 64)
NARROW = "bfloat16"


def cases() -> list[Case]:
    """What the models of the benchmark compute, in their sizes."""
    found = []
    for dtype in (NARROW, "float32"):
        found += [
            Case("add", lambda m: lambda a, b: a + b, (ROWS, ROWS), dtype),
            Case("add bias", lambda m: lambda a, b: a + b, (ROWS, ROWS[1:]), dtype),
            Case("gelu", lambda m: m.functional.gelu, (WIDE,), dtype),
            Case("dropout", lambda m: lambda a: m.functional.dropout(a, 0.1, True), (ROWS,), dtype),
            Case("layer_norm", _layer_norm, (ROWS, ROWS[1:], ROWS[1:]), dtype),
            Case("sum, layer_norm", _added(0.0), (ROWS, ROWS, ROWS[1:], ROWS[1:]), dtype),
            Case("dropout, sum, layer_norm", _added(0.1), (ROWS, ROWS, ROWS[1:], ROWS[1:]), dtype),
            Case("softmax", lambda m: lambda a: m.functional.softmax(a, -1), ((98304, 128),), dtype),
            Case("sum of rows", lambda m: lambda a: a.sum(0), (WIDE,), dtype),
            Case("sum of columns", lambda m: lambda a: a.sum(-1), (WIDE,), dtype),
            Case("linear", lambda m: m.functional.linear, (ROWS, (3072, 768), (3072,)), dtype),
            Case("attention", lambda m: m.functional.scaled_dot_product_attention, (HEADS,) * 3, dtype),
            Case("attention causal", _causal, (LONG_HEADS,) * 3, dtype),
            Case("attention of images", lambda m: m.functional.scaled_dot_product_attention, (IMAGE_HEADS,) * 3, dtype),
            Case("attention of sounds", lambda m: m.functional.scaled_dot_product_attention, (SOUND_HEADS,) * 3, dtype),
            Case("attention, dropout", _dropped, (HEADS,) * 3, dtype),
            *_of_images(dtype),
        ]
    return [
        *found,
        Case("cast to bfloat16", lambda m: lambda a: a.bfloat16(), (ROWS,)),
        Case("cast to float32", lambda m: lambda a: a.float(), (ROWS,), NARROW),
        Case("mean of all", lambda m: lambda a: a.mean(), (WIDE,)),
        Case("transposed copy", lambda m: lambda a: a.transpose(1, 2).contiguous(), ((64, 128, 12, 64),), NARROW),
        Case("linear to words", lambda m: m.functional.linear, (ROWS, (50257, 768)), NARROW),
        Case("cross entropy", _cross_entropy, ((8192, 50257),)),
        Case("embedding", _embedding, ((30522, 768),)),
        Case("stem of sounds", lambda m: lambda a, w: m.functional.conv1d(a, w, None, 1, 1), ((8, 80, 3000), (512, 80, 3)), NARROW),
    ]  # fmt: skip


def _of_images(dtype: str) -> list[Case]:
    large = (32, 256, 56, 56)
    batches = ((32, 64, 112, 112), large, (32, 512, 14, 14), (256, 256, 56, 56), (1, 256, 56, 56))
    return [
        *(Case("batch_norm " + "x".join(map(str, shape)), _batch_norm(shape[1]), (shape,), dtype) for shape in batches),
        Case("batch_norm and relu", _batch_norm(256, "relu"), (large,), dtype),
        Case("batch_norm and relu6", _batch_norm(192, "relu6"), ((32, 192, 28, 28),), dtype),
        Case("batch_norm and sum", _batch_norm(256), (large,) * 2, dtype),
        Case("batch_norm, sum, relu", _batch_norm(256, "relu"), (large,) * 2, dtype),
        Case("batch_norm in use, sum, relu", _batch_norm(256, "relu", training=False), (large,) * 2, dtype),
        Case("relu", lambda m: m.functional.relu, (large,), dtype),
        Case("relu6", lambda m: m.functional.relu6, ((32, 192, 28, 28),), dtype),
        Case("add, relu", lambda m: lambda a, b: m.functional.relu(a + b), (large, large), dtype),
        Case("max_pool", lambda m: lambda a: m.functional.max_pool2d(a, 3, 2, 1), ((32, 64, 112, 112),), dtype),
        Case("average of all", lambda m: lambda a: m.functional.adaptive_avg_pool2d(a, 1), ((32, 2048, 7, 7),), dtype),
        Case("conv depthwise 3x3", _convolution(1, 192), ((32, 192, 28, 28), (192, 1, 3, 3)), dtype),
        Case("conv 3x3", _convolution(1, 1), ((32, 128, 28, 28), (128, 128, 3, 3)), dtype),
        Case("conv 1x1", _convolution(0, 1), (large, (64, 256, 1, 1)), dtype),
    ]


def _layer_norm(library: Library) -> Call:
    return lambda a, weight, bias: library.functional.layer_norm(a, a.shape[-1:], weight, bias)


def _added(p: float) -> Callable[[Library], Call]:
    """What stands between the layers of a transformer, ours in one operation, PyTorch's in two or three, as its models have them."""

    def make(library: Library) -> Call:
        functional = library.functional

        def together(a: Any, residual: Any, weight: Any, bias: Any) -> Any:
            return functional.add_layer_norm(a, residual, (a.shape[-1],), weight, bias, p=p, both=False)[0]

        def apart(a: Any, residual: Any, weight: Any, bias: Any) -> Any:
            return functional.layer_norm(functional.dropout(a, p, p > 0) + residual, a.shape[-1:], weight, bias)

        return together if library.own else apart

    return make


def _causal(library: Library) -> Call:
    return lambda q, k, v: library.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def _dropped(library: Library) -> Call:
    return lambda q, k, v: library.functional.scaled_dot_product_attention(q, k, v, dropout_p=0.1)


def _convolution(padding: int, groups: int) -> Callable[[Library], Call]:
    return lambda library: lambda a, w: library.functional.conv2d(a, w, None, 1, padding, 1, groups)


def _batch_norm(channels: int, activation: str | None = None, *, training: bool = True) -> Callable[[Library], Call]:
    """Ours with a residual and an activation in one operation, PyTorch's with each apart, as its models have them."""

    def make(library: Library) -> Call:
        ones = np.ones(channels, np.float32)
        held = [library.tensor(values) for values in (ones * 0, ones, ones, ones * 0)]
        held[2].requires_grad = held[3].requires_grad = True
        functional = library.functional

        def together(a: Any, residual: Any = None) -> Any:
            return functional.batch_norm(a, *held, training=training, residual=residual, activation=activation)

        def apart(a: Any, residual: Any = None) -> Any:
            out = functional.batch_norm(a, *held, training=training)
            out = out if residual is None else out + residual
            return out if activation is None else getattr(functional, activation)(out)

        return together if library.own else apart

    return make


def _cross_entropy(library: Library) -> Call:
    def call(a: Any) -> Any:
        return library.functional.cross_entropy(a, targets[: a.shape[0]])

    classes = 16 if library.device == "cpu" else 50257
    targets = library.tensor(np.random.default_rng(0).integers(0, classes, 8192))
    return call


def _embedding(library: Library) -> Call:
    words = library.tensor(np.random.default_rng(0).integers(0, 16 if library.device == "cpu" else 30522, (64, 128)))
    return lambda weight: library.functional.embedding(words, weight)


if __name__ == "__main__":
    main()
