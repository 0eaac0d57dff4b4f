"""``numzoo predict`` for sounds: small models of a registry of one's own, files in real formats, pictures, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_registry import write_registry

from numzoo import audio
from numzoo.hub.cli.main import main

TASKS = {
    "crepe_tiny": "pitch-estimation",
    "speaker_encoder": "speaker-verification",
    "silero_vad": "voice-activity-detection",
}


@pytest.fixture
def registry(tmp_path: Path) -> str:
    """Models with weights drawn at random, beside their manifest."""
    return write_registry(tmp_path, {name: (name, task, {}, {}) for name, task in TASKS.items()})


@pytest.fixture
def tone(tmp_path: Path) -> str:
    path = tmp_path / "tone.wav"
    wave = 0.3 * np.sin(2 * np.pi * 220 * np.arange(8000) / 16000)
    audio.write_audio(wave[None].astype(np.float32), path, 16000)
    return str(path)


def answered(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_pitch_is_given_for_every_hundredth_of_a_second(
    registry: str, tone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (result,) = answered(capsys, "--registry", registry, "predict", "crepe_tiny", tone)["results"]
    assert result["times"][:3] == pytest.approx([0, 0.01, 0.02])
    assert len(result["pitch"]) == len(result["confidence"]) == len(result["times"]) == 51
    assert main(["--registry", registry, "predict", "crepe_tiny", tone]) == 0
    assert capsys.readouterr().out.split("\n")[0].split() == ["SECONDS", "HZ", "CONFIDENCE"]


def test_voices_are_compared(registry: str, tone: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = answered(capsys, "--registry", registry, "predict", "speaker_encoder", tone, tone, "--whole")
    assert np.allclose(document["cosines"], 1, atol=1e-5)
    pytest.importorskip(
        "webrtcvad", reason="that a tone is no speech is known where webrtcvad is installed (the voices extra)"
    )
    assert main(["--registry", registry, "predict", "speaker_encoder", tone, tone]) == 2
    assert "no speech was found" in capsys.readouterr().err
    assert main(["--registry", registry, "predict", "speaker_encoder", tone]) == 2
    assert "give two sounds or more" in capsys.readouterr().err


def test_speech_is_looked_for_and_a_file_that_is_none_named(
    registry: str, tone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    document = answered(
        capsys, "--registry", registry, "predict", "silero_vad", str(tmp_path / "text.wav"), tone, code=2
    )
    assert "error" in document["results"][0]
    assert isinstance(document["results"][1]["speech"], list)


def test_a_file_without_a_header_needs_its_rate(
    registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sound.raw"
    path.write_bytes((np.sin(np.arange(4000) / 9) * 9000).astype("<i2").tobytes())
    (result,) = answered(capsys, "--registry", registry, "predict", "crepe_tiny", str(path), "--rate", "8000")[
        "results"
    ]
    assert len(result["times"]) == 51
    assert main(["--registry", registry, "predict", "crepe_tiny", str(path)]) != 0
    assert "--rate 16000 on the command line" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["crepe_tiny", "silero_vad"])
def test_the_answer_is_drawn(model: str, registry: str, tone: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert main(["--registry", registry, "predict", model, tone, "--plot", str(tmp_path / "out.png")]) == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_one_picture_is_of_one_sound(registry: str, tone: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--registry", registry, "predict", "crepe_tiny", tone, tone, "--plot", "out.png"]) == 2
    assert "--plot draws one sound" in capsys.readouterr().err


def test_what_was_said_is_drawn_over_its_sound_in_full(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from numzoo.audio.pipelines.drawing import draw_spectrogram

    wave = np.random.default_rng(0).normal(size=8000).astype(np.float32) / 9
    said = " costs $5 or $6, and whoever wants to know how much that is in all may count it"
    draw_spectrogram(wave, [(0.0, 0.5, said)], tmp_path / "said.svg")
    drawn = (tmp_path / "said.svg").read_text()
    assert "<svg" in drawn
    assert said.strip() in drawn  # as the comment before the shapes of its letters


def test_the_pitch_of_a_picture_is_written_in_full(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from numzoo.audio.pipelines.drawing import draw_pitch

    times = np.arange(51) / 100
    draw_pitch(np.zeros(8000, np.float32), times, np.full(51, 440.0), np.ones(51), tmp_path / "pitch.svg")
    drawn = (tmp_path / "pitch.svg").read_text()
    assert "<!-- 500 -->" in drawn
    assert "times" not in drawn


@pytest.mark.parametrize(
    ("model", "option", "wanted"),
    [
        ("crepe_tiny", "--words", "speech-recognition"),
        ("silero_vad", "--whole", "speaker-verification"),
        ("speaker_encoder", "--plot=out.png", "pitch-estimation"),
        ("crepe_tiny", "--beams=2", "text-generation"),
        ("crepe_tiny", "--seed=0", "text-generation"),
        ("crepe_tiny", "--stop=.", "text-generation"),
    ],
)
def test_an_option_of_other_models_is_refused_and_not_forgotten(
    model: str, option: str, wanted: str, registry: str, tone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--registry", registry, "predict", model, tone, tone, option]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert option.partition("=")[0] in shown.err
    assert wanted in shown.err


def test_the_sound_that_holds_no_voice_is_named(
    registry: str, tone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = str(tmp_path / "silent.wav")
    audio.write_audio(np.zeros((1, 8000), np.float32), silent, 16000)
    assert main(["--registry", registry, "predict", "speaker_encoder", tone, silent, "--whole"]) == 2
    assert "silent.wav: " in capsys.readouterr().err
