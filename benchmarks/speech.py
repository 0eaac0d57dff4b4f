"""Whisper on 30 seconds of sound in float32 against transformers: features, encoder, and a step of the decoder, by processor time.

With ``--letters`` wav2vec 2.0 and HuBERT at their base size.
"""

from __future__ import annotations

import sys

from rounds import ask, finish, options


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--size", default="base", help="of Whisper: tiny, base, small")
    parser.add_argument("--ctranslate2", help="a folder with a model of CTranslate2 of this size, which is timed too")
    parser.add_argument("--letters", action="store_true", help="time wav2vec 2.0 and HuBERT instead")
    given = parser.parse_args()
    sizes = ("wav2vec2", "hubert") if given.letters else (given.size,)
    both = (("numzoo", sys.executable), ("transformers", given.peer_python))
    sides = [(side, python, size) for size in sizes for side, python in both]
    for kind in ("float32", "int8") if given.ctranslate2 and not given.letters else ():
        sides.append((f"ctranslate2 {kind}", given.peer_python, given.ctranslate2))
    rows: dict[str, dict[str, list[float]]] = {}
    for _ in range(given.rounds):
        for side, python, model in sides:
            figures = ask(python, "speech_side.py", side, model, threads=given.threads)
            for part, milliseconds in (figures or {}).items():
                rows.setdefault(part, {}).setdefault(side, []).append(milliseconds)
    finish(rows, "numzoo", "milliseconds", given.json)


if __name__ == "__main__":
    main()
