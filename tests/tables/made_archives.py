"""Archives made to order, honest and other, and what lies in a folder."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any


def tar_of(members: dict[str, bytes | None], mode: str = "w", form: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar of files (bytes) and folders (None)."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode, format=form) as tar:  # type: ignore[call-overload]
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o4777
            if body is None:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))
    return held.getvalue()


def odd_tar(kind: bytes, name: str = "odd", link: str = "", body: bytes = b"", **fields: Any) -> bytes:
    """A tar whose only member is of a kind that should not be there."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(body)
        for field, value in fields.items():
            setattr(info, field, value)
        tar.addfile(info, io.BytesIO(body))
    return held.getvalue()


def zip_of(members: dict[str, bytes | None], method: int = zipfile.ZIP_DEFLATED, mode: int = 0o100777) -> bytes:
    """A zip of files (bytes) and folders (None); `mode` is what every file says of itself."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        for name, body in members.items():
            info = zipfile.ZipInfo(name if body is not None else f"{name}/")
            info.filename = name if body is not None else f"{name}/"  # The library would mend some names.
            info.compress_type = method
            info.create_system = 3
            info.external_attr = (mode if body is not None else 0o040755) << 16
            packed.writestr(info, body or b"")
    return held.getvalue()


def contents_of(root: Path) -> dict[str, bytes | None]:
    """All that lies below a folder, as the archives above take it."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in sorted(root.rglob("*"))
    }
