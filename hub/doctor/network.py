"""Proxies, certificates, the package index as pip sees it, and the servers that files come from.

Nothing of this is needed for files that are here already, so what cannot be reached is a warning. Without a network
(`--offline`) no socket is opened.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from numzoo.hub import settings
from numzoo.hub.doctor.finding import Finding
from numzoo.hub.errors import HubError
from numzoo.hub.registry.choice import Registries
from numzoo.hub.registry.names import Registry, open_registry

__all__ = ["certificates", "network"]

_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_WAIT = (4.0, 6.0)
_PIP_SECONDS = 25.0
_MOST_HOSTS = 5


def certificates() -> Iterator[Finding]:
    """Can the certificate authorities be read by which servers are believed?"""
    named = next((name for name in _AUTHORITIES if os.environ.get(name)), None)
    if named is None:
        import certifi

        place, whose = certifi.where(), "certifi"
    else:
        place, whose = os.environ[named], named
    mend = (
        f"Let {named} name a file of certificates in PEM form, or unset it."
        if named
        else "python -m pip install certifi"
    )
    try:
        folder = Path(place).is_dir()
        context = ssl.create_default_context(capath=place) if folder else ssl.create_default_context(cafile=place)
    except (OSError, ssl.SSLError) as error:
        yield Finding("certificates", "fail", f"{whose}: {place}: {error.strerror or error}", mend, 4)
        return
    count = "" if folder else f", {len(context.get_ca_certs())} authorities"
    yield Finding("certificates", "ok", f"{whose}: {place}{count}")


def network(offline: bool, registry: Registries) -> Iterator[Finding]:
    """Can files be fetched: proxies, the package index, and the hosts that most files of the registry come from."""
    if offline or settings.offline():
        yield Finding("network", "ok", "switched off" + (" (--offline)" if offline else " (NUMZOO_OFFLINE)"))
        return
    yield from _proxies()
    token = ", with a token" if settings.huggingface_token() else ""
    yield Finding("Hugging Face", "ok", f"{_without_login(settings.huggingface_endpoint())}{token}")
    try:
        hosts = _hosts(open_registry(registry))
    except HubError:
        hosts = []  # The registry's own finding tells why.
    with ThreadPoolExecutor(len(hosts) + 1) as pool:
        index = pool.submit(_index)
        answers = list(pool.map(_answer, hosts))
        yield from index.result()
    for host, problem in zip(hosts, answers, strict=True):
        if problem is None:
            yield Finding("server", "ok", f"{host} answers")
        else:
            mend = "Files from there cannot be fetched now; what is here works. Check the network, the proxy or the firewall."
            yield Finding("server", "warn", f"{host}: {problem}", mend)


def _proxies() -> Iterator[Finding]:
    import socket

    used = {name: os.environ.get(name) or os.environ.get(name.lower()) for name in _PROXIES}
    for name, address in used.items():
        if not address:
            continue
        mend = f"Set {name} to an address such as http://proxy.example:3128, or unset it."
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            place = (parts.hostname or "", parts.port or {"https": 443, "socks5": 1080}.get(parts.scheme, 80))
            if not place[0]:
                raise ValueError
        except ValueError:
            yield Finding("proxy", "fail", f"{name} is no address", mend, 4)
            continue
        try:
            socket.create_connection(place, timeout=_WAIT[0]).close()
            yield Finding("proxy", "ok", f"{name}: {_without_login(address)}")
        except OSError as error:
            detail = f"{name}: {_without_login(address)} cannot be reached: {error.strerror or error}"
            yield Finding("proxy", "warn", detail, mend)


def _index() -> list[Finding]:
    """Whether pip, with the person's own settings, finds a package."""
    import tempfile

    from numzoo.hub.download.sources.programs import run

    command = [
        sys.executable,
        "-m",
        "pip",
        "index",
        "versions",
        "numpy",
        "--no-input",
        "--retries",
        "0",
        "--timeout",
        "8",
    ]
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    mend = "Files that come from packages cannot be fetched now. Check `python -m pip config list`, the network and the proxy."
    try:
        with tempfile.TemporaryDirectory() as folder:
            output = run(command, Path(folder), _PIP_SECONDS, quiet)
    except HubError as problem:
        return [Finding("package index", "warn", str(problem), mend)]
    if output is None:
        return [Finding("package index", "ok", "pip finds packages")]
    if "No module named pip" in output:
        return [Finding("package index", "warn", "this Python has no pip", f"{sys.executable} -m ensurepip")]
    lines = [line.strip() for line in output.splitlines() if line.strip() and "WARNING" not in line]
    return [
        Finding("package index", "warn", f"pip says: {_without_logins(lines[-1] if lines else 'nothing')[:200]}", mend)
    ]


def _hosts(registry: Registry) -> list[str]:
    """The origins of the `https:` sources, those of most files first."""
    manifest = registry.manifest
    names = [*manifest.names, *(f"sample:{n}" for n in manifest.samples), *(f"data:{n}" for n in manifest.data)]
    count: Counter[str] = Counter()
    for name in names:
        for file in registry.files(name):
            for source in file.sources:
                if source.startswith("hf:"):
                    count[settings.huggingface_endpoint()] += 1
                elif source.startswith(("https://", "http://")):
                    parts = urlsplit(source)
                    count[f"{parts.scheme}://{parts.netloc}"] += 1
    return [origin for origin, _ in count.most_common(_MOST_HOSTS)]


def _answer(origin: str) -> str | None:
    """Why a server does not answer, or None where it does, whatever it says."""
    import requests

    from numzoo.hub.download.sources.redirects import check_address, new_session

    try:
        check_address(origin)
        with new_session() as session:
            session.head(origin + "/", timeout=_WAIT, allow_redirects=False)
    except requests.exceptions.SSLError as error:
        return f"its certificate was refused ({_without_logins(str(error))[-120:]}); REQUESTS_CA_BUNDLE may name your authority's file"
    except requests.exceptions.Timeout:
        return f"no answer within {_WAIT[1]:g} seconds"
    except requests.exceptions.ProxyError:
        return "the proxy does not let us through"
    except (requests.exceptions.RequestException, OSError, HubError) as error:
        return f"cannot be reached ({type(error).__name__})"
    return None


def _without_login(address: str) -> str:
    """An address as it may be shown: without what stands before an @."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "", address
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _without_logins(text: str) -> str:
    import re

    return re.sub(r"://[^/@\s]+@", "://***@", text)
