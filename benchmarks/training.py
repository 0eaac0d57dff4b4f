"""Training steps of convolutional networks (forward, backward, SGD with momentum), against PyTorch eager: time and memory."""

from __future__ import annotations

import sys

from rounds import ask, compare, finish, options

OWN = "numzoo"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--models", default="resnet18:16,resnet50:8,mobilenet_v2:16", help="names and batch sizes")
    parser.add_argument("--sides", default="channels_last", help="of eager, channels_last")
    parser.add_argument("--precisions", default="f32,bf16", help="bf16: numzoo's precision(), PyTorch's autocast")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each side repeats in a round")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: where others use the machine, with --threads 1"
    )
    given = parser.parse_args()
    times: dict[str, dict[str, list[float]]] = {}
    peaks: dict[str, dict[str, list[float]]] = {}
    for model, batch in (pair.split(":") for pair in given.models.split(",")):
        for precision in given.precisions.split(","):
            name = f"{model}, batch {batch}, {precision}"
            workers = [(OWN, sys.executable, "training_numzoo.py", ())] + [
                (side, given.peer_python, "training_peers.py", (side,)) for side in given.sides.split(",")
            ]
            for _ in range(given.rounds):
                for side, python, worker, first in workers:
                    figures = ask(python, worker, *first, model, batch, precision, given.seconds, threads=given.threads)
                    if figures is not None:
                        times.setdefault(name, {}).setdefault(side, []).append(figures[given.clock])
                        peaks.setdefault(name, {}).setdefault(side, []).append(figures["mebibytes"])
            print(f"{name}: { {side: round(min(v), 1) for side, v in times.get(name, {}).items()} }", flush=True)
    finish(times, OWN, f"{given.clock} milliseconds a step", given.json)
    print("\n" + compare(peaks, OWN, "peak MiB of the process"))


if __name__ == "__main__":
    main()
