"""Hybrid Demucs and SQUIM beside torchaudio's: sizes, files through the shipped entries, sounds in windows, sounds of any length."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from integers import integer_array
from sequences import HDEMUCS, SQUIM, WAV2VEC2

from numzoo import engine, hub
from numzoo.audio import models

for package in ("torch", "torchaudio"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"models of torchaudio are compared where {package} is installed", allow_module_level=True)

SOURCES = ["drums", "bass", "other", "vocals"]
pytestmark = pytest.mark.filterwarnings("ignore")  # theirs: of its own parts that will go


@pytest.mark.parametrize(
    "builder", ["hdemucs_low", "hdemucs_medium", "hdemucs_high", "squim_objective_base", "squim_subjective_base"]
)
def test_the_defaults_are_torchaudios(
    builder: str, reference: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    import torchaudio.models

    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import torchaudio_reference

    with torch.device("meta"):
        theirs = getattr(torchaudio.models, builder)(*([SOURCES] if "hdemucs" in builder else []))
    ours = getattr(models, builder)()
    assert {name: tuple(value.shape) for name, value in ours.state_dict().items()} == {
        torchaudio_reference.our_name(name): tuple(value.shape) for name, value in theirs.state_dict().items()
    }
    given, wanted = (
        [each.p for each in model.modules() if type(each).__name__ == "Dropout"] for model in (ours, theirs)
    )
    assert {rate for rate in given if rate} == {rate for rate in wanted if rate}


FILES: dict[str, tuple[dict[str, Any], list[tuple[int, ...]]]] = {
    "hdemucs_high.musdb-plus": ({**HDEMUCS, "sources": SOURCES}, [(2, 2, 3000)]),
    "hdemucs_high.musdb": ({**HDEMUCS, "sources": SOURCES}, [(2, 2, 3000)]),
    "squim_objective.dns2020": (SQUIM, [(2, 801)]),
    "squim_subjective.bvcc-daps": ({**WAV2VEC2, "proj_dim": 8, "att_dim": 4}, [(2, 901), (2, 400)]),
}


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_torchaudio_loads_by_the_entry_and_gives_its_results(
    name: str, older: bool, reference: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import torchaudio_reference
    from sequences import Case

    shipped = json.loads((Path(hub.__file__).parents[1] / "weights_manifest.json").read_text())["models"][name]
    config, shapes = FILES[name]
    builder = shipped["model"].rpartition(".")[2]
    kind = {"hdemucs_high": "HDemucs", "squim_objective_base": "SquimObjective"}.get(builder, "SquimSubjective")
    torch.manual_seed(0)
    theirs = torchaudio_reference.build(Case(name, "audio", builder, kind, config))
    state = theirs.state_dict()
    if older:  # as before PyTorch 2.1
        for now, before in (("original0", "weight_g"), ("original1", "weight_v")):
            state = {key.replace(f"parametrizations.weight.{now}", before): value for key, value in state.items()}
    torch.save(state, tmp_path / "file.pt")
    content = (tmp_path / "file.pt").read_bytes()
    file = {"sha256": hashlib.sha256(content).hexdigest(), "format": "torch-zip", "sources": ["file:file.pt"]}
    entry = {**shipped, "config": {**shipped["config"], **config}, "license": "MIT", "files": [file]}
    del entry["parameters"]
    (tmp_path / "mine.json").write_text(json.dumps({"schema": 1, "models": {"made.small": entry}}))
    model = hub.load("made", registry=tmp_path / "mine.json")
    assert not model.load_report.initialised
    sounds = [integer_array(5 + place, shape) for place, shape in enumerate(shapes)]
    with torch.no_grad(), engine.no_grad():
        wanted, found = theirs(*map(torch.from_numpy, sounds)), model(*sounds)
    pairs = zip(found, wanted, strict=True) if isinstance(wanted, list) else [(found, wanted)]
    for ours, their in pairs:
        assert np.abs(ours.numpy() - their.numpy()).max() < 1e-5 * np.abs(their.numpy()).max()


@pytest.mark.parametrize("samples", [160, 161, 255, 4096, 12_999])
def test_songs_of_any_length_are_separated_as_torchaudio_does(samples: int, reference: SimpleNamespace) -> None:
    import torch
    from torchaudio.models import HDemucs

    torch.manual_seed(1)
    theirs = HDemucs(SOURCES, **HDEMUCS).eval()
    ours = models.hdemucs_high(**HDEMUCS).eval()
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    song = integer_array(5, (1, 2, samples))
    with torch.no_grad(), engine.no_grad():
        wanted, found = theirs(torch.from_numpy(song)).numpy(), ours(song).numpy()
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("samples", [8800, 9400, 30_000])
def test_windows_fade_into_one_another_as_in_torchaudios_tutorial(samples: int, reference: SimpleNamespace) -> None:
    """By its recipe: normalise by the mean of the channels; windows of `size` whose ends fade; but the song's own end does not."""
    import torch
    from torchaudio.transforms import Fade

    from numzoo.audio.pipelines import SourceSeparation

    engine.manual_seed(0)
    ours = models.hdemucs_high(**HDEMUCS)
    pipe = SourceSeparation(ours, 8000, seconds=1.1, overlap=0.1, normalize=True)
    song = integer_array(5, (2, samples)) * np.float32(0.3) + np.float32(0.1)
    found = np.stack(list(pipe(song).waveforms.values()))
    size, shared = 8800, 800
    given = torch.from_numpy(song)
    middle = given.mean(0)
    given = (given - middle.mean()) / middle.std()
    wanted = torch.zeros(4, 2, samples)
    start, end = 0, size
    while True:
        with engine.no_grad():
            out = torch.from_numpy(np.array(ours(given[None, :, start:end].numpy()).numpy()))[0]
        fade = Fade(shared if start else 0, 0 if end >= samples else shared, "linear")
        wanted[:, :, start:end] += fade(out)
        if end >= samples:
            break
        start, end = end - shared, end + size
    wanted = wanted * middle.std() + middle.mean()
    assert np.abs(found - wanted.numpy()).max() < 1e-5 * wanted.abs().max().item()


def test_fresh_weights_spread_as_torchaudios(reference: SimpleNamespace) -> None:
    import torch
    from torchaudio.models import hdemucs_low

    torch.manual_seed(0)
    engine.manual_seed(0)
    wanted = {
        name: float(value.std()) for name, value in hdemucs_low(SOURCES).state_dict().items() if value.numel() > 99
    }
    found = models.hdemucs_low().state_dict()
    assert len(wanted) > 100
    for name, spread in wanted.items():
        assert float(found[name].numpy().std()) == pytest.approx(spread, rel=0.25, abs=1e-6), name
