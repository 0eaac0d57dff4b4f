"""Models of every domain in 16 bits: under `precision`, answering and training, and with weights of their own in bfloat16."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sequences
import speaking
import streaming_sounds
from integers import integer_array

from numzoo import engine
from numzoo.audio import models as audio_models
from numzoo.engine import Tensor, optim
from numzoo.text import models as text_models
from numzoo.vision import models as vision_models


@dataclass(frozen=True)
class Case:
    """A model and what it is given."""

    build: Callable[[], Any]
    given: dict[str, Any] | list[Any]

    def run(self, model: Any, dtype: str | None = None) -> list[Tensor]:
        """Its floating-point results; with a `dtype` of inputs of that type."""
        if isinstance(self.given, dict):
            return list(_results(model(**{name: _narrowed(value, dtype) for name, value in self.given.items()})))
        return list(_results(model(*(_narrowed(value, dtype) for value in self.given))))


def _narrowed(value: Any, dtype: str | None) -> Any:
    if dtype is None or not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value
    return engine.tensor(value).to(dtype=dtype)


def _results(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        if output.dtype.kind not in "iub":
            yield output
    elif isinstance(output, (list, tuple)):
        for each in output:
            yield from _results(each)


def builder_of(case: Any) -> Any:
    return getattr(text_models if getattr(case, "domain", "audio") == "text" else audio_models, case.builder)


def _table() -> dict[str, Case]:
    found = {
        each.name: Case(lambda each=each: builder_of(each)(**each.settings), sequences.inputs(each.kind))
        for each in sequences.CASES
        if each.name in SEQUENCES
    }
    for one in speaking.CASES:
        if one.name in SPEAKING:
            found[one.name] = Case(lambda one=one: builder_of(one)(**one.settings), list(speaking.inputs(one).values()))
    whisper = {**sequences.WHISPER, "projected": 8, "seconds": 1.0}
    streaming = streaming_sounds.SETTINGS["memory"]
    pictures = [integer_array(5, (6, 3, 32, 32))]
    return {
        **found,
        "whisper_classes": Case(lambda: audio_models.whisper_classification(**whisper), [integer_array(5, (2, 20, 100))]),
        "hdemucs": Case(lambda: audio_models.hdemucs_high(**sequences.HDEMUCS), [integer_array(5, (1, 2, 3000))]),
        "emformer": Case(lambda: audio_models.emformer_rnnt_model(**streaming), streaming_sounds.sounds(streaming)),
        "crepe": Case(audio_models.crepe_tiny, [integer_array(5, (2, 1024))]),
        "silero": Case(audio_models.silero_vad, [integer_array(5, (2, 576))]),
        "ge2e": Case(lambda: audio_models.speaker_encoder(bands=10, width=16), [np.abs(integer_array(5, (2, 30, 10)))]),
        "sentences": Case(
            lambda: text_models.bert_sentence_encoder(**sequences.BERT), sequences.inputs("tokens")
        ),
        "resnet": Case(lambda: vision_models.any_resnet(block="basic", depths=(1, 1, 1, 1), classes=5), pictures),
        "regnet": Case(lambda: vision_models.any_regnet(depths=(1, 1), widths=(16, 32), group_width=8, classes=5), pictures),
        "convnext": Case(lambda: vision_models.any_convnext(widths=(16, 24, 32, 48), depths=(1, 1, 1, 1), classes=5), pictures),
        "vit": Case(
            lambda: vision_models.any_vit(image_size=32, patch_size=8, depth=2, width=32, heads=4, mlp_width=48, classes=5),
            pictures,
        ),
        **{
            f"swin_{version}": Case(
                lambda version=version: vision_models.any_swin(
                    width=16, depths=(2, 2), heads=(2, 4), window=4, version=version, classes=5
                ),
                pictures,
            )
            for version in (1, 2)
        },
        "lenet": Case(lambda: vision_models.lenet(classes=5), [integer_array(5, (4, 1, 28, 28))]),
        "squeezenet": Case(lambda: vision_models.squeezenet1_1(classes=5), pictures),
        "styles": Case(lambda: vision_models.style_transfer(styles=2), [pictures[0][:1], 1]),
    }  # fmt: skip


SEQUENCES = frozenset({
    "bert_masked_lm", "llama", "qwen2", "roberta_sequence", "distilbert_token", "albert_question", "electra_discriminator", "mpnet",
    "gpt2", "t5_gated", "whisper", "wav2vec2_large", "wav2vec2_ctc", "hubert_layers", "wavlm", "m5", "conv_tasnet", "squim_objective", "squim_subjective",
})  # fmt: skip
SPEAKING = frozenset({"tacotron2", "wavernn", "hifigan"})
LEARNERS = frozenset({"bert_masked_lm", "gpt2", "wav2vec2_ctc", "m5", "hdemucs", "crepe", "vit", "squeezenet"})
CASES = _table()
LARGE = {"vggish": "convolutions and linear layers alone, 72 million parameters"}
"""Builders of sounds whose family is left out, and why."""


def loss_of(results: list[Tensor]) -> Tensor:
    losses = [((each.float() - 0.3) ** 2).mean() for each in results]
    return sum(losses[1:], losses[0])


def far(found: Any, wanted: Any) -> float:
    """The distance of two arrays in lengths of the second."""
    ours, theirs = (np.asarray(each, np.float64).ravel() for each in (found, wanted))
    return float(np.linalg.norm(ours - theirs) / max(np.linalg.norm(theirs), 1e-3))


def stepped(case: Case, precision: str) -> tuple[float, Any]:
    """The loss and the gradient of all parameters, one array, of a training step in a precision."""
    model = built(case)
    optimizer = optim.SGD(model.parameters(), lr=1e-3)
    scaler = optim.GradScaler(init_scale=64.0, enabled=precision == "fp16")
    before = [parameter.detach().numpy().copy() for parameter in model.parameters()]
    engine.manual_seed(1)
    with engine.precision(precision):
        loss = loss_of(case.run(model))
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    grads = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert {grad.dtype for grad in grads} == {np.dtype(np.float32)}
    whole = np.concatenate([grad.numpy().ravel() for grad in grads])
    scaler.step(optimizer)
    scaler.update()
    assert any((now.detach().numpy() != old).any() for now, old in zip(model.parameters(), before, strict=True))
    return loss.item(), whole


def built(case: Case) -> Any:
    engine.manual_seed(0)
    return case.build()


def test_every_family_of_sounds_and_texts_has_a_case() -> None:
    families = {type(built(case)).__module__ for case in CASES.values()}
    for each in (*sequences.CASES, *speaking.CASES):
        if each.name in SEQUENCES | SPEAKING:
            families.add(builder_of(each).__module__)
    for package in (audio_models, text_models):
        missing = [name for name in package.builders() if getattr(package, name).__module__ not in families]
        assert sorted(missing) == sorted(LARGE if package is audio_models else ())


@pytest.mark.parametrize("name", CASES)
def test_answers_under_precision_are_nearly_those_of_float32(name: str) -> None:
    case = CASES[name]
    model = built(case).eval()
    with engine.no_grad():
        wanted = case.run(model)
        for narrow, most in (("bf16", 0.06), ("fp16", 0.01)):
            with engine.precision(narrow):
                found = case.run(model)
            for each, there in zip(found, wanted, strict=True):
                assert far(each.numpy(), there.numpy()) < most


@pytest.mark.parametrize("name", CASES)
def test_a_training_step_under_precision_is_nearly_that_of_float32(name: str) -> None:
    loss, gradient = stepped(CASES[name], "float32")
    for narrow, most in (("bf16", 0.4), ("fp16", 0.1)):
        near, found = stepped(CASES[name], narrow)
        assert abs(near - loss) < 0.3 * most * loss
        assert far(found, gradient) < most


@pytest.mark.parametrize("name", CASES)
def test_weights_of_16_bits_answer_and_learn(name: str) -> None:
    case = CASES[name]
    model = built(case).eval()
    with engine.no_grad():
        wanted = case.run(model)
        found = case.run(model.to(dtype="bfloat16"), "bfloat16")
    for each, there in zip(found, wanted, strict=True):
        assert far(each.numpy(), there.numpy()) < 0.06
    if name in LEARNERS:
        optimizer = optim.AdamW(model.parameters(), lr=1e-3)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = loss_of(case.run(model, "bfloat16"))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert {parameter.dtype for parameter in model.parameters()} == {engine.bfloat16}
        assert losses[-1] < losses[0]
