"""Texts said aloud, with random weights: a frame of Tacotron 2, a sample of WaveRNN, 200 frames by HiFi-GAN and by Griffin-Lim, against torchaudio.

HiFi-GAN is in torchaudio up to 2.8.
"""

from __future__ import annotations

import sys

from rounds import ask, finish, options

OWN, PEER = "numzoo", "torchaudio"
NAMES = {
    "tacotron": "Tacotron 2, a frame of a text of 60 symbols",
    "wavernn": "WaveRNN, 1,000 samples",
    "hifigan": "HiFi-GAN V3, 200 frames",
    "griffin_lim": "Griffin-Lim from mel bands, 200 frames",
}


def main() -> None:
    given = options(__doc__).parse_args()
    rows: dict[str, dict[str, list[float]]] = {}
    for _ in range(given.rounds):
        for side, python in ((OWN, sys.executable), (PEER, given.peer_python)):
            figures = ask(python, "speaking_side.py", side, threads=given.threads)
            for name, value in (figures or {}).items():
                work, _, clock = name.partition(" ")
                rows.setdefault(f"{NAMES[work]}, {clock}, {given.threads} thread(s)", {}).setdefault(side, []).append(
                    value
                )
    finish(rows, OWN, "milliseconds", given.json)


if __name__ == "__main__":
    main()
