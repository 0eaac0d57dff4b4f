"""What ``numzoo predict`` tells a model that hears speech: settings by their names, what it does not heed, what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from numzoo.audio.pipelines import Transcript
from numzoo.hub.cli.console import Console
from numzoo.hub.cli.main import make_parser
from numzoo.hub.cli.predict.sounds import answer

ALL = {"language": "de", "task": "translate", "beams": 3, "seed": 0}
WORDS = ["--language", "de", "--task", "translate", "--beams", "3", "--seed", "0"]


class Letters:
    """Notes down what it is told, and hears nothing."""

    task = "speech-recognition"

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def __call__(self, sound: str, *, raw: Any, **settings: Any) -> Transcript:
        if settings.get("language") == "xx":
            raise ValueError("language is 'xx', but the model knows de")
        self.told.append(settings)
        return Transcript("", "de", ())

    def draw(self, sound: str, path: str, *, raw: Any, **settings: Any) -> None:
        self.told.append(settings)


class Whisper(Letters):
    def languages(self, sound: str) -> dict[str, float]:
        return {"de": 1.0}


def predict(pipe: Letters, *words: str) -> int:
    options = make_parser().parse_args(["predict", "hears", "speech.wav", *words])
    return answer(pipe, options, Console(json=False, quiet=False, debug=False))


def test_whisper_is_told_all_that_the_command_line_says_and_draws_the_same() -> None:
    pipe = Whisper()
    assert predict(pipe, *WORDS, "--words", "--plot", "out.png") == 0
    assert pipe.told == [{"word_timestamps": True, **ALL}] * 2


def test_what_is_not_said_is_left_to_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    pipe = Whisper()
    assert predict(pipe) == 0
    assert pipe.told == [{"word_timestamps": False}]
    assert "nothing is said" in capsys.readouterr().err


def test_a_model_of_letters_keeps_beginnings_and_refuses_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    pipe = Letters()
    assert predict(pipe, "--beams", "3") == 0
    assert pipe.told == [{"word_timestamps": False, "width": 3}]
    assert predict(pipe, "--language", "de") == 2
    assert "--language is for Whisper" in capsys.readouterr().err


def test_a_language_that_is_unknown_is_the_callers_to_put_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(Whisper(), "--language", "xx") == 2
    shown = capsys.readouterr().err
    assert "language is 'xx'" in shown
    assert "bug" not in shown
