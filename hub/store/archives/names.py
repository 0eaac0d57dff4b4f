"""Names that an archive may bring to the disk: relative, plain, and each for one thing only on every file system.

What some system reads as another place, a device or the same name as a second one is refused on all systems, so that an
archive unpacks to the same files everywhere.
"""

from __future__ import annotations

import re
import unicodedata

from numzoo.hub.errors import UnsafeFileError
from numzoo.hub.store.archives.limits import Limits

__all__ = ["Names"]

_DEVICES = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?: *\..*)?", re.IGNORECASE | re.DOTALL)


class Names:
    """The names of one unpacked tree: checks each, and that no two of them could be one file somewhere."""

    def __init__(self, who: str, limits: Limits) -> None:
        self._who, self._limits = who, limits
        self._folders: dict[str, str] = {}
        self._files: set[str] = set()

    def file(self, name: str, below: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The parts of a file's path below the tree; it and its folders are taken from now on."""
        own = self._parts(name)
        if not own:
            raise self._refusal(name, "is empty")
        parts = below + own
        self._take_folders(parts[:-1], name)
        key = _folded("/".join(parts))
        if key in self._files or key in self._folders:
            raise self._refusal(name, "is there twice, or differs from another only in the case of its letters")
        self._files.add(key)
        return parts

    def folder(self, name: str, below: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The parts of a folder's path; a folder may be named again."""
        parts = below + self._parts(name.rstrip("/"))
        self._take_folders(parts, name)
        return parts

    def _take_folders(self, parts: tuple[str, ...], name: str) -> None:
        for end in range(len(parts), 0, -1):
            exact = "/".join(parts[:end])
            key = _folded(exact)
            known = self._folders.get(key)
            if known == exact:
                return  # And so are the folders around it.
            if known is not None or key in self._files:
                raise self._refusal(name, "is also a file, or differs from another only in the case of its letters")
            self._folders[key] = exact

    def _parts(self, name: str) -> tuple[str, ...]:
        limits = self._limits
        if "\x00" in name or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
            raise self._refusal(name, "holds a control character")
        if name.startswith("/") or "\\" in name or ":" in name:
            raise self._refusal(name, "is not relative, or holds a backslash or a colon")
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if ".." in parts:
            raise self._refusal(name, "leads out of the archive")
        if len(parts) > limits.depth or len(name.encode()) > limits.path:
            raise self._refusal(name, f"is longer than {limits.path} bytes or deeper than {limits.depth} folders")
        for part in parts:
            if len(part.encode()) > limits.name:
                raise self._refusal(name, f"has a part of more than {limits.name} bytes")
            if part.endswith((".", " ")) or _DEVICES.fullmatch(part):
                raise self._refusal(name, "is a device's on Windows, or ends in a dot or a blank, which Windows drops")
        return parts

    def _refusal(self, name: str, what: str) -> UnsafeFileError:
        shown = name if len(name) <= 200 else f"{name[:197]}..."
        return UnsafeFileError(f"{self._who} has a member named {shown!r}, which {what}. Nothing of it was kept.")


def _folded(path: str) -> str:
    """What file systems that fold case or compose letters make of a path."""
    return path if path.isascii() and path.islower() else unicodedata.normalize("NFC", path.casefold())
