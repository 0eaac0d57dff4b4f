"""Tacotron 2, WaveRNN and HiFi-GAN against what torchaudio computes, their sizes, what is random in them, and bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import speaking
from integers import layout_digest
from sequences import summary
from speaking import CASES, HIFIGAN, TACOTRON, WAVERNN, Case, inputs, loss_weights

from numzoo import engine
from numzoo.audio import models

GOLDENS: dict[str, Any] = json.loads(Path(speaking.__file__).with_name("speaking_goldens.json").read_text())
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def build(case: Case) -> tuple[Any, dict[str, tuple[int, ...]]]:
    model = getattr(models, case.builder)(**case.settings).eval()
    shapes = {name: tuple(value.shape) for name, value in sorted(model.state_dict().items())}
    model.load_state_dict(speaking.weights(shapes), assign=True)
    return model, shapes


def results(found: Any) -> list[Any]:
    return list(found) if isinstance(found, tuple) else [found]


def check(found: list[Any], golden: list[dict[str, Any]], tolerance: float) -> None:
    arrays = [np.asarray(each.detach().numpy() if hasattr(each, "detach") else each) for each in found]
    assert [list(each.shape) for each in arrays] == [wanted["shape"] for wanted in golden]
    for array, wanted in zip(arrays, golden, strict=True):
        some = array.ravel()[:: max(1, array.size // 24)]
        assert np.abs(some - np.array(wanted["values"])).max() <= tolerance * max(wanted["scale"], 1e-9)


@EACH
def test_names_shapes_and_results_are_the_golden_ones(case: Case) -> None:
    model, shapes = build(case)
    assert layout_digest(shapes) == GOLDENS[case.name]["layout_sha256"]
    with engine.no_grad():
        check(results(model(*inputs(case).values())), GOLDENS[case.name]["results"], 1e-5)


@EACH
def test_training_gradients_are_the_golden_ones(case: Case) -> None:
    model, _ = build(case)
    found = results(model(*inputs(case).values()))
    factors = loss_weights([tuple(part.shape) for part in found])
    losses = [(part * engine.tensor(each)).sum() for part, each in zip(found, factors, strict=True)]
    sum(losses[1:], losses[0]).backward()
    gradients = {
        name: np.zeros(tuple(each.shape), np.float32) if each.grad is None else each.grad.numpy()
        for name, each in model.named_parameters()
    }
    wanted = np.array(GOLDENS[case.name]["gradients"])
    scale = wanted[:, 1] + 1e-4 * wanted[:, 1].max()
    assert (np.abs(np.array(summary(gradients)) - wanted) < 1e-3 * scale[:, None]).all()


@EACH
@pytest.mark.filterwarnings("ignore:tacotron2. no end")
def test_what_they_say_by_themselves_is_the_golden(case: Case) -> None:
    model, given = build(case)[0], inputs(case)
    if case.builder == "tacotron2":
        found = model.infer(given["tokens"], given["token_lengths"])
    elif case.builder == "wavernn":
        found = model.infer(given["specgram"][:, 0], np.array([11, 7]), temperature=0)
    else:
        found = model(given["mel"]).detach()
    check(results(found), GOLDENS[case.name]["alone"], 1e-4)


@pytest.mark.parametrize(
    ("builder", "settings", "parameters"),
    [
        ("tacotron2", {}, 28_193_153),
        ("wavernn", {}, 4_349_613),
        ("hifigan_vocoder_v1", {}, 13_926_017),
        ("hifigan_vocoder_v2", {}, 925_985),
        ("hifigan_vocoder_v3", {}, 1_462_273),
    ],
)
def test_the_sizes_are_those_of_the_authors(builder: str, settings: dict[str, Any], parameters: int) -> None:
    assert sum(each.numel() for each in getattr(models, builder)(**settings).parameters()) == parameters


def test_the_order_of_the_texts_in_a_batch_does_not_matter() -> None:
    model, _ = build(Case("endless", "tacotron2", "", {**TACOTRON, "gate_threshold": 1.0}))
    tokens, lengths = np.array([[3, 7, 2, 0, 0], [9, 4, 6, 1, 8], [5, 5, 5, 5, 5]]), np.array([3, 5, 5])
    said = []
    for order in ([0, 1, 2], [1, 0, 2]):
        with pytest.warns(UserWarning, match="no end was heard within 12 frames"):
            said.append(model.infer(tokens[order], lengths[order], max_steps=12)[0].numpy()[np.argsort(order)])
    assert np.abs(said[0] - said[1]).max() < 1e-5
    with pytest.warns(UserWarning, match="no end"):
        alone = model.infer(tokens[1:2], max_steps=12)[0].numpy()
    assert np.abs(alone[0] - said[0][1]).max() < 1e-5


def test_the_dropout_of_the_prenet_never_rests_and_follows_the_seed() -> None:
    model = models.tacotron2(**{**TACOTRON, "prenet_dropout": 0.5, "gate_threshold": 1.0}).eval()
    said = []
    for seed in (1, 1, 2):
        engine.manual_seed(seed)
        with pytest.warns(UserWarning, match="no end"):
            said.append(model.infer(np.array([[3, 7, 2]]), max_steps=70)[0].numpy())
    assert (said[0] == said[1]).all()
    assert np.abs(said[0] - said[2]).max() > 1e-3


def test_a_text_that_ends_says_how_long_it_is_and_warns_of_nothing() -> None:
    model = models.tacotron2(**{**TACOTRON, "gate_threshold": 0.0}).eval()
    mel, frames, places = model.infer(np.array([[3, 7, 2], [1, 2, 0]]), [3, 2])
    assert (mel.shape, frames.tolist(), places.shape) == ((2, 10, 1), [1, 1], (2, 1, 3))
    assert np.allclose(places.numpy().sum(axis=2), 1, atol=1e-6)
    assert places.numpy()[1, :, 2:].max() == 0


def test_a_sample_is_drawn_by_the_chances_of_its_classes() -> None:
    model, _ = build(Case("few", "wavernn", "", {**WAVERNN, "n_classes": 4}))
    mel = np.repeat(inputs(CASES[2])["specgram"][:1, 0, :, :1], 4000, axis=0)  # the same frame, 4000 times
    drawn = model.infer(mel, generator=np.random.default_rng(0))[0].numpy()[:, 0]
    assert set(np.unique(drawn)) <= set(np.float32(2 * np.arange(4) / 3 - 1))
    padded = np.pad(mel[:1], ((0, 0), (0, 0), (2, 2)))
    logits = model(np.zeros((1, 1, 6), np.float32), padded[:, None]).detach().numpy()[0, 0, 0]
    chances = np.exp(logits) / np.exp(logits).sum()
    counts = [(np.rint((drawn[:, 0] + 1) * 1.5) == each).mean() for each in range(4)]
    assert np.abs(counts - chances).max() < 0.03
    again = model.infer(mel, generator=np.random.default_rng(0))[0].numpy()[:, 0]
    assert (drawn == again).all()


def test_samples_given_back_have_the_logits_that_they_were_drawn_by() -> None:
    """The loop, whose weights are multiplied beforehand, beside the layers as they stand in the paper; over several blocks."""
    model, _ = build(CASES[2])
    mel = np.random.default_rng(0).normal(size=(2, 9, 120)).astype(np.float32)
    sound = model.infer(mel, temperature=0)[0].numpy()
    late = np.concatenate([np.zeros((2, 1, 1), np.float32), sound[:, :, :-1]], axis=2)
    logits = model(late, np.pad(mel, ((0, 0), (0, 0), (2, 2)))[:, None]).detach().numpy()[:, 0]
    classes = np.rint((sound[:, 0] + 1) * 7.5).astype(int)
    best = np.take_along_axis(logits, classes[..., None], 2)[..., 0]
    assert sound.shape == (2, 1, 720)
    assert (logits.max(axis=2) - best).max() < 1e-4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.tacotron2(n_frames_per_step=2), "n_frames_per_step must be 1"),
        (lambda: models.tacotron2(encoder_embedding_dim=510), "one even number, not 512 and 510"),
        (lambda: models.tacotron2(postnet_kernel_size=4), "postnet_kernel_size must be odd"),
        (lambda: models.tacotron2(**TACOTRON).infer(np.zeros((1, 0), np.int64)), "wants symbols"),
        (lambda: models.tacotron2(**TACOTRON).infer([[1, 20]]), "symbols run from 0 to 19; 1 to 20"),
        (lambda: models.tacotron2(**TACOTRON).infer([[1, 2]], [3]), "token_lengths lie from 1 to 2, not from 3"),
        (lambda: models.tacotron2(**TACOTRON).infer([[1, 2]], [1, 2]), "a whole number for each of 1"),
        (lambda: models.tacotron2(**TACOTRON).infer([[1, 2]], max_steps=0), "max_steps is a positive number"),
        (lambda: models.tacotron2(**TACOTRON)([[1, 2]], [2], np.zeros((1, 9, 3), np.float32), [3]), r"mel spectrogram \(1, 10, frames\)"),
        (lambda: models.wavernn(hop_length=256), "product of upsample_scales"),
        (lambda: models.wavernn(n_output=130), "multiple of 4"),
        (lambda: models.wavernn(**WAVERNN).infer(np.zeros((1, 8, 4), np.float32)), r"spectrograms \(batch, 9, frames\)"),
        (lambda: models.wavernn(**WAVERNN).infer(np.zeros((1, 9, 4), np.float32), temperature=-1), "temperature"),
        (lambda: models.wavernn(**WAVERNN).infer(np.zeros((1, 9, 4), np.float32), temperature="hot"), "temperature"),
        (lambda: models.wavernn(**WAVERNN)(np.zeros((1, 1, 7)), np.zeros((1, 1, 9, 6), np.float32)), r"wants a waveform \(1, 1, 12\)"),
        (lambda: models.wavernn(**WAVERNN)(np.zeros((1, 1, 7)), np.zeros((1, 9, 6), np.float32)), r"\(batch, 1, 9, frames\)"),
        (lambda: models.hifigan_vocoder(resblock_type=3), "must be 1 or 2"),
        (lambda: models.hifigan_vocoder(upsample_rates=(8, 8)), "a number for each layer, not 2 and 4"),
        (lambda: models.hifigan_vocoder(upsample_initial_channel=100), "halved 4 times"),
        (lambda: models.hifigan_vocoder(resblock_kernel_sizes=(3, 6, 11)), "resblock_kernel_sizes are odd"),
        (lambda: models.hifigan_vocoder(**HIFIGAN)(np.zeros((1, 80, 4), np.float32)), r"spectrograms \(batch, 10, frames\)"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_symbols_are_whole_numbers() -> None:
    with pytest.raises(TypeError, match="symbols are whole numbers, not float"):
        models.tacotron2(**TACOTRON).infer(np.zeros((1, 4), np.float32))


@EACH
@pytest.mark.parametrize("how", ["precision", "bfloat16", "float64"])
def test_narrower_and_wider_numbers_give_nearly_the_same(case: Case, how: str) -> None:
    model, given = build(case)[0], inputs(case)
    with engine.no_grad():
        wanted = [each.numpy() for each in results(model(*given.values()))]
        if how != "precision":
            model.to(dtype=how)
        with engine.precision("bf16" if how == "precision" else "float32"):
            found = [np.asarray(each.numpy(), np.float32) for each in results(model(*given.values()))]
            if case.builder == "wavernn":
                sound = np.asarray(model.infer(given["specgram"][:, 0], temperature=0)[0].numpy())
                assert sound.shape == (2, 1, 11 * 6)
            if case.builder == "tacotron2":
                assert np.isfinite(np.asarray(model.say(given["tokens"], max_steps=5).mel.numpy(), np.float32)).all()
    for one, other in zip(found, wanted, strict=True):
        assert np.abs(one - other).max() < (1e-4 if how == "float64" else 0.1) * np.abs(other).max()
