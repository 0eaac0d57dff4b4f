"""numzoo's side of the GPU benchmark."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gpu_cases
from gpu_cases import IMAGES, Step


class Numzoo:
    """numzoo's models, with its optimisers and captured steps."""

    name = "numzoo"

    def __init__(self, device: str, measured: bool) -> None:
        from numzoo import engine

        self.device = device
        self._model: Any = None
        self._rule: Any = None
        self._had = 0
        engine.cuda.measure_plans(measured and device == "cuda")

    def build(self, model: str, training: bool) -> None:
        from numzoo.audio.models import whisper
        from numzoo.engine import manual_seed, optim
        from numzoo.text import models as texts
        from numzoo.vision import models as images

        self.drop()
        makers: dict[str, Callable[[], Any]] = {
            **{image: getattr(images, image) for image in IMAGES},
            "bert": texts.bert_sequence_classification,
            "gpt2": texts.gpt2_causal_lm,
            "whisper_base": partial(whisper, size="base"),
        }
        manual_seed(0)
        self._called, self._model = model, makers[model]().train(training).to(self.device)
        self._draw()
        if training:
            parameters = list(self._model.parameters())
            images_rule = partial(optim.SGD, lr=1e-3, momentum=0.9)
            self._rule = (images_rule if model in IMAGES else partial(optim.AdamW, lr=1e-5))(parameters)

    def _draw(self) -> None:
        """Weights, drawn on the device as PyTorch's are, into memory that was had before, so that nothing lies between them."""
        from numzoo import engine

        matrices = [parameter for parameter in self._model.parameters() if parameter.ndim > 1]
        for parameter in matrices:
            parameter.set_array(engine.empty(*parameter.shape, device=self.device).array)
        with engine.no_grad():
            for parameter in matrices:
                parameter.normal_(0.0, 0.02)

    def step(self, precision: str, batch: int, way: str) -> Step:
        from numzoo import engine
        from numzoo.engine.nn.functional import cross_entropy

        model, rule = self._model, self._rule
        arguments, wanted = self._given(batch)
        if rule is None and precision == "bf16":
            model.to(dtype="bfloat16")  # f32 and tf32 come before it
            arguments = [value.bfloat16() if value.dtype == engine.float32 else value for value in arguments]

        def answer() -> Any:
            result = model(*arguments)
            result = getattr(result, "logits", result)
            return result if isinstance(result, engine.Tensor) else result[0]

        def infer() -> Any:
            with engine.no_grad(), engine.precision("tf32" if precision == "tf32" else "f32"):
                return answer()

        def train() -> Any:
            with engine.precision(precision):
                scores = answer().float()
                loss = cross_entropy(scores.reshape((-1, scores.shape[-1])), wanted.reshape(-1))
            rule.zero_grad()
            loss.backward()
            rule.step()
            return loss.detach()

        step = infer if rule is None else train

        def noted() -> Any:
            result = step()
            self._had = max(self._had, engine.cuda.memory_reserved())  # before it is captured unused memory goes back
            return result

        return step if way == "plain" else engine.capture(noted, copy=False)

    def _given(self, batch: int) -> tuple[list[Any], Any]:
        """What the model is given, images channels last as PyTorch's, and what it should answer."""
        from numzoo import engine

        called, there = self._called, self.device
        wanted = engine.tensor(gpu_cases.wanted(called, batch)).to(there)
        if called in IMAGES:
            return [engine.randn(batch, 224, 224, 3, device=there).permute((0, 3, 1, 2))], wanted
        words = engine.tensor(gpu_cases.tokens(called, batch)).to(there)
        return [*([engine.randn(batch, 80, 3000, device=there)] if called == "whisper_base" else []), words], wanted

    def wait(self) -> None:
        from numzoo import engine

        if self.device == "cuda":
            engine.cuda.synchronize()

    def empty(self) -> None:
        from numzoo import engine

        self._had = 0
        if self._rule is not None:
            self._rule.zero_grad()
        if self.device == "cuda":
            engine.cuda.synchronize()
            engine.cuda.empty_cache()

    def most(self) -> int:
        from numzoo import engine

        return max(self._had, engine.cuda.memory_reserved()) if self.device == "cuda" else 0

    def drop(self) -> None:
        self._model = self._rule = None
