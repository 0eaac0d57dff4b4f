"""What the host spends on whole steps and single calls on a GPU, counted without one: all of our Python, and no computing.

    python benchmarks/host.py                                                  # steps of the models, and calls
    python benchmarks/host.py --models resnet50 --modes training --profile     # with where the time goes

A GPU that computes nothing takes the work (``null_gpu.py``): the driver's launch (about 3 microseconds), CuPy's allocation (about 1) and the
calls of cuDNN and cublasLt (5 to 10) are missing. Times are the least of several processor times, in microseconds.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import pstats
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gpu_cases
import gpu_numzoo
import null_gpu
from rounds import CHECKOUT

MODELS = ("resnet50", "bert", "gpt2", "vit_b_16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=MODELS, choices=gpu_cases.MODELS)
    parser.add_argument("--modes", nargs="+", default=("inference", "training"), choices=("inference", "training"))
    parser.add_argument("--precisions", nargs="+", default=("f32", "bf16"))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--calls", nargs="*", help="only calls whose names hold one of these; none without a word")
    parser.add_argument("--profile", action="store_true", help="cProfile of three steps by its own time")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    sys.path.insert(0, str(CHECKOUT))
    null_gpu.install()
    figures: dict[str, float] = {}
    for name, case in calls().items():
        if given.calls is None or any(word in name for word in given.calls):
            figures[name] = least(case, 2_000, 9)
            print(f"{name:<44}{figures[name]:9.2f} us", flush=True)
    side = gpu_numzoo.Numzoo("cuda", measured=False)
    for name in given.models:
        for mode in given.modes:
            for precision in given.precisions:
                side.build(name, mode == "training")
                step = side.step(precision, given.batch, "plain")
                figures[f"{name} {mode} {precision}"] = whole(f"{name} {mode} {precision}", step, given.repeats)
                if given.profile:
                    profile(step)
    if given.json:
        given.json.write_text(json.dumps({"schema": 1, "unit": "microseconds", "rows": figures}, indent=1))


def whole(name: str, step: Callable[[], Any], repeats: int) -> float:
    """One step's time, with how many launches and allocations it makes and what it leaves to CuPy."""
    for _ in range(3):
        step()
    null_gpu.counted.clear()
    step()
    counted = dict(null_gpu.counted)
    gc.collect()
    best = least(step, 1, repeats)
    left = {key.removeprefix("cupy "): count for key, count in counted.items() if key.startswith("cupy ")}
    allocations = counted.pop("allocation", 0)
    launches = sum(counted.values())
    print(
        f"{name:<28}{best:9.0f} us  {launches:5} launches, {best / max(launches, 1):5.2f} us each, {allocations} allocations"
        + (f"; left to CuPy: {left}" if left else ""),
        flush=True,
    )
    return best


def least(case: Callable[[], Any], number: int, repeats: int) -> float:
    """The least processor time of a call, in microseconds."""
    case()
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(number):
            case()
        best = min(best, time.process_time() - start)
    return best / number * 1e6


def profile(step: Callable[[], Any]) -> None:
    """Where three steps' time goes."""
    watched = cProfile.Profile()
    watched.enable()
    for _ in range(3):
        step()
    watched.disable()
    pstats.Stats(watched, stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(45)


def calls() -> dict[str, Callable[[], Any]]:
    """Single calls on small tensors."""
    from numzoo import engine
    from numzoo.engine import nn

    def tensor(*shape: int, grad: bool = False) -> Any:
        found = engine.zeros(*shape).to("cuda")
        found.requires_grad = grad
        return found

    def quiet(function: Callable[[], Any]) -> Callable[[], Any]:
        return engine.no_grad()(function)  # type: ignore[no-any-return]

    a, b = tensor(64), tensor(64)
    x, y = tensor(64, grad=True), tensor(64, grad=True)
    matrix, square = tensor(64, 64), tensor(64, 64, grad=True)
    rows, image, heads = tensor(16, 64), tensor(1, 16, 8, 8), tensor(2, 4, 64, 64, grad=True)
    linear, norm = nn.Linear(64, 64).to("cuda"), nn.LayerNorm(64).to("cuda")
    dropping = nn.Dropout(0.1)
    convolution, batch_norm = nn.Conv2d(16, 16, 3, padding=1).to("cuda"), nn.BatchNorm2d(16).to("cuda")
    narrow, packed, wide = heads.detach().bfloat16(), tensor(2, 64, 768).bfloat16(), tensor(2, 64, 256).bfloat16()
    narrow_image = tensor(1, 8, 8, 16).permute(0, 3, 1, 2).bfloat16()
    narrow_convolution = nn.Conv2d(16, 16, 3, padding=1).to("cuda", dtype="bfloat16")
    layer = nn.MultiheadAttention(256, 4, batch_first=True).to("cuda", dtype="bfloat16").eval()
    relu, dropout = nn.ReLU(), nn.Dropout(0.1).eval()
    attend, in_heads = nn.functional.scaled_dot_product_attention, nn.functional.attention_in_heads
    scores, classes = tensor(16, 10, grad=True), engine.zeros(16, dtype="int64").to("cuda")
    out = linear(rows)
    return {
        "x + y": lambda: a + b,
        "x + y recorded": lambda: x + y,
        "x * 2.0": lambda: a * 2.0,
        "x * 2.0 recorded": lambda: x * 2.0,
        "relu": lambda: engine.relu(a),
        "relu recorded": lambda: engine.relu(x),
        "nn.ReLU recorded": lambda: relu(x),
        "nn.Dropout in use": lambda: dropout(a),
        "reshape": lambda: matrix.reshape(16, 256),
        "reshape recorded": lambda: square.reshape(16, 256),
        "transpose recorded": lambda: square.transpose(0, 1),
        "slice recorded": lambda: square[:, :16],
        "x @ y": lambda: matrix @ matrix,
        "x @ y recorded": lambda: square @ square,
        "softmax recorded": lambda: engine.softmax(square, axis=-1),
        "sum recorded": lambda: square.sum(),
        "linear": quiet(lambda: linear(rows)),
        "linear recorded": lambda: linear(rows),
        "layer_norm": quiet(lambda: norm(rows)),
        "layer_norm recorded": lambda: norm(rows),
        "normalised_sum": quiet(lambda: nn.normalised_sum(rows, rows, norm)),
        "normalised_sum recorded, dropout": lambda: nn.normalised_sum(rows, rows, norm, dropping),
        "conv2d": quiet(lambda: convolution(image)),
        "conv2d recorded": lambda: convolution(image),
        "conv2d bf16": quiet(lambda: narrow_convolution(narrow_image)),
        "batch_norm recorded": lambda: batch_norm(image),
        "attention": quiet(lambda: attend(heads, heads, heads)),
        "attention recorded": lambda: attend(heads, heads, heads),
        "attention bf16": quiet(lambda: attend(narrow, narrow, narrow)),
        "attention in heads bf16": quiet(lambda: in_heads(wide, wide, wide, 4)),
        "attention in heads, packed, bf16": quiet(lambda: in_heads(packed, None, None, 4)),
        "nn.MultiheadAttention bf16": quiet(lambda: layer(wide, wide, wide, need_weights=False)),
        "cross_entropy recorded": lambda: nn.functional.cross_entropy(scores, classes),
        "(x * y).sum().backward()": lambda: (x * y).sum().backward(),
        "linear, backward alone": lambda: out.backward(rows, retain_graph=True),
    }


if __name__ == "__main__":
    main()
