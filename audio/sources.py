"""What a sound is read from: a path, its bytes, or an open binary file, made into one seekable file."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO

from numzoo.hub.given import Given

from .errors import AudioAccessError, AudioError, AudioTooLargeError, MissingAudioError

if TYPE_CHECKING:
    from typing import TypeAlias

    Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

MAX_STREAM_BYTES = 1 << 30  # of a pipe, whose end nobody can see
_GIVEN = Given("a", "sound", AudioError, MissingAudioError, AudioAccessError, AudioTooLargeError)


def opened(source: Any, who: str) -> AbstractContextManager[tuple[BinaryIO, str]]:
    """A seekable binary file with the bytes of `source`, at its beginning, and what to call it in messages."""
    return _GIVEN.opened(source, who, most=MAX_STREAM_BYTES, buffering=0)  # see library.handle
