"""Data sets with something changed in their files: the readers must give examples or their own errors, and no others."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from whole_way import Members, unpacked

TOKENS = [
    b"",
    b"\n",
    b"\t",
    b",",
    b'"',
    b"|",
    b"\0",
    b"\xff",
    b"-1",
    b"nan",
    b"9" * 30,
    b"../../x",
    b"/etc/hostname",
    b"<s>",
    b"\xc3\xa9",
]


def changed(content: bytes, chance: random.Random) -> bytes:
    """`content` cut, with bytes replaced, or with something strange put in place of a piece."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        begin = chance.randint(0, len(data))
        end = min(len(data), begin + chance.choice([0, 1, 3, 20, 1000]))
        data[begin:end] = chance.choice(TOKENS)
    return bytes(data)


def read_changed(
    open_it: Callable[[Path], Any], files: dict[str, Members], folder: Path, allowed: Any, rounds: int, seed: int
) -> int:
    """Change one file `rounds` times, and read everything each time: how often an `allowed` error came of it."""
    chance = random.Random(seed)
    unpacked(folder, files)
    members = [(name, content) for each in files.values() for name, content in each.items()]
    refused = 0
    for _ in range(rounds):
        name, content = chance.choice(members)
        (folder / name).write_bytes(changed(content, chance))
        try:
            dataset = open_it(folder)
            for place in range(len(dataset)):
                dataset[place]
        except allowed:
            refused += 1
        (folder / name).write_bytes(content)
    return refused
