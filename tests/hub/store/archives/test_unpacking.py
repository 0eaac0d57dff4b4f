"""Archives of every honest form unpack to their files, with the person's own permissions."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from made_archives import contents_of, tar_of, zip_of

from numzoo.hub.errors import FormatError
from numzoo.hub.store.archives.limits import Budget, Limits
from numzoo.hub.store.archives.unpacking import bare_name
from numzoo.hub.store.archives.zips import read_zip

NOISE = random.Random(5).randbytes(700_001)
MEMBERS: dict[str, bytes | None] = {
    "set": None,
    "set/a.txt": b"first\n" * 5000,
    "set/deep/er/b.bin": NOISE,
    "set/empty": b"",
    "set/Ünïcode 文.txt": b"x",
    "set/no files": None,
}
EXPECTED = {**MEMBERS, "set/deep": None, "set/deep/er": None}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_of_any_form_and_packing(unpacked: Any, form: int, mode: str) -> None:
    assert contents_of(unpacked(tar_of(MEMBERS, mode, form), "tar")) == EXPECTED


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_zip_of_any_packing(unpacked: Any, method: int) -> None:
    assert contents_of(unpacked(zip_of(MEMBERS, method), "zip")) == EXPECTED


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_too_long_for_a_tar_header(unpacked: Any, form: int) -> None:
    name = "/".join(["folder" * 10] * 5) + "/file"
    assert contents_of(unpacked(tar_of({name: b"here"}, form=form), "tar"))[name] == b"here"


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no tar program here")
@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_what_the_tar_program_writes(unpacked: Any, tmp_path: Path, form: str) -> None:
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/sub/x").write_bytes(NOISE)
    (tmp_path / "in/y").write_bytes(b"y")
    archive = tmp_path / "a.tgz"
    subprocess.run(["tar", "-czf", archive, "-H", form, "-C", tmp_path / "in", "."], check=True)
    assert contents_of(unpacked(archive.read_bytes(), "tar")) == {"sub": None, "sub/x": NOISE, "y": b"y"}


@pytest.mark.parametrize("comment", [b"", b"with a comment PK"])
def test_a_zip_that_was_streamed_has_sizes_behind_its_members(unpacked: Any, comment: bytes) -> None:
    class Pipe(io.RawIOBase):
        held = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.held += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as packed:  # type: ignore[arg-type]
        packed.writestr("a/b", NOISE)
        packed.comment = comment
    assert contents_of(unpacked(pipe.held, "zip")) == {"a": None, "a/b": NOISE}


def test_a_zip64_is_read(unpacked: Any) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed, packed.open("big", "w", force_zip64=True) as member:
        member.write(NOISE)
    assert contents_of(unpacked(held.getvalue(), "zip")) == {"big": NOISE}


def test_a_zip_of_more_members_than_the_old_directory_can_count() -> None:
    body = io.BytesIO(zip_of({f"{number}": b"" for number in range(0x10001)}, zipfile.ZIP_STORED))
    body.name = "many"  # type: ignore[attr-defined]
    assert sum(1 for _ in read_zip(body, Budget(1 << 30, Limits(), "many"))) == 0x10001


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
@pytest.mark.parametrize("streams", [1, 3])
def test_a_single_packed_file(unpacked: Any, kind: str, streams: int) -> None:
    pack = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}[kind]
    body = b"".join(pack(NOISE) for _ in range(streams))
    assert contents_of(unpacked(body, kind, name="train.idx.gz")) == {"train.idx": NOISE * streams}
    assert contents_of(unpacked(body + b"\0" * 512, kind, name="x", to="named")) == {"named": NOISE * streams}
    with pytest.raises(FormatError, match="goes on after"):
        unpacked(body + b"more", kind)


def test_archives_in_an_archive_take_the_place_of_folders(unpacked: Any) -> None:
    inner = {f"n0{number}.tar": tar_of({f"{number}.jpg": NOISE[:9]}) for number in range(3)}
    found = contents_of(unpacked(tar_of({**inner, "list.txt": b"x"}), "tar", inner=(("*.tar", "tar"),)))
    assert {name: body for name, body in found.items() if body} == {
        "n00/0.jpg": NOISE[:9],
        "n01/1.jpg": NOISE[:9],
        "n02/2.jpg": NOISE[:9],
        "list.txt": b"x",
    }
    body = zip_of({"pets/images.tar.gz": tar_of({"cat.jpg": b"cat"}, "w:gz"), "pets/other.tar": b"kept as it is"})
    found = contents_of(unpacked(body, "zip", inner=(("*/images.tar.gz", "tar"),), to="all"))
    assert found["all/pets/images/cat.jpg"] == b"cat"
    assert found["all/pets/other.tar"] == b"kept as it is"


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_are_those_of_the_umask_and_never_the_archives(unpacked: Any, mask: int) -> None:
    before = os.umask(mask)
    try:
        for body, kind in ((tar_of(MEMBERS), "tar"), (zip_of(MEMBERS, mode=0o104777), "zip")):
            for path in unpacked(body, kind).rglob("*"):
                wanted = (0o777 if path.is_dir() else 0o666) & ~mask
                assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("packed", "bare"),
    [("a.tar.gz", "a"), ("a.TGZ", "a"), ("t10k-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte"), ("x", "x.unpacked")],
)
def test_a_packed_file_is_called_by_its_name_without_the_packing(packed: str, bare: str) -> None:
    assert bare_name(packed) == bare
