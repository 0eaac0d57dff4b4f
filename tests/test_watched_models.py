"""Models whose sums and normalisations are one operation give the same, and draw the same, when every module is called because somebody watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sequences
from integers import integer_array

from numzoo import engine
from numzoo.audio import models as audio_models
from numzoo.engine import Tensor, nn
from numzoo.engine.debug.watch import Watcher
from numzoo.text import models as text_models
from numzoo.vision import models as vision_models

PICTURES = [integer_array(5, (2, 3, 32, 32))]
NAMES = [
    "bert_masked_lm",
    "albert_question",
    "distilbert_token",
    "mpnet",
    "gpt2",
    "llama",
    "whisper",
    "wav2vec2",
    "wav2vec2_large",
    "wavlm",
]
CASES = {case.name: case for case in sequences.CASES}


def sequence(name: str) -> tuple[Callable[[], Any], list[Any]]:
    case = CASES[name]
    builder = getattr(text_models if case.domain == "text" else audio_models, case.builder)
    return lambda: builder(**case.settings), list(sequences.inputs(case.kind).values())


MODELS: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    **{name: sequence(name) for name in NAMES},
    "swin": (
        lambda: vision_models.any_swin(
            width=16, depths=(2, 2), heads=(2, 4), window=4, stochastic_depth=0.2, classes=5
        ),
        PICTURES,
    ),
    "vit": (
        lambda: vision_models.any_vit(
            image_size=32, patch_size=16, depth=3, width=32, heads=2, mlp_width=48, classes=5, dropout=0.2
        ),
        PICTURES,
    ),
    "transformer": (
        lambda: nn.Transformer(16, 2, 2, 2, 32, dropout=0.2),
        [integer_array(1, (5, 2, 16)), integer_array(2, (4, 2, 16))],
    ),
    "transformer, norms first": (
        lambda: nn.Transformer(16, 2, 2, 2, 32, dropout=0.2, norm_first=True),
        [integer_array(1, (5, 2, 16)), integer_array(2, (4, 2, 16))],
    ),
}


def results(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output] if output.dtype.kind == "f" else []
    return [found for each in output or () for found in results(each)] if isinstance(output, (list, tuple)) else []


class Names(Watcher):
    """The operations that were called."""

    def __init__(self) -> None:
        self.called: set[str] = set()

    def around(self, op: Any, compute: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arrays: Any, **settings: Any) -> Any:
            self.called.add(op.name)
            return compute(*arrays, **settings)

        return noted


def step(model: Any, given: list[Any]) -> tuple[list[Any], set[str]]:
    """Results and gradients under a seed, and which operations of sums and norms were called."""
    engine.manual_seed(3)
    model.zero_grad()
    names = Names()
    names.start()
    try:
        outs = results(model(*[engine.tensor(value) for value in given]))
    finally:
        names.stop()
    sum((out * out).mean() for out in outs).backward()  # type: ignore[union-attr]
    return [*outs, *(p.grad for p in model.parameters() if p.grad is not None)], names.called


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_is_watched_computes_the_same(name: str) -> None:
    build, given = MODELS[name]
    model = build().train()
    together, called = step(model, given)
    assert called & {"add_layer_norm", "add_rms_norm"}
    seen = set()
    handles = [
        module.register_forward_hook(lambda module, args, out: seen.add(id(module))) for module in model.modules()
    ]
    apart, called = step(model, given)
    for handle in handles:
        handle.remove()
    assert not called & {"add_layer_norm", "add_rms_norm"}
    kinds = (nn.LayerNorm, nn.RMSNorm, nn.Dropout, nn.Linear)
    missed = [name for name, module in model.named_modules() if isinstance(module, kinds) and id(module) not in seen]
    assert not [name for name in missed if "out_proj" not in name], missed
    assert len(together) == len(apart)
    for one, other in zip(together, apart, strict=True):
        largest = float(np.abs(other.numpy()).max())
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=2e-5 * max(largest, 1e-3))


@pytest.mark.parametrize("name", ["gpt2", "llama", "vit", "whisper"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_block_that_alone_is_watched_gives_what_it_gives_among_others(name: str, place: int) -> None:
    build, given = MODELS[name]
    model = build().train()
    blocks = [module for module in model.modules() if hasattr(module, "parts")]
    seen: list[Any] = []
    alone = blocks[place].register_forward_hook(lambda module, args, out: seen.extend((args[0], out)))
    together, called = step(model, given)
    assert called & {"add_layer_norm", "add_rms_norm"}
    others = [module.register_forward_hook(lambda module, args, out: None) for module in model.modules()]
    apart, _ = step(model, given)
    for handle in (alone, *others):
        handle.remove()
    count = len(seen) // 2
    assert count in (1, 2)
    for one, other in zip([*together, *seen[:count]], [*apart, *seen[count:]], strict=True):
        if isinstance(one, Tensor):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-3, atol=2e-5)
