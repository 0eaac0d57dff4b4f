"""`https:` sources: resumed where they broke off, tried again when that may help, and never believed.

A server may cut an answer short, ignore a range or send another one, compress what should come as it is, stand still,
or answer with a web page. Each of these ends in the right bytes or in an error that names it.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from numzoo.hub.download.sources.redirects import new_session, open_following
from numzoo.hub.errors import IntegrityError, LicenseError, NetworkError, NotFoundError, UsageError

if TYPE_CHECKING:
    import requests

    from numzoo.hub.download.sources import Order, Patience
    from numzoo.hub.store.parts import Part

__all__ = ["fetch"]

_BLOCK = 1 << 18
_PROGRESS = 1 << 20  # an attempt that got this much farther than any before starts the count of failures anew
_FIRST_ATTEMPTS = 2
_DIGITS = 19  # no honest size has so many, and Python refuses to read numbers of thousands
_PATIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)
_PAGE = re.compile(rb"\s*(?:<!doctype\s+html|<html|<head|<\?xml[^>]*>\s*<!doctype\s+html)", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,80})", re.IGNORECASE)


class _AgainError(Exception):
    """Something that may be over in a moment; `wait` is what the server asked for, in seconds."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


def fetch(address: str, part: Part, order: Order, *, token: str | None = None) -> None:
    """Append the rest of the file at `address` to the part; `token` goes to that origin and no further.

    Raises NetworkError where it cannot be had (now), NotFoundError and LicenseError as the server says, and
    IntegrityError where what comes cannot be the file.
    """
    patience, host = order.patience, urlsplit(address).hostname
    with new_session() as session:
        transfer = _Transfer(session, address, part, order, token)
        failures, first, farthest = 0, part.length, part.length
        while True:
            try:
                if transfer.run():
                    return
                failures = 0
            except _AgainError as problem:
                failures = 1 if part.length - farthest >= _PROGRESS else failures + 1
                farthest = max(farthest, part.length)
                # Where nothing at all has come and another source is left, that one is the better next attempt.
                hopeless = order.others and farthest == first and failures >= _FIRST_ATTEMPTS
                if failures >= patience.attempts or hopeless:
                    raise NetworkError(f"{problem} ({failures} attempts were made at {host}.)") from None
                time.sleep(_pause(patience, failures, problem.wait))


@dataclass
class _Transfer:
    """One file from one address: each `run` is one request."""

    session: requests.Session
    address: str
    part: Part
    order: Order
    token: str | None

    def run(self) -> bool:
        """Make one request for what is missing next; give whether that was the last of it."""
        from requests import exceptions as failed
        from urllib3 import exceptions as broken

        host = urlsplit(self.address).hostname
        try:
            return self._request()
        except (failed.MissingSchema, failed.InvalidSchema, failed.InvalidURL, failed.InvalidProxyURL) as problem:
            raise UsageError(f"{self.address!r} is not an address: {type(problem).__name__}.") from None
        except (failed.SSLError, broken.SSLError) as problem:
            raise NetworkError(
                f"The certificate of {host} was refused: {_reason(problem)}. If your network has a certificate "
                f"authority of its own, let REQUESTS_CA_BUNDLE name its file."
            ) from None
        except (failed.Timeout, broken.TimeoutError):
            raise _AgainError(f"{host} gave no answer for {self.order.patience.stall:g} seconds.") from None
        except (failed.ContentDecodingError, broken.DecodeError):
            self.part.restart()
            raise IntegrityError(f"{host} sent a compressed answer that is damaged.") from None
        except (failed.RequestException, broken.HTTPError, ConnectionError) as problem:
            if isinstance(problem, NetworkError):
                raise
            raise _AgainError(f"The connection to {host} failed: {_reason(problem)}.") from None

    def _request(self) -> bool:
        part, patience = self.part, self.order.patience
        part.fill()
        start, end = part.length - part.origin, part.gap_end()
        if self.order.size is not None and start >= self.order.size:
            return True
        headers = self._headers(start, end)
        waits = (patience.connect, patience.stall)
        with open_following(self.session, self.address, headers, self.token, waits) as response:
            if self._begin(response, start, end):
                self._receive(response, end)
        return end is None

    def _headers(self, start: int, end: int | None) -> dict[str, str]:
        from numzoo import __version__

        headers = {"Accept-Encoding": "identity", "User-Agent": f"numzoo/{__version__}", "Accept": "*/*"}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
            known = self.part.validator
            if known and known.get("address") == self.address and self.part.record.chunks is None:
                headers["If-Range"] = known["if_range"]
        return headers

    def _begin(self, response: requests.Response, start: int, end: int | None) -> bool:
        """Judge the answer's head; give whether its body is to be read (and where from, by the part's length)."""
        host, status, part = urlsplit(self.address).hostname, response.status_code, self.part
        if status in (401, 403):
            raise LicenseError(f"{host} refuses the file (status {status}): it wants a login or an accepted licence.")
        if status in (404, 410):
            raise NotFoundError(f"{host} does not have the file (status {status}).")
        if status in _PATIENT_STATUS:
            raise _AgainError(f"{host} could not serve the file (status {status}).", _asked_wait(response))
        if status == 416 and start:
            part.restart()  # What is here is longer than the server's file, or of another version.
            raise _AgainError(f"{host} has nothing at offset {start}.")
        if status not in (200, 206):
            raise NetworkError(f"{host} answered with status {status}.")
        total = _length(response)
        if status == 206:
            offset, total = _content_range(response)
            if offset != start or _is_encoded(response, total, self.order.size):
                if not start:
                    raise NetworkError(f"{host} sent bytes from {offset}, though the file was asked for from {start}.")
                part.restart()
                raise _AgainError(f"{host} sent bytes from {offset}, though the file was asked for from {start}.")
        self._check_total(response, total)
        if status == 200 and part.record.chunks is None:
            part.restart()
        elif start:
            part.inherited = True  # Nothing promises that both halves are of one version.
        self._note_version(response)
        part.check_space(None if total is None else part.origin + total)
        return True

    def _check_total(self, response: requests.Response, total: int | None) -> None:
        size, host = self.order.size, urlsplit(self.address).hostname
        if size is None or total is None or total == size or _is_encoded(response, total, size):
            return
        if "html" in response.headers.get("Content-Type", "").lower():
            raise IntegrityError(_page_message(host, response.raw.read(4096, decode_content=True), size))
        raise IntegrityError(f"{host} offers {total} bytes, but the file has {size}.")

    def _note_version(self, response: requests.Response) -> None:
        tag = response.headers.get("ETag", "")
        version = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
        known = self.part.validator
        if response.status_code == 206 and known and known.get("address") == self.address:
            if version and known["if_range"] != version and self.part.record.chunks is None:
                self.part.restart()
                raise _AgainError(f"The file at {urlsplit(self.address).hostname} has changed in between.")
        elif version and self.part.record.chunks is None:
            self.part.validator = {"address": self.address, "if_range": version}

    def _receive(self, response: requests.Response, end: int | None) -> None:
        """Write the body, which goes on where the part ends or begins at the beginning; it should reach `end`."""
        host, part, size = urlsplit(self.address).hostname, self.part, self.order.size
        whole = response.status_code == 200
        encoded = _is_encoded(response, _length(response), size)
        promised = None if encoded else _length(response)
        received = 0
        response.raw.enforce_content_length = False  # A short answer is noticed below, and resumed.

        def body() -> Iterator[bytes]:
            nonlocal received
            for block in _blocks(response.raw, self.order.patience, encoded):
                if not received and whole and _PAGE.match(block) and not _is_page(self.order):
                    raise IntegrityError(_page_message(host, block, size))
                received += len(block)
                yield block
                if promised is not None and received >= promised:
                    return

        if whole:
            part.pour(body())
        else:
            for block in body():
                part.write(block)
        if promised is not None and received < promised:
            raise _AgainError(f"The answer of {host} broke off after {received} of {promised} bytes.")
        goal, reached = end if end is not None else size, part.length - part.origin
        if goal is not None and reached < goal:
            raise _AgainError(f"The answer of {host} ended at byte {reached}, but {goal} were asked for.")


