"""``numzoo predict`` for models that speak: a sound is written, or nothing; what is wrong is said before anything is fetched."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from speaking_entries import write_site

from numzoo import audio
from numzoo.hub.cli.main import main

MODEL = "tacotron2_characters"


@pytest.fixture
def registry(tmp_path: Path) -> str:
    """The entries in small, in a folder beside their manifest."""
    return str(write_site(tmp_path, "file:"))


def run(registry: str, *words: object, code: int = 0) -> None:
    assert main(["--registry", registry, "predict", *map(str, words)]) == code


def test_a_text_is_written_as_a_sound(registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(registry, MODEL, "Hello world.", "--output", tmp_path / "one.wav", "--seed", 3)
    shown = capsys.readouterr()
    assert shown.out == f"{tmp_path / 'one.wav'}\n"
    assert "0.5 s of sound" in shown.err
    assert "note: text-to-speech: no end was heard within 40 frames" in shown.err
    samples, rate = audio.read_audio(tmp_path / "one.wav")
    assert (samples.shape, rate) == ((1, 39 * 256), 22050)
    run(registry, MODEL, "Hello world.", "--output", tmp_path / "two.wav", "--seed", 3)
    assert np.array_equal(
        samples, audio.read_audio(tmp_path / "two.wav")[0]
    )  # the files also tell when they were written


def test_texts_are_said_one_after_another_by_the_vocoder_that_is_named(
    registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("So\nand so."))
    said = ["--output", tmp_path / "said.flac", "--vocoder", "hifigan_vocoder_v3", "--json"]
    run(registry, MODEL, "Hello.", "-", *said)
    document: Any = json.loads(capsys.readouterr().out)
    assert (document["task"], document["rate"], document["output"]) == (
        "text-to-speech",
        22050,
        str(tmp_path / "said.flac"),
    )
    assert [row["text"] for row in document["results"]] == ["Hello.", "So\nand so."]
    assert document["seconds"] == pytest.approx(2 * 40 * 256 / 22050, abs=0.01)
    samples, _ = audio.read_audio(tmp_path / "said.flac")
    assert samples.shape == (1, 2 * 40 * 256)
    assert np.abs(samples).max() <= 1


def test_wavernn_draws_by_the_temperature(registry: str, tmp_path: Path) -> None:
    sounds = []
    for temperature in (0, 1):
        path = tmp_path / f"{temperature}.wav"
        run(registry, f"{MODEL}.ljspeech-wavernn", "So.", "--output", path, "--seed", 1, "--temperature", temperature)
        sounds.append(audio.read_audio(path)[0])
    assert sounds[0].shape == sounds[1].shape == (1, 40 * 6)
    assert not np.array_equal(*sounds)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((MODEL, "Hello."), 2, "name the file that they are said into, as in --output speech.wav"),
        ((MODEL, "Hello.", "--output", "said.txt"), 2, "has no suffix of a sound"),
        ((MODEL, "Hello.", "--output", "nowhere/said.wav"), 3, "there is no folder"),
        ((MODEL, "...", "--output", "said.wav"), 2, "has no letter that can be said"),
        ((MODEL, "", "--output", "said.wav"), 2, "an empty one was given"),
        ((MODEL, "x" * 20_000, "--output", "said.wav"), 2, "20000 characters, and at most 10000"),
        ((MODEL, "Hello.", "--output", "said.wav", "--vocoder", "nobody"), 3, "nobody"),
        ((MODEL, "Hello.", "--output", "said.wav", "--vocoder", "tacotron2_phonemes"), 2, "a vocoder is 'griffin-lim' or a model"),
        ((MODEL, "Hello.", "--output", "said.wav", "--temperature", "-1", "--vocoder", "wavernn"), 2, "temperature is a number from 0"),
        ((MODEL, "Hello.", "--output", "said.wav", "--temperature", "0.5"), 2, "temperature is for WaveRNN"),
        ((MODEL, "Hello.", "--output", "said.wav", "--seed", "-1"), 2, "seed is a whole number from 0"),
        ((MODEL, "Hello.", "--output", "said.wav", "--plot", "out.png"), 2, "--plot is for"),
        ((MODEL, "Hello.", "--output", "said.wav", "--words"), 2, "--words is for"),
        (("tacotron2_phonemes", "Hello 42.", "--output", "said.wav"), 2, "does not say how '42' is said"),
        (("wavernn", "Hello."), 2, "is for vocoding"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_written(
    words: tuple[str, ...], code: int, message: str, registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    run(registry, *words, code=code)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert list((tmp_path / "work").iterdir()) == []


def test_a_sound_that_is_there_stays_until_the_new_one_is_whole(registry: str, tmp_path: Path) -> None:
    old = tmp_path / "said.wav"
    old.write_bytes(b"before")
    run(registry, MODEL, "...", "--output", old, code=2)
    assert old.read_bytes() == b"before"
    run(registry, MODEL, "Hello.", "--output", old)
    assert audio.read_audio(old)[1] == 22050
