"""A training step of an encoder in BERT-base's shape (AdamW, float32; ours in bf16 too) against PyTorch eager: time and peak memory."""

from __future__ import annotations

import sys

from rounds import ask, finish, options

OWN = "numzoo"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--dropouts", default="0.1,0.0")
    parser.add_argument("--sides", default="numzoo,numzoo bf16,PyTorch")
    parser.add_argument("--steps", type=int, default=4, help="steps per round, after two to warm up")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=128)
    given = parser.parse_args()
    tables: dict[str, dict[str, dict[str, list[float]]]] = {}
    for dropout in given.dropouts.split(","):
        for _ in range(given.rounds):
            for side in given.sides.split(","):
                python = given.peer_python if side == "PyTorch" else sys.executable
                settings = (dropout, given.layers, given.batch, given.length, given.steps)
                figures = ask(python, "training_transformer_side.py", side, *settings, threads=given.threads)
                for unit, value in (figures or {}).items():
                    row = tables.setdefault(unit, {}).setdefault(f"dropout {dropout}", {})
                    row.setdefault(side, []).append(value)
        print({unit: {side: min(v) for side, v in rows[f"dropout {dropout}"].items()} for unit, rows in tables.items()}, flush=True)  # fmt: skip
    for unit, rows in tables.items():
        finish(rows, OWN, unit, given.json.with_stem(f"{given.json.stem}-{unit.split()[0]}") if given.json else None)
        print()


if __name__ == "__main__":
    main()
