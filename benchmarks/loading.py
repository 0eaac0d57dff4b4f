"""A safetensors checkpoint of 100 MB: reading it, with and without its hash, and the memory that takes."""

from __future__ import annotations

import hashlib
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from rounds import options

from numzoo.hub.checkpoint import read_checkpoint, write_safetensors

MIB = 1 << 20


def main() -> None:
    given = options(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        generator = np.random.default_rng(0)
        write_safetensors(
            file, {f"layer{i}.weight": generator.standard_normal((1024, 1280), np.float32) for i in range(20)}
        )
        size = file.stat().st_size / MIB
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        read, hashed = [], []
        for _ in range(given.rounds):
            start = time.perf_counter()
            arrays = read_checkpoint(file)
            read.append(time.perf_counter() - start)
            start = time.perf_counter()
            with file.open("rb") as stream:
                digest = hashlib.sha256(stream.read()).hexdigest()
            hashed.append(time.perf_counter() - start)
            assert len(arrays) == 20
            assert len(digest) == 64
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    print(
        f"{size:.0f} MiB: read in {min(read) * 1e3:.1f} ms, sha256 alone {min(hashed) * 1e3:.0f} ms, peak memory grew by {grown:.1f} MiB"
    )


if __name__ == "__main__":
    main()
