"""Models on a GPU beside PyTorch on the same GPU: speed, memory, the cost of a call, loading and decoding.

    python benchmarks/gpu.py --json figures.json              # everything, in one process that has both libraries: about four minutes
    python benchmarks/gpu.py --only resnet50 --modes training --batches 1 32
    python benchmarks/gpu.py --compiled --only resnet50 bert  # captured steps beside torch.compile(mode="reduce-overhead")

A row is a model, inference or training, a precision and a batch, or a captured step of ours beside a plain one of PyTorch's. Both sides have
the same layout (channels last for images), the same switches for TF32 and for algorithms (guessed, or ``--measured``), and random weights;
they take turns of several steps. Ratios are PyTorch's time over ours: above 1 we are faster. "host" is the time until the host has given a
step to a device that waits for it. Memory is what each library has had from the driver at most since the row began, its model included.
Where both do not fit, one side gives its memory back before the other begins.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import gpu_cases
from gpu_cases import PRECISIONS, Side
from rounds import CHECKOUT

BATCHES = (1, 32, 256)
SEQUENCES = (1, 64)
MODES = ("training", "inference")
ORDER = ("resnet50", "bert", "gpt2", "vit_b_16", "whisper_base", "mobilenet_v2", "vgg16")
"""What tells most comes first, for the time may end."""
SPARE = 2 << 30
"""Bytes that must be left for the other side beyond what the first one had."""

Row = dict[str, Any]


def main() -> None:
    options = arguments()
    sys.path.insert(0, str(CHECKOUT))
    began = time.monotonic()
    about = {**gpu_cases.about(options.device), "algorithms": "measured" if options.measured else "guessed"}
    print("  ".join(f"{name}: {value}" for name, value in about.items()), flush=True)
    sides = opened(options)
    rows: list[Row] = []
    models = options.only or ORDER
    others = not options.only and options.device == "cuda" and not options.alone
    for model in models:
        for mode in options.modes:
            start = time.monotonic()
            rows += group(sides, model, mode, options, began + options.seconds)
            print(
                f"{model} {mode}: {time.monotonic() - start:.1f} s, {time.monotonic() - began:.0f} in all", flush=True
            )
            written(rows, about, options)
        for side in sides:
            side.drop()
        if others and model == ORDER[min(1, len(models) - 1)]:
            import gpu_overhead

            rows += gpu_overhead.rows()
            print(f"calls, loading and decoding: {time.monotonic() - began:.0f} s in all", flush=True)
    written(rows, about, options)
    summary(rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument(
        "--only", nargs="*", choices=gpu_cases.MODELS, help="these models, and no calls, loading and decoding"
    )
    parser.add_argument("--modes", nargs="*", default=list(MODES), choices=MODES)
    parser.add_argument("--precisions", nargs="*", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--batches", nargs="*", type=int)
    parser.add_argument(
        "--captured",
        nargs="*",
        default=["f32", "bf16"],
        choices=PRECISIONS,
        help="precisions in which captured steps are measured too, at batch 1 (none: only plain steps)",
    )
    parser.add_argument(
        "--compiled", action="store_true", help="only captured steps, beside compiled ones: half a minute for each"
    )
    parser.add_argument(
        "--row-seconds", type=float, default=0.35, help="how long a row is measured, both sides together"
    )
    parser.add_argument("--seconds", type=float, default=3600, help="begin no row after so many seconds")
    parser.add_argument("--device", default="cuda", help="cpu tries the benchmark itself where there is no GPU")
    parser.add_argument("--apart", action="store_true", help="one side after the other in every row")
    parser.add_argument(
        "--measured",
        action="store_true",
        help="both libraries time their algorithms (engine.cuda.measure_plans, cudnn.benchmark): minutes longer",
    )
    parser.add_argument("--alone", action="store_true", help="without PyTorch")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def opened(options: argparse.Namespace) -> list[Side]:
    """The sides, ours first."""
    import gpu_numzoo

    sides: list[Side] = [gpu_numzoo.Numzoo(options.device, options.measured)]
    if not options.alone:
        import gpu_torch

        sides.append(gpu_torch.Torch(options.device, options.measured))
    gc.collect()
    gc.freeze()  # what libraries hold for good need not be looked through before each row
    return sides


def group(sides: list[Side], model: str, mode: str, options: argparse.Namespace, ends: float) -> list[Row]:
    """All rows of a model in training or in inference: it is built once for each side."""
    for side in sides:
        side.drop()
    gc.collect()
    if time.monotonic() > ends:
        print(f"the time is over; {model} {mode} is not measured", flush=True)
        return []
    for side in sides:
        side.build(model, mode == "training")
    batches = options.batches or (SEQUENCES if model in gpu_cases.OF_SEQUENCES else BATCHES)
    rows = []
    for precision in options.precisions:
        cases = [] if options.compiled else [(batch, "plain") for batch in batches]
        if options.compiled:
            cases.append((1, "compiled"))
        elif precision in options.captured and 1 in batches and options.device == "cuda":
            cases.insert(1, (1, "captured"))
        for batch, way in cases:
            if time.monotonic() > ends:
                print(f"the time is over; {model} {mode} {precision} {batch} is not measured", flush=True)
                continue
            row: Row = {"model": model, "mode": mode, "precision": precision, "batch": batch, "way": way}
            row |= measured(sides, precision, batch, way, options, options.apart)
            rows.append(row)
            print(line(row), flush=True)
    return rows


def measured(sides: list[Side], precision: str, batch: int, way: str, options: argparse.Namespace, apart: bool) -> Row:
    """Times, host times and memory of each side, or why it could not run."""
    found: Row = {}
    ready: list[gpu_cases.Ready] = []
    full = False
    for side in sides:
        side.empty()
    for number, side in enumerate(sides):
        full = False
        try:
            start = time.perf_counter()
            ready.append(gpu_cases.warmed(side, side.step(precision, batch, way), 3 if way == "plain" else 6))
            found[f"{side.name} warm"] = time.perf_counter() - start
            found[f"{side.name} bytes"] = side.most()
        except Exception as error:  # a row that fails must not cost the others
            full = is_full(error)
            if not full:
                traceback.print_exc(limit=-4)
            found[f"{side.name} error"] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        if f"{side.name} error" in found:  # and its memory, once the error is forgotten
            gc.collect()
            side.empty()
        if full and number and not apart:  # the first side's memory was in the way
            break
        if number == 0 and ready and len(sides) > 1:
            apart = apart or gpu_cases.free_bytes(options.device) < found[f"{side.name} bytes"] + SPARE
        if apart:
            found |= times(ready, options.row_seconds / 2) if ready else {}
            ready.clear()
            gc.collect()
            side.empty()
    else:
        full = False
    if full:
        ready.clear()
        gc.collect()
        return measured(sides, precision, batch, way, options, True)
    if ready:
        found |= times(ready, options.row_seconds * len(ready) / 2)
    ready.clear()
    gc.collect()
    if "numzoo" in found and "torch" in found:
        found |= {"ratio": found["torch"] / found["numzoo"], "apart": apart}
    return found


def times(ready: list[gpu_cases.Ready], seconds: float) -> Row:
    """What a row says of these sides."""
    found: Row = {}
    for name, (whole, host) in gpu_cases.in_turn(ready, seconds).items():
        found |= {name: statistics.median(whole), f"{name} least": min(whole), f"{name} host": min(host)}
    return found


def is_full(error: Exception) -> bool:
    """Whether memory was missing, in either library's words."""
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()


