"""What a web server's answer says, and what its failures mean: for one stream (web.py) and for many (ranges.py)."""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from numzoo.hub.download import throttle
from numzoo.hub.errors import IntegrityError, LicenseError, NetworkError, NotFoundError, UsageError

if TYPE_CHECKING:
    import requests

    from numzoo.hub.download.sources import Patience

__all__ = [
    "AgainError",
    "blocks_of",
    "content_range",
    "is_encoded",
    "is_page",
    "length_of",
    "page_message",
    "pause_after",
    "refuse_status",
    "request_headers",
    "translated",
]

_BLOCK = 1 << 20
_SMALL = 1 << 14  # where a read waits for a full block
_DIGITS = 19  # no honest size has so many, and Python refuses to read numbers of thousands
_PATIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)
_PAGE = re.compile(rb"\s*(?:<!doctype\s+html|<html|<head|<\?xml[^>]*>\s*<!doctype\s+html)", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,80})", re.IGNORECASE)


class AgainError(Exception):
    """Something that may be over in a moment; `wait` is what the server asked for, in seconds."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


def request_headers() -> dict[str, str]:
    """What every request says: bytes as they are, packed by nobody."""
    from numzoo import __version__

    return {"Accept-Encoding": "identity", "User-Agent": f"numzoo/{__version__}", "Accept": "*/*"}


@contextlib.contextmanager
def translated(address: str, host: str | None, patience: Patience) -> Iterator[None]:
    """Turn the failures of a request into AgainError or an error of the hub.

    The address is in no message but that of a malformed one: it may hold a signature; nor is the failed request's
    exception kept, which holds its headers.
    """
    from requests import exceptions as failed
    from urllib3 import exceptions as broken

    try:
        yield
    except failed.InvalidProxyURL:
        raise UsageError(
            f"The proxy of the environment for {host} is not an address (https_proxy, http_proxy)."
        ) from None
    except (failed.MissingSchema, failed.InvalidSchema, failed.InvalidURL) as problem:
        raise UsageError(f"{address!r} is not an address: {type(problem).__name__}.") from None
    except (failed.SSLError, broken.SSLError) as problem:
        raise NetworkError(
            f"The certificate of {host} was refused: {_reason(problem)}. If your network has a certificate "
            f"authority of its own, let REQUESTS_CA_BUNDLE (or SSL_CERT_FILE) name its file."
        ) from None
    except (failed.Timeout, broken.TimeoutError):
        raise AgainError(f"{host} gave no answer for {patience.stall:g} seconds.") from None
    except (failed.ContentDecodingError, broken.DecodeError):
        raise IntegrityError(f"{host} sent a compressed answer that is damaged.") from None
    except (failed.RequestException, broken.HTTPError, ConnectionError) as problem:
        if isinstance(problem, NetworkError):
            raise
        raise AgainError(f"The connection to {host}{_through(address)} failed: {_reason(problem)}.") from None


def _through(address: str) -> str:
    """Which proxy of the environment stands between, if any; never its password."""
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(address, get_environ_proxies(address))
    if not proxy:
        return ""
    place = proxy.rpartition("@")[2].rpartition("://")[2].rstrip("/")
    return f" through the proxy {place} (of https_proxy or http_proxy)"


def refuse_status(response: requests.Response, host: str | None) -> None:
    """Raise what the status means unless it is 200, 206 or 416."""
    status = response.status_code
    if status in (401, 403):
        raise LicenseError(f"{host} refuses the file (status {status}): it wants a login or an accepted licence.")
    if status in (404, 410):
        raise NotFoundError(f"{host} does not have the file (status {status}).")
    if status in _PATIENT_STATUS:
        raise AgainError(f"{host} could not serve the file (status {status}).", _asked_wait(response))
    if status not in (200, 206, 416):
        raise NetworkError(f"{host} answered with status {status}.")


def blocks_of(raw: Any, patience: Patience, *, encoded: bool = False) -> Iterator[bytes]:
    """What arrives, as it arrives and as the rate limit allows; a trickle counts as standing still."""
    limit = throttle.current()
    most = _BLOCK if limit is None else limit.block
    # read1 gives what is there; plain read would wait for a full block, however slowly that comes.
    read, most = (raw.read1, most) if hasattr(raw, "read1") else (raw.read, min(most, _SMALL))
    since, brought = time.monotonic(), 0
    while block := read(most, decode_content=encoded):
        if limit is not None:
            since += limit.wait(len(block))
        yield block
        brought += len(block)
        now = time.monotonic()
        if now - since > patience.stall:
            if brought < patience.trickle:
                raise AgainError(f"Only {brought} bytes came in {now - since:.0f} seconds.")
            since, brought = now, 0


def pause_after(patience: Patience, failures: int, asked: float) -> float:
    """Twice as long after each failure, and never the same twice, so that many clients do not come back together."""
    longest = min(patience.longest_pause, patience.pause * 2.0 ** (failures - 1))
    return max(longest * random.uniform(0.5, 1.0), min(asked, patience.longest_pause))


def length_of(response: requests.Response) -> int | None:
    """How many bytes the answer says it has."""
    text: str = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and len(text) < _DIGITS else None


def content_range(response: requests.Response) -> tuple[int, int | None]:
    """Where a 206's bytes begin, -1 if it does not say so, and the size of the whole file if it says that."""
    found = re.fullmatch(
        r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", response.headers.get("Content-Range", "").strip()
    )
    if found is None:
        return -1, None
    return int(found[1]), None if found[3] == "*" else int(found[3])


def is_encoded(response: requests.Response, length: int | None, size: int | None) -> bool:
    """Whether the body is packed for transport; some servers say so of files that are .gz themselves and fit as is."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    return encoding not in ("", "identity") and not (size is not None and length == size)


def is_page(beginning: bytes, format: str) -> bool:
    """Whether bytes are a web page although the file of that format is none."""
    return format not in ("html", "xml", "svg") and _PAGE.match(beginning) is not None


def page_message(host: str | None, beginning: bytes, size: int | None) -> str:
    """What to say of a web page that came instead of the file."""
    title = _TITLE.search(beginning)
    shown = f" ({title[1].decode('utf-8', 'replace').strip()!r})" if title else ""
    wanted = f" of {size} bytes" if size is not None else ""
    return (
        f"{host} sent a web page{shown} instead of the file{wanted}. A login page of the network, a quota or an error "
        f"page looks like this: open the address in a browser."
    )


def _asked_wait(response: requests.Response) -> float:
    """The seconds of Retry-After, which may be a number or a date."""
    text = str(response.headers.get("Retry-After", "")).strip()
    if text.isdecimal():
        return float(text[:9])
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0


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
