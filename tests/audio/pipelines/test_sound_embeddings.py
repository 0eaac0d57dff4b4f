"""VGGish as a pipeline: examples as their authors cut them, from a server to vectors, the command line, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streaming_sounds
from whole_way import serving

from numzoo import audio, engine, hub
from numzoo.audio.errors import AudioError
from numzoo.audio.pipelines import SoundEmbedding
from numzoo.audio.transforms import vggish_mel
from numzoo.engine import nn
from numzoo.hub.cli.main import main

RANDOM = np.random.default_rng(0)
SOUND = RANDOM.normal(size=40_000).astype(np.float32) * 0.1


class Few(nn.Module):
    """A network in place of VGGish's: the means of the bands, twice."""

    def forward(self, examples: Any) -> Any:
        means = engine.tensor(examples).mean(axis=2)[:, 0]
        return engine.cat([means, means], 1)


def test_examples_are_the_golden_ones() -> None:
    found = vggish_mel()(streaming_sounds.waveform())
    streaming_sounds.check("vggish mel", streaming_sounds.golden({}, [found], {}))


@pytest.mark.parametrize(
    ("samples", "examples", "padded"),
    [(1, 0, 1), (15_599, 0, 1), (15_600, 1, 1), (15_601, 1, 2), (30_959, 1, 2), (30_960, 2, 2), (40_000, 2, 3)],
)
def test_an_example_begins_every_96_hundredths_of_a_second(samples: int, examples: int, padded: int) -> None:
    embed = SoundEmbedding(Few())
    assert vggish_mel()(SOUND[:samples]).shape == (examples, 1, 96, 64)
    assert embed(SOUND[:samples], pad=True).shape == (padded, 128)
    if examples:
        assert embed(SOUND[:samples]).shape == (examples, 128)
        assert np.allclose(embed(SOUND[:samples], pad=True)[:examples], embed(SOUND[:samples]), atol=1e-5)
    else:
        with pytest.raises(AudioError, match=rf"the sound has {samples} samples at 16 kHz.*pad=True"):
            embed(SOUND[:samples])


def test_a_long_sound_is_embedded_in_parts_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.resize(SOUND, 130_000)
    whole = Few()(vggish_mel()(sound)).numpy()
    monkeypatch.setattr("numzoo.audio.pipelines.embedding._AT_ONCE", 3)
    assert len(whole) == 8
    assert np.abs(SoundEmbedding(Few())(sound) - whole).max() < 1e-5


def test_rates_channels_and_silence_are_taken_and_what_is_no_sound_is_not() -> None:
    embed = SoundEmbedding(Few())
    assert embed((SOUND, 8000)).shape == (5, 128)
    assert np.abs(embed(np.stack([SOUND, SOUND])) - embed(SOUND)).max() < 1e-6
    assert np.allclose(embed(np.zeros(16_000, np.float32)), np.log(0.01))
    for bad in (SOUND[:0], np.full(16_000, np.nan, np.float32), np.zeros((1, 2, 16_000), np.float32)):
        with pytest.raises(AudioError):
            embed(bad)


def test_numbers_that_are_none_are_no_vectors() -> None:
    embed = SoundEmbedding(Few())
    embed.model.forward = lambda examples: examples * np.nan
    with pytest.raises(AudioError, match="its weights may be damaged"):
        embed(SOUND)


def test_the_published_entry_goes_the_whole_way_from_a_server_to_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The network is VGGish's own but for the width of two layers: a file of 288 MB says no more."""
    from handmade.pytorch import Forge

    from numzoo.audio import models

    shipped = json.loads((Path(hub.__file__).parents[1] / "weights_manifest.json").read_text())["models"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    (tmp_path / "site").mkdir()
    monkeypatch.setattr("numzoo.audio.models.vgg_sounds.WIDE", 64)
    state = {name: value.numpy() for name, value in models.vggish().state_dict().items()}
    assert sorted(state)[:2] == ["embedding_network.0.bias", "embedding_network.0.weight"]
    (tmp_path / "site" / "vggish.pt").write_bytes(Forge.state_zip(state))
    audio.write_audio(SOUND[None], tmp_path / "music.wav", 16_000, encoding="f32")
    entry = dict(shipped["vggish.youtube-8m"])
    del entry["parameters"]
    with serving(tmp_path / "site") as address:
        entry["files"][0]["sources"] = [f"{address}/vggish.pt"]
        (tmp_path / "manifest.json").write_text(json.dumps({"schema": 1, "models": {"vggish.test": entry}}))
        registry = str(tmp_path / "manifest.json")
        embed = hub.pipeline("vggish", registry=registry, trust_first_use=True, progress=False)
    found = embed(tmp_path / "music.wav")
    with engine.no_grad():
        wanted = embed.model(hub.transform("vggish", registry=registry)(SOUND)).numpy()
    assert np.abs(found - wanted).max() < 1e-6
    assert main(["--registry", registry, "predict", "vggish", "music.wav", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert np.abs(np.array(result["embeddings"]) - found).max() < 1e-6
    assert main(["--registry", registry, "predict", "vggish", "music.wav", "--whole"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["0.00", "0.96"], ["0.96", "1.92"], ["1.92", "2.88"]]
