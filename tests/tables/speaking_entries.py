"""The shipped entries of models that speak, in small: files with the published names, a dictionary, a server, a manifest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from speaking import TACOTRON, WAVERNN

from numzoo import engine
from numzoo.audio import models
from numzoo.hub.checkpoint import write_safetensors

SMALL = {**TACOTRON, "n_mels": 80, "decoder_max_step": 40, "gate_threshold": 1.0}  # which nothing exceeds
VOCODER = {**WAVERNN, "n_freq": 80, "n_classes": 256}
CONFIGS: dict[str, dict[str, Any]] = {
    "tacotron2_characters.ljspeech": {**SMALL, "n_symbol": 38},
    "tacotron2_phonemes.ljspeech": {**SMALL, "n_symbol": 96},
    "tacotron2_characters.ljspeech-wavernn": {
        **SMALL,
        "n_symbol": 38,
        **{f"vocoder_{key}": value for key, value in VOCODER.items()},
    },
    "tacotron2_phonemes.ljspeech-wavernn": {
        **SMALL,
        "n_symbol": 96,
        **{f"vocoder_{key}": value for key, value in VOCODER.items()},
    },
    "wavernn.ljspeech": VOCODER,
    "hifigan_vocoder_v3.ljspeech": {"upsample_initial_channel": 16},
}
"""Entry -> small sizes in place of its own."""

WORDS = """'bout B AW1 T
a AH0
a(2) EY1
cat K AE1 T
hello HH AH0 L OW1
hello(2) HH EH0 L OW1
is IH1 Z
s EH1 S
t T IY1
this DH IH1 S # a comment
thomas T AA1 M AH0 S
world W ER1 L D
"""


def write_site(folder: Path, address: str, write: Any = None) -> Path:
    """Write what the entries' addresses lead to into `folder`, and a manifest that has them where `address` and their name say; the manifest.

    `write(path, entry's name, config, prefix)` writes a file of weights; without it that is the state of numzoo's own model.
    """
    root = Path(models.__file__).parents[2]
    shipped: dict[str, Any] = json.loads((root / "weights_manifest.json").read_text())["models"]
    entries = {}
    for name, config in CONFIGS.items():
        entry = {key: value for key, value in shipped[name].items() if key != "parameters"}
        files = []
        for file in entry["files"]:
            own = {key: value for key, value in file.items() if key not in ("sha256", "bytes", "sources")}
            path = folder / f"{name}-{file['sources'][0].rpartition('/')[2]}"
            if file.get("name") == "cmudict.dict":
                path.write_text(WORDS)
            else:
                (write or _write)(path, name, config, file.get("prefix", ""))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            files.append(
                {**own, "name": file.get("name", path.name), "sha256": digest, "sources": [f"{address}{path.name}"]}
            )
        entries[name] = {**entry, "config": config, "files": files, "license": "MIT"}
    manifest = folder / "manifest.json"
    manifest.write_text(
        json.dumps(
            {
                "schema": 1,
                "models": entries,
                "defaults": {"tacotron2_characters": "ljspeech", "tacotron2_phonemes": "ljspeech"},
            }
        )
    )
    return manifest


def builder_of(name: str) -> str:
    """The builder of an entry."""
    model, _, tag = name.partition(".")
    return model if not model.startswith("tacotron2") else f"tacotron2{'_wavernn' if tag.endswith('wavernn') else ''}"


def _write(path: Path, name: str, config: dict[str, Any], prefix: str) -> None:
    engine.manual_seed(1)
    state = getattr(models, builder_of(name))(**config).state_dict()
    parts = {key: value.numpy() for key, value in state.items() if key.startswith("vocoder.") == bool(prefix)}
    write_safetensors(path, {key[len(prefix) :]: value for key, value in parts.items()})
