"""Resampling against its definition in float64, for rates of every relation."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest

from numzoo.audio import transforms
from numzoo.audio.errors import AudioError, MissingLibraryError


def defined(
    sound: Any, before: int, after: int, *, zeros: int = 6, rolloff: float = 0.99, beta: float | None = None
) -> Any:
    """Every output sample as the sum over all of the input, in float64."""
    base = min(before, after) * rolloff
    outputs = np.arange(math.ceil(len(sound) * after / before))[:, None] / after
    t = (np.arange(len(sound)) / before - outputs) * base
    inside = np.abs(t) < zeros
    t = np.where(inside, t, 0)
    window = (
        np.cos(t * np.pi / zeros / 2) ** 2
        if beta is None
        else np.i0(beta * np.sqrt(1 - (t / zeros) ** 2)) / np.i0(beta)
    )
    return (np.sinc(t) * window * inside * (base / before)) @ sound.astype(np.float64)


@pytest.mark.parametrize(
    ("before", "after"),
    [(44100, 16000), (8000, 16000), (48000, 16000), (16000, 44100), (3, 2), (2, 3), (16000, 15999), (384000, 16000), (1000, 1)],
)  # fmt: skip
@pytest.mark.parametrize("method", ["sinc_interp_hann", "sinc_interp_kaiser"])
def test_resampling_is_what_its_definition_says(before: int, after: int, method: str) -> None:
    sound = np.random.default_rng(0).normal(size=(2, 1200)).astype(np.float32)
    found = transforms.resample(sound, before, after, resampling_method=method)
    beta = 14.769656459379492 if method.endswith("kaiser") else None
    for channel, wanted in zip(found, sound, strict=True):
        assert np.abs(channel - defined(wanted, before, after, beta=beta)).max() < 3e-6


def test_settings_of_the_filter_are_heard() -> None:
    sound = np.random.default_rng(0).normal(size=500).astype(np.float32)
    found = transforms.Resample(3, 2, lowpass_filter_width=16, rolloff=0.8)(sound)
    assert np.abs(found - defined(sound, 3, 2, zeros=16, rolloff=0.8)).max() < 3e-6
    assert np.array_equal(transforms.resample(sound, 7, 7), sound)


def test_a_long_sound_goes_in_pieces() -> None:
    sound = np.sin(np.arange(1_500_000) * 0.01).astype(np.float32)
    found = transforms.resample(sound, 2, 1)
    assert np.abs(found[100:-100] - sound[::2][100:-100]).max() < 2e-3


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"orig_freq": 0}, "orig_freq"),
        ({"new_freq": 1.5}, "new_freq"),
        ({"resampling_method": "linear"}, "resampling_method"),
        ({"rolloff": 0}, "rolloff"),
        ({"lowpass_filter_width": 0}, "lowpass_filter_width"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        transforms.resample(np.zeros(9, np.float32), **{"orig_freq": 2, "new_freq": 1, **settings})
    with pytest.raises(AudioError, match="0 samples"):
        transforms.resample(np.zeros(0, np.float32), 2, 1)


def test_another_library_resamples_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.sin(np.arange(4000) * 0.05).astype(np.float32)
    found = transforms.resample(np.stack([sound, sound]), 2, 1, resampling_method="soxr")
    assert found.shape == (2, 2000)
    assert np.abs(found[0] - transforms.resample(sound, 2, 1))[200:-200].max() < 0.01
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(MissingLibraryError, match=r"numzoo\[soxr\]"):
        transforms.resample(sound, 2, 1, resampling_method="soxr")
