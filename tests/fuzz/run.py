"""Fuzz one reader for some minutes: `python tests/fuzz/run.py --minutes 5 gguf`.

With atheris where that is installed (`pip install atheris`), which follows the branches that an input takes; otherwise,
or with `--mutate`, by random mutations of the files to start from. Memory is limited to what the process has taken when
it begins and the bound of docs/security.md. What fails is written beside this file, and the process leaves with 1.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / ".dev")]

# Beyond what the process has taken before: the free bounds of limits.py, and room for a header's parsing.
MEMORY = 384 << 20
LONGEST = 1 << 16


def limit_memory(extra: int) -> None:
    """Let the process take `extra` bytes more than it has."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + extra, taken + extra))


def mutated(content: bytes, others: list[bytes], random_: random.Random) -> bytes:
    """Give `content` with a few bytes flipped, set to edges, moved, repeated, cut or taken from another file."""
    data = bytearray(content)
    for _ in range(random_.choice([1, 1, 2, 4, 8])):
        at, size = random_.randrange(len(data) + 1), random_.choice([1, 2, 4, 8, 8, 16, 64])
        match random_.randrange(8):
            case 0 if at < len(data):
                data[at] ^= 1 << random_.randrange(8)
            case 1:
                edge = random_.choice(
                    [0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
                )
                data[at : at + size] = (edge % (1 << 8 * size)).to_bytes(size, random_.choice(["little", "big"]))
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[at : at + size] * random_.choice([1, 2, 50])
            case 4:
                other = random_.choice(others)
                start = random_.randrange(len(other))
                data[at : at + size] = other[start : start + size]
            case 6 if random_.random() < 0.2:
                del data[at:]
            case 5:
                data[at:at] = random_.randbytes(size)
            case _ if at < len(data):
                data[at] = (data[at] + random_.choice([-1, 1])) % 256
    return bytes(data[:LONGEST])


def by_mutation(reader: str, minutes: float) -> int:
    """Mutate files, and mutations that were read, until the time is over; give the number of attempts."""
    import harness

    random_ = random.Random(time.time_ns())
    files = harness.seeds()
    start, pool = files[reader], list(files[reader])
    others = [content for each in files.values() for content in each]
    limit_memory(MEMORY if reader != "keras" else 4 * MEMORY)
    end, count = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end:
        content = mutated(random_.choice(pool), others, random_)
        count += 1
        try:
            harness.attempt(reader, content)
        except BaseException:
            keep(reader, content)
            raise
        if count % 50 == 0:
            pool = [*start, content] if len(pool) > 200 else [*pool, content]
    return count


def keep(reader: str, content: bytes) -> None:
    """Write what failed into a file."""
    path = HERE / f"failed-{reader}"
    path.write_bytes(content)
    print(f"{reader}: failed; the input is in {path}", file=sys.stderr)


def by_coverage(reader: str, minutes: float) -> None:
    """Hand over to atheris, which prints its statistics and leaves the process itself."""
    import atheris

    with atheris.instrument_imports(
        include=["numzoo.hub.checkpoint", "numzoo.hub.store.archives", "numzoo.vision.datasets"]
    ):
        import harness
    harness.warm_up()
    corpus = Path(tempfile.mkdtemp())
    for number, content in enumerate(harness.seeds()[reader]):
        (corpus / str(number)).write_bytes(content)

    def one(content: bytes) -> None:
        harness.attempt(reader, content)

    options = [f"-max_total_time={int(60 * minutes)}", f"-max_len={LONGEST}", "-timeout=30", "-print_final_stats=1",
               "-verbosity=0", f"-artifact_prefix={HERE}/failed-{reader}-"]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    limit_memory(MEMORY if reader != "keras" else 4 * MEMORY)
    atheris.Fuzz()


def main() -> int:
    import harness

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reader", choices=sorted(harness.seeds()))
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--mutate", action="store_true", help="random mutations, without atheris")
    given = parser.parse_args()
    if not given.mutate:
        try:
            import atheris  # noqa: F401
        except ImportError:
            print("atheris is not installed; random mutations it is", file=sys.stderr)
        else:
            for name in [name for name in sys.modules if name.startswith(("numzoo", "harness", "data_readers"))]:
                del sys.modules[name]  # to be imported again, instrumented
            by_coverage(given.reader, given.minutes)
            return 0
    harness.warm_up()
    print(f"{given.reader}: {by_mutation(given.reader, given.minutes)} attempts, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
