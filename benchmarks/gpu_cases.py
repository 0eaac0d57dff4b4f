"""The models of the GPU benchmark, as both libraries have them, with one step each; and what is asked of a library besides."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

IMAGES = ("resnet50", "vgg16", "mobilenet_v2", "vit_b_16")
OF_SEQUENCES = ("bert", "gpt2", "whisper_base")
MODELS = IMAGES + OF_SEQUENCES
LENGTHS = {"bert": 128, "gpt2": 512, "whisper_base": 32}
WORDS = {"bert": 30522, "gpt2": 50257, "whisper_base": 51865}

Step = Callable[[], Any]


def inputs_of(name: str, batch: int) -> list[np.ndarray[Any, Any]]:
    """What a model is given, and what it should answer, last."""
    generator = np.random.default_rng(0)
    if name in IMAGES:
        return [generator.standard_normal((batch, 3, 224, 224)).astype(np.float32), generator.integers(0, 1000, batch)]
    tokens = generator.integers(1, WORDS[name], (batch, LENGTHS[name]))
    if name == "bert":
        return [tokens, generator.integers(0, 2, batch)]
    if name == "gpt2":
        return [tokens, np.roll(tokens, -1, 1)]
    return [generator.standard_normal((batch, 80, 3000)).astype(np.float32), tokens, np.roll(tokens, -1, 1)]


# ---- ours ---------------------------------------------------------------------------------------------------------


def ours(name: str, mode: str, precision: str, batch: int, device: str) -> Step:
    """A step of numzoo's on the device."""
    from numzoo import engine
    from numzoo.audio.models import whisper
    from numzoo.engine import nn, optim
    from numzoo.text import models as texts
    from numzoo.vision import models as images

    engine.manual_seed(0)
    makers: dict[str, Callable[[], Any]] = {
        **{image: getattr(images, image) for image in IMAGES},
        "bert": texts.bert_sequence_classification,
        "gpt2": texts.gpt2_causal_lm,
        "whisper_base": partial(whisper, size="base"),
    }
    training = mode == "training"
    model = makers[name]().train(training)
    model.to(device)
    given = [engine.tensor(value).to(device) for value in inputs_of(name, batch)]
    *arguments, wanted = given

    def answer() -> Any:
        result = model(*arguments)
        result = getattr(result, "logits", result)
        return result if isinstance(result, engine.Tensor) else result[0]

    if not training:
        if precision == "bf16":
            model.to(dtype="bfloat16")
            arguments = [value.bfloat16() if value.dtype == engine.float32 else value for value in arguments]
        infer = engine.no_grad(_within(engine.precision, "tf32" if precision == "tf32" else "f32", answer))
        return engine.capture(infer, copy=False) if mode == "captured" else infer
    parameters = list(model.parameters())
    rule: Any = optim.SGD(parameters, lr=1e-3, momentum=0.9) if name in IMAGES else optim.AdamW(parameters, lr=1e-5)

    def step() -> Any:
        with engine.precision(precision):
            scores = answer().float()
            loss = nn.functional.cross_entropy(scores.reshape((-1, scores.shape[-1])), wanted.reshape(-1))
        rule.zero_grad()
        loss.backward()
        rule.step()
        return loss.detach()

    return step


def _within(precision: Callable[[str], Any], name: str, function: Step) -> Step:
    def inside() -> Any:
        with precision(name):
            return function()

    return inside


def choose(by_the_clock: bool, device: str, alone: bool) -> None:
    """Let both libraries time their algorithms for each size, or take their first guesses."""
    from numzoo import engine

    engine.cuda.measure_plans(by_the_clock and device != "cpu")
    if not alone:
        import torch

        torch.backends.cudnn.benchmark = by_the_clock


# ---- PyTorch's ----------------------------------------------------------------------------------------------------


