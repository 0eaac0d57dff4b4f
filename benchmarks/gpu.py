"""Models on a GPU beside PyTorch on the same GPU: speed, memory, the cost of a call, and loading.

    python benchmarks/gpu.py --json figures.json              # everything, in one process that has both libraries
    python benchmarks/gpu.py --only resnet50 --batches 1 32

A row is a model, training or inference, a precision and a batch; both sides take turns in rounds of several steps, with the
same layout (channels last for images), the same switches for TF32 and for algorithms (guessed, or ``--measured``), and random weights. Ratios are
PyTorch's time over ours: above 1 we are faster. Memory is what each library has had from the driver at most.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gpu_cases
import gpu_overhead
from rounds import CHECKOUT

PRECISIONS = ("f32", "tf32", "bf16")
BATCHES = (1, 32, 256)
SEQUENCES = (1, 64)


def main() -> None:
    options = arguments()
    sys.path.insert(0, str(CHECKOUT))
    rows: list[dict[str, Any]] = []
    about = {**gpu_cases.about(options.device), "algorithms": "measured" if options.measured else "guessed"}
    gpu_cases.choose(options.measured, options.device, options.alone)
    print("\n".join(f"{name}: {value}" for name, value in about.items()), flush=True)
    ended = time.monotonic() + options.seconds
    for name in options.only or gpu_cases.MODELS:
        batches = options.batches or (SEQUENCES if name in gpu_cases.OF_SEQUENCES else BATCHES)
        for mode in options.modes:
            for precision in options.precisions:
                for batch in batches:
                    if time.monotonic() > ended:
                        print("the time is over; the rest is not measured", flush=True)
                        return finish(rows, about, options)
                    rows.append(measured(name, mode, precision, batch, options))
                    print(line(rows[-1]), flush=True)
    if not options.only and options.device == "cuda":
        rows += gpu_overhead.rows()
    return finish(rows, about, options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--only", nargs="*", choices=gpu_cases.MODELS, help="these models")
    parser.add_argument(
        "--modes", nargs="*", default=["inference", "training"], choices=["inference", "training", "captured"]
    )
    parser.add_argument("--precisions", nargs="*", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--batches", nargs="*", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round-seconds", type=float, default=0.15, help="how long each side's turn is, about")
    parser.add_argument("--seconds", type=float, default=3600, help="begin no row after so many seconds")
    parser.add_argument("--device", default="cuda", help="cpu tries the benchmark itself where there is no GPU")
    parser.add_argument(
        "--measured",
        action="store_true",
        help="both libraries time their algorithms (engine.cuda.measure_plans, cudnn.benchmark): minutes longer",
    )
    parser.add_argument("--alone", action="store_true", help="without PyTorch")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def measured(name: str, mode: str, precision: str, batch: int, options: argparse.Namespace) -> dict[str, Any]:
    """One row: milliseconds of a step and bytes of memory for each side, or why a side could not run."""
    row: dict[str, Any] = {"model": name, "mode": mode, "precision": precision, "batch": batch}
    sides: dict[str, Callable[[], Any]] = {}
    makers = {"numzoo": gpu_cases.ours} if options.alone else {"numzoo": gpu_cases.ours, "torch": gpu_cases.theirs}
    for side, make in makers.items():
        gpu_cases.forget(side, options.device)
        try:
            step = make(name, mode, precision, batch, options.device)
            for _ in range(5 if options.device == "cuda" else 1):
                step()
            gpu_cases.wait(side, options.device)
            row[f"{side} bytes"] = gpu_cases.reserved(side, options.device)
            sides[side] = step
        except Exception as error:  # a row that fails must not cost the others
            row[f"{side} error"] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            if side == "numzoo":
                traceback.print_exc()
    times: dict[str, list[float]] = {side: [] for side in sides}
    counts = {side: repeats(side, step, options) for side, step in sides.items()}
    for _ in range(options.rounds):
        for side, step in sides.items():
            start = time.perf_counter()
            for _ in range(counts[side]):
                step()
            gpu_cases.wait(side, options.device)
            times[side].append((time.perf_counter() - start) / counts[side] * 1e3)
    for side, values in times.items():
        row[side], row[f"{side} least"] = statistics.median(values), min(values)
    if len(sides) == 2:
        row["ratio"] = row["torch"] / row["numzoo"]
    sides.clear()
    gc.collect()
    return row


def repeats(side: str, step: Callable[[], Any], options: argparse.Namespace) -> int:
    """How many steps make a turn of the wanted length."""
    start = time.perf_counter()
    step()
    gpu_cases.wait(side, options.device)
    return max(1, min(200, int(options.round_seconds / (time.perf_counter() - start))))


def line(row: dict[str, Any]) -> str:
    """A row for people."""
    text = f"{row['model']:<14}{row['mode']:<11}{row['precision']:<6}{row['batch']:>4}"
    for side in ("numzoo", "torch"):
        if f"{side} error" in row:
            text += f"  {side}: {row[f'{side} error']}"
        elif side in row:
            text += f"  {side} {row[side]:9.3f} ms {row[f'{side} bytes'] / 2**20:8.0f} MiB"
    return text + (f"  {row['ratio']:.2f}x" if "ratio" in row else "")


def finish(rows: list[dict[str, Any]], about: dict[str, str], options: argparse.Namespace) -> None:
    ratios = [row["ratio"] for row in rows if "ratio" in row]
    if ratios:
        below = sum(ratio < 1 for ratio in ratios)
        print(f"{len(ratios)} ratios: median {statistics.median(ratios):.2f}, least {min(ratios):.2f}, {below} below 1")
    if options.json:
        options.json.write_text(json.dumps({"about": about, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
