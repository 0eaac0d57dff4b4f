"""The catalogue: every name has a page, nothing of a registry becomes code, and a browser finds what is searched for."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from numzoo.hub.catalog import plots
from numzoo.hub.catalog.writing import write_catalog
from numzoo.hub.cli.main import main
from numzoo.hub.errors import UsageError
from numzoo.hub.registry.manifest import Manifest
from numzoo.hub.registry.names import Registry, shipped_registry

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
VOID = {"meta", "link", "input", "br", "img"}


class Reader(html.parser.HTMLParser):
    """Checks that tags close in order; keeps links, scripts and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: Path) -> Reader:
    reader = Reader()
    reader.feed(page.read_text("utf-8"))
    assert reader.open == [], page
    return reader


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(shipped_registry(), tmp_path_factory.mktemp("catalogue") / "site").parent


def test_every_name_has_a_page_and_every_link_leads_somewhere(site: Path) -> None:
    manifest = shipped_registry().manifest
    index = read(site / "index.html")
    rows = [attributes for tag, attributes in index.tags if tag == "tr" and "data-name" in attributes]
    wanted = [*manifest.names, *(f"data:{n}" for n in manifest.data), *(f"sample:{n}" for n in manifest.samples)]
    assert [row["data-name"] for row in rows] == wanted
    assert len(list((site / "pages").iterdir())) == len(rows)
    for page in [site / "index.html", *(site / "pages").iterdir()]:
        for link in read(page).links:
            assert link.startswith("https://") or (page.parent / link).is_file(), (page, link)


def test_a_page_tells_licence_results_preprocessing_files_and_code(site: Path) -> None:
    text = (site / "pages" / "mobilenet_v2.imagenet1k-v1.html").read_text("utf-8")
    for part in ("BSD-3-Clause", "71.878", "bilinear", "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
                 "hub.load(&quot;mobilenet_v2.imagenet1k-v1&quot;)", "14.2 MB", "3,504,872"):  # fmt: skip
        assert part in text, part


def test_the_data_are_there_as_data_too(site: Path) -> None:
    document = json.loads((site / "catalog.json").read_text("utf-8"))
    (found,) = [item for item in document["items"] if item["name"] == "resnet50.imagenet1k-v2"]
    assert found["accuracy"] == 80.858
    assert found["commercial"] == "yes"


def registry_of(**fields: Any) -> Registry:
    entry = {
        "model": "vision.models.lenet",
        "task": "image-classification",
        "files": [{"sha256": "a" * 64, "format": "safetensors", "sources": ["https://example.org/a"]}],
        "license": "MIT",
        "source": "https://example.org",
    }
    return Registry(Manifest({"schema": 1, "models": {"lenet.test": {**entry, **fields}}}))


def test_what_a_registry_says_is_shown_and_never_run(tmp_path: Path) -> None:
    registry = registry_of(notes=HOSTILE, source=f"https://example.org/{HOSTILE}", config={"note": HOSTILE})
    index = write_catalog(registry, tmp_path / "site", title=HOSTILE)
    for page in [index, *(index.parent / "pages").iterdir()]:
        tags = read(page).tags
        scripts = [attributes for tag, attributes in tags if tag == "script"]
        assert all(set(attributes) == {"src"} for attributes in scripts)
        assert not [tag for tag, _ in tags if tag == "img"]
        assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
        assert "default-src 'none'" in page.read_text("utf-8")


def test_an_older_catalogue_is_replaced_and_anything_else_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write_catalog(registry_of(), folder)
    (folder / "old").write_text("x")
    write_catalog(registry_of(), folder)
    assert not (folder / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "work.txt").write_text("years of it")
    with pytest.raises(UsageError, match="left alone"):
        write_catalog(registry_of(), mine)
    assert (mine / "work.txt").read_text() == "years of it"
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="left alone"):
        write_catalog(registry_of(), tmp_path / "file")


def test_the_command_writes_a_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", str(tmp_path / "site"), "--dry-run"]) == 0
    assert not (tmp_path / "site").exists()
    assert main(["catalog", str(tmp_path / "site"), "--title", "Ours", "--json"]) == 0
    captured = capsys.readouterr().out
    assert json.loads(captured[captured.index("{") :])["index"] == str(tmp_path / "site" / "index.html")
    assert "<h1>Ours</h1>" in (tmp_path / "site" / "index.html").read_text("utf-8")


def test_the_best_are_those_that_none_beats_in_both() -> None:
    dots = [
        plots.Dot(name, "p", x, y) for name, x, y in (("a", 1, 5), ("b", 2, 4), ("c", 3, 9), ("d", 3, 8), ("e", 9, 9))
    ]
    assert [dot.name for dot in plots.best(dots)] == ["a", "c"]
    drawing = plots.scatter(dots, x="size", y="accuracy")
    assert drawing.count('class="dot best"') == 2
    assert drawing.count("<circle") == 5
    assert plots.scatter(dots[:1], x="size", y="accuracy") == ""
    assert plots.scatter([plots.Dot("a", "p", 2, 5)] * 2, x="size", y="accuracy").count("<circle") == 2


def browsed(site: Path, **query: str) -> str:
    """What the page holds after its script has run, in headless Chromium."""
    address = f"{(site / 'index.html').as_uri()}?{urlencode(query)}"
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=2000",
        f"--user-data-dir={site.parent / 'profile'}", "--dump-dom", address,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def shown(page: str) -> list[str]:
    rows = re.findall(r'<tr data-name="([^"]*)"([^>]*)>', page)
    return [name for name, rest in rows if not re.search(r"\bhidden\b", rest)]


@pytest.mark.skipif(CHROMIUM is None, reason="the catalogue is browsed where Chromium is installed")
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"q": "resnet50 v2", "sort": "-accuracy"}, ["wide_resnet50_2.imagenet1k-v2", "resnet50.imagenet1k-v2"]),
        ({"q": "RESNET18 bsd"}, ["resnet18.imagenet1k-v1", "resnet18.timm-tv"]),
        ({"kind": "sample", "sort": "title"}, [f"sample:{name}" for name in sorted(shipped_registry().manifest.samples)]),
        ({"task": "face-detection", "kind": "model"}, ["mtcnn.facenet"]),
        ({"q": "vit_h_14", "commercial": "on"}, []),
        ({"q": "no such thing"}, []),
    ],
)  # fmt: skip
def test_a_browser_shows_what_is_searched_for(site: Path, query: dict[str, str], wanted: list[str]) -> None:
    page = browsed(site, **query)
    assert shown(page) == wanted
    total = len(re.findall(r"<tr data-name", page))
    assert f">{len(wanted)} of {total}</output>" in page
    assert ("hidden" in re.search(r'<p class="none"[^>]*>', page)[0]) == bool(wanted)  # type: ignore[index]
