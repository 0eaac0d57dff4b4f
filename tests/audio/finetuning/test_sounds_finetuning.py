"""``numzoo finetune`` on sounds: a small Whisper's encoder learns tones, is read again, resumes, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sequences import WHISPER

from numzoo import engine, hub
from numzoo.audio import finetuning, models
from numzoo.audio.errors import DatasetError
from numzoo.audio.finetuning.sounds import AUGMENTATIONS, Heard, find_sounds
from numzoo.audio.pipelines.classifying import MelClassification
from numzoo.engine import data
from numzoo.hub.checkpoint import read_checkpoint
from numzoo.hub.cli.main import main

RATE = 8000


def write(folder: Path, classes: dict[str, tuple[float, int]], seconds: float = 0.5) -> Path:
    """Tones of about a pitch, in noise."""
    generator = np.random.default_rng(3)
    for name, (pitch, count) in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            time = np.arange(int(RATE * seconds)) / RATE
            tone = 0.3 * np.sin(2 * np.pi * pitch * generator.uniform(0.9, 1.1) * time)
            soundfile.write(folder / name / f"{number:02}.wav", tone + generator.normal(0, 0.02, len(time)), RATE)
    return folder


@pytest.fixture
def whisper(tmp_path: Path) -> Path:
    engine.manual_seed(0)
    settings: dict[str, Any] = {**WHISPER, "n_mels": 20}
    path = tmp_path / "whisper.safetensors"
    return hub.save(
        models.whisper(**settings), path, builder="audio.models.whisper", config=settings, task="speech-recognition"
    )


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    return write(tmp_path / "tones", {"high": (2000.0, 12), "low": (300.0, 12)})


def command(whisper: Path, folder: Path, out: Path, *more: object) -> list[str]:
    return [str(each) for each in ("finetune", whisper, folder, "--out", out, "--lr", 0.001, "--batch", 8, *more)]


def test_tones_are_learnt_and_named(
    whisper: Path, tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (tones / "low" / "notes.txt").write_text("no sound")
    assert main([*command(whisper, tones, out, "--epochs", 16, "--augment", "light"), "--json"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["accuracy"] == 1.0
    assert [row["sounds"] for row in report["per_class"]] == [2, 2]
    assert "2 classes, 20 sounds to train on, 4 to check with" in captured.err
    assert "notes.txt" in captured.err
    pipe = hub.pipeline(out / "model.safetensors")
    assert isinstance(pipe, MelClassification)
    assert pipe.model.seconds == 0.5
    assert [pipe(tones / name / "00.wav")[0][0] for name in ("high", "low")] == ["high", "low"]
    long = write(tmp_path / "long", {"low": (300.0, 1)}, seconds=1.7)  # heard in four pieces
    assert pipe(long / "low" / "00.wav")[0][0] == "low"
    assert main(["predict", str(out / "model.safetensors"), str(tones / "low" / "01.wav"), "--top", "1"]) == 0
    assert capsys.readouterr().out.split()[1] == "low"
    again = command(
        out / "model.safetensors", tones, tmp_path / "again", "--epochs", 1, "--freeze", "backbone", "--seconds", 0.4
    )
    assert main([*again, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trained_parameters"] < 50_000


def test_a_run_resumes_to_the_same_weights(
    whisper: Path, tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numzoo.engine.train import loop

    recipe = finetuning.Recipe(epochs=3, batch=8, augment="strong", seconds=0.3)
    evaluate, calls = loop.evaluate, []

    def stopped(*given: Any, **settings: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(*given, **settings)

    monkeypatch.setattr(loop, "evaluate", stopped)
    with pytest.raises(KeyboardInterrupt):
        finetuning.finetune(str(whisper), tones, tmp_path / "a", recipe, progress=False)
    monkeypatch.undo()
    for name, resume in (("a", True), ("b", False)):
        finetuning.finetune(str(whisper), tones, tmp_path / name, recipe, resume=resume, progress=False)
    one, other = (read_checkpoint(tmp_path / name / "model.safetensors") for name in "ab")
    assert all(one[name].tobytes() == other[name].tobytes() for name in other)


@pytest.mark.parametrize("augment", AUGMENTATIONS)
def test_changed_sounds_have_the_form_of_the_others_and_repeat_by_the_sample(augment: str, tones: Path) -> None:
    samples = find_sounds(tones).train[:1]
    heard = Heard(samples, 0.7, 20, augment=augment)
    made = []
    for epoch in (0, 0, 1):
        with data.sampling(0, epoch, 0):
            made.append(heard[0][0])
    assert all(mel.shape == (20, 70) and mel.dtype == np.float32 and np.isfinite(mel).all() for mel in made)
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] == made[2]).all() == (augment == "none")


def test_a_shifted_sound_leaves_silence_behind() -> None:
    heard = Heard([], 1.0, 20, augment="standard")
    for seed in range(20):
        changed = heard._changed(np.ones(16000, np.float32), np.random.default_rng(seed))
        silent = np.flatnonzero(changed == 0)
        assert len(silent) <= 1600
        assert not len(silent) or silent[0] == 0 or silent[-1] == 15999


REFUSED: dict[str, tuple[Any, list[object], int, str]] = {
    "a single class": ({"a": (300.0, 4)}, [], 5, "a single class, 'a'"),
    "a lone sound": ({"a": (300.0, 4), "b": (300.0, 1)}, [], 5, "the class 'b' has one sound"),
    "too long": ({"a": (300.0, 2), "b": (300.0, 2)}, ["--seconds", 2], 2, "hears 1 seconds at a time, not 2; give --seconds"),
    "a time below nothing": ({"a": (300.0, 2), "b": (300.0, 2)}, ["--seconds", -1], 2, "seconds must be"),
    "columns": ({"a": (300.0, 2), "b": (300.0, 2)}, ["--text-column", "x"], 2, "--text-column is for texts"),
    "only what changed": ({"a": (300.0, 2), "b": (300.0, 2)}, ["--only-changed"], 2, "only_changed is for models of images"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_is_refused(
    kind: str, whisper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes, options, code, words = REFUSED[kind]
    folder = write(tmp_path / "sounds", classes)
    assert main(command(whisper, folder, tmp_path / "out", *options)) == code
    assert words in capsys.readouterr().err


def test_a_sound_that_cannot_be_read_is_named(whisper: Path, tones: Path, tmp_path: Path) -> None:
    (tones / "low" / "00.wav").write_bytes((tones / "low" / "00.wav").read_bytes()[:200])
    (tones / "high" / "00.wav").write_text("this is no sound")
    soundfile.write(tones / "low" / "01.wav", np.full(800, np.nan), RATE, subtype="FLOAT")
    soundfile.write(tones / "low" / "02.wav", np.zeros(0), RATE)
    with pytest.raises(DatasetError, match=r"^4 sounds cannot be read:(?s:.*)") as caught:
        finetuning.finetune(str(whisper), tones, tmp_path / "out", progress=False)
    named = re.findall(r"(\w+/\d+\.wav)", str(caught.value))
    assert sorted(named) == ["high/00.wav", "low/00.wav", "low/01.wav", "low/02.wav"]
    with pytest.raises(DatasetError, match="does not exist or is no folder"):
        find_sounds(tones / "nowhere")


def test_parts_need_the_same_classes(tmp_path: Path) -> None:
    write(tmp_path / "train", {"a": (300.0, 2), "b": (300.0, 2)})
    write(tmp_path / "val", {"a": (300.0, 2), "c": (300.0, 2)})
    with pytest.raises(DatasetError, match="the class 'b' is only in one of the two parts"):
        find_sounds(tmp_path)


def test_only_whisper_becomes_a_classifier_of_sounds(
    tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "conv_dim": [8], "conv_stride": [5],
             "conv_kernel": [10], "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}  # fmt: skip
    path = tmp_path / "letters.safetensors"
    hub.save(
        models.wav2vec2_ctc(**small), path, builder="audio.models.wav2vec2_ctc", config=small, task="speech-recognition"
    )
    assert main(command(path, tones, tmp_path / "out")) == 2
    assert "makes classifiers of sounds from Whisper" in capsys.readouterr().err
