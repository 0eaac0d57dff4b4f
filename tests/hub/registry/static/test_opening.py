"""Opening a registry: what is believed, what is refused, and what serves where the network does not.

Each refusal stands for a guard; each was seen to fail with its guard taken out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.download.sources import Patience
from numzoo.hub.errors import (
    FormatError,
    HubError,
    HubWarning,
    IntegrityError,
    LicenseError,
    NetworkError,
    NotFoundError,
    OfflineError,
    UsageError,
)
from numzoo.hub.registry.static import access, opening, publishing, statement
from numzoo.hub.registry.static.layout import POINTER
from numzoo.hub.registry.static.memory import Memory
from numzoo.hub.registry.static.opening import Opened, canonical, open_static


@pytest.fixture(autouse=True)
def _hasty(hasty: Patience, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_patience", lambda: hasty)


@pytest.fixture(params=["folder", "web"])
def where(request: pytest.FixtureRequest, zoo: Any) -> str:
    """The registry's folder, and the address at which it is served."""
    return str(zoo.root) if request.param == "folder" else str(request.getfixturevalue("address"))


@pytest.fixture
def open_it(zoo: Any, where: str) -> Callable[..., Opened]:
    """Open the registry with the right key: `open_it(offline=False, **other_settings)`."""

    def run(*, offline: bool = False, **fields: Any) -> Opened:
        return open_static(zoo.settings(where, **fields), offline=offline)

    return run


