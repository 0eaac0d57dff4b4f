"""The configuration file: what it may say, how it is told that it is wrong, and what beats it."""

from __future__ import annotations

from pathlib import Path

import pytest

from numzoo.hub import configuration, settings
from numzoo.hub.errors import FormatError, StorageError

KEY = f"numzoo-ed25519:{'A' * 43}="

WHOLE = f"""
offline = true
cache_limit = "1.5 GB"
rate_limit = "512 KiB"

[mirrors]
"https://far.example/" = ["https://near.example/", "https://other.example/"]

[[registry]]
name = "acme"
address = "https://acme.example/zoo"
keys = ["{KEY}"]
namespaces = ["acme"]
mirrors = ["https://copy.example/zoo"]

[[registry]]
name = "numzoo"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NUMZOO_CONFIG", str(tmp_path / "config.toml"))
    return tmp_path / "config.toml"


def test_all_that_can_be_said_is_read(place: Path) -> None:
    place.write_text(WHOLE)
    found = configuration.read()
    assert (found.offline, found.cache_limit, found.rate_limit) == (True, 1_500_000_000, 524_288)
    assert dict(found.mirrors) == {"https://far.example/": ("https://near.example/", "https://other.example/")}
    acme, own = found.registries
    assert (acme.name, acme.address, acme.keys) == ("acme", "https://acme.example/zoo", (KEY,))
    assert (acme.namespaces, acme.mirrors, own.name) == (("acme",), ("https://copy.example/zoo",), "numzoo")


def test_no_file_says_nothing(place: Path) -> None:
    assert configuration.read() == configuration.Configuration()


def test_a_changed_file_is_read_again(place: Path) -> None:
    place.write_text("rate_limit = 5")
    assert configuration.read().rate_limit == 5
    place.write_text("rate_limit = 50")
    assert configuration.read().rate_limit == 50


def test_the_environment_beats_the_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write_text("offline = true")
    assert settings.offline()
    monkeypatch.setenv("NUMZOO_OFFLINE", "0")
    assert not settings.offline()


WRONG = {
    "not TOML": ("offline = ", "is not TOML"),
    "not UTF-8": ("offline = '\udcff'", "is not TOML"),
    "unknown": ("ofline = true", "unknown setting 'ofline'; known are cache_limit"),
    "flag": ("offline = 'yes'", "offline is 'yes'; wanted true or false"),
    "size": ("cache_limit = '20 QB'", "cache_limit is '20 QB'; wanted a number of bytes"),
    "negative": ("rate_limit = -1", "rate_limit is -1"),
    "truth as a number": ("rate_limit = true", "rate_limit is True"),
    "mirrors": ("mirrors = 3", "mirrors is 3"),
    "mirror": ("[mirrors]\n'https://a/' = 'https://b/'", "wanted a list of texts"),
    "one registry": ("registry = 3", r"wanted a \[\[registry\]\] table"),
    "table": ("[registry]\nname = 'a'", r"wanted a \[\[registry\]\] table"),
    "no name": ("[[registry]]\naddress = 'x'", "registry 1.name is None"),
    "name": ("[[registry]]\nname = '../x'\naddress = 'x'", r"registry 1.name is '\.\./x'"),
    "no address": ("[[registry]]\nname = 'a'", "registry a.address is None"),
    "ours elsewhere": ("[[registry]]\nname = 'numzoo'\naddress = 'x'", "registry numzoo.address is 'x'"),
    "key": ("[[registry]]\nname = 'a'\naddress = 'x'\nkeys = ['abc']", "registry a.keys is 'abc'"),
    "namespace": ("[[registry]]\nname = 'a'\naddress = 'x'\nnamespaces = ['a/b']", "registry a.namespaces is 'a/b'"),
    "control": ('[[registry]]\nname = "a"\naddress = "x\\u001b[2J"', "without control characters"),
    "twice": ("[[registry]]\nname = 'a'\naddress = 'x'\n" * 2, "names two registries 'a'"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_named(kind: str, place: Path) -> None:
    text, message = WRONG[kind]
    place.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(FormatError, match=message):
        configuration.read()


def test_a_folder_in_its_place_is_told(place: Path) -> None:
    place.mkdir()
    with pytest.raises(StorageError, match=r"config\.toml cannot be read"):
        configuration.read()


SIZES = {"5": 5, "5 B": 5, "2kB": 2000, "1.5 GB": 1_500_000_000, "1 TiB": 1 << 40, "x": None, "": None, "1 XB": None}


@pytest.mark.parametrize("text", SIZES)
def test_sizes(text: str) -> None:
    assert configuration.size(text) == SIZES[text]


def test_the_platform_has_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMZOO_CONFIG")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/xdg")
    assert configuration.path() == Path("/xdg/numzoo/config.toml")
