"""Tacotron 2, WaveRNN and HiFi-GAN beside torchaudio's, where it is installed: layouts, results, gradients, and what they say by themselves."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from speaking import CASES, Case, inputs, loss_weights, weights
from speaking_entries import CONFIGS, builder_of, write_site
from whole_way import serving

from numzoo import engine, hub
from numzoo.audio import models
from numzoo.audio.pipelines.speaking.symbols import CHARACTERS, PHONEMES, plain, spelt
from numzoo.audio.pipelines.speaking.vocoders import WaveRNNVocoder

for package in ("torch", "torchaudio"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"models that speak are compared where {package} is installed", allow_module_level=True)

SIZES: dict[str, Any] = {
    "tacotron2": {"n_symbol": (5, 40), "n_mels": (3, 20), "decoder_rnn_dim": (5, 40), "attention_rnn_dim": (5, 40), "prenet_dim": (4, 30)},
    "wavernn": {"n_rnn": (5, 40), "n_fc": (5, 40), "n_freq": (3, 20), "n_hidden": (4, 20), "n_res_block": (1, 4)},
    "hifigan_vocoder": {"in_channels": (3, 20)},
}  # fmt: skip


def drawn(case: Case, seed: int) -> Case:
    """The case with sizes drawn anew; seed 0 leaves it as it is."""
    draw = np.random.default_rng(seed)
    sizes = {name: int(draw.integers(*limits)) for name, limits in SIZES[case.builder].items()} if seed else {}
    return Case(case.name, case.builder, case.theirs, {**case.settings, **sizes})


@pytest.fixture
def torchaudios(reference: SimpleNamespace) -> SimpleNamespace:
    """`speaking_reference.py` beside this file."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # theirs, at import
        patch.syspath_prepend(str(Path(__file__).parent))
        return SimpleNamespace(**vars(importlib.import_module("speaking_reference")))


def both(case: Case, torchaudios: SimpleNamespace) -> tuple[Any, Any]:
    if why := torchaudios.missing(case):
        pytest.skip(why)
    theirs, shapes = torchaudios.build(case)
    ours = getattr(models, case.builder)(**case.settings).eval()
    assert {name: tuple(value.shape) for name, value in sorted(ours.state_dict().items())} == shapes
    ours.load_state_dict(weights(shapes), assign=True)
    return ours, theirs


def near(found: Any, wanted: np.ndarray[Any, Any], tolerance: float = 1e-4) -> None:
    found = np.asarray(found.detach().numpy() if hasattr(found, "detach") else found)
    assert found.shape == wanted.shape
    scale = np.abs(wanted).max() or 1
    assert np.abs(found - wanted).max() <= tolerance * scale


