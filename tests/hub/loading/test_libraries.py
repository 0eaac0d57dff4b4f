"""A library that is not installed is missed before anything is downloaded: in a process of its own that cannot import it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_texts import write_manifest

ROOT = Path(__file__).resolve().parents[3]
BLOCKED = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))  # an import of these fails
from numzoo.hub.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
AUDIO = {
    "hears.test": ("audio.models.whisper", {"size": "tiny"}, "speech-recognition", "torch-zip"),
    "speaks.test": ("audio.models.silero_vad", {}, "voice-activity-detection", "safetensors"),
    "letters.test": ("audio.models.wav2vec2_ctc", {}, "speech-recognition", "safetensors"),
    "pieces.test": ("audio.models.emformer_rnnt_base", {"num_symbols": 501}, "speech-recognition", "torch-zip"),
    "old.test": ("vision.models.lenet", {}, "image-classification", "keras"),
}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Models whose files are said to lie where there are none: whoever tries to fetch one ends with another code."""
    path = write_manifest(tmp_path)
    document = json.loads(path.read_text())
    for name, (model, config, task, format) in AUDIO.items():
        file = {"name": "model", "sha256": "0" * 64, "format": format, "sources": []}
        document["models"][name] = {
            "model": model, "config": config, "task": task, "files": [file], "license": "MIT", "source": "https://example.org",
            **({"categories": ["a", "b"], "transform": {"preset": "vision.transforms.classification"}} if format == "keras" else {}),
        }  # fmt: skip
    for entry in document["models"].values():
        for file in entry["files"]:
            file["sources"] = [f"file:nowhere/{file['name']}"]
    path.write_text(json.dumps(document))
    return path


def run(home: Path, missing: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".dev"), "NUMZOO_HOME": str(home)}
    command = [sys.executable, "-c", BLOCKED, missing, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


CASES = {
    "a message": ("tokenizers", ["smollm2_135m", "Hello"], "text"),
    "texts to compare": ("tokenizers", ["minilm_l6", "a cat", "a dog"], "text"),
    "a text to translate": ("tokenizers", ["rewriter", "a cat"], "text"),
    "Whisper's words": ("tokenizers", ["hears", "x.wav"], "text"),
    "a sound's file": ("soundfile", ["speaks", "x.wav"], "audio"),
    "a picture": ("matplotlib", ["speaks", "x.wav", "--plot", "x.png"], "plot"),
    "an old file": ("h5py", ["old", "x.png"], "keras"),
}


@pytest.mark.parametrize("case", CASES)
def test_predict_misses_a_library_before_it_fetches(case: str, manifest: Path, tmp_path: Path) -> None:
    missing, arguments, extra = CASES[case]
    ended = run(tmp_path / "home", missing, "predict", *arguments, "--registry", manifest)
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert f"needs the library {missing}" in ended.stderr
    assert f"pip install 'numzoo[{extra}]'" in ended.stderr
    assert "Nothing was downloaded" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["speaks", "x.raw", "--rate", "16000"],
        ["letters", "x.raw", "--rate", "16000"],
        ["pieces", "x.raw", "--rate", "16000"],
    ],
)
def test_what_needs_no_library_goes_on_to_fetch(arguments: list[str], manifest: Path, tmp_path: Path) -> None:
    ended = run(
        tmp_path / "home", "tokenizers,soundfile,matplotlib,h5py", "predict", *arguments, "--registry", manifest
    )
    assert ended.returncode == 3, ended.stderr
    assert "needs the library" not in ended.stderr


def test_a_folder_is_looked_at_before_its_weights_are_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "architectures": ["BertForMaskedLM"]}))
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    ended = run(tmp_path / "home", "tokenizers", "predict", tmp_path, "a [MASK]")
    assert (ended.returncode, "needs the library tokenizers" in ended.stderr) == (2, True), ended.stderr
