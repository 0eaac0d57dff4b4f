"""The face detector and the painter: shapes, settings, bad input. What they see and paint is in the tests of real weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.vision import models


def test_a_detector_gives_an_answer_for_every_image() -> None:
    detector = models.mtcnn().eval()
    images = np.zeros((2, 40, 50, 3), np.uint8)
    faces = detector(images)
    assert len(faces) == 2
    for each in faces:
        assert each.boxes.shape == (len(each), 4)
        assert each.landmarks.shape == (len(each), 5, 2)
        assert each.probabilities.shape == (len(each),)


@pytest.mark.parametrize("narrow", ["bfloat16", "float16"])
def test_a_detector_with_weights_of_16_bits_answers_in_float32(narrow: str) -> None:
    engine.manual_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (1, 40, 50, 3), np.uint8)
    detector = models.mtcnn().eval()
    detector.thresholds = (0.0, 0.0, 0.0)  # which all there is passes
    (wanted,) = detector(images)
    (found,) = detector.to(dtype=narrow)(images)
    assert len(wanted)
    assert found.boxes.dtype == found.probabilities.dtype == found.landmarks.dtype == np.float32
    assert np.abs(found.probabilities.mean() - wanted.probabilities.mean()) < 0.01


def test_an_image_smaller_than_the_smallest_face_has_none() -> None:
    assert len(models.mtcnn(smallest=20).eval()(np.zeros((8, 9, 3), np.uint8))[0]) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.mtcnn(smallest=0), "smallest must be above 0"),
        (lambda: models.mtcnn(factor=1.0), "factor between 0 and 1"),
        (lambda: models.mtcnn()(np.zeros((3, 40, 50), np.uint8)), r"\(batch, height, width, 3\)"),
        (lambda: models.style_transfer()(np.zeros((1, 3, 16, 40), np.float32)), "at least 32 x 32"),
        (lambda: models.style_transfer().shares(26), "there is no style 26; styles are 0 to 25"),
        (lambda: models.style_transfer().shares({-1: 1.0}), "there is no style -1"),
        (lambda: models.style_transfer().shares([1.0, 2.0]), "a share for each of 26 styles"),
        (lambda: models.style_transfer().shares({3: 0.0}), "one of them more"),
        (lambda: models.style_transfer(styles=2).shares([-1.0, 2.0]), "0 or more"),
    ],
)
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 40)])
def test_a_painting_has_the_size_of_its_photograph(size: tuple[int, int]) -> None:
    painter = models.style_transfer(styles=3).eval()
    painting = painter(np.zeros((1, 3, *size), np.float32), {0: 1, 2: 3})
    assert painting.shape == (1, 3, *size)
    assert painter.shares({0: 1, 2: 3}).numpy().tolist() == [0.25, 0, 0.75]


def test_a_painter_can_be_trained_on() -> None:
    painter = models.style_transfer(styles=2)
    painter(engine.rand(1, 3, 32, 32), 1).mean().backward()
    assert all(parameter.grad is not None for parameter in painter.parameters())
