"""`hf:owner/repository@revision/file` sources: the Hugging Face hub, or the mirror of it that HF_ENDPOINT names.

`hf:datasets/owner/repository@...` and `hf:spaces/...` name the other kinds. A slash inside a revision is written %2F.
The person's token goes to the endpoint only, never to where it redirects.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from numzoo.hub import settings
from numzoo.hub.download.sources import tokens, web
from numzoo.hub.errors import LicenseError, UsageError

if TYPE_CHECKING:
    from numzoo.hub.download.sources import Order
    from numzoo.hub.store.parts import Part

__all__ = ["fetch", "locate", "parse"]

_ADDRESS = re.compile(r"hf:((?:datasets/|spaces/)?[\w.-]+(?:/[\w.-]+)?)@([^/\s]+)/(\S.*)")


def fetch(address: str, part: Part, order: Order) -> None:
    """Write one file of a repository to the part."""
    repository = parse(address)[0]
    url, token = locate(address)
    try:
        web.fetch(url, part, order, token=token)
    except LicenseError as problem:
        raise LicenseError(
            f"{problem} Accept the conditions of {repository} on its page, and set HF_TOKEN to a token that may read "
            f"it."
        ) from None


def locate(address: str) -> tuple[str, str | None]:
    """The address of the file on the web, and the person's token for the hub."""
    repository, revision, file = parse(address)
    url = f"{settings.huggingface_endpoint()}/{repository}/resolve/{quote(revision, safe='')}/{quote(file)}"
    token = settings.huggingface_token()
    return url, tokens.checked(token, "HF_TOKEN (or the token file)") if token else tokens.token_for(url)


def parse(address: str) -> tuple[str, str, str]:
    """The repository, the revision and the file of an `hf:` source."""
    found = _ADDRESS.fullmatch(address)
    steps = [] if found is None else [*found[1].split("/"), *found[3].split("/")]
    if found is None or any(step in ("", ".", "..") for step in steps):
        raise UsageError(f"{address!r} should look like hf:owner/repository@revision/file.")
    return found[1], unquote(found[2]), found[3]
