"""The vocabulary files of Whisper's authors: a line for each token, its bytes in base64 and its rank, which is its number.

Byte-pair encoding joins the neighbours of the lowest rank first. The library wants to know which pair each token was joined
from: the two that are left of its bytes when all lower ranks have been joined.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

from numzoo.audio.errors import AudioError

__all__ = ["read_ranks", "tokenizer_of"]

_LARGEST = 64 << 20
_LONGEST = 1 << 10  # bytes of a token
_NOTHING = b"="  # how the multilingual vocabulary's last token is written, which is empty


def read_ranks(path: Path) -> dict[bytes, int]:
    """Token -> rank. Raises AudioError for a file of another kind."""
    if path.stat().st_size > _LARGEST:
        raise AudioError(f"{path} is no vocabulary: it has more than {_LARGEST:,} bytes")
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_bytes().splitlines()):
        try:
            token, rank = line.split()
            word = b"" if token == _NOTHING else base64.b64decode(token, validate=True)
            if int(rank) != number or len(word) > _LONGEST or word in ranks:
                raise ValueError
        except (ValueError, binascii.Error):
            raise AudioError(
                f"{path} is no vocabulary of ranks: line {number + 1} is {line[:40]!r}; wanted a new token in base64 and the number {number}"
            ) from None
        ranks[word] = number
    if any(bytes([byte]) not in ranks for byte in range(256)):
        raise AudioError(f"{path} is no vocabulary of bytes: it lacks some of the 256")
    return ranks


def tokenizer_of(path: Path, library: Any) -> Any:
    """The tokenizer that such a file is of, by the `tokenizers` library."""
    ranks = read_ranks(path)
    letters = _letters()
    names = {word: word.decode("latin-1").translate(letters) for word in ranks}
    pairs = []
    for word, rank in ranks.items():
        if len(word) > 1:
            parts = _parts(word, rank, ranks)
            if len(parts) != 2:
                raise AudioError(f"{path} is no vocabulary of byte pairs: {word!r} is not joined from two other tokens")
            pairs.append((names[parts[0]], names[parts[1]]))
    made = library.Tokenizer(library.models.BPE({names[word]: rank for word, rank in ranks.items()}, pairs))
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = library.decoders.ByteLevel()
    return made


def _parts(word: bytes, rank: int, ranks: dict[bytes, int]) -> list[bytes]:
    """What is left of the bytes of `word` when all pairs of ranks below its own have been joined."""
    parts = [word[place : place + 1] for place in range(len(word))]
    while len(parts) > 2:
        joined = [ranks.get(parts[place] + parts[place + 1], rank) for place in range(len(parts) - 1)]
        least = min(joined)
        if least >= rank:
            break
        place = joined.index(least)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts


def _letters() -> dict[int, int]:
    """The printable letter that stands for each byte: itself where that is printable, else one from 256 on (GPT-2's way)."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = (byte for byte in range(256) if byte not in plain)
    return {**{byte: byte for byte in plain}, **{byte: 256 + place for place, byte in enumerate(others)}}
