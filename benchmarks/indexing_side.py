"""One side of the indexing benchmark: numzoo or PyTorch, whose names for these things are the same."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import numpy as np
from calls import least

TABLE = (30_000, 384)


def main() -> None:
    is_ours = sys.argv[1] == "numzoo"
    library = importlib.import_module("numzoo.engine" if is_ours else "torch")
    differentiate = library.grad if is_ours else library.autograd.grad
    if not is_ours:
        library.set_num_threads(1)
    random = np.random.default_rng(0)

    def tensor(*shape: int) -> Any:
        return library.tensor(random.standard_normal(shape).astype(np.float32))

    figures = {}
    table = tensor(*TABLE)
    table.requires_grad_()
    rows = {
        "1024 rows": random.integers(0, TABLE[0], 1024),
        "8192 rows": random.integers(0, TABLE[0], 8192),
        "8192 words, as often as in a text": np.minimum(random.zipf(1.3, 8192), TABLE[0] - 1),
    }
    for name, numbers in rows.items():
        index = library.tensor(numbers)
        picked, flow = table[index], tensor(len(numbers), TABLE[1])
        figures[f"{name} of {TABLE}: pick"] = least(lambda: table.detach()[index])  # noqa: B023
        figures[f"{name}: gradient of the table, and its sum"] = least(
            lambda: differentiate(picked, table, flow, retain_graph=True)[0].sum()  # noqa: B023
        )
    query = tensor(8, 128, 12, 64)
    figures["einsum bqhd,bkhd->bhqk of (8, 128, 12, 64)"] = least(
        lambda: library.einsum("bqhd,bkhd->bhqk", query, query)
    )
    left, middle, right = tensor(64, 256), tensor(256, 256, 64), tensor(64, 64)
    figures["einsum bi,ijk,bk->bj"] = least(lambda: library.einsum("bi,ijk,bk->bj", left, middle, right))
    signal, window = tensor(8, 16_000), library.hann_window(400)
    spectra = library.stft(signal, 400, 160, window=window, return_complex=True)
    figures["stft of (8, 16000), 400 every 160"] = least(
        lambda: library.stft(signal, 400, 160, window=window, return_complex=True)
    )
    figures["istft of the same"] = least(lambda: library.istft(spectra, 400, 160, window=window))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
