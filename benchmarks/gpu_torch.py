"""PyTorch's side of the GPU benchmark, with torchvision's and transformers' models."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import gpu_cases
from gpu_cases import IMAGES, Step


class Torch:
    """PyTorch's models as they are, or compiled beside our captured steps."""

    name = "torch"

    def __init__(self, device: str, measured: bool) -> None:
        import torch

        self.device = device
        self._model: Any = None
        self._rule: Any = None
        torch.backends.cudnn.benchmark = measured
        for name in gpu_cases.MODELS:
            _builder(name)  # libraries are imported before anything is timed

    def build(self, model: str, training: bool) -> None:
        import torch

        self.drop()
        torch.manual_seed(0)
        with torch.device(self.device):  # weights are drawn there
            made = _builder(model)()
        self._called, self._model = model, made.train(training).to(self.device)
        if model in IMAGES:
            self._model = self._model.to(memory_format=torch.channels_last)
        if training:
            images_rule = partial(torch.optim.SGD, lr=1e-3, momentum=0.9)
            rule: Any = images_rule if model in IMAGES else partial(torch.optim.AdamW, lr=1e-5)
            self._rule = rule(self._model.parameters())

    def step(self, precision: str, batch: int, way: str) -> Step:
        import torch

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        rule, called = self._rule, self._called
        arguments, wanted = self._given(batch)
        narrow = precision == "bf16"
        if rule is None and narrow:
            self._model = self._model.bfloat16()  # f32 and tf32 come before it
            arguments = {n: v.bfloat16() if v.dtype == torch.float32 else v for n, v in arguments.items()}
        model = self._model
        if way == "compiled":
            torch.compiler.reset()
            model = torch.compile(model, mode="reduce-overhead")

        def answer() -> Any:
            if called in IMAGES:
                return model(arguments["x"])
            more = {} if called == "bert" else {"use_cache": False}
            return model(**arguments, **more).logits

        def train() -> Any:
            with torch.autocast(self.device, torch.bfloat16) if narrow else contextlib.nullcontext():
                scores = answer()
                loss = torch.nn.functional.cross_entropy(scores.float().flatten(0, -2), wanted.flatten())
            rule.zero_grad()
            loss.backward()
            rule.step()
            return loss.detach()

        return torch.inference_mode()(answer) if rule is None else train

    def _given(self, batch: int) -> tuple[dict[str, Any], Any]:
        """What the model is given by name, images channels last, and what it should answer."""
        import torch

        called, there = self._called, self.device
        wanted = torch.from_numpy(gpu_cases.wanted(called, batch)).to(there)
        if called in IMAGES:
            images = torch.randn(batch, 3, 224, 224, device=there)
            return {"x": images.to(memory_format=torch.channels_last)}, wanted
        words = torch.from_numpy(gpu_cases.tokens(called, batch)).to(there)
        if called != "whisper_base":
            return {"input_ids": words}, wanted
        return {"input_features": torch.randn(batch, 80, 3000, device=there), "decoder_input_ids": words}, wanted

    def wait(self) -> None:
        import torch

        if self.device == "cuda":
            torch.cuda.synchronize()

    def empty(self) -> None:
        import torch

        if self._rule is not None:
            self._rule.zero_grad()
        if self.device == "cuda":
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def most(self) -> int:
        import torch

        return int(torch.cuda.max_memory_reserved()) if self.device == "cuda" else 0

    def drop(self) -> None:
        self._model = self._rule = None


def _builder(name: str) -> Callable[[], Any]:
    """What makes a model with random weights."""
    from torchvision_import import torchvision

    package = torchvision()  # transformers looks for it too
    if name in IMAGES:
        return getattr(package.models, name)  # type: ignore[no-any-return]
    import transformers

    sizes = {"encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 8, "decoder_attention_heads": 8}
    model, configuration = {
        "bert": (transformers.BertForSequenceClassification, transformers.BertConfig),
        "gpt2": (transformers.GPT2LMHeadModel, transformers.GPT2Config),
        "whisper_base": (
            transformers.WhisperForConditionalGeneration,
            partial(transformers.WhisperConfig, d_model=512, encoder_ffn_dim=2048, decoder_ffn_dim=2048, **sizes),
        ),
    }[name]
    return lambda: model(configuration())
