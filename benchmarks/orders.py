"""Sorting, choosing, scans, reductions and special functions of a million elements, against PyTorch; one thread a side, processor time."""

from __future__ import annotations

import sys

from rounds import ask, finish, options


def main() -> None:
    given = options(__doc__).parse_args()
    rows: dict[str, dict[str, list[float]]] = {}
    for _ in range(given.rounds):
        for side, python in (("numzoo", sys.executable), ("PyTorch", given.peer_python)):
            for name, value in (ask(python, "orders_side.py", side, threads=1) or {}).items():
                rows.setdefault(name, {}).setdefault(side, []).append(value)
    finish(rows, "numzoo", "milliseconds", given.json)


if __name__ == "__main__":
    main()
