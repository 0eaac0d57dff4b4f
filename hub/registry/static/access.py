"""Reading a registry's small files where it lies: a folder, or an https address and its mirrors.

Whatever a server does, no more is read than was asked for, it does not take forever, and redirects keep to the rules
of downloads. What comes is not believed here: opening.py checks it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from numzoo.hub.errors import FormatError, LicenseError, NetworkError, NotFoundError, UsageError
from numzoo.hub.registry.static.layout import LARGEST_POINTER, POINTER, Folder, blob_name

if TYPE_CHECKING:
    from numzoo.hub.download.sources import Patience

__all__ = ["FolderAccess", "WebAccess", "is_web"]


def is_web(address: str) -> bool:
    """Whether an address is one of the web, and not a folder."""
    return address.lower().startswith(("https:", "http:"))


class FolderAccess:
    """A registry in a folder of this machine."""

    web = False

    def __init__(self, address: str) -> None:
        self.folder = Folder(Path(address).expanduser())

    def pointer(self) -> bytes:
        """The bytes of the pointer; NotFoundError where there is no registry."""
        data = self.folder.pointer()
        if data is None:
            raise NotFoundError(f"There is no registry in {self.folder.root}: it has no {POINTER}.")
        return data

    def blob(self, sha256: str, size: int) -> bytes:
        """A blob's bytes, at most `size` of them, not yet checked."""
        return self.folder.read(sha256, size)


class WebAccess:
    """A registry at an https address, and at others where the same files are; http only on this machine itself."""

    web = True

    def __init__(self, address: str, mirrors: tuple[str, ...] = ()) -> None:
        from numzoo.hub.download.sources.redirects import check_address

        self.addresses = tuple(each.rstrip("/") for each in (address, *mirrors))
        for each in self.addresses:
            check_address(each)
            if urlsplit(each).query or urlsplit(each).fragment:
                raise UsageError(f"The address of a registry is a folder's, without ? and #, but {each!r} was given.")

    def pointer(self) -> bytes:
        """The bytes of the pointer, from the first address that gives them."""
        return self._read(POINTER, LARGEST_POINTER)

    def blob(self, sha256: str, size: int) -> bytes:
        """A blob's bytes, at most `size` of them, not yet checked."""
        return self._read(blob_name(sha256), size)

    def _read(self, name: str, most: int) -> bytes:
        problems: list[NetworkError | NotFoundError | LicenseError] = []
        for address in self.addresses:
            try:
                return _get(f"{address}/{name}", most)
            except (NetworkError, NotFoundError, LicenseError) as problem:
                problems.append(problem)
        # What may be over tomorrow counts more than what is not there.
        raise next((each for each in problems if not isinstance(each, NotFoundError)), problems[0])


def _get(address: str, most: int) -> bytes:
    from numzoo.hub.download.sources.answers import AgainError, pause_after

    patience, failures = _patience(), 0
    while True:
        try:
            return _once(address, most, patience)
        except AgainError as problem:
            failures += 1
            if failures >= patience.attempts:
                raise NetworkError(str(problem)) from None
            time.sleep(pause_after(patience, failures, problem.wait))


def _once(address: str, most: int, patience: Patience) -> bytes:
    from numzoo.hub.download.sources.answers import (
        AgainError,
        blocks_of,
        is_encoded,
        length_of,
        refuse_status,
        request_headers,
        translated,
    )
    from numzoo.hub.download.sources.redirects import new_session, open_following
    from numzoo.hub.download.sources.tokens import token_for

    host, data = urlsplit(address).hostname, bytearray()
    headers, waits = {**request_headers(), "Cache-Control": "no-cache"}, (patience.connect, patience.stall)
    with (
        new_session() as session,
        translated(address, host, patience),
        open_following(session, address, headers, token_for(address), waits) as response,
    ):
        refuse_status(response, host)
        if response.status_code != 200:
            raise NetworkError(f"{host} answered with status {response.status_code}.")
        promised = length_of(response)
        if promised is not None and promised > most:
            raise FormatError(f"{address} is larger than {most} bytes, the most that is read.")
        encoded = is_encoded(response, promised, None)
        response.raw.enforce_content_length = False  # A short answer is noticed below.
        for block in blocks_of(response.raw, patience, encoded=encoded):
            data += block
            if len(data) > most:
                raise FormatError(f"{address} is larger than {most} bytes, the most that is read.")
        if promised is not None and not encoded and len(data) < promised:
            raise AgainError(f"The answer of {host} broke off after {len(data)} of {promised} bytes.")
    return bytes(data)


def _patience() -> Patience:
    """Less than a download has: people wait for this. At least 4 kB must come in a second."""
    from numzoo.hub.download.sources import Patience

    return Patience(connect=10.0, stall=20.0, trickle=80_000, attempts=3, pause=0.2, longest_pause=5.0)
