"""Resampling, sampling at points, shuffles and windows as columns beside PyTorch's, with random settings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from numzoo.engine.nn import functional as F

from .case import FLOATS, Case, Drawn, Random, uniform
from .convolution import each, numbers

FLAGS = (None, False, True)


def choice(random: Random, values: Any) -> Any:
    return values[int(random.integers(len(values)))]


def resized(*modes: str, recompute: tuple[bool | None, ...] = FLAGS) -> Any:
    axes = {"linear": (1,), "bilinear": (2,), "bicubic": (2,), "trilinear": (3,)}

    def draw(random: Random) -> Drawn:
        mode = choice(random, modes)
        count = choice(random, axes.get(mode, (1, 2, 3)))
        shape = [
            int(random.integers(0, 3)),
            int(random.integers(1, 3)),
            *(int(n) for n in random.integers(1, 8, count)),
        ]
        settings: dict[str, Any] = {"mode": mode}
        if random.random() < 0.5:
            settings["size"] = numbers(random, count, 1, 9)
        else:
            factors = [float(random.uniform(1.0 / min(shape[2:]) + 0.01, 2.6)) for _ in range(count)]
            settings["scale_factor"] = choice(random, (tuple(factors), 2.0, 1))
            settings["recompute_scale_factor"] = choice(random, recompute)
        if mode in axes:
            settings["align_corners"] = choice(random, FLAGS)
        if count == 2 and mode in ("bilinear", "bicubic"):
            settings["antialias"] = bool(random.random() < 0.4)
        if settings.get("antialias"):
            factors = each(settings.get("scale_factor", 1), 2)
            sizes = (
                each(settings["size"], 2)
                if "size" in settings
                else [int(n * f) for n, f in zip(shape[2:], factors, strict=True)]
            )
            settings["antialias"] = 1 not in sizes  # PyTorch makes all rows equal where the width becomes 1
            if "scale_factor" in settings and any(n == size for n, size in zip(shape[2:], sizes, strict=True)):
                settings["recompute_scale_factor"] = True  # its gradient is not that of its result where a size stays
        return [uniform(random, *shape)], settings

    return draw


def sampled(axes: int) -> Any:
    def draw(random: Random) -> Drawn:
        batch = int(random.integers(1, 3))
        sizes = [int(n) for n in random.integers(1, 7, axes)]
        out = [int(n) for n in random.integers(1, 5, axes)]
        grid = uniform(random, batch, *out, axes, low=-1.6, high=1.6)
        settings = {
            "mode": choice(random, ("bilinear", "nearest", "bicubic") if axes == 2 else ("bilinear", "nearest")),
            "padding_mode": choice(random, ("zeros", "border", "reflection")),
            "align_corners": bool(random.random() < 0.5),
        }
        return [uniform(random, batch, int(random.integers(1, 4)), *sizes), grid], settings

    return draw


def affine(random: Random) -> Drawn:
    axes = int(random.integers(2, 4))
    batch = int(random.integers(1, 3))
    size = (batch, 3, *(int(n) for n in random.integers(1, 6, axes)))
    return [uniform(random, batch, axes, axes + 1)], {"size": size, "align_corners": bool(random.random() < 0.5)}


def shuffled(undo: bool) -> Any:
    def draw(random: Random) -> Drawn:
        factor = int(random.integers(1, 4))
        lead = [int(n) for n in random.integers(1, 3, int(random.integers(0, 3)))]
        channels, height, width = (int(n) for n in random.integers(1, 4, 3))
        if undo:
            return [uniform(random, *lead, channels, height * factor, width * factor)], {"downscale_factor": factor}
        return [uniform(random, *lead, channels * factor**2, height, width)], {"upscale_factor": factor}

    return draw


def mixed(random: Random) -> Drawn:
    groups = int(random.integers(1, 4))
    sizes = [int(n) for n in random.integers(1, 4, int(random.integers(1, 4)))]
    return [uniform(random, 2, groups * int(random.integers(1, 4)), *sizes)], {"groups": groups}


def windows(random: Random) -> dict[str, Any]:
    return {
        "kernel_size": numbers(random, 2, 1, 3), "dilation": numbers(random, 2, 1, 2), "padding": numbers(random, 2, 0, 2),
        "stride": numbers(random, 2, 1, 3),
    }  # fmt: skip


def unfolded(random: Random) -> Drawn:
    shape = [int(random.integers(1, 3)), int(random.integers(1, 3)), *(int(n) for n in random.integers(5, 9, 2))]
    return [uniform(random, *(shape[1:] if random.random() < 0.25 else shape))], windows(random)


def folded(random: Random) -> Drawn:
    settings = windows(random)
    size = tuple(int(n) for n in random.integers(5, 9, 2))
    kernel, dilation, padding, stride = (each(settings[n], 2) for n in ("kernel_size", "dilation", "padding", "stride"))
    counts = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    ]
    shape = [int(random.integers(1, 3)), 2 * int(np.prod(kernel)), int(np.prod(counts))]
    settings["output_size"] = size
    return [uniform(random, *(shape[1:] if random.random() < 0.25 else shape))], settings


def case(name: str, draw: Any, function: str = "", **more: Any) -> Case:
    function = function or name

    def theirs(torch: Any, *tensors: Any, **settings: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about grids of one point
            return getattr(torch.nn.functional, function)(*tensors, **settings)

    return Case(name, draw, getattr(F, function), theirs, **more)


CASES = [
    # Of a scale that is no ratio of sizes PyTorch's gradient is not that of its result.
    case("interpolate nearest", resized("nearest", "nearest-exact", recompute=(True,)), "interpolate", repeats=40),
    case("interpolate nearest by scale", resized("nearest", "nearest-exact"), "interpolate", repeats=40, gradient=False),
    case("interpolate area", resized("area"), "interpolate"),
    case("interpolate linear", resized("linear", "bilinear", "trilinear"), "interpolate", repeats=60, narrow_tolerance=2),
    case("interpolate bicubic", resized("bicubic"), "interpolate", repeats=40, narrow_tolerance=4),
    # PyTorch has no second gradient of it, and none of float16.
    case("grid_sample", sampled(2), repeats=80, second=False, dtypes=("float32",), narrow_tolerance=8),
    case("grid_sample 3d", sampled(3), "grid_sample", repeats=40, second=False, dtypes=("float32",), narrow_tolerance=8),
    case("affine_grid", affine, dtypes=("float32",)),
    case("pixel_shuffle", shuffled(False), dtypes=FLOATS),
    case("pixel_unshuffle", shuffled(True)),
    case("channel_shuffle", mixed, dtypes=("float32",)),
    case("unfold", unfolded),
    case("fold", folded, narrow_tolerance=4),
]  # fmt: skip
