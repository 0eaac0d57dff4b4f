"""Whisper on 30 seconds of sound in float32 against transformers: features, encoder, and a step of the decoder, by processor time."""

from __future__ import annotations

import sys

from rounds import ask, finish, options


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--size", default="base", help="of Whisper: tiny, base, small")
    given = parser.parse_args()
    rows: dict[str, dict[str, list[float]]] = {}
    for _ in range(given.rounds):
        for side, python in (("numzoo", sys.executable), ("transformers", given.peer_python)):
            figures = ask(python, "speech_side.py", side, given.size, threads=given.threads)
            for part, milliseconds in (figures or {}).items():
                rows.setdefault(part, {}).setdefault(side, []).append(milliseconds)
    finish(rows, "numzoo", "milliseconds", given.json)


if __name__ == "__main__":
    main()