# ---- for people -----------------------------------------------------------------------------------------------------


def line(row: Row) -> str:
    """A row for people."""
    text = f"{row['model']:<13}{row['mode']:<10}{row['precision']:<5}{row['batch']:>4} {row['way']:<9}"
    for side in ("numzoo", "torch"):
        if f"{side} error" in row:
            text += f" {side}: {row[f'{side} error']}"
        elif side in row:
            text += f" {row[side]:8.2f} ms host {row[f'{side} host']:6.2f} {row[f'{side} bytes'] >> 20:6d} MiB |"
    return text + (f" {row['ratio']:.2f}x" if "ratio" in row else "") + (" apart" if row.get("apart") else "")


def table(rows: list[Row]) -> list[str]:
    """A line for each model and mode: ratios of all batches by precision, then of captured steps."""
    lines: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in rows:
        if "way" in row:
            place = row["precision"] if row["way"] == "plain" else f"{row['way']} {row['precision']}"
            cell = f"{row['ratio']:.2f}" if "ratio" in row else "-"
            lines.setdefault((row["model"], row["mode"]), {}).setdefault(place, []).append(cell)
    return [
        f"{model:<13}{mode:<10} " + " | ".join(f"{place} {' '.join(cells)}" for place, cells in places.items())
        for (model, mode), places in lines.items()
    ]


def summary(rows: list[Row]) -> None:
    """The table, and what it comes to."""
    print("\nratios, from the smallest batch to the largest\n" + "\n".join(table(rows)))
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        if "ratio" in row and "way" in row:
            kinds.setdefault(row["mode"] if row["way"] == "plain" else f"{row['way']} {row['mode']}", []).append(row)
    for kind, own in kinds.items():
        ratios = sorted(row["ratio"] for row in own)
        more = sum(row["numzoo bytes"] > row["torch bytes"] for row in own)
        print(
            f"{kind}: {len(own)} rows, median {statistics.median(ratios):.2f}, least {ratios[0]:.2f}, "
            f"{sum(ratio < 1 for ratio in ratios)} below 1; {more} with more memory than PyTorch"
        )
    failed = [row for row in rows if "numzoo error" in row]
    print(f"{len(failed)} could not be measured" if failed else "all rows were measured")


def written(rows: list[Row], about: dict[str, str], options: argparse.Namespace) -> None:
    if options.json:
        options.json.write_text(json.dumps({"about": about, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
