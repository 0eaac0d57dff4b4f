"""Where a request may go: https only (http to this machine itself), five redirects, never from outside to inside.

Every hop is a request of its own, so the token goes to the origin it is for and to no other; no cookie is kept, and no
login is taken from a netrc file.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from numzoo.hub.errors import NetworkError, UsageError

if TYPE_CHECKING:
    import requests

__all__ = ["check_address", "new_session", "open_following", "origin_of"]

_HOPS = 5
_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_REDIRECTS = (301, 302, 303, 307, 308)
_PUBLIC, _PRIVATE, _LOOPBACK = range(3)
_PORTS = {"https": 443, "http": 80}


def new_session() -> requests.Session:
    """A session that keeps no cookies; proxies and certificates come from the environment.

    Certificate authorities are those of REQUESTS_CA_BUNDLE, else CURL_CA_BUNDLE, else SSL_CERT_FILE, else requests' own.
    Raises UsageError where the variable names nothing.
    """
    from http.cookiejar import DefaultCookiePolicy

    import requests

    session = requests.Session()
    # Redirects are followed here alone; requests would parse their targets even where it is told not to follow.
    session.get_redirect_target = lambda _: None  # type: ignore[assignment, method-assign]
    named = next((name for name in _AUTHORITIES if os.environ.get(name)), None)
    if named is not None:
        session.verify = os.environ[named]
        if not os.path.exists(session.verify):
            raise UsageError(f"{named} names {session.verify}, which is not there.")
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def open_following(
    session: requests.Session, address: str, headers: dict[str, str], token: str | None, timeout: tuple[float, float]
) -> requests.Response:
    """GET `address` and what it redirects to; give the first answer that is no redirect, its body unread.

    Raises UsageError for an address that is not allowed at all and NetworkError for a redirect that is not.
    """
    check_address(address)
    first = urlsplit(address)
    reach = None
    for _ in range(_HOPS + 1):
        parts = urlsplit(address)
        own = token if origin_of(parts) == origin_of(first) else None
        response = session.get(
            address, headers=headers, auth=_Authorization(own), timeout=timeout, stream=True, allow_redirects=False
        )
        if response.status_code not in _REDIRECTS or "Location" not in response.headers:
            return response
        response.close()
        try:
            target = urljoin(address, response.headers["Location"])
        except ValueError:
            raise NetworkError(f"{parts.hostname} redirects to what is not an address.") from None
        if reach is None:
            reach = _reach(session, parts)
        reach = _check_redirect(session, parts, target, reach)
        address = target
    raise NetworkError(f"{first.hostname} redirects more than {_HOPS} times.")


def check_address(address: str) -> None:
    """Raise UsageError unless `address` is https, or http to a loopback address, without a password in it."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"{address!r} is not an address.") from None
    if parts.scheme not in _PORTS or not host:
        raise UsageError(f"{address!r} is not an https address.")
    if parts.username or parts.password:
        raise UsageError(
            f"The address of {host} holds a login; addresses are shown and stored, so it may not be there."
        )
    if parts.scheme == "http" and not _is_loopback_name(host):
        raise UsageError(f"{address!r} is plain http, which anybody on the way can change; use https.")


def origin_of(parts: SplitResult) -> tuple[str, str, int]:
    """Scheme, host and port: what a token may not leave."""
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)


def _check_redirect(session: requests.Session, source: SplitResult, target: str, reach: int) -> int:
    """Raise NetworkError for a redirect that is not allowed; give how far inside its target lies."""
    try:
        check_address(target)
        parts = urlsplit(target)
    except UsageError:
        shown = target.partition("?")[0]
        raise NetworkError(f"{source.hostname} redirects to {shown}, which is not allowed: only https is.") from None
    if source.scheme == "https" and parts.scheme != "https":
        raise NetworkError(f"{source.hostname} redirects from https to http, which is not allowed.")
    found = _reach(session, parts)
    if found > reach:
        raise NetworkError(
            f"{source.hostname} redirects to {parts.hostname}, which is an address inside this network or machine. "
            f"A server outside may not lead there."
        )
    return found


def _reach(session: requests.Session, parts: SplitResult) -> int:
    """How far inside a host lies: public, private, or this machine. The innermost of its addresses counts."""
    host = parts.hostname or ""
    if _is_loopback_name(host):
        return _LOOPBACK
    try:
        return _rank(host)
    except ValueError:
        pass
    if _has_proxy(session, parts):
        return _PUBLIC  # The proxy looks the name up; this machine may not even be able to.
    try:
        found = socket.getaddrinfo(host, parts.port or _PORTS[parts.scheme], type=socket.SOCK_STREAM)
    except OSError:
        raise NetworkError(f"The name {host} could not be looked up.") from None
    return max((_rank(str(entry[4][0])) for entry in found), default=_PUBLIC)


def _rank(literal: str) -> int:
    address = ipaddress.ip_address(literal.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address
    if address.is_loopback or address.is_unspecified:
        return _LOOPBACK
    return _PUBLIC if address.is_global else _PRIVATE


def _is_loopback_name(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_proxy(session: requests.Session, parts: SplitResult) -> bool:
    from requests.utils import select_proxy

    settings = session.merge_environment_settings(parts.geturl(), {}, None, None, None)
    return bool(select_proxy(parts.geturl(), settings["proxies"]))


class _Authorization:
    """Sends the token, if there is one; being there at all keeps logins of a netrc file out."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request
