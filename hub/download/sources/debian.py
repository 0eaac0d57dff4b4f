"""`deb:NAME!member` sources: `apt-get download` fetches the Debian package, and the member is streamed out of it.

The person's own sources.list, proxy and keys apply, as apt reads them. Nothing is installed and no script of the
package runs: a .deb is an `ar` archive that holds a tar, and only these are read. Each release of Debian or Ubuntu has
its own version of a package, with the same files in it often enough: so a version need not be named
(`deb:NAME==VERSION!member` names one), and the digest tells whether the file is the wanted one.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from numzoo.hub.download.sources import packages
from numzoo.hub.download.sources.members import pour_member, split_members
from numzoo.hub.download.sources.programs import failure, run
from numzoo.hub.errors import NetworkError, NotFoundError, UsageError
from numzoo.hub.store.claims import work_folder

if TYPE_CHECKING:
    from numzoo.hub.download.sources import Order
    from numzoo.hub.store.parts import Part

__all__ = ["fetch"]

_PACKAGE = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?:==([0-9][A-Za-z0-9.+~:-]*))?")


def fetch(address: str, part: Part, order: Order) -> None:
    """Write one member of a Debian package to the part; no script of the package is run."""
    package, members = split_members(address.partition(":")[2])
    found = _PACKAGE.fullmatch(package)
    if found is None:
        raise UsageError(f"{address!r} should look like deb:NAME!member or deb:NAME==VERSION!member.")
    program = shutil.which("apt-get")
    if program is None:
        raise NotFoundError(
            f"{package} comes through apt-get, which only Debian, Ubuntu and their kin have; use another source."
        )
    part.check_space()
    wanted = package.replace("==", "=")

    def download(folder: Path) -> Path:
        output = run([program, "-qq", "download", wanted], folder, order.patience.program, {"LC_ALL": "C"})
        if output is not None:
            problem = failure("apt-get", wanted, output)
            if isinstance(problem, NotFoundError):
                raise NotFoundError(f"{problem}. Is its list of packages there, and new? `apt-get update` fetches it.")
            raise problem
        archives = list(folder.glob("*.deb"))
        if len(archives) != 1:
            raise NetworkError(f"apt-get fetched {wanted} but left {len(archives)} packages where one was expected.")
        return archives[0]

    with packages.package(f"deb:{package}", order.cache, download) as archive, work_folder(order.cache) as folder:
        pour_member(archive, members, part, order.size, folder)