def set_clock(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Let it be some days later."""
    then = statement.now() + timedelta(days=days)
    monkeypatch.setattr(opening, "now", lambda: then)


def test_a_signed_registry_opens(open_it: Callable[..., Opened], zoo: Any, where: str) -> None:
    opened = open_it()
    assert opened.manifest.names == ["acme/net.v1"]
    assert (opened.pointer.statement.version, opened.key) == (1, zoo.key.public)
    source = opened.manifest.entry("acme/net.v1").files[0].sources[0]
    assert source.startswith(f"{where}/blobs/sha256/" if where.startswith("http") else "file:blobs/sha256/")


def test_what_is_published_is_seen(open_it: Callable[..., Opened], zoo: Any) -> None:
    open_it()
    zoo.publish("acme/net.v2", b"more")
    assert open_it().manifest.names == ["acme/net.v1", "acme/net.v2"]


def test_a_rollback_is_refused(open_it: Callable[..., Opened], zoo: Any) -> None:
    zoo.save("old")
    zoo.publish("acme/net.v2", b"more")
    open_it()
    zoo.restore("old")
    with pytest.raises(IntegrityError, match=r"gone back from version 2 to 1.*rollback"):
        open_it()


def test_a_rollback_can_be_forgiven(open_it: Callable[..., Opened], zoo: Any, where: str) -> None:
    zoo.save("old")
    zoo.publish("acme/net.v2", b"more")
    open_it()
    zoo.restore("old")
    assert Memory(canonical(where)).forget()
    assert open_it().pointer.statement.version == 1


def test_a_frozen_registry_is_refused(
    open_it: Callable[..., Opened], zoo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.publish("acme/net.v2", b"more", days=30)
    open_it()
    set_clock(monkeypatch, 30.9)  # a clock that is wrong by a day does no harm
    open_it()
    set_clock(monkeypatch, 31.1)
    with pytest.raises(IntegrityError, match=r"was good until .*freeze"):
        open_it()


def test_a_frozen_registry_is_refused_at_first_sight_too(
    open_it: Callable[..., Opened], zoo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, publishing.GOOD_DAYS + 2)
    with pytest.raises(IntegrityError, match="freeze"):
        open_it()


def test_a_wrong_key_is_refused(open_it: Callable[..., Opened], other_key: Any) -> None:
    with pytest.raises(IntegrityError, match=r"is signed by .*, but the configuration accepts only"):
        open_it(keys=(other_key.public,))


def test_an_unsigned_registry_is_refused_where_a_key_is_configured(open_it: Callable[..., Opened], zoo: Any) -> None:
    pointer = json.loads((zoo.root / POINTER).read_text())
    (zoo.root / POINTER).write_text(json.dumps({**pointer, "signatures": []}))
    with pytest.raises(IntegrityError, match="is not signed"):
        open_it()
    assert open_it(keys=()).key is None


def test_a_tampered_statement_is_refused(open_it: Callable[..., Opened], zoo: Any) -> None:
    text = (zoo.root / POINTER).read_text()
    assert '\\"version\\": 1' in text
    (zoo.root / POINTER).write_text(text.replace('\\"version\\": 1', '\\"version\\": 2'))
    with pytest.raises(IntegrityError, match=r"tampered with: its signature by .* is wrong"):
        open_it()


@pytest.mark.parametrize("keys", ["none", "right"])
def test_a_tampered_manifest_is_refused(keys: str, open_it: Callable[..., Opened], zoo: Any) -> None:
    path = zoo.folder.path(zoo.edit(lambda document: None).statement.sha256)
    text = path.read_text()
    path.write_text(text.replace("Apache-2.0", "Apache-1.1"))
    with pytest.raises(IntegrityError, match=r"is not the one that its registry\.json names"):
        open_it(**({"keys": ()} if keys == "none" else {}))


def test_a_manifest_of_another_version_is_refused(open_it: Callable[..., Opened], zoo: Any) -> None:
    """Mix and match: the present pointer, with the manifest of another version under its name."""
    old = zoo.folder.path(zoo.edit(lambda document: None).statement.sha256).read_bytes()
    new = zoo.publish("acme/net.v2", b"more").statement.sha256
    zoo.folder.path(new).write_bytes(old)
    with pytest.raises(IntegrityError, match="is not the one"):
        open_it()


def test_another_registry_of_the_same_key_is_refused(open_it: Callable[..., Opened], zoo: Any, tmp_path: Path) -> None:
    open_it()
    shutil.rmtree(zoo.root)
    zoo.publish("acme/net.v1")
    zoo.publish("acme/net.v2")
    with pytest.raises(IntegrityError, match="Another registry stands where acme was"):
        open_it()


def test_two_contents_of_one_version_are_refused(open_it: Callable[..., Opened], zoo: Any) -> None:
    zoo.save("before")
    zoo.publish("acme/net.v2", b"one")
    open_it()
    zoo.restore("before")
    zoo.publish("acme/net.v2", b"two")
    with pytest.raises(IntegrityError, match="two different versions 2"):
        open_it()


def test_more_signatures_under_one_statement_are_no_other_content(open_it: Callable[..., Opened], zoo: Any) -> None:
    open_it()
    pointer = json.loads((zoo.root / POINTER).read_text())
    (zoo.root / POINTER).write_text(json.dumps(pointer))  # the same statement, laid out otherwise
    open_it()


def test_a_key_is_changed_by_signing_with_both(open_it: Callable[..., Opened], zoo: Any, other_key: Any) -> None:
    zoo.edit(lambda document: None, keys=[zoo.key, other_key])
    assert open_it().key == zoo.key.public
    assert open_it(keys=(other_key.public,)).key == other_key.public
    assert open_it(keys=(other_key.public, zoo.key.public)).key is not None


def test_an_oversized_pointer_is_not_read(open_it: Callable[..., Opened], zoo: Any) -> None:
    text = (zoo.root / POINTER).read_bytes()
    (zoo.root / POINTER).write_bytes(text + b" " * (1 << 17))
    with pytest.raises(FormatError, match="larger than 65536 bytes"):
        open_it()


def test_an_oversized_manifest_is_not_read(open_it: Callable[..., Opened], zoo: Any) -> None:
    """No more is read than the statement says, whatever the file grew to."""
    stated = zoo.edit(lambda document: None).statement
    with open(zoo.folder.path(stated.sha256), "ab") as file:
        file.write(b" " * 1000)
    with pytest.raises(FormatError, match=f"larger than {stated.bytes} bytes"):
        open_it()


def test_an_endless_answer_ends(server: Any, zoo: Any) -> None:
    """A server that never says how long its pointer is, and sends for ever: little more is taken than is read."""
    sent = [0]

    def endless(handler: Any, served: Any) -> None:
        handler.head(200, {})
        while not handler.site.closing.is_set():
            handler.wfile.write(b" " * 65536)
            sent[0] += 65536

    server.add(f"/{POINTER}", b"")
    server.files[f"/{POINTER}"].answer = endless
    with pytest.raises(FormatError, match="larger than 65536 bytes"):
        open_static(zoo.settings(server.root), offline=False)
    assert sent[0] < 16 << 20  # what the system's own buffers hold


OUTSIDE = "may not name files of this machine|is a plain path below its own folder"
FOREIGN: dict[str, tuple[dict[str, Any], str]] = {
    "digest that climbs": ({"sha256": "../" * 21 + "x"}, "sha256 is|none of its"),
    "upper-case digest": ({"sha256": "AB" * 32}, "sha256 is|none of its"),
    "digest with a newline": ({"sha256": "ab" * 32 + "\n"}, r"U\+000A"),
    "file of this machine": ({"sources": ["file:/etc/passwd"]}, OUTSIDE),
    "file that climbs": ({"sources": ["file:../x"]}, OUTSIDE),
    "file from home": ({"sources": ["file:~/x"]}, OUTSIDE),
    "package": ({"sources": ["package:vision/weights/lenet.safetensors"]}, "Only numzoo's own manifest"),
    "plain http": ({"sources": ["http://acme.example/x"]}, "Plain http"),
    "joined": ({"sources": ["https://acme.example/x + package:x"]}, "Only numzoo's own manifest"),
    "a joined blob": ({"sources": ["blob:x + blob:y"]}, "wanted blob:NAME"),
}


def forged(zoo: Any, **file: Any) -> None:
    """Publish, signed, what the publishing functions would refuse."""
    document = publishing.present(zoo.folder)[1]
    document["models"]["acme/net.v1"]["files"][0].update(file)
    forge(zoo, document)


def forge(zoo: Any, document: dict[str, Any]) -> None:
    text = json.dumps(document).encode()
    sha256 = zoo.folder.add_bytes(text)
    before = publishing.present(zoo.folder)[0].statement
    made = statement.Statement(before.registry, before.version + 1, sha256, len(text), statement.now())
    zoo.folder.point(statement.write_pointer(made, (zoo.key,)))


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_signature_makes_no_bad_entry_good(kind: str, open_it: Callable[..., Opened], zoo: Any) -> None:
    fields, message = FOREIGN[kind]
    forged(zoo, **fields)
    with pytest.raises(FormatError, match=message):
        open_it().manifest.entry("acme/net.v1")


@pytest.mark.parametrize("config", [{"classes": 10**9}, {"widths": [1, -(10**9)]}])
def test_a_configuration_cannot_ask_for_more_memory_than_its_files_hold(
    config: dict[str, Any], open_it: Callable[..., Opened], zoo: Any
) -> None:
    document = publishing.present(zoo.folder)[1]
    document["models"]["acme/net.v1"]["config"] = config
    forge(zoo, document)
    with pytest.raises(FormatError, match="no model of that size is in files of 7 bytes"):
        open_it().manifest.entry("acme/net.v1")


NAMES = [
    "../net.v1",
    "acme/../net.v1",
    "acme//net.v1",
    "/net.v1",
    "acme/net/x.v1",
    "Acme/net.v1",
    "acme/net.v1\n",
    "a\\b.v1",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_cannot_leave_its_namespace_by_its_form(name: str, open_it: Callable[..., Opened], zoo: Any) -> None:
    document = publishing.present(zoo.folder)[1]
    document["models"] = {name: document["models"]["acme/net.v1"]}
    document["defaults"] = {}
    forge(zoo, document)
    with pytest.raises(FormatError, match=r"\$\.models, name"):
        open_it()


@pytest.mark.parametrize("section", ["models", "aliases", "defaults", "samples", "data"])
def test_a_registry_names_things_in_its_namespaces_only(section: str, open_it: Callable[..., Opened], zoo: Any) -> None:
    document = publishing.present(zoo.folder)[1]
    entry = document["models"]["acme/net.v1"]
    resource = {"files": [{**entry["files"][0], "name": "x"}], "license": "CC0-1.0", "source": "https://acme.example"}
    additions = {
        "models": {**document["models"], "resnet50.imagenet1k-v2": entry},
        "aliases": {"acme": "acme/net"},
        "defaults": {"acme/net": "v1", "acme": "v1"},
        "samples": {"cat": resource},
        "data": {"mnist": {**resource, "loader": "vision.datasets.mnist"}},
    }
    forge(zoo, {**document, section: additions[section]})
    with pytest.raises(FormatError, match="may only name things in acme/"):
        open_it(namespaces=("acme",))


def test_its_own_namespace_is_allowed(open_it: Callable[..., Opened]) -> None:
    assert open_it(namespaces=("other", "acme")).manifest.names == ["acme/net.v1"]


def test_offline_opens_no_socket_and_what_was_verified_serves(
    zoo: Any, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = zoo.settings(address)
    with pytest.raises(OfflineError, match="never opened on this machine"):
        open_static(settings, offline=True)
    open_static(settings, offline=False)
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a socket was opened"))
    assert open_static(settings, offline=True).manifest.names == ["acme/net.v1"]


def test_offline_holds_to_the_keys_of_today(zoo: Any, address: str, other_key: Any) -> None:
    open_static(zoo.settings(address), offline=False)
    with pytest.raises(IntegrityError, match="accepts only"):
        open_static(zoo.settings(address, keys=(other_key.public,)), offline=True)


def test_offline_an_expired_registry_serves_with_a_warning(
    zoo: Any, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_static(zoo.settings(address), offline=False)
    set_clock(monkeypatch, publishing.GOOD_DAYS + 2)
    with pytest.warns(HubWarning, match="as it was last verified"):
        assert open_static(zoo.settings(address), offline=True).manifest.names == ["acme/net.v1"]


def test_a_registry_out_of_reach_serves_until_it_expires(
    zoo: Any, served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(zoo.root) as address:
        settings = zoo.settings(address)
        open_static(settings, offline=False)
    with pytest.warns(HubWarning, match="cannot be reached .* version 1, which was verified before, is used"):
        open_static(settings, offline=False)
    # Whoever can cut the connection could also keep news away: here expiry binds.
    set_clock(monkeypatch, publishing.GOOD_DAYS + 2)
    with pytest.raises(IntegrityError, match="freeze"):
        open_static(settings, offline=False)


STATUSES: dict[int, tuple[type[HubError], str]] = {
    404: (NotFoundError, "does not have the file"),
    403: (LicenseError, "refuses"),
    429: (NetworkError, "status 429"),
    503: (NetworkError, "status 503"),
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_server_that_refuses_is_told(status: int, server: Any, zoo: Any) -> None:
    kind, message = STATUSES[status]
    server.add(f"/{POINTER}", b"", "status", status=status)
    with pytest.raises(kind, match=message):
        open_static(zoo.settings(server.root), offline=False)


def test_a_hiccup_is_no_failure(server: Any, zoo: Any) -> None:
    server.add(f"/{POINTER}", (zoo.root / POINTER).read_bytes(), "status", status=503, times=2)
    for sha256, path in zoo.folder.blobs():
        server.add(f"/blobs/sha256/{sha256[:2]}/{sha256}", path.read_bytes(), "cut_once")
    assert open_static(zoo.settings(server.root), offline=False).manifest.names == ["acme/net.v1"]


def test_a_mirror_stands_in(zoo: Any, address: str) -> None:
    settings = zoo.settings("http://127.0.0.1:9", mirrors=(address,))
    opened = open_static(settings, offline=False)
    sources = opened.manifest.entry("acme/net.v1").files[0].sources
    assert [source.partition("/blobs/")[0] for source in sources] == ["http://127.0.0.1:9", address]


def test_a_web_page_is_no_registry(server: Any, zoo: Any) -> None:
    server.add(f"/{POINTER}", b"", "page")
    with pytest.raises(FormatError, match="not valid JSON"):
        open_static(zoo.settings(server.root), offline=False)


ADDRESSES = {
    "http://acme.example/zoo": "plain http",
    "https://user:secret@acme.example/zoo": "holds a login",
    "https://acme.example/zoo?x=1": "without",
    "https:///zoo": "not an https address",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_cannot_be_is_refused(address: str, zoo: Any) -> None:
    with pytest.raises(UsageError, match=ADDRESSES[address]) as caught:
        open_static(zoo.settings(address), offline=False)
    assert "secret" not in str(caught.value)


def test_a_folder_without_a_registry_is_told(tmp_path: Path, zoo: Any) -> None:
    with pytest.raises(NotFoundError, match="no registry in"):
        open_static(zoo.settings(str(tmp_path)), offline=False)


def test_a_damaged_memory_says_how_to_forget_it(open_it: Callable[..., Opened], where: str) -> None:
    open_it()
    (Memory(canonical(where)).folder / POINTER).write_text("{")
    with pytest.raises(FormatError, match="numzoo registry forget"):
        open_it()


def test_a_damaged_remembered_manifest_is_fetched_again(open_it: Callable[..., Opened], where: str) -> None:
    open_it()
    (path,) = Memory(canonical(where)).folder.glob("manifest-*.json")
    path.write_text("{}")
    assert open_it().manifest.names == ["acme/net.v1"]


def test_a_bad_manifest_is_not_remembered(open_it: Callable[..., Opened], zoo: Any, where: str) -> None:
    open_it()
    forge(zoo, {"schema": 2})
    with pytest.raises(FormatError):
        open_it()
    known = Memory(canonical(where)).pointer()
    assert known is not None
    assert known.statement.version == 1


def test_a_store_that_cannot_be_written_does_no_harm(
    open_it: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMZOO_HOME", "/dev/null/nowhere")
    assert open_it().manifest.names == ["acme/net.v1"]


def test_what_was_published_and_pruned_between_two_reads_is_read_anew(
    open_it: Callable[..., Opened], zoo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = zoo.folder.path(zoo.edit(lambda document: None).statement.sha256)
    pointers = (access.FolderAccess.pointer, access.WebAccess.pointer)

    def slow(self: Any) -> bytes:
        data = pointers[self.web](self)
        if first.exists():
            zoo.publish("acme/net.v2", b"more")
            first.unlink()
        return data

    for kind in (access.FolderAccess, access.WebAccess):
        monkeypatch.setattr(kind, "pointer", slow)
    assert open_it().manifest.names == ["acme/net.v1", "acme/net.v2"]


def test_a_missing_manifest_is_told(open_it: Callable[..., Opened], zoo: Any) -> None:
    zoo.folder.path(zoo.edit(lambda document: None).statement.sha256).unlink()
    with pytest.raises(NotFoundError):
        open_it()


def test_readers_meanwhile_see_the_old_registry_or_the_new_one(zoo: Any, address: str) -> None:
    import threading

    done = threading.Event()

    def write() -> None:
        for round in range(15):
            zoo.publish(f"acme/net{round}.v1", b"%d" % round)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    counts = []
    while not done.is_set():
        opened = open_static(zoo.settings(address), offline=False)
        counts.append(len(opened.manifest.names))
        assert len(opened.manifest.names) == opened.pointer.statement.version
    writer.join()
    assert counts == sorted(counts)
