"""The licence gate: what is not for every use must be accepted once, by name, before anything of it is fetched or loaded.

An acceptance is a small file of the store, ``refs/licenses/IDENTIFIER.json``, that says when it was given. The licences in
NUMZOO_ACCEPT_LICENSE count as accepted too, and are not written down.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterable
from pathlib import Path

from numzoo.hub import settings
from numzoo.hub.errors import LicenseError
from numzoo.hub.licensing.expressions import check_identifier
from numzoo.hub.licensing.terms import CATEGORIES, category, missing_acceptance, where_to_read
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.store.cache import Cache, storage

__all__ = ["accept_license", "accepted", "require_acceptance", "require_acceptance_of_files"]


def accept_license(name: str) -> None:
    """Accept a licence by its SPDX identifier ("CC-BY-NC-4.0") or its LicenseRef, for everything that stands under it.

    The store (NUMZOO_HOME) remembers it with the time. Raises UsageError for a name that is no licence's, with what was
    perhaps meant, and StorageError where the store cannot be written.
    """
    check_identifier(name)
    note = _note(name)
    if note.is_file():
        return
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    temporary = note.with_name(f"{note.name}.{os.urandom(6).hex()}")
    with storage(f"write {note}"):
        note.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"license": name, "accepted": now}) + "\n", encoding="ascii")
        os.replace(temporary, note)


def accepted(name: str) -> bool:
    """Whether this licence has been accepted, in the store or in the environment."""
    return name in settings.accepted_licenses() or _note(name).is_file()


def require_acceptance(owner: str, license: str, source: str = "") -> None:
    """Raise LicenseError unless what must be accepted of `license` has been.

    `owner` is what stands under it ("data:imagenet"), `source` where its authors tell about it. Nothing may be fetched
    before this was called. UsageError for a `license` that is no SPDX expression.
    """
    missing = missing_acceptance(license, accepted)
    if not missing:
        return
    what = ", ".join(f"{name} ({CATEGORIES[category(name)]})" for name in missing)
    places = dict.fromkeys([*(where_to_read(name, source) for name in missing), source])
    options = " ".join(f"--accept-license {name}" for name in missing)
    calls = ", ".join(f'hub.accept_license("{name}")' for name in missing)
    raise LicenseError(
        f"{owner} stands under {what}, which has to be accepted once before anything of it is fetched or loaded. "
        f"Read it at {' and '.join(place for place in places if place)}. To accept it, say {options} ({calls}, or "
        f"NUMZOO_ACCEPT_LICENSE={','.join(missing)})."
    )


def require_acceptance_of_files(files: Iterable[FileRecord]) -> None:
    """`require_acceptance` for whatever these files belong to."""
    for owner, license, source in dict.fromkeys((file.owner, file.license, file.origin) for file in files):
        if license:
            require_acceptance(owner, license, source)


def _note(name: str) -> Path:
    return Cache().refs / "licenses" / f"{check_identifier(name)}.json"
