"""`https:` sources: resumed where they broke off, tried again when that may help, and never believed.

A server may cut an answer short, ignore a range or send another one, compress what should come as it is, stand still,
or answer with a web page. Each of these ends in the right bytes or in an error that names it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from numzoo.hub.download.sources import answers, tokens
from numzoo.hub.download.sources.answers import AgainError
from numzoo.hub.download.sources.redirects import new_session, open_following
from numzoo.hub.errors import IntegrityError, NetworkError

if TYPE_CHECKING:
    import requests

    from numzoo.hub.download.sources import Order
    from numzoo.hub.store.parts import Part

__all__ = ["SlowError", "fetch", "locate"]

_PROGRESS = 1 << 20  # an attempt that got this much farther than any before starts the count of failures anew


class SlowError(Exception):
    """The server keeps to ranges and one stream of it is slow: more connections may bring the rest sooner."""


def locate(address: str) -> tuple[str, str | None]:
    """The address to ask, and the token for its origin."""
    return address, tokens.token_for(address)


def fetch(address: str, part: Part, order: Order, *, token: str | None = None) -> None:
    """Append the rest of the file at `address` to the part; a token goes to that origin and no further.

    `token` goes before the one that the person has for that origin. Raises SlowError where the order lets the rest be
    shared among several connections and that is worth it, NetworkError where it cannot be had (now), NotFoundError and
    LicenseError as the server says, and IntegrityError where what comes cannot be the file.
    """
    patience, host = order.patience, urlsplit(address).hostname
    with new_session() as session:
        transfer = _Transfer(session, address, part, order, token or locate(address)[1])
        failures, first, farthest = 0, part.length, part.length
        while True:
            try:
                if transfer.run():
                    return
                failures = 0
            except AgainError as problem:
                failures = 1 if part.length - farthest >= _PROGRESS else failures + 1
                farthest = max(farthest, part.length)
                # Where nothing at all has come and another source is left, that one is the better next attempt.
                hopeless = order.others and farthest == first and failures >= patience.first_attempts
                if failures >= patience.attempts or hopeless:
                    raise NetworkError(f"{problem} ({failures} attempts were made at {host}.)") from None
                time.sleep(answers.pause_after(patience, failures, problem.wait))


@dataclass
class _Transfer:
    """One file from one address: each `run` is one request."""

    session: requests.Session
    address: str
    part: Part
    order: Order
    token: str | None
    packed: bool = False

    def run(self) -> bool:
        """Make one request for what is missing next; give whether that was the last of it."""
        host = urlsplit(self.address).hostname
        try:
            with answers.translated(self.address, host, self.order.patience):
                return self._request()
        except IntegrityError:
            if self.packed:
                self.part.restart()
            raise

    def _request(self) -> bool:
        part, patience = self.part, self.order.patience
        part.fill()
        if not part.record.checkable and not self._known():
            part.restart()  # No digest would tell that two halves are of two versions.
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
        headers = answers.request_headers()
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
            if (known := self._known()) and self.part.record.chunks is None:
                headers["If-Range"] = known
        return headers

    def _known(self) -> str | None:
        """Which version of the file this server has given so far, if it said so."""
        known = self.part.validator
        return known["if_range"] if known and known.get("address") == self.address else None

    def _begin(self, response: requests.Response, start: int, end: int | None) -> bool:
        """Judge the answer's head; give whether its body is to be read (and where from, by the part's length)."""
        host, status, part = urlsplit(self.address).hostname, response.status_code, self.part
        answers.refuse_status(response, host)
        if status == 416 and start:
            part.restart()  # What is here is longer than the server's file, or of another version.
            raise AgainError(f"{host} has nothing at offset {start}.")
        if status == 416:
            raise NetworkError(f"{host} answered with status {status}.")
        total = answers.length_of(response)
        if status == 206:
            offset, total = answers.content_range(response)
            if offset != start or answers.is_encoded(response, total, self.order.size):
                if not start:
                    raise NetworkError(f"{host} sent bytes from {offset}, though the file was asked for from {start}.")
                part.restart()
                raise AgainError(f"{host} sent bytes from {offset}, though the file was asked for from {start}.")
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
        if size is None or total is None or total == size or answers.is_encoded(response, total, size):
            return
        if "html" in response.headers.get("Content-Type", "").lower():
            raise IntegrityError(answers.page_message(host, response.raw.read(4096, decode_content=True), size))
        raise IntegrityError(f"{host} offers {total} bytes, but the file has {size}.")

    def _note_version(self, response: requests.Response) -> None:
        tag = response.headers.get("ETag", "")
        version = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
        known = self._known()
        if response.status_code == 206 and known:
            if version and known != version and self.part.record.chunks is None:
                self.part.restart()
                raise AgainError(f"The file at {urlsplit(self.address).hostname} has changed in between.")
        elif version and self.part.record.chunks is None:
            self.part.validator = {"address": self.address, "if_range": version}

    def _receive(self, response: requests.Response, end: int | None) -> None:
        """Write the body, which goes on where the part ends or begins at the beginning; it should reach `end`."""
        host, part, size = urlsplit(self.address).hostname, self.part, self.order.size
        whole = response.status_code == 200
        encoded = answers.is_encoded(response, answers.length_of(response), size)
        promised = None if encoded else answers.length_of(response)
        received, self.packed = 0, encoded
        sharing = self.order.share and (not whole or response.headers.get("Accept-Ranges", "").lower() == "bytes")
        response.raw.enforce_content_length = False  # A short answer is noticed below, and resumed.

        def body() -> Iterator[bytes]:
            nonlocal received
            began = time.monotonic()
            for block in answers.blocks_of(response.raw, self.order.patience, encoded=encoded):
                if not received and whole and answers.is_page(block, self.order.record.format):
                    raise IntegrityError(answers.page_message(host, block, size))
                received += len(block)
                yield block
                if promised is not None and received >= promised:
                    return
                if sharing and self._is_slow(received, time.monotonic() - began):
                    raise SlowError

        if whole:
            part.pour(body())
        else:
            for block in body():
                part.write(block)
        if promised is not None and received < promised:
            raise AgainError(f"The answer of {host} broke off after {received} of {promised} bytes.")
        goal, reached = end if end is not None else size, part.length - part.origin
        if goal is not None and reached < goal:
            raise AgainError(f"The answer of {host} ended at byte {reached}, but {goal} were asked for.")

    def _is_slow(self, received: int, seconds: float) -> bool:
        """Whether the rest would take this stream alone so long that others are worth opening."""
        patience, left = self.order.patience, (self.order.size or 0) - self.part.length
        return seconds > patience.solo and left > patience.span and left * seconds > patience.worth * received
