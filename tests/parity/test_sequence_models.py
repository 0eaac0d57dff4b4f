"""Models of text and sound beside transformers' own, with shared weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sequence_check
from sequences import CASES, Case

for package in ("torch", "transformers"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(
            f"models of text are compared where {package} is installed (the parity extra)", allow_module_level=True
        )


@pytest.mark.filterwarnings("ignore")  # theirs, at import
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_results_equal_transformers(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import sequence_reference

    _skip_without_torchaudio(case, sequence_reference.BY_TORCHAUDIO)
    theirs, shapes, _ = sequence_reference.build(case)
    ours, layout = sequence_check.build(case)
    assert layout == shapes
    for found, wanted in zip(sequence_check.run(case, ours), sequence_reference.run(case, theirs), strict=True):
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()


@pytest.mark.filterwarnings("ignore")  # theirs, at import
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_training_gradients_equal_transformers(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import sequence_reference

    _skip_without_torchaudio(case, sequence_reference.BY_TORCHAUDIO)
    wanted = sequence_reference.gradients(case, sequence_reference.build(case)[0])
    found = sequence_check.gradients(case, sequence_check.build(case)[0])
    assert found.keys() == wanted.keys()
    # A gradient that is 0 but for rounding, as that of the keys' biases, has no digits to compare.
    least = 1e-3 * max(np.linalg.norm(array) for array in wanted.values())
    for name, array in wanted.items():
        assert np.linalg.norm(found[name] - array) < 1e-4 * (np.linalg.norm(array) + least), name


@pytest.mark.filterwarnings("ignore")  # theirs, at import
@pytest.mark.parametrize(("buckets", "farthest"), [(320, 800), (16, 50), (7, 20)])
def test_every_distance_in_time_falls_into_the_bucket_of_transformers(
    buckets: int, farthest: int, reference: SimpleNamespace
) -> None:
    import torch
    from transformers.models.wavlm.modeling_wavlm import WavLMAttention

    from numzoo.audio.models.wavlm import bucket_of

    distance = np.arange(-1500, 1501)
    theirs = WavLMAttention(4, 1, num_buckets=buckets, max_distance=farthest)
    wanted = theirs._relative_positions_bucket(torch.from_numpy(distance))
    assert (bucket_of(distance, buckets, farthest) == wanted.numpy()).all()


@pytest.mark.filterwarnings("ignore")  # theirs, at import
@pytest.mark.parametrize("both_sides", [True, False])
@pytest.mark.parametrize(("buckets", "farthest"), [(32, 128), (8, 32), (64, 1000)])
def test_every_distance_falls_into_the_bucket_of_transformers(
    both_sides: bool, buckets: int, farthest: int, reference: SimpleNamespace
) -> None:
    import torch
    from transformers.models.t5.modeling_t5 import T5Attention

    from numzoo.text.models.relative import bucket_of

    distance = np.arange(-1500, 1501)
    wanted = T5Attention._relative_position_bucket(torch.from_numpy(distance), both_sides, buckets, farthest)
    assert (bucket_of(distance, buckets, farthest, both_sides=both_sides) == wanted.numpy()).all()


def _skip_without_torchaudio(case: Case, by_torchaudio: frozenset[str]) -> None:
    if case.theirs in by_torchaudio and importlib.util.find_spec("torchaudio") is None:
        pytest.skip(f"{case.theirs} is compared where torchaudio is installed")
