"""One side of the benchmark of single calls on images: SIDE SECONDS. numzoo's and PyTorch's names for these things are the same."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any


def main() -> None:
    warnings.simplefilter("ignore")  # PyTorch's, about grids
    side, seconds = sys.argv[1], float(sys.argv[2])
    library = importlib.import_module("numzoo.engine" if side == "numzoo" else "torch")
    threads = int(os.environ["OMP_NUM_THREADS"])
    (library.set_threads if side == "numzoo" else library.set_num_threads)(threads)
    grad = library.grad if side == "numzoo" else library.autograd.grad
    figures: dict[str, float] = {}

    def measure(name: str, call: Callable[..., Any], *shapes: tuple[int, ...]) -> None:
        leaves = [(library.randn(*shape) * 0.1).detach().requires_grad_() for shape in shapes]
        plain = [leaf.detach() for leaf in leaves]
        weights = library.randn(*call(*plain).shape)
        figures[name] = best(lambda: call(*plain), seconds)
        figures[f"{name}, with backward"] = best(lambda: grad((call(*leaves) * weights).sum(), leaves), seconds)

    every(library.nn.functional, measure)
    print(json.dumps(figures))


def every(F: Any, measure: Callable[..., None]) -> None:  # noqa: N803 - the usual name
    """The calls, and the shapes of what they take."""
    measure(
        "conv1d, 8 x 64 x 2000, 64 kernels of 9", lambda *t: F.conv1d(*t, padding=4), (8, 64, 2000), (64, 64, 9), (64,)
    )
    measure(
        "conv1d, the same, depthwise", lambda *t: F.conv1d(*t, padding=4, groups=64), (8, 64, 2000), (64, 1, 9), (64,)
    )
    measure(
        "conv3d, 2 x 32 x 16 x 28 x 28, 64 of 3^3",
        lambda *t: F.conv3d(*t, padding=1),
        (2, 32, 16, 28, 28),
        (64, 32, 3, 3, 3),
        (64,),
    )
    measure(
        "conv_transpose2d, 8 x 64 x 32 x 32, 32 of 4 x 4, stride 2",
        lambda *t: F.conv_transpose2d(*t, 2, 1),
        (8, 64, 32, 32),
        (64, 32, 4, 4),
        (32,),
    )
    measure(
        "conv_transpose3d, 2 x 32 x 8 x 16 x 16, 16 of 2^3, stride 2",
        lambda *t: F.conv_transpose3d(*t, 2),
        (2, 32, 8, 16, 16),
        (32, 16, 2, 2, 2),
        (16,),
    )
    images = (8, 3, 224, 224)
    measure("bilinear, 8 x 3 x 224 x 224 to 256", lambda x: F.interpolate(x, (256, 256), mode="bilinear"), images)
    measure(
        "bilinear with antialias, the same to 128",
        lambda x: F.interpolate(x, (128, 128), mode="bilinear", antialias=True),
        images,
    )
    measure("bicubic, the same to 256", lambda x: F.interpolate(x, (256, 256), mode="bicubic"), images)
    measure("nearest, the same to 256", lambda x: F.interpolate(x, (256, 256)), images)
    measure("area, the same to 100", lambda x: F.interpolate(x, (100, 100), mode="area"), images)
    measure("max_pool3d, 8 x 4 x 8 x 64 x 64, 2^3", lambda x: F.max_pool3d(x, 2), (8, 4, 8, 64, 64))
    measure("avg_pool3d, the same", lambda x: F.avg_pool3d(x, 2), (8, 4, 8, 64, 64))
    measure("unfold, 8 x 32 x 64 x 64, 3 x 3", lambda x: F.unfold(x, 3, padding=1), (8, 32, 64, 64))
    measure(
        "grid_sample, 8 x 32 x 64 x 64",
        lambda x, grid: F.grid_sample(x, grid, align_corners=False),
        (8, 32, 64, 64),
        (8, 64, 64, 2),
    )


def best(call: Callable[[], Any], seconds: float) -> float:
    """The shortest processor time, in milliseconds."""
    call()
    spans = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(spans) < 3:
        start = time.process_time()
        call()
        spans.append(time.process_time() - start)
    return min(spans) * 1e3


if __name__ == "__main__":
    main()
