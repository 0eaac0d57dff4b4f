"""Sentences encoded by MiniLM against sentence-transformers, and tokens written by SmolLM2-135M against transformers, float32, on PyTorch."""

from __future__ import annotations

import sys

from rounds import ask, finish, options

OWN = "numzoo"
PEERS = {"sentences": "sentence-transformers", "tokens": "transformers"}
SENTENCES, BATCH, TOKENS = 1000, 32, 64


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--kinds", default="sentences,tokens")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: where others use the machine")
    given = parser.parse_args()
    from numzoo import hub

    tweets = hub.pull("data:vader/tweets_GroundTruth.txt")
    files = hub.pull_files("minilm_l6")
    names = {
        "sentences": f"{SENTENCES} tweets, MiniLM, batches of {BATCH} of like length, seconds",
        "tokens": f"SmolLM2-135M after a prompt of 16 tokens, greedy, cached, {TOKENS} tokens, seconds",
    }
    times: dict[str, dict[str, list[float]]] = {}
    for kind in given.kinds.split(","):
        for _ in range(given.rounds):
            for side, python in ((OWN, sys.executable), (PEERS[kind], given.peer_python)):
                amount = (SENTENCES, BATCH) if kind == "sentences" else (TOKENS,)
                figures = ask(
                    python,
                    "text_side.py",
                    side,
                    kind,
                    tweets,
                    files["tokenizer.json"],
                    files["model.safetensors"],
                    *amount,
                    threads=given.threads,
                )
                if figures is not None:
                    times.setdefault(names[kind], {}).setdefault(side, []).append(figures[given.clock])
    finish(times, OWN, f"{given.clock} time, {given.threads} thread(s)", given.json)


if __name__ == "__main__":
    main()
