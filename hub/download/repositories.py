"""What a repository of the Hugging Face hub holds at a revision: its commit, and the digest and size of every file.

One question answers it (``/api/models/OWNER/REPO/revision/REVISION?blobs=true``). Large files (Git LFS) come with their
sha256, small ones with git's own digest: the sha1 of the word "blob", the length, a NUL and the bytes. Small files are
fetched whole here and held to it.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from numzoo.hub import settings
from numzoo.hub.errors import (
    FormatError,
    HubError,
    IntegrityError,
    LicenseError,
    NetworkError,
    NotFoundError,
    UsageError,
)
from numzoo.hub.registry.manifest import parse
from numzoo.hub.registry.record import check_sha256

__all__ = ["LARGEST_SMALL", "Listing", "RemoteFile", "RepositoryName", "blob_sha1", "fetch_small", "list_repository"]

LARGEST_SMALL = 64 << 20
_LARGEST_LISTING = 64 << 20
_MOST_FILES = 20_000
_NAME = re.compile(r"hf:(?P<repository>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[^/\s@]+)(?:/(?P<file>[^\s]+))?)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ATTEMPTS = 3
_PATIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)
_WAITS = (15.0, 30.0)


@dataclass(frozen=True, slots=True)
class RepositoryName:
    """``hf:OWNER/REPO@REVISION/FILE``, of which revision ("main") and file (all) may be left out; a slash in a revision is %2F."""

    repository: str
    revision: str = "main"
    file: str = ""

    @classmethod
    def of(cls, name: str) -> RepositoryName:
        """Read a name. Raises UsageError for one of another form."""
        found = _NAME.fullmatch(name)
        steps = [] if found is None else [*found["repository"].split("/"), *(found["file"] or "x").split("/")]
        if found is None or any(step in ("", ".", "..") for step in steps):
            raise UsageError(
                f"{name[:200]!r} should look like hf:OWNER/REPO, hf:OWNER/REPO@REVISION or hf:OWNER/REPO@REVISION/FILE."
            )
        return cls(found["repository"], found["revision"] or "main", found["file"] or "")

    @property
    def key(self) -> str:
        """The name without its file: what is locked."""
        return f"hf:{self.repository}@{self.revision}"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a listing: `sha256` of a large one, `git_sha1` of a small one."""

    name: str
    bytes: int
    sha256: str = ""
    git_sha1: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one commit. `license` is what its card says, as Hugging Face spells it; `gated` whether it wants a login."""

    commit: str
    files: Mapping[str, RemoteFile]
    license: str = ""
    gated: bool = False


def list_repository(name: RepositoryName) -> Listing:
    """Ask the hub. Raises NetworkError, LicenseError, NotFoundError, and FormatError for an answer that makes no sense."""
    where = f"{settings.huggingface_endpoint()}/api/models/{name.repository}/revision/{quote(_unquoted(name.revision), safe='')}"
    text = _get(f"{where}?blobs=true", name, _LARGEST_LISTING)
    return _listing(parse(text, who=f"the hub's answer about {name.key}"), name)


def fetch_small(name: RepositoryName, commit: str, file: RemoteFile) -> bytes:
    """The bytes of a small file, held to git's digest of it. Raises IntegrityError where they are others."""
    if file.bytes > LARGEST_SMALL:
        raise FormatError(f"{name.key}/{file.name} has {file.bytes} bytes and no sha256; such a file is not fetched.")
    address = f"{settings.huggingface_endpoint()}/{name.repository}/resolve/{commit}/{quote(file.name)}"
    content = _get(address, name, file.bytes)
    if len(content) != file.bytes or blob_sha1(content) != file.git_sha1:
        raise IntegrityError(
            f"{name.key}/{file.name} has {len(content)} bytes with git's sha1 {blob_sha1(content)}, but the hub lists {file.bytes} bytes "
            f"with {file.git_sha1}. Nothing of it was kept. Likely causes: something on the way changed the bytes, or a mirror is out of date."
        )
    return content