def theirs(name: str, mode: str, precision: str, batch: int, device: str) -> Step:
    """The same step of PyTorch's, with torchvision's and transformers' models."""
    import torch

    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    training = mode == "training"
    model = _their_model(name).train(training).to(device)
    given = [torch.from_numpy(value).to(device) for value in inputs_of(name, batch)]
    *arguments, wanted = given
    if name in IMAGES:
        model = model.to(memory_format=torch.channels_last)
        arguments = [arguments[0].to(memory_format=torch.channels_last)]
    words = {"whisper_base": ("input_features", "decoder_input_ids")}.get(name, ("input_ids",))

    def answer() -> Any:
        if name in IMAGES:
            return model(*arguments)
        return (
            model(**dict(zip(words, arguments, strict=True)), use_cache=False).logits
            if name != "bert"
            else model(*arguments).logits
        )

    if not training:
        if precision == "bf16":
            model = model.bfloat16()
            arguments = [value.bfloat16() if value.dtype == torch.float32 else value for value in arguments]
        if mode == "captured":
            model = torch.compile(model, mode="reduce-overhead")
        return torch.inference_mode()(answer)  # type: ignore[no-any-return]
    rule: Any = (
        torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        if name in IMAGES
        else torch.optim.AdamW(model.parameters(), lr=1e-5)
    )

    def step() -> Any:
        narrow = precision == "bf16"
        with torch.autocast(device, torch.bfloat16) if narrow else contextlib.nullcontext():
            scores = answer()
            loss = torch.nn.functional.cross_entropy(scores.float().flatten(0, -2), wanted.flatten())
        rule.zero_grad()
        loss.backward()
        rule.step()
        return loss.detach()

    return step


def _their_model(name: str) -> Any:
    from torchvision_import import torchvision

    package = torchvision()  # transformers looks for it too
    if name in IMAGES:
        return getattr(package.models, name)()
    import transformers

    if name == "bert":
        return transformers.BertForSequenceClassification(transformers.BertConfig())
    if name == "gpt2":
        return transformers.GPT2LMHeadModel(transformers.GPT2Config())
    sizes = {"encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 8, "decoder_attention_heads": 8}
    return transformers.WhisperForConditionalGeneration(
        transformers.WhisperConfig(d_model=512, encoder_ffn_dim=2048, decoder_ffn_dim=2048, **sizes)
    )


# ---- both ---------------------------------------------------------------------------------------------------------


def wait(side: str, device: str) -> None:
    """Until the device has done all that a side gave to it."""
    if device != "cuda":
        return
    if side == "torch":
        import torch

        torch.cuda.synchronize()
    else:
        from numzoo import engine

        engine.cuda.synchronize()


def forget(side: str, device: str) -> None:
    """Give a side's unused memory back, and count anew."""
    if device != "cuda":
        return
    if side == "torch":
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        from numzoo import engine

        engine.cuda.empty_cache()


def reserved(side: str, device: str) -> int:
    """The bytes that a side has had from the driver since `forget`."""
    if device != "cuda":
        return 0
    if side == "torch":
        import torch

        return int(torch.cuda.max_memory_reserved())
    from numzoo import engine

    return engine.cuda.memory_reserved()


def about(device: str) -> dict[str, str]:
    """The machine and the libraries."""
    import datetime

    found = {"date": datetime.date.today().isoformat(), "python": platform.python_version(), "numpy": np.__version__}
    for name in ("torch", "torchvision", "transformers", "cupy-cuda13x", "nvmath-python", "nvidia-cudnn-frontend"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    if device == "cuda":
        import cupy

        properties = cupy.cuda.runtime.getDeviceProperties(0)
        found |= {
            "gpu": properties["name"].decode(),
            "driver": str(cupy.cuda.runtime.driverGetVersion()),
            "runtime": str(cupy.cuda.runtime.runtimeGetVersion()),
        }
        with contextlib.suppress(ImportError):
            import cudnn

            found["cudnn"] = str(cudnn.backend_version())
    return found
