"""Real data from package registries, through the command line: what was counted when it was first looked at."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from numzoo import hub
from numzoo.hub.cli.main import main
from numzoo.hub.errors import NetworkError, NotFoundError


def loaded(name: str, split: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """The data set, pulled by the command line into a store of its own, then loaded offline."""
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    chosen = ["--split", split] if split in hub.describe(f"data:{name}")["splits"] else []
    code = main(["data", "pull", name, *chosen, "--quiet"])
    if code in (NetworkError.exit_code, NotFoundError.exit_code):
        pytest.skip(f"no registry that has {name} can be reached from here: the command ended with code {code}")
    assert code == 0
    assert main(["data", "verify", name, *chosen, "--quiet"]) == 0
    return hub.load_data(name, split=split, offline=True)


def tweets(data: Any) -> None:
    assert data[0][0].startswith("Somehow I was blessed with some really amazing friends")
    assert data.targets[0] == 2.726315789
    assert sum(score > 0 for score in data.targets) > 2 * sum(score < 0 for score in data.targets)


def mails(data: Any) -> None:
    assert (int(data.labels.sum()), data.classes[data[-1][1]]) == (1896, "spam")
    assert data.message(0)["Date"] == "Thu, 22 Aug 2002 18:26:25 +0700"


def digits(data: Any) -> None:
    assert data.images.shape == (1797, 8, 8)
    assert [int((data.labels == digit).sum()) for digit in range(10)] == [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]


def irises(data: Any) -> None:
    assert data.features.mean(axis=0).round(3).tolist() == pytest.approx([5.843, 3.057, 3.758, 1.199], abs=1e-3)


def tumours(data: Any) -> None:
    assert [int((data.labels == label).sum()) for label in (0, 1)] == [212, 357]


def patients(data: Any) -> None:
    assert (data.features.shape, data.targets.min(), data.targets.max()) == ((442, 10), 25, 346)


def book(data: Any) -> None:
    assert data.targets[1] == "he was not an ill disposed young man"
    assert [(waveform.shape, rate) for waveform, rate, _ in data] == [
        ((1, frames), 16000) for frames in (113600, 47840, 84800, 96800, 52640)
    ]


def order(data: Any) -> None:
    waveform, rate, words = data[0]
    assert (waveform.shape, rate, words) == ((1, 44580), 16000, "go forward ten meters")
    assert waveform.max() == 6730 / 32768


def labels(data: Any) -> None:
    waveform, rate, label = data[3]
    assert (waveform.shape, rate, data.classes[label]) == ((1, 67579), 48000, "noise")


REAL: dict[str, tuple[str, str | None, int, Callable[[Any], None]]] = {
    "tweets": ("vader", "tweets", 4200, tweets),
    "mails": ("spam-assassin", None, 6046, mails),
    "digits": ("digits", None, 1797, digits),
    "iris": ("iris", None, 150, irises),
    "breast cancer": ("breast-cancer", None, 569, tumours),
    "diabetes": ("diabetes", None, 442, patients),
    "a book read aloud": ("sphinx-speech", "librivox", 5, book),
    "an order": ("sphinx-speech", "commands", 1, order),
    "spoken labels": ("spoken-labels", None, 9, labels),
}


@pytest.mark.network
@pytest.mark.parametrize("case", REAL)
def test_real_data_has_what_was_counted_in_it(case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    name, split, count, look = REAL[case]
    if name in ("sphinx-speech", "spoken-labels") and shutil.which("apt-get") is None:
        pytest.skip(f"{name} comes through apt-get, which is not here")
    data = loaded(name, split, monkeypatch, tmp_path)
    assert len(data) == count
    look(data)