def blob_sha1(content: bytes) -> str:
    """What git calls these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _get(address: str, name: RepositoryName, most: int) -> bytes:
    """The body at an address of the hub, at most `most` bytes; again after a pause where that may help."""
    host = urlsplit(address).hostname
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _ask(address, name, most, host)
        except _AgainError as problem:
            if attempt == _ATTEMPTS:
                raise NetworkError(f"{problem} ({attempt} attempts were made at {host}.)") from None
            time.sleep(min(problem.wait or 0.5 * 2**attempt, 10.0))
    raise AssertionError


class _AgainError(Exception):
    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


def _ask(address: str, name: RepositoryName, most: int, host: str | None) -> bytes:
    import requests
    from urllib3.exceptions import HTTPError

    from numzoo import __version__
    from numzoo.hub.download.sources.redirects import new_session, open_following

    headers = {"Accept-Encoding": "identity", "User-Agent": f"numzoo/{__version__}"}
    try:
        with (
            new_session() as session,
            open_following(session, address, headers, settings.huggingface_token(), _WAITS) as response,
        ):
            _check_status(response, name, host)
            content = bytearray()
            for block in response.iter_content(1 << 16):
                content += block
                if len(content) > most:
                    raise IntegrityError(f"{host} sent more than the {most} bytes that were expected of {name.key}.")
            return bytes(content)
    except HubError:
        raise
    except requests.exceptions.SSLError:
        raise NetworkError(f"The certificate of {host} was refused; see REQUESTS_CA_BUNDLE.") from None
    except (requests.RequestException, HTTPError, OSError) as problem:
        raise _AgainError(f"The connection to {host} failed: {type(problem).__name__}.") from None


def _check_status(response: Any, name: RepositoryName, host: str | None) -> None:
    status = response.status_code
    if status in (401, 403):
        token = "its token may not read it" if settings.huggingface_token() else "no token is set"
        raise LicenseError(
            f"{host} does not show {name.key} (status {status}; {token}). It is private, wants its conditions to be accepted, or does not "
            f"exist. Accept the conditions on {settings.huggingface_endpoint()}/{name.repository}, and set HF_TOKEN to a token that may read it."
        )
    if status in (404, 410):
        raise NotFoundError(f"{host} has no {name.key} (status {status}).")
    if status in _PATIENT_STATUS:
        wait = response.headers.get("Retry-After", "")
        raise _AgainError(
            f"{host} could not answer (status {status}).", float(wait) if wait.isdigit() and len(wait) < 5 else 0.0
        )
    if status != 200:
        raise NetworkError(f"{host} answered with status {status}.")


def _listing(answer: Any, name: RepositoryName) -> Listing:
    who = f"The hub's answer about {name.key}"
    commit = answer.get("sha") if isinstance(answer, dict) else None
    siblings = answer.get("siblings") if isinstance(answer, dict) else None
    if not isinstance(commit, str) or _COMMIT.fullmatch(commit) is None or not isinstance(siblings, list):
        raise FormatError(f"{who} does not say its commit and its files; is HF_ENDPOINT the address of such a hub?")
    if _COMMIT.fullmatch(name.revision) and commit != name.revision:
        raise IntegrityError(f"{who} is for the commit {commit}.")
    if len(siblings) > _MOST_FILES:
        raise FormatError(f"{who} lists {len(siblings)} files; at most {_MOST_FILES} are read.")
    files = {file.name: file for file in (_file(each, who) for each in siblings)}
    card = answer.get("cardData")
    license = card.get("license") if isinstance(card, dict) else None
    return Listing(commit, files, license if isinstance(license, str) else "", answer.get("gated") not in (None, False))


def _file(fields: Any, who: str) -> RemoteFile:
    try:
        path, lfs = fields["rfilename"], fields.get("lfs")
        if (
            not isinstance(path, str)
            or any(step in ("", ".", "..") for step in path.split("/"))
            or not path.isprintable()
        ):
            raise ValueError("its name is none")
        if lfs:
            size, sha256, sha1 = lfs["size"], check_sha256(lfs["sha256"]), ""
        else:
            size, sha256, sha1 = fields["size"], "", fields["blobId"]
            if not isinstance(sha1, str) or _COMMIT.fullmatch(sha1) is None:
                raise ValueError("it has no digest")
        if type(size) is not int or size < 0:
            raise ValueError("its size is none")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{who} has a damaged line, {ascii(fields)[:80]}: {error}.") from None
    return RemoteFile(path, size, sha256, sha1)


def _unquoted(revision: str) -> str:
    from urllib.parse import unquote

    return unquote(revision)
