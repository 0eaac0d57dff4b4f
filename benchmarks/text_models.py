"""Texts through models of random weights: a decoder's step with its cache, BERT-base's vectors; against transformers (sdpa), and ONNX Runtime for BERT."""

from __future__ import annotations

import sys

from rounds import ask, finish, options

OWN = "numzoo"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--cases", default="smollm2_135m,gpt2,bert_1x128,bert_8x128")
    parser.add_argument("--sides", default="numzoo,numzoo bf16,numzoo as bf16,transformers,onnxruntime")
    parser.add_argument(
        "--alone",
        action="store_true",
        help="at real-time priority while steps are timed (a shared machine's superuser may)",
    )
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: where others use the machine")
    given = parser.parse_args()
    rows: dict[str, dict[str, list[float]]] = {}
    for case in given.cases.split(","):
        for _ in range(given.rounds):
            for side in given.sides.split(","):
                if side == "onnxruntime" and not case.startswith("bert"):
                    continue
                python = sys.executable if side.startswith(OWN) else given.peer_python
                figures = ask(
                    python, "text_models_side.py", side, case, *["alone"] * given.alone, threads=given.threads
                )
                if figures is not None:
                    rows.setdefault(case, {}).setdefault(side, []).append(figures[given.clock])
    finish(rows, OWN, "milliseconds", given.json)


if __name__ == "__main__":
    main()
