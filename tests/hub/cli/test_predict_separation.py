"""``numzoo predict`` for mixtures and for the quality of speech: small models of a registry of one's own, sources as files, bad input."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_registry import write_registry
from sequences import CONV_TASNET, HDEMUCS, SQUIM, WAV2VEC2

from numzoo import audio, hub
from numzoo.hub.cli.main import main

MODELS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "demucs": ("hdemucs_high", "source-separation", HDEMUCS, {"rate": 8000, "normalize": True, "seconds": 1, "overlap": 0.1}),
    "tasnet": ("conv_tasnet_base", "source-separation", CONV_TASNET, {"rate": 8000}),
    "objective": ("squim_objective_base", "speech-quality", SQUIM, {}),
    "subjective": ("squim_subjective_base", "speech-quality", WAV2VEC2, {}),
}  # fmt: skip


@pytest.fixture
def registry(tmp_path: Path) -> str:
    """Models with weights drawn at random, beside their manifest."""
    return write_registry(tmp_path, MODELS)


@pytest.fixture
def song(tmp_path: Path) -> str:
    path = tmp_path / "song.wav"
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, size=(2, 9000)).astype(np.float32)
    audio.write_audio(wave, path, 16000)
    return str(path)


def answered(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_the_sources_of_a_song_are_files_in_a_folder_of_its_name(
    registry: str, song: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / "here"
    words = ("--registry", registry, "predict", "demucs", song, "--output", str(out))
    (result,) = answered(capsys, *words)["results"]
    assert result["rate"] == 8000
    assert list(result["sources"]) == ["drums", "bass", "other", "vocals"]
    found = hub.pipeline("demucs", registry=registry)(song)
    for name, path in result["sources"].items():
        assert Path(path) == out / "song" / f"{name}.wav"
        waveform, rate = audio.read_audio(path)
        assert (rate, waveform.shape) == (8000, (2, 4500))
        np.testing.assert_array_equal(waveform, found.waveforms[name])
    assert main(list(words)) == 2
    assert "is there already" in capsys.readouterr().err


def test_voices_are_told_apart_and_a_file_that_is_none_leaves_the_others_theirs(
    registry: str, song: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    out = tmp_path / "out"
    words = ("--registry", registry, "predict", "tasnet", str(tmp_path / "text.wav"), song, "--output", str(out))
    assert main(list(words)) == 2
    shown = capsys.readouterr()
    assert "text.wav" in shown.err
    assert [Path(line).name for line in shown.out.splitlines() if "source" in line] == [
        "source1.wav", "source2.wav", "source3.wav",
    ]  # fmt: skip
    assert [path.name for path in out.iterdir()] == ["song"]


def test_speech_is_judged_with_a_reference_where_the_model_wants_one(
    registry: str, song: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (result,) = answered(capsys, "--registry", registry, "predict", "objective", song)["results"]
    assert set(result) == {"sound", "stoi", "pesq", "si_sdr"}
    (result,) = answered(capsys, "--registry", registry, "predict", "subjective", song, "--reference", song)["results"]
    assert 1 <= result["mos"] <= 5
    assert main(["--registry", registry, "predict", "objective", song]) == 0
    assert capsys.readouterr().out.startswith("STOI 0.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("demucs",), "--output FOLDER"),
        (("subjective",), "--reference FILE"),
        (("objective", "--reference", "clean.wav"), "leave out --reference"),
        (("objective", "--output", "out"), "--output is for source-separation, text-to-speech"),
        (("demucs", "--output", "out", "--plot", "out.png"), "--plot is for"),
    ],
)
def test_what_a_model_wants_or_does_not_heed_is_said(
    words: tuple[str, ...], message: str, registry: str, song: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model, *options = words
    assert main(["--registry", registry, "predict", model, song, *options]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err


def test_silence_and_a_folder_that_cannot_be_are_named(
    registry: str, song: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = str(tmp_path / "silent.wav")
    audio.write_audio(np.zeros((1, 8000), np.float32), silent, 16000)
    assert main(["--registry", registry, "predict", "objective", silent]) == 2
    assert "is silent" in capsys.readouterr().err
    (tmp_path / "tasnet.safetensors").unlink()  # what follows is said before the weights are fetched
    for output in (song, f"{song}/more"):
        assert main(["--registry", registry, "predict", "tasnet", song, "--output", output]) == 2
        assert "song.wav is no folder" in capsys.readouterr().err
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o500)
    if not os.access(shut, os.W_OK):  # whoever is root writes everywhere
        assert main(["--registry", registry, "predict", "tasnet", song, "--output", str(shut)]) == 8
