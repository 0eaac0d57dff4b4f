"""Mixtures to sources: windows, channels, rates, files, and what cannot be taken apart."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sequences import CONV_TASNET, HDEMUCS

from numzoo import audio, engine, hub
from numzoo.audio import models
from numzoo.audio.errors import AudioError, MissingAudioError
from numzoo.audio.pipelines import Sources, SourceSeparation, separation, source_separation
from numzoo.engine import Tensor, nn
from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.cli.main import main
from numzoo.hub.errors import FormatError, UsageError

CHANCE = np.random.default_rng(0)


class Shares(nn.Module):
    """Gives a quarter and three quarters of what it hears, and keeps what that was."""

    def __init__(self, channels: int = 2) -> None:
        super().__init__()
        self.sources, self.config, self.heard = ["less", "more"], SimpleNamespace(audio_channels=channels), []

    def forward(self, mixture: Any) -> Tensor:
        self.heard.append(mixture.numpy())
        return Tensor(np.stack([mixture.numpy() * 0.25, mixture.numpy() * 0.75], axis=1))


class Swaps(nn.Module):
    """Tells two voices, above and below 0, from each other, and gives them in another order each time."""

    def __init__(self) -> None:
        super().__init__()
        self.config, self.calls = SimpleNamespace(num_sources=2), 0

    def forward(self, mixture: Any) -> Tensor:
        self.calls += 1
        given = mixture.numpy()[:, 0]
        voices = [np.maximum(given, 0), np.minimum(given, 0)]
        return Tensor(np.stack(voices if self.calls % 2 else voices[::-1], axis=1))


def small() -> SourceSeparation:
    engine.manual_seed(0)
    return SourceSeparation(
        models.hdemucs_high(**{**HDEMUCS, "channels": 8}), 8000, seconds=1.1, overlap=0.1, normalize=True
    )


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [
        (1, [(0, 1)]),
        (10, [(0, 10)]),
        (11, [(0, 10), (8, 11)]),
        (20, [(0, 10), (8, 20)]),
        (33, [(0, 10), (8, 20), (18, 30), (28, 33)]),
    ],
)
def test_windows_begin_before_the_last_one_ends(samples: int, wanted: list[tuple[int, int]]) -> None:
    assert list(separation.windows(samples, 10, 2)) == wanted


@pytest.mark.parametrize("overlap", [0.0, 0.03, 0.1])
@pytest.mark.parametrize("samples", [1, 7, 250, 251, 300, 1999])
def test_what_windows_say_alike_is_the_result(samples: int, overlap: float) -> None:
    pipe = SourceSeparation(Shares(), 1000, seconds=0.25, overlap=overlap)
    song = CHANCE.normal(size=(2, samples)).astype(np.float32)
    found = pipe(song)
    assert found.rate == 1000
    assert list(found.waveforms) == ["less", "more"]
    np.testing.assert_allclose(found.waveforms["less"], song * 0.25, atol=1e-6)
    np.testing.assert_allclose(found.waveforms["more"], song * 0.75, atol=1e-6)


def test_where_windows_meet_one_fades_out_while_the_other_fades_in() -> None:
    class Counts(Shares):
        def forward(self, mixture: Any) -> Tensor:
            self.heard.append(None)
            return Tensor(np.full((1, 2, *mixture.shape[1:]), len(self.heard), np.float32))

    found = SourceSeparation(Counts(1), 10, seconds=1, overlap=0.3)(np.zeros(15, np.float32)).waveforms["less"]
    assert found[0].tolist() == [1] * 7 + [1, 1.5, 2] + [2] * 5


def test_a_mixture_is_heard_at_mean_0_and_deviation_1_and_answered_at_its_own() -> None:
    model = Shares()
    song = CHANCE.normal(size=(2, 500)).astype(np.float32) * 0.01 + 0.2
    found = SourceSeparation(model, 1000, seconds=1, overlap=0.1, normalize=True)(song)
    (heard,) = model.heard
    assert abs(heard[0].mean(axis=0).mean()) < 1e-3
    assert heard[0].mean(axis=0).std() == pytest.approx(1, abs=1e-2)
    middle = song.mean(axis=0).mean()
    np.testing.assert_allclose(found.waveforms["more"], (song - middle) * 0.75 + middle, atol=1e-6)


def test_voices_that_come_in_another_order_are_followed_from_window_to_window() -> None:
    speech = CHANCE.normal(size=3000).astype(np.float32)
    found = SourceSeparation(Swaps(), 1000, seconds=0.5, overlap=0.1)(speech)
    assert list(found.waveforms) == ["source1", "source2"]
    np.testing.assert_allclose(found.waveforms["source1"][0], np.maximum(speech, 0), atol=1e-6)
    np.testing.assert_allclose(found.waveforms["source2"][0], np.minimum(speech, 0), atol=1e-6)


def test_one_channel_goes_to_both_and_any_rate_is_taken() -> None:
    model = Shares()
    pipe = SourceSeparation(model, 1000, seconds=1, overlap=0.1)
    tone = np.sin(np.arange(400) / 9).astype(np.float32)
    assert pipe((tone, 500)).waveforms["less"].shape == (2, 800)
    assert (model.heard[0][0, 0] == model.heard[0][0, 1]).all()
    assert pipe((np.stack([tone, -tone]), 4000)).waveforms["less"].shape == (2, 100)
    single = SourceSeparation(Shares(1), 1000, seconds=1, overlap=0.1)
    np.testing.assert_allclose(single(np.stack([tone, tone * 3])).waveforms["more"], tone[None] * 1.5, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 100, 9000])
def test_hybrid_demucs_takes_sounds_of_any_length_and_leaves_silence_silent(samples: int) -> None:
    pipe = small()
    found = pipe(CHANCE.normal(size=(2, samples)).astype(np.float32))
    assert list(found.waveforms) == ["drums", "bass", "other", "vocals"]
    assert all(each.shape == (2, samples) and np.isfinite(each).all() for each in found.waveforms.values())
    silent = pipe(np.zeros((2, samples), np.float32))
    assert not any(each.any() for each in silent.waveforms.values())


@pytest.mark.parametrize("narrow", [True, False])
def test_weights_or_products_of_16_bits_give_nearly_the_same(narrow: bool) -> None:
    song = CHANCE.normal(size=(2, 8000)).astype(np.float32)
    tasnet = SourceSeparation(models.conv_tasnet_base(**CONV_TASNET), 8000, seconds=2, overlap=0.1)
    for pipe in (small(), tasnet):
        wanted = np.stack(list(pipe(song).waveforms.values()))
        if narrow:
            pipe.model.to(dtype="bfloat16")
            found = pipe(song)
        else:
            with engine.precision("bf16"):
                found = pipe(song)
        assert np.abs(np.stack(list(found.waveforms.values())) - wanted).max() < 0.05 * np.abs(wanted).max()


def test_conv_tasnet_gives_for_a_short_sound_what_its_model_gives() -> None:
    model = models.conv_tasnet_base(**CONV_TASNET)
    pipe = source_separation(model, {}, settings={"rate": 8000, "seconds": 60, "overlap": 5})
    speech = CHANCE.normal(size=900).astype(np.float32)
    found = pipe(speech)
    wanted = model(speech[None]).numpy()[0]
    np.testing.assert_array_equal(np.concatenate(list(found.waveforms.values())), wanted)
    assert found.rate == 8000


@pytest.mark.parametrize("way", ["saved", "converted", "published"])
def test_a_file_of_weights_tells_its_pipeline_what_an_entry_would(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    model, told = models.conv_tasnet_base(**CONV_TASNET), {"rate": 8000, "seconds": 2, "overlap": 0.5}
    about: dict[str, Any] = {"task": "source-separation", "pipeline": told}
    path = hub.save(
        model, tmp_path / "mine.safetensors", builder="audio.models.conv_tasnet_base", config=CONV_TASNET, **about
    )
    if way == "converted":  # by an entry that says the same
        files = [
            {
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "format": "safetensors",
                "sources": ["file:mine.safetensors"],
            }
        ]
        entry = {
            "model": "audio.models.conv_tasnet_base",
            "config": CONV_TASNET,
            "files": files,
            "license": "MIT",
            "source": "https://example.org/",
        }
        (tmp_path / "m.json").write_text(json.dumps({"schema": 1, "models": {"mine.first": {**entry, **about}}}))
        path = tmp_path / "again.safetensors"
        assert main(["--registry", str(tmp_path / "m.json"), "convert", "mine", str(path)]) == 0
    if way == "published":
        words = ("--name", "mine.first", "--license", "MIT", "--source", "https://example.org/")
        assert main(["publish", str(path), "--registry", str(tmp_path / "zoo"), *words]) == 0
    pipe = hub.pipeline("mine", registry=tmp_path / "zoo") if way == "published" else hub.pipeline(path)
    assert (pipe.rate, pipe.seconds, pipe.overlap) == (8000, 2, 0.5)
    speech = CHANCE.normal(size=900).astype(np.float32)
    wanted = SourceSeparation(model, 8000, seconds=2, overlap=0.5)(speech)
    np.testing.assert_array_equal(pipe(speech).waveforms["source3"], wanted.waveforms["source3"])


def test_what_a_file_tells_its_pipeline_is_checked(tmp_path: Path) -> None:
    model = models.conv_tasnet_base(**CONV_TASNET)
    with pytest.raises(UsageError, match="without the task"):
        hub.save(model, tmp_path / "x", pipeline={"rate": 8000})
    with pytest.raises(FormatError, match=r"hub\.save, pipeline"):
        hub.save(model, tmp_path / "x", task="source-separation", pipeline={"Not a name": 8000})
    notes = {"numzoo.task": "source-separation", "numzoo.pipeline": "[8000]"}
    write_safetensors(tmp_path / "x.safetensors", {"a": np.zeros(1, np.float32)}, notes)
    with pytest.raises(FormatError, match=r"numzoo\.pipeline"):
        hub.pipeline(tmp_path / "x.safetensors")
    assert [each.name for each in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_file_is_taken_apart(tmp_path: Path) -> None:
    song = CHANCE.uniform(-0.5, 0.5, size=(2, 4410)).astype(np.float32)
    audio.write_audio(song, tmp_path / "song.flac", 44100)
    found = SourceSeparation(Shares(), 44100, seconds=11, overlap=0.1)(tmp_path / "song.flac")
    paths = found.write(tmp_path / "sources")
    assert [path.name for path in paths] == ["less.wav", "more.wav"]
    again, rate = audio.read_audio(paths[1])
    assert rate == 44100
    np.testing.assert_array_equal(again, found.waveforms["more"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.flac", "sources"]


def test_sources_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = Sources({name: np.ones((1, 9), np.float32) for name in ("one", "two")}, 1000)
    (tmp_path / "there").mkdir()
    with pytest.raises(AudioError, match="is there already"):
        sources.write(tmp_path / "there")
    with pytest.raises(MissingAudioError, match="make it first"):
        sources.write(tmp_path / "nowhere" / "song")
    (tmp_path / "file").touch()
    with pytest.raises(MissingAudioError, match="is no folder"):
        sources.write(tmp_path / "file" / "song")
    with pytest.raises(AudioError, match="cannot be the name of a file"):
        Sources({"../out": np.ones((1, 9), np.float32)}, 1000).write(tmp_path / "song")

    def full(waveform: Any, path: Path, rate: int) -> None:
        if path.name == "two.wav":
            raise OSError(28, "No space left on device")
        audio.write_audio(waveform, path, rate)

    monkeypatch.setattr(separation, "write_audio", full)
    with pytest.raises(OSError, match="No space left"):
        sources.write(tmp_path / "song")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "there"]


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (np.zeros((6, 90), np.float32), "hears 2 channels.*mix the channels down to 2"),
        (np.zeros((2, 0), np.float32), "has 0 samples"),
        (np.zeros(0, np.float32), "has 0 samples"),
        (np.array([0.0, np.nan], np.float32), "nan, which no sound can hold"),
        ((np.zeros(9, np.float32), 0), "rate is 0"),
        ("nowhere.wav", "nowhere.wav"),
        (np.zeros((1, 2, 3), np.float32), "neither"),
    ],
)
def test_what_is_no_mixture_is_named(sound: Any, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        SourceSeparation(Shares(), 1000, seconds=1, overlap=0.1)(sound)


@pytest.mark.parametrize(
    "settings",
    [{"seconds": 0.0}, {"overlap": 0.5}, {"overlap": -1}, {"seconds": float("inf")}, {"seconds": "1"}, {"overlap": 1j}],
)
def test_windows_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="seconds is how long a window is"):
        SourceSeparation(Shares(), 1000, seconds=1, overlap=0.1)(np.zeros(9, np.float32), **settings)
    with pytest.raises(ValueError, match="seconds is how long a window is"):
        SourceSeparation(Shares(), 1000, **{"seconds": 1, "overlap": 0.1, **settings})


def test_numbers_that_are_none_are_no_sources() -> None:
    pipe = small()
    pipe.model.load_state_dict({name: value * np.nan for name, value in pipe.model.state_dict().items()})
    with pytest.raises(AudioError, match="its weights may be damaged"):
        pipe(np.ones((2, 90), np.float32))


@pytest.mark.parametrize(
    "settings", [{}, {"rate": 0}, {"rate": True}, {"rate": 9, "seconds": "1"}, {"rate": 9, "normalize": 1}]
)
def test_settings_of_an_entry_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(AudioError, match="the entry's"):
        source_separation(Shares(), {}, settings=settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sources": ()}, "at least one"),
        ({"sources": ("a", "a")}, "different names"),
        ({"sources": "abc"}, "different names"),
        ({"sources": ([1], "a")}, "different names"),
        ({"kernel_size": 6}, "kernel_size is twice stride"),
        ({"nfft": 100}, "nfft / 2 must become an even number"),
        ({"nfft": 24}, "nfft / 2 must become an even number"),
        ({"depth": 2}, "depth must be at least 3"),
        ({"channels": 0}, "channels must be at least 1"),
        ({"channels": 6}, "must be a multiple of 4 heads"),
    ],
)
def test_sizes_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.hdemucs_high(**{**HDEMUCS, **settings})


@pytest.mark.parametrize("shape", [(2, 90), (1, 1, 90), (1, 2, 0)])
def test_hybrid_demucs_says_what_it_wants(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"wants mixtures \(batch, 2, samples\)"):
        models.hdemucs_high(**HDEMUCS)(np.zeros(shape, np.float32))


def test_weights_are_drawn_when_they_are_first_used_and_attention_reaches_far_at_first() -> None:
    engine.manual_seed(0)
    model = models.hdemucs_high(**HDEMUCS)
    assert all(each.is_pending for each in model.parameters())
    attention = model.freq_encoder[2].dconv.layers[0][4]
    assert (attention.query_decay.bias.numpy() < -2).all()
    assert np.abs(attention.query_decay.weight.numpy()).max() < np.abs(attention.query.weight.numpy()).max() / 9
    vectors = model.freq_emb.embedding.weight.numpy()
    assert np.abs(np.diff(vectors, axis=0)).mean() < np.abs(vectors - vectors[::-1]).mean() / 2  # neighbours are alike


def test_training_brings_sources_nearer_to_what_they_ought_to_be() -> None:
    engine.manual_seed(0)
    model = models.hdemucs_high(**HDEMUCS, sources=("low", "high")).train()
    time = np.arange(2000) / 8000
    voices = np.stack([np.sin(2 * np.pi * hertz * time) for hertz in (150, 900)]).astype(np.float32)
    wanted = engine.tensor(np.stack([voices, voices], axis=1)[None])  # (1, sources, channels, samples)
    optimizer = engine.optim.Adam(model.parameters(), lr=0.03)
    losses = []
    for _ in range(10):
        loss = engine.nn.functional.l1_loss(model(wanted.sum(1)), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.item()))
    assert losses[-1] < 0.6 * losses[0]
