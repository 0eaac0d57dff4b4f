"""Real weights on real recordings, fetched from package registries: what a right implementation hears."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import hub
from numzoo.audio import Raw, read_audio
from numzoo.hub.cli.main import main
from numzoo.hub.errors import HubError

RESEMBLYZER = [0.86304, 0.82798, 0.66429, 0.63134]
LINE = "sense_and_sensibility_01_austen_64kb-0880.wav"
WORDS = [  # of openai-whisper 20250625, on the same weights
    ("He", 0.0, 0.34), ("was", 0.34, 0.52), ("not", 0.52, 0.8), ("an", 0.8, 1.3), ("ill", 1.3, 1.46), ("-disposed", 1.46, 2.04),
    ("young", 2.04, 2.28), ("man.", 2.28, 2.6),
]  # fmt: skip
ROOT = str(Path(hub.__file__).parents[1] / ".dev")
PEAK = """
import sys
from pathlib import Path
from numzoo import hub
hub.pipeline("whisper_base")(hub.pull("data:sphinx-speech/" + sys.argv[1]))
status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) * 1024)
"""


def fetched(model: str, *recordings: str) -> tuple[Any, list[Path]]:
    """A pipeline, and recordings of the data set sphinx-speech; skipped where they cannot be had."""
    try:
        return hub.pipeline(model), [hub.pull(f"data:sphinx-speech/{name}") for name in recordings]
    except HubError as error:
        pytest.skip(f"no package registry can be reached: {error}")


def words(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()


@pytest.mark.network
def test_whisper_writes_what_was_said_word_for_word() -> None:
    hear, (order, line, texts) = fetched("whisper_base", "goforward.raw", LINE, "transcription")
    said = hear((read_audio(order, raw=Raw(16000))[0], 16000))
    assert said.text == "Go forward 10 meters."
    assert (said.language, said.segments[0].start, said.segments[0].end) == ("en", 0.0, 2.0)
    wanted = next(text for text in texts.read_text().splitlines() if LINE[:-4] in text).partition("</s>")[0]
    assert words(hear(line).text) == words(wanted.replace("<s>", ""))


@pytest.mark.network
def test_whisper_says_when_each_word_was_said_as_its_authors_code_does() -> None:
    hear, (line,) = fetched("whisper_base", LINE)
    said = hear(line, word_timestamps=True)
    found = [(word.text.strip(), word.start, word.end) for segment in said.segments for word in segment.words]
    assert [word for word, _, _ in found] == [word for word, _, _ in WORDS]
    assert [time for _, *times in found for time in times] == pytest.approx(
        [time for _, *times in WORDS for time in times], abs=0.021
    )


@pytest.mark.network
def test_the_command_line_prints_a_word_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    _, (line,) = fetched("whisper_base", LINE)
    assert main(["predict", "whisper_base", str(line), "--words"]) == 0
    printed = [row.split() for row in capsys.readouterr().out.splitlines()]
    assert [row[2] for row in printed] == [word for word, _, _ in WORDS]
    assert main(["predict", "whisper_base", str(line), "--words", "--json"]) == 0
    (segment,) = json.loads(capsys.readouterr().out)["results"][0]["segments"]
    assert [word["text"] for word in segment["words"]] == [
        f" {word}" if word[0] != "-" else word for word, _, _ in WORDS
    ]
    assert all(0 < word["probability"] <= 1 for word in segment["words"])


@pytest.mark.network
@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells the peak of a process in /proc")
def test_whisper_base_transcribes_within_400_megabytes() -> None:
    fetched("whisper_base", LINE)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, LINE],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    )
    assert int(done.stdout) < 400_000_000


@pytest.mark.network
def test_speech_is_found_in_a_recording_and_none_in_noise() -> None:
    find, (line,) = fetched("silero_vad", LINE)
    (speech,) = find(line)
    assert (speech.start, speech.end) == pytest.approx((0.226, 2.878), abs=0.04)
    assert find((np.random.default_rng(0).normal(size=48000) * 0.1).astype(np.float32)) == []


@pytest.mark.network
def test_one_speaker_is_told_from_another() -> None:
    alike, (line, other, card, again) = fetched(
        "speaker_encoder", LINE, LINE.replace("0880", "0870"), "001.wav", "002.wav"
    )
    assert alike(line, other) > 0.8 > 0.72 > alike(line, card)
    pytest.importorskip(
        "webrtcvad", reason="Resemblyzer's figures hold where webrtcvad is installed (the voices extra)"
    )
    # What Resemblyzer 0.1.4 computes with its own weights, its own cutting of silences and its own windows.
    figures = [alike(line, other), alike(card, again), alike(line, card), alike(other, again)]
    assert figures == pytest.approx(RESEMBLYZER, abs=1e-4)


@pytest.mark.network
def test_the_pitch_of_a_tone_is_found() -> None:
    listen, _ = fetched("crepe_tiny")
    found = listen(np.sin(2 * np.pi * 440 * np.arange(8000) / 16000).astype(np.float32))
    assert np.median(found.pitch) == pytest.approx(440, rel=0.005)
    assert found.confidence[5:-5].min() > 0.8