@pytest.mark.filterwarnings("ignore")  # theirs: of its parts that will go, of texts that do not end
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_results_and_gradients_are_torchaudios(case: Case, seed: int, torchaudios: SimpleNamespace) -> None:
    case = drawn(case, seed)
    ours, theirs = both(case, torchaudios)
    wanted = torchaudios.run(case, theirs)
    found = ours(*inputs(case).values())
    found = list(found) if isinstance(found, tuple) else [found]
    for one, other in zip(found, wanted, strict=True):
        near(one, other.detach().numpy(), 1e-5)
    factors = loss_weights([tuple(part.shape) for part in found])
    losses = [(part * engine.tensor(each)).sum() for part, each in zip(found, factors, strict=True)]
    sum(losses[1:], losses[0]).backward()
    gradients = torchaudios.gradients(case, theirs)
    largest = max(np.abs(each).max() for each in gradients.values())
    for name, parameter in ours.named_parameters():
        if parameter.grad is None:
            assert not gradients[name].any()
        else:
            assert np.abs(parameter.grad.numpy() - gradients[name]).max() <= 1e-4 * (
                np.abs(gradients[name]).max() + 1e-2 * largest
            )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_they_say_by_themselves_is_torchaudios(case: Case, seed: int, torchaudios: SimpleNamespace) -> None:
    case = drawn(case, seed)
    ours, theirs = both(case, torchaudios)
    wanted, given = torchaudios.infer(case, theirs), inputs(case)
    if case.builder == "tacotron2":
        found: Any = ours.infer(given["tokens"], given["token_lengths"])
    elif case.builder == "wavernn":
        found = ours.infer(given["specgram"][:, 0], np.array([11, 7]), temperature=0)
    else:
        with engine.no_grad():
            found = [ours(given["mel"])]
    for one, other in zip(found, wanted, strict=True):
        near(one, other)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("builder", "home", "factory", "settings"),
    [
        ("tacotron2", "models", "Tacotron2", {}),
        ("tacotron2", "models", "Tacotron2", {"n_symbol": 38}),
        ("wavernn", "models", "WaveRNN", {"upsample_scales": [5, 5, 11], "n_classes": 256, "hop_length": 275, "n_freq": 80}),
        ("hifigan_vocoder_v1", "prototype.models", "hifigan_vocoder_v1", {}),
        ("hifigan_vocoder_v2", "prototype.models", "hifigan_vocoder_v2", {}),
        ("hifigan_vocoder_v3", "prototype.models", "hifigan_vocoder_v3", {}),
    ],
)  # fmt: skip
def test_the_sizes_of_the_published_models_are_torchaudios(
    builder: str, home: str, factory: str, settings: dict[str, Any], torchaudios: SimpleNamespace
) -> None:
    import torch

    try:
        make = getattr(importlib.import_module(f"torchaudio.{home}"), factory)
    except ImportError:
        pytest.skip(f"{factory} is compared where torchaudio has it (up to 2.8)")
    with torch.device("meta"):
        theirs = make(**settings).state_dict()
    ours = getattr(models, builder)(**settings).state_dict()
    assert {name: tuple(value.shape) for name, value in ours.items()} == {
        name: tuple(value.shape) for name, value in theirs.items()
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("older", [False, True])
def test_files_that_torchaudio_would_write_go_the_whole_way(
    older: bool, torchaudios: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    made: dict[tuple[str, str], Any] = {}

    def write(path: Path, name: str, config: dict[str, Any], prefix: str) -> None:
        own = {key: value for key, value in config.items() if not key.startswith("vocoder_")}
        if prefix:
            own = {key[8:]: value for key, value in config.items() if key.startswith("vocoder_")}
        builder = "wavernn" if prefix else builder_of(name).removesuffix("_wavernn")
        settings = {} if builder != "hifigan_vocoder_v3" else {
            "in_channels": 80, "upsample_rates": (8, 8, 4), "upsample_kernel_sizes": (16, 16, 8), "resblock_kernel_sizes": (3, 5, 7),
            "resblock_dilation_sizes": ((1, 2), (2, 6), (3, 12)), "resblock_type": 2,
        }  # fmt: skip
        theirs = {"tacotron2": "Tacotron2", "wavernn": "WaveRNN", "hifigan_vocoder_v3": "HiFiGANVocoder"}[builder]
        case = Case(name, builder, theirs, {**settings, **own})
        if why := torchaudios.missing(case):
            pytest.skip(why)
        torch.manual_seed(len(made))
        made[name, prefix] = torchaudios.make(case)
        torch.save(made[name, prefix].state_dict(), path, _use_new_zipfile_serialization=not older)

    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "home"))
    (tmp_path / "site").mkdir()
    with serving(tmp_path / "site") as address:
        manifest = write_site(tmp_path / "site", f"{address}/", write)
        ours = {name: hub.load(name, registry=manifest, progress=False) for name in CONFIGS}
    mel = (np.random.default_rng(0).normal(size=(1, 80, 9)) - 4).astype(np.float32)
    for (name, prefix), theirs in made.items():
        model = ours[name].vocoder if prefix else ours[name]
        assert ours[name].load_report.initialised == ()
        with torch.no_grad():
            if "hifigan" in name:
                near(model(mel), theirs(torch.from_numpy(mel)).numpy())
            elif prefix or name.startswith("wavernn"):
                sound, late = np.zeros((1, 1, 30), np.float32), mel[:, None]
                near(model(sound, late), theirs(torch.from_numpy(sound), torch.from_numpy(late)).numpy())
            else:
                tokens = np.array([[3, 17, 29, 11, 30]])
                wanted, _, places = theirs.infer(torch.from_numpy(tokens))
                found = model.infer(tokens)
                near(found[0], wanted.numpy())
                near(found[2], places.numpy())


def test_texts_have_torchaudios_numbers(torchaudios: SimpleNamespace) -> None:
    utilities = pytest.importorskip(
        "torchaudio.pipelines._tts.utils", reason="torchaudio's lists of symbols are its own"
    )
    assert utilities._get_chars() == CHARACTERS
    assert utilities._get_phones() == PHONEMES
    process = importlib.import_module("torchaudio.pipelines._tts.impl")._EnglishCharProcessor()
    for text in (
        "Hello world! T T S stands for Text to Speech!",
        'It\'s (so); 3 of "them": 50% & more - ok?',
        "a.b,c_d",
    ):
        wanted = process(text)[0][0].tolist()
        assert [CHARACTERS.index(each) for each in spelt(plain(text))[0]] == wanted


@pytest.mark.filterwarnings("ignore")
def test_wavernn_is_heard_as_torchaudios_vocoder_makes_it(
    torchaudios: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    vocoder = importlib.import_module("torchaudio.pipelines._tts.impl")._WaveRNNVocoder
    case = Case("vocoder", "wavernn", "WaveRNN", {**CONFIGS["wavernn.ljspeech"]})
    ours, theirs = both(case, torchaudios)
    mel = (np.random.default_rng(0).normal(size=(80, 15)) * 3 - 5).astype(np.float32)
    monkeypatch.setattr(torch, "multinomial", lambda chances, many: chances.argmax(1, keepdim=True))
    with torch.no_grad():
        wanted = vocoder(theirs)(torch.from_numpy(mel[None]))[0].numpy()[0]
    found = WaveRNNVocoder(ours)(mel, np.random.default_rng(0), 0)
    step = np.abs(found - wanted) / (np.abs(found) + 1 / 255)  # theirs cuts off what ours rounds: at most a class lower
    assert found.shape == wanted.shape
    assert (step < 0.06).all()
