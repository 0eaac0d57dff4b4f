"""The Python packages that run the models: this one and what it needs, as far as the installed metadata tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata

from numzoo.hub.errors import UsageError
from numzoo.hub.licensing.expressions import parse_license

__all__ = ["Package", "own_package", "packages"]

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?[^;]*(?:;(.*))?")


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package; `needs` are the references of the packages that it needs and that are installed."""

    name: str
    version: str
    license: str = ""
    needs: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """Its package URL (https://github.com/package-url/purl-spec)."""
        return f"pkg:pypi/{_plain(self.name)}@{self.version}"


def own_package() -> Package:
    """numzoo itself; in a bare checkout, which has no metadata, with its version alone."""
    from numzoo import __version__

    return _installed("numzoo") or Package("numzoo", __version__, "Apache-2.0")


def packages(root: Package) -> list[Package]:
    """`root` and all that it needs, directly or not, by name."""
    known, waiting = {root.reference: root}, [root]
    while waiting:
        for name in _needs(waiting.pop().name):
            package = _installed(name)
            if package is not None and package.reference not in known:
                known[package.reference] = package
                waiting.append(package)
    return sorted(known.values(), key=lambda package: _plain(package.name))


def _installed(name: str) -> Package | None:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    needs = []
    for each in _needs(name):
        try:
            needs.append(f"pkg:pypi/{_plain(each)}@{metadata.version(each)}")
        except metadata.PackageNotFoundError:
            continue  # not needed on this system
    return Package(
        found.name, found.version, _license(found.metadata.json.get("license_expression")), tuple(sorted(set(needs)))
    )


def _needs(name: str) -> list[str]:
    """The names of what a package requires without its extras. Conditions are not evaluated: what is installed counts."""
    try:
        requirements = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    found = (_REQUIREMENT.match(text) for text in requirements)
    return [match[1] for match in found if match and "extra" not in (match[2] or "")]


def _license(text: str | list[str] | None) -> str:
    """The declared expression, or nothing where none is declared or it is none."""
    if not isinstance(text, str):
        return ""
    try:
        parse_license(text)
    except UsageError:
        return ""
    return text


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
