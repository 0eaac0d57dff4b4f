"""A training step of recurrent layers (forward, backward, SGD) in float32, against PyTorch: time, and peak memory."""

from __future__ import annotations

import sys

from rounds import ask, compare, finish, options

OWN, PEER = "numzoo", "PyTorch"
KINDS = ("LSTM", "GRU", "RNN")


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each side repeats in a round")
    given = parser.parse_args()
    times: dict[str, dict[str, list[float]]] = {}
    memory: dict[str, dict[str, list[float]]] = {}
    for kind in given.kinds.split(","):
        name = f"two-layer {kind}, batch 32, 100 steps, 256 wide, {given.threads} thread(s)"
        for _ in range(given.rounds):
            for side, python in ((OWN, sys.executable), (PEER, given.peer_python)):
                figures = ask(python, "recurrent_side.py", side, kind, given.seconds, threads=given.threads)
                if figures is not None:
                    times.setdefault(name, {}).setdefault(side, []).append(figures["milliseconds"])
                    processor = f"{name}, processor time"
                    times.setdefault(processor, {}).setdefault(side, []).append(figures["processor"])
                    memory.setdefault(name, {}).setdefault(side, []).append(figures["megabytes"])
    print(compare(memory, OWN, "peak MB above the imports"))
    print()
    finish(times, OWN, "milliseconds", given.json)


if __name__ == "__main__":
    main()
