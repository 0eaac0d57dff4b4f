"""A steady step of training waits for nothing and copies nothing to or from the CPU, whatever the model; and so does an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from emulated_cupy import listened

from numzoo import engine
from numzoo.audio.models import whisper
from numzoo.engine import nn, optim
from numzoo.text.models import bert_sequence_classification, gpt2_causal_lm
from numzoo.vision.models.vision_transformer import VisionTransformer

RNG = np.random.default_rng(0)
TOKENS = RNG.integers(1, 19, (2, 6))
MASK = np.array([[0, 0, 1, 1, 1, 1], [1] * 6])


class Recurrent(nn.Module):
    """Two layers of LSTM, and a class for the last state."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.out = nn.LSTM(6, 8, 2, batch_first=True, dropout=0.1), nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        return self.out(self.layers(x)[0][:, -1])


def convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(8, 5),
    )  # fmt: skip


def floats(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


BERT = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12}
VIT = {"image_size": 8, "patch_size": 4, "depth": 1, "width": 8, "heads": 2, "mlp_width": 12, "classes": 5}
WHISPER = {
    "n_mels": 4, "n_audio_ctx": 6, "n_audio_state": 8, "n_audio_head": 2, "n_audio_layer": 1,
    "n_vocab": 19, "n_text_ctx": 8, "n_text_state": 8, "n_text_head": 2, "n_text_layer": 1,
}  # fmt: skip
MODELS: dict[str, tuple[Callable[[], nn.Module], list[Any], str]] = {
    "convolutions": (convolutions, [floats(2, 3, 8, 8)], "f32"),
    "vision transformer": (lambda: VisionTransformer(**VIT), [floats(2, 3, 8, 8)], "bf16"),
    "BERT": (lambda: bert_sequence_classification(vocab_size=19, **BERT), [TOKENS, MASK[:, ::-1].copy()], "f32"),
    "GPT-2": (
        lambda: gpt2_causal_lm(vocab_size=19, n_positions=8, n_embd=8, n_layer=1, n_head=2),
        [TOKENS, MASK],
        "fp16",
    ),
    "Whisper": (lambda: whisper(**WHISPER), [floats(2, 4, 12), TOKENS], "f32"),
    "LSTM": (Recurrent, [floats(2, 4, 6)], "f32"),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.usefixtures("one_order")
def test_a_steady_step_asks_nothing_of_the_cpu(name: str) -> None:
    make, given, precision = MODELS[name]
    engine.manual_seed(0)
    model = make().train().to("cuda")
    parameters = list(model.parameters())
    optimizer, scaler = optim.AdamW(parameters, lr=0.001), optim.GradScaler(enabled=precision == "fp16")
    inputs = [engine.tensor(values).to("cuda") for values in given]
    wanted: list[Any] = []

    def step(*tensors: Any) -> Any:
        with engine.precision(precision):
            scores = model(*tensors)
        scores = scores.float().reshape((-1, scores.shape[-1]))
        if not wanted:
            wanted.append(engine.tensor(np.arange(scores.shape[0]) % 5).to("cuda"))
        loss = nn.functional.cross_entropy(scores, wanted[0])
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        optim.clip_grad_norm_(parameters, 1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss

    for _ in range(2):
        step(*inputs)
    with listened() as met:
        step(*inputs)
    assert not met
    model.eval()
    with engine.no_grad():
        model(*inputs)
        with listened() as met:
            model(*inputs)
    assert not met
