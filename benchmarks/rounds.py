"""What the benchmarks share: sides that take turns in processes of their own, and a table of ratios."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent / ".dev"
sys.path.insert(0, str(CHECKOUT))  # a bare checkout serves, nothing needs to be installed


def options(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has the peers")
    parser.add_argument("--rounds", type=int, default=5, help="how often the sides take turns")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser


def ask(python: str, worker: str, *arguments: object, threads: int) -> dict[str, float] | None:
    """Run one side in a process of its own; its last line is a JSON object. None if that side cannot run here."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "NUMZOO_THREADS": str(threads)}
    environment["PYTHONPATH"] = str(CHECKOUT)
    done = subprocess.run(
        [python, str(HERE / worker), *map(str, arguments)], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        print(
            f"  {' '.join(map(str, arguments))}: cannot run here: {done.stderr.strip().splitlines()[-1:]}",
            file=sys.stderr,
        )
        return None
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def compare(rows: dict[str, dict[str, list[float]]], own: str, unit: str) -> str:
    """A Markdown table: the median of each side's rounds, and how many times longer the best peer takes."""
    sides = list(dict.fromkeys(side for row in rows.values() for side in row))
    lines = [f"| {unit} | " + " | ".join(sides) + " | best peer / numzoo |", "|---" + "|--:" * (len(sides) + 1) + "|"]
    for name, row in rows.items():
        medians = {side: statistics.median(values) for side, values in row.items() if values}
        # A side named after the own one ("numzoo bf16") is no peer.
        peers = [value for side, value in medians.items() if not side.startswith(own)]
        ratio = f"{min(peers) / medians[own]:.2f}" if peers and own in medians else ""
        cells = [f"{medians[side]:.4g}" if side in medians else "" for side in sides]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {ratio} |")
    return "\n".join(lines)


def finish(rows: dict[str, dict[str, list[float]]], own: str, unit: str, file: Path | None) -> None:
    """Print the table and keep the figures."""
    print(compare(rows, own, unit))
    if file is not None:
        file.write_text(json.dumps({"schema": 1, "unit": unit, "rows": rows}, indent=1) + "\n")