def _blocks(raw: Any, patience: Patience, encoded: bool) -> Iterator[bytes]:
    """What arrives, as it arrives; a trickle counts as standing still."""
    # read1 gives what is there; plain read would wait for a full block, however slowly that comes.
    read, most = (raw.read1, _BLOCK) if hasattr(raw, "read1") else (raw.read, _BLOCK >> 4)
    since, brought = time.monotonic(), 0
    while block := read(most, decode_content=encoded):
        yield block
        brought += len(block)
        now = time.monotonic()
        if now - since > patience.stall:
            if brought < patience.trickle:
                raise _AgainError(f"Only {brought} bytes came in {now - since:.0f} seconds.")
            since, brought = now, 0


def _pause(patience: Patience, failures: int, asked: float) -> float:
    """Twice as long after each failure, and never the same twice, so that many clients do not come back together."""
    longest = min(patience.longest_pause, patience.pause * 2.0 ** (failures - 1))
    return max(longest * random.uniform(0.5, 1.0), min(asked, patience.longest_pause))


def _asked_wait(response: requests.Response) -> float:
    text = str(response.headers.get("Retry-After", ""))
    return float(text[:9]) if text.isdecimal() else 0.0


def _length(response: requests.Response) -> int | None:
    text: str = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and len(text) < _DIGITS else None


def _content_range(response: requests.Response) -> tuple[int, int | None]:
    """Where a 206's bytes begin, -1 if it does not say so, and the size of the whole file if it says that."""
    found = re.fullmatch(
        r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", response.headers.get("Content-Range", "").strip()
    )
    if found is None:
        return -1, None
    return int(found[1]), None if found[3] == "*" else int(found[3])


def _is_encoded(response: requests.Response, length: int | None, size: int | None) -> bool:
    """Whether the body is packed for transport; some servers say so of files that are .gz themselves and fit as is."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    return encoding not in ("", "identity") and not (size is not None and length == size)


def _is_page(order: Order) -> bool:
    return order.record.format in ("html", "xml", "svg")


def _page_message(host: str | None, beginning: bytes, size: int | None) -> str:
    title = _TITLE.search(beginning)
    shown = f" ({title[1].decode('utf-8', 'replace').strip()!r})" if title else ""
    wanted = f" of {size} bytes" if size is not None else ""
    return (
        f"{host} sent a web page{shown} instead of the file{wanted}. A login page of the network, a quota or an error "
        f"page looks like this: open the address in a browser."
    )


def _reason(problem: BaseException) -> str:
    """What went wrong underneath, without the address, which may hold a signature."""
    best, found = type(problem).__name__, problem
    for _ in range(8):
        if isinstance(found, OSError) and found.strerror:
            best = getattr(found, "verify_message", "") or found.strerror
        inner = [getattr(found, "reason", None), *found.args, found.__cause__, found.__context__]
        deeper = next((item for item in inner if isinstance(item, BaseException)), None)
        if deeper is None:
            break
        found = deeper
    return best
