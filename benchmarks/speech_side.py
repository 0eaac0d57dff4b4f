"""One side of the speech benchmark: SIDE MODEL. Weights are random but for CTranslate2's: time does not depend on them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from calls import least

STEPS = 32
SIZES = {"tiny": (384, 6, 4), "base": (512, 8, 6), "small": (768, 12, 12)}
SOUND = (np.random.default_rng(0).normal(size=480_000) * 0.1).astype(np.float32)
_DEFINED: list[Any] = []
THREADS = int(os.environ["OMP_NUM_THREADS"])


def numzoo(size: str) -> dict[str, float]:
    from numzoo import engine
    from numzoo.audio import models, transforms
    from numzoo.audio.models.openai_whisper import DecoderCache

    engine.set_threads(THREADS)
    model, hear = models.whisper(size=size).eval(), transforms.whisper_mel()
    model.requires_grad_(False)
    model.hold_narrow(dict.fromkeys(model.state_dict(), np.dtype(np.float16)))  # as the file of whisper_base has them
    mel = engine.Tensor(hear(SOUND)[None])

    def prepare() -> tuple[Any, Any]:
        cache = DecoderCache()
        model.decoder(engine.Tensor(np.array([[50258, 50259, 50359, 50364]])), features, cache)
        return cache, None

    def step(cache: Any, _: Any) -> None:
        model.decoder(engine.Tensor(np.array([[11]])), features, cache)

    with engine.inference_mode():
        features = model.encoder(mel)
        return _figures(lambda: hear(SOUND), lambda: model.encoder(mel), prepare, step)


def transformers(size: str) -> dict[str, float]:
    torch = _torch()
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    torch.set_num_threads(THREADS)
    width, heads, layers = SIZES[size]
    sizes = {
        "encoder_layers": layers,
        "decoder_layers": layers,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
    }
    model = WhisperForConditionalGeneration(
        WhisperConfig(**sizes, d_model=width, encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width)
    ).eval()
    hear = WhisperFeatureExtractor()
    mel = torch.from_numpy(np.asarray(hear(SOUND, sampling_rate=16000, return_tensors="np").input_features))

    def prepare() -> tuple[Any, Any]:
        start = torch.tensor([[50258, 50259, 50359, 50364]])
        return model(decoder_input_ids=start, encoder_outputs=features, use_cache=True).past_key_values, None

    def step(cache: Any, _: Any) -> None:
        model(decoder_input_ids=torch.tensor([[11]]), encoder_outputs=features, past_key_values=cache, use_cache=True)

    with torch.inference_mode():
        features = model.model.encoder(mel)
        return _figures(
            lambda: hear(SOUND, sampling_rate=16000, return_tensors="np"),
            lambda: model.model.encoder(mel),
            prepare,
            step,
        )


def numzoo_letters(kind: str) -> dict[str, float]:
    from numzoo import engine
    from numzoo.audio import models

    engine.set_threads(THREADS)
    model = {"wav2vec2": models.wav2vec2_ctc, "hubert": models.hubert_ctc}[kind](vocab_size=32).eval()
    model.requires_grad_(False)
    with engine.inference_mode():
        return {f"{kind} base, {seconds} s": least(lambda: model(sound), 4) for seconds, sound in _cut()}  # noqa: B023


def transformers_letters(kind: str) -> dict[str, float]:
    torch = _torch()
    import transformers

    torch.set_num_threads(THREADS)
    name = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert"}[kind]
    settings = getattr(transformers, f"{name}Config")(attn_implementation="sdpa")
    model = getattr(transformers, f"{name}ForCTC")(settings).eval()
    with torch.inference_mode():
        return {
            f"{kind} base, {seconds} s": least(lambda: model(torch.from_numpy(sound)), 4)  # noqa: B023
            for seconds, sound in _cut()
        }


def _torch() -> Any:
    import torch

    if not hasattr(torch.ops.torchvision, "nms"):  # transformers imports a torchvision that may lack its compiled part
        library = torch.library.Library("torchvision", "DEF")
        _DEFINED.append(library)  # they are gone with it
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return torch


def _cut() -> list[tuple[int, Any]]:
    return [(seconds, SOUND[None, : seconds * 16000]) for seconds in (5, 20)]


def ctranslate2(folder: str, kind: str) -> dict[str, float]:
    import ctranslate2

    model = ctranslate2.models.Whisper(folder, compute_type=kind, intra_threads=THREADS)
    mel = np.random.default_rng(0).normal(size=(1, 80, 3000)).astype(np.float32)
    features = model.encode(ctranslate2.StorageView.from_array(mel))
    prompt = [[50258, 50259, 50359, 50363]]

    def write(steps: int) -> float:
        start = time.process_time()
        model.generate(features, prompt, beam_size=1, max_length=len(prompt[0]) + steps, suppress_tokens=[50257])
        return time.process_time() - start

    write(2)
    step = min((write(STEPS + 2) - write(2)) / STEPS for _ in range(4))
    return {
        "encoder": least(lambda: model.encode(ctranslate2.StorageView.from_array(mel)), 4),
        "decoder step": step * 1e3,
    }


def _figures(
    hear: Callable[[], Any], encode: Callable[[], Any], prepare: Callable[[], Any], step: Callable[[Any, Any], None]
) -> dict[str, float]:
    best = float("inf")
    for _ in range(4):
        given = prepare()
        start = time.process_time()
        for _ in range(STEPS):
            step(*given)
        best = min(best, (time.process_time() - start) / STEPS)
    return {"log-mel": least(hear, 5), "encoder": least(encode, 4), "decoder step": best * 1e3}


if __name__ == "__main__":
    side, size = sys.argv[1:3]
    if side in ("numzoo", "transformers"):
        of_letters = {"numzoo": numzoo_letters, "transformers": transformers_letters}
        sides = of_letters if size in ("wav2vec2", "hubert") else {"numzoo": numzoo, "transformers": transformers}
        print(json.dumps(sides[side](size)))
    else:  # what faster-whisper computes with, "ctranslate2 float32" or "ctranslate2 int8", whose model is a folder
        print(json.dumps(ctranslate2(size, side.partition(" ")[2])))
