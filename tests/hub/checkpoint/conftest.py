"""What the tests of the readers share: writers of files by hand, a place to put them, a comparison to the bit."""

from __future__ import annotations

import pytest
from handmade.pytorch import Forge


@pytest.fixture(scope="session")
def forge() -> type[Forge]:
    return Forge


@pytest.fixture
def save(tmp_path):
    """Write bytes to a file and give its path."""

    def write(content: bytes, name: str = "file.bin"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def same():
    """Whether two dictionaries of arrays are equal to the bit, and the arrays fit for use."""

    def check(found: dict, wanted: dict) -> None:
        assert list(found) == list(wanted)
        for name, array in wanted.items():
            assert found[name].dtype == array.dtype, name
            assert found[name].shape == array.shape, name
            assert found[name].tobytes() == array.tobytes(), name
            flags = found[name].flags
            assert flags.writeable, name
            assert flags.aligned, name
            assert found[name].dtype.isnative, name

    return check
