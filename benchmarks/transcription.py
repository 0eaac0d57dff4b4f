"""Whisper base writes down whole recordings, beside transformers and faster-whisper: processor time, the wall's, and peak memory."""

from __future__ import annotations

import sys
from pathlib import Path

from rounds import ask, finish, options


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("sounds", nargs="+", type=Path, help="recordings at 16 kHz")
    parser.add_argument("--ctranslate2", help="a folder with CTranslate2's model of these weights, for faster-whisper")
    given = parser.parse_args()
    sides = [("numzoo", sys.executable), ("numzoo bf16", sys.executable), ("transformers", given.peer_python)]
    sides += [(f"faster-whisper {kind}", given.peer_python) for kind in ("float32", "int8") if given.ctranslate2]
    rows: dict[str, dict[str, list[float]]] = {}
    for _ in range(given.rounds):
        for side, python in sides:
            figures = ask(
                python, "transcription_side.py", side, given.ctranslate2, *given.sounds, threads=given.threads
            )
            for part, value in (figures or {}).items():
                rows.setdefault(part, {}).setdefault(side, []).append(value)
    finish(rows, "numzoo", f"{len(given.sounds)} recordings, {given.threads} threads", given.json)


if __name__ == "__main__":
    main()
