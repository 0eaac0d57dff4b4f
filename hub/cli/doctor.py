"""``numzoo doctor``: what works on this machine, what does not, and how to mend it."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from numzoo.hub.cli.console import Console, size_text

__all__ = ["add"]

_PACKAGE = __package__.split(".")[0]
_LITTLE_SPACE = 1 << 30


class Finding(NamedTuple):
    """One thing looked at: "ok", "slower" or "missing" (works without), or "broken"; with the way to mend it."""

    what: str
    state: str
    detail: str
    mend: str = ""


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    doctor = commands.add_parser("doctor", parents=[shared], help="say what works here, and how to mend what does not")
    doctor.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace, console: Console) -> int:
    findings = [found for look in _LOOKS for found in _careful(look)]
    if options.offline:
        findings = [found for found in findings if found.what != "network"]
        findings.append(Finding("network", "ok", "switched off for this command (--offline)"))
    width = max(len(found.what) for found in findings)
    for found in findings:
        console.line(f"{found.what:<{width}}  {found.state:<7}  {found.detail}")
        if found.mend:
            console.line(f"{'':<{width}}  {'':<7}  -> {found.mend}")
    broken = [found for found in findings if found.state == "broken"]
    console.document(
        {
            "ok": not broken,
            "findings": [
                {"what": found.what, "state": found.state, "detail": found.detail, "mend": found.mend}
                for found in findings
            ],
        }
    )
    return 8 if any(found.what in {"cache", "disk"} for found in broken) else 1 if broken else 0


def _careful(look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What `look` finds; a look that itself fails is a finding too, and the others still happen."""
    try:
        return list(look())
    except Exception as error:
        name = look.__name__.lstrip("_")
        return [
            Finding(name, "broken", f"{type(error).__name__}: {error}", "Install numzoo and its dependencies again.")
        ]


def _python() -> Iterator[Finding]:
    import platform

    version = platform.python_version()
    detail = f"{version} ({platform.python_implementation()}, {platform.system()} {platform.machine()})"
    if sys.version_info >= (3, 10):  # noqa: UP036  (a wheel can be unpacked under an older one)
        yield Finding("python", "ok", detail)
    else:
        yield Finding("python", "broken", detail, "numzoo needs Python 3.10 or newer.")


def _packages() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    from numzoo import __version__

    yield Finding("numzoo", "ok", __version__)
    for name in ("numpy", "ml_dtypes", "requests", "safetensors", "pillow", "tqdm"):
        try:
            yield Finding(name, "ok", version(name))
        except PackageNotFoundError:
            yield Finding(name, "broken", "not installed", f"python -m pip install {name}")


def _onednn() -> Iterator[Finding]:
    status = importlib.import_module(f"{_PACKAGE}.engine.kernels.cpu.onednn").status
    works, detail = status()
    if works:
        yield Finding("oneDNN", "ok", detail)
    else:
        yield Finding(
            "oneDNN",
            "slower",
            f"{detail}; NumPy serves instead",
            "python -m pip install onednn-cpu-gomp==2023.2.0 (Linux, x86-64), and libgomp: apt-get install libgomp1; "
            "or set NUMZOO_ONEDNN to the path of a libdnnl.so.3",
        )


def _gpu() -> Iterator[Finding]:
    from importlib.util import find_spec

    if find_spec("cupy") is None:
        yield Finding("GPU", "missing", "CuPy is not installed; the CPU serves", "python -m pip install 'numzoo[gpu]'")
        return
    cupy = importlib.import_module("cupy")
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except Exception as error:
        yield Finding("GPU", "missing", f"CuPy {cupy.__version__}: {error}", "Check the NVIDIA driver with nvidia-smi.")
        return
    for index in range(count):
        properties = cupy.cuda.runtime.getDeviceProperties(index)
        name = properties["name"].decode(errors="replace")
        yield Finding("GPU", "ok", f"cuda:{index} {name}, {size_text(properties['totalGlobalMem'])}")


def _store() -> Iterator[Finding]:
    import os
    import shutil
    import tempfile

    from numzoo.hub.store.cache import Cache

    store = Cache()
    root = store.root
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    try:
        # Nothing is left behind, and a cache that does not exist yet is not made.
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        mend = "Set NUMZOO_HOME to a folder that you may write."
        yield Finding("cache", "broken", f"{root}: {error.strerror or error}", mend)
        return
    entries = list(store.entries())
    held = f"{len(entries)} files, {size_text(sum(entry.bytes for entry in entries))}"
    chosen = " (NUMZOO_HOME)" if os.environ.get("NUMZOO_HOME") else ""
    yield Finding("cache", "ok", f"{root}{chosen}: {held}")
    free = shutil.disk_usage(existing).free
    if free < _LITTLE_SPACE:
        yield Finding(
            "disk", "slower", f"{size_text(free)} free", "Free some space, or set NUMZOO_HOME to another disk."
        )
    else:
        yield Finding("disk", "ok", f"{size_text(free)} free")


def _network() -> Iterator[Finding]:
    import os

    from numzoo.hub import settings

    if settings.offline():
        yield Finding("network", "ok", "switched off (NUMZOO_OFFLINE)")
        return
    proxies = [
        name
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
        if os.environ.get(name) or os.environ.get(name.lower())
    ]
    via = f", through {' and '.join(proxies)}" if proxies else ""
    token = ", with a Hugging Face token" if settings.huggingface_token() else ""
    yield Finding(
        "network", "ok", f"allowed{via}{token}; Hugging Face at {_without_login(settings.huggingface_endpoint())}"
    )


def _registry() -> Iterator[Finding]:
    from numzoo.hub.registry.names import default_registry

    manifest = default_registry().manifest
    for name in manifest.names:
        manifest.entry(name)
    yield Finding("registry", "ok", f"{len(manifest.names)} entries, {len(manifest.samples)} samples")


def _without_login(address: str) -> str:
    """An address as it may be shown: without what stands before an @."""
    scheme, separator, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


_LOOKS = (_python, _packages, _registry, _onednn, _gpu, _store, _network)
