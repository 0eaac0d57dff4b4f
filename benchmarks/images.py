"""Convolutions, pooling, resampling and sampling in float32, against PyTorch: single calls, forward and with backward."""

from __future__ import annotations

import sys

from rounds import ask, finish, options

OWN, PEER = "numzoo", "PyTorch"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=0.15, help="how long a side repeats each call in a round")
    given = parser.parse_args()
    times: dict[str, dict[str, list[float]]] = {}
    for _ in range(given.rounds):
        for side, python in ((OWN, sys.executable), (PEER, given.peer_python)):
            figures = ask(python, "images_side.py", side, given.seconds, threads=given.threads)
            for name, figure in (figures or {}).items():
                times.setdefault(name, {}).setdefault(side, []).append(figure)
    print(f"{given.threads} thread(s), processor time")
    finish(times, OWN, "milliseconds", given.json)


if __name__ == "__main__":
    main()
