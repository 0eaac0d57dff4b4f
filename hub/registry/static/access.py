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
    import requests

__all__ = ["FolderAccess", "WebAccess", "is_web"]

_ATTEMPTS = 3
_PAUSE_SECONDS = 0.2
_TIMEOUTS = (10.0, 20.0)
_SLOWEST = 4096  # bytes a second on the whole, after the first seconds
_GRACE_SECONDS = 20.0
_BLOCK = 1 << 16


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
    from requests import exceptions as failed
    from urllib3 import exceptions as broken

    from numzoo.hub.download.sources.redirects import new_session

    host = urlsplit(address).hostname
    with new_session() as session:
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                return _once(session, address, most)
            except (failed.SSLError, broken.SSLError):
                raise NetworkError(
                    f"The certificate of {host} was refused. If your network has a certificate authority of its own, "
                    f"let REQUESTS_CA_BUNDLE name its file."
                ) from None
            except _BusyError as problem:
                if last:
                    raise NetworkError(str(problem)) from None
            except (failed.RequestException, broken.HTTPError, ConnectionError) as problem:
                if isinstance(problem, NetworkError):
                    raise
                if last:
                    raise NetworkError(f"{host} could not be reached ({type(problem).__name__}).") from None
            time.sleep(_PAUSE_SECONDS * 2**attempt)
    raise AssertionError


class _BusyError(Exception):
    """A server's answer that may be another in a moment."""


def _once(session: requests.Session, address: str, most: int) -> bytes:
    from numzoo import __version__
    from numzoo.hub.download.sources.redirects import open_following

    host = urlsplit(address).hostname
    headers = {"Accept-Encoding": "identity", "User-Agent": f"numzoo/{__version__}", "Cache-Control": "no-cache"}
    with open_following(session, address, headers, None, _TIMEOUTS) as response:
        status = response.status_code
        if status in (404, 410):
            raise NotFoundError(f"{host} has no {urlsplit(address).path} (status {status}); is a registry there?")
        if status in (401, 403):
            raise LicenseError(f"{host} refuses {urlsplit(address).path} (status {status}).")
        if status != 200:
            raise _BusyError(f"{host} answered with status {status}.")
        promised = response.headers.get("Content-Length", "")
        if promised.isdecimal() and (len(promised) > 12 or int(promised) > most):
            raise FormatError(f"{address} is larger than {most} bytes, the most that is read.")
        data = _body(response, most, address)
        if promised.isdecimal() and len(data) < int(promised) and _is_plain(response):
            raise _BusyError(f"The answer of {host} broke off after {len(data)} of {promised} bytes.")
        return data


def _body(response: requests.Response, most: int, address: str) -> bytes:
    data, since = bytearray(), time.monotonic()
    response.raw.enforce_content_length = False  # A short answer is noticed by the caller.
    read = getattr(response.raw, "read1", response.raw.read)  # read1 gives what is there, however little
    while block := read(_BLOCK, decode_content=not _is_plain(response)):
        data += block
        if len(data) > most:
            raise FormatError(f"{address} is larger than {most} bytes, the most that is read.")
        passed = time.monotonic() - since - _GRACE_SECONDS
        if passed > 0 and len(data) < passed * _SLOWEST:
            raise NetworkError(f"{urlsplit(address).hostname} sends too slowly: {len(data)} bytes so far.")
    return bytes(data)


def _is_plain(response: requests.Response) -> bool:
    return response.headers.get("Content-Encoding", "identity").strip().lower() in ("", "identity")
