"""One side of the transformer's training benchmark: SIDE DROPOUT LAYERS BATCH LENGTH STEPS. Both libraries run the same lines."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import sys
import time
from typing import Any

import numpy as np

WORDS, PLACES, WIDTH, HEADS, INNER, CLASSES = 30522, 512, 768, 12, 3072, 2


def main() -> None:
    side, dropout, layers, batch, length, steps = sys.argv[1], float(sys.argv[2]), *map(int, sys.argv[3:7])
    library = importlib.import_module("torch" if side == "PyTorch" else "numzoo.engine")
    if side == "PyTorch":
        library.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    nn: Any = importlib.import_module(f"{library.__name__}.nn")
    optim: Any = importlib.import_module(f"{library.__name__}.optim")
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, dropout, "gelu", batch_first=True), layers
    )
    parts = [
        nn.Embedding(WORDS, WIDTH, padding_idx=0), nn.Embedding(PLACES, WIDTH), nn.Embedding(2, WIDTH), nn.LayerNorm(WIDTH),
        nn.Dropout(dropout), encoder, nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES),
    ]  # fmt: skip
    words, places, kinds, norm, drop, encode, pool, classify = parts
    rule = optim.AdamW([p for part in parts for p in part.parameters()], lr=1e-5)
    generator = np.random.default_rng(0)
    tokens = library.tensor(generator.integers(1, WORDS, (batch, length)))
    kind = library.tensor((np.arange(length) > length // 2).astype(np.int64)[None].repeat(batch, 0))
    labels = library.tensor(generator.integers(0, CLASSES, batch))
    place = library.arange(length)

    def step() -> float:
        with library.precision("bf16") if side.endswith("bf16") else contextlib.nullcontext():
            x = drop(norm(words(tokens) + places(place) + kinds(kind)))
            scores = classify(library.tanh(pool(encode(x)[:, 0])))
            loss = nn.functional.cross_entropy(scores, labels)
        rule.zero_grad()
        loss.backward()
        rule.step()
        return float(loss.detach())

    wall, busy = [], []
    for _ in range(steps + 2):
        start, work = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - start)
        busy.append(time.process_time() - work)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"milliseconds": min(wall[2:]) * 1e3, "processor milliseconds": min(busy[2:]) * 1e3, "MiB at most": peak}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
