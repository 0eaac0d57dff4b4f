"""Inference in float32, plain eager, against PyTorch (eager, channels last, compiled) and ONNX Runtime."""

from __future__ import annotations

from rounds import ask, finish, options

OWN = "numzoo"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--models", default="resnet18,resnet50,mobilenet_v2,vgg16")
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--sides", default="eager,channels_last", help="of eager, channels_last, compiled, onnxruntime")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each side repeats in a round")
    given = parser.parse_args()
    rows: dict[str, dict[str, list[float]]] = {}
    for model in given.models.split(","):
        for batch in given.batches.split(","):
            row = rows.setdefault(f"{model}, batch {batch}", {})
            for _ in range(given.rounds):
                own = ask(_own_python(), "inference_numzoo.py", model, batch, given.seconds, threads=given.threads)
                for side, figures in [(OWN, own)] + [
                    (
                        side,
                        ask(
                            given.peer_python,
                            "inference_peers.py",
                            side,
                            model,
                            batch,
                            given.seconds,
                            threads=given.threads,
                        ),
                    )
                    for side in given.sides.split(",")
                ]:
                    if figures is not None:
                        row.setdefault(side, []).append(figures["milliseconds"])
            print(f"{model}, batch {batch}: { {side: round(min(v), 1) for side, v in row.items()} }", flush=True)
    finish(rows, OWN, "milliseconds", given.json)


def _own_python() -> str:
    import sys

    return sys.executable


if __name__ == "__main__":
    main()
