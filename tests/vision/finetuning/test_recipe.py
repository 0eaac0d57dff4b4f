"""The parts of the recipe: augmentation, losses of several heads, the schedule, settings out of range."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import pytest

from numzoo import engine
from numzoo.engine import data, nn, optim
from numzoo.engine.nn import functional as F
from numzoo.finetuning.recipe import schedule
from numzoo.vision import transforms
from numzoo.vision.finetuning import Recipe
from numzoo.vision.finetuning.recipe import _compute, augmented

IMAGE = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))
PRESETS = {
    "colour": transforms.classification(resize=32, crop=24),
    "grey": transforms.classification(resize=32, crop=24, mean=[0.5], std=[0.5]),
}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("augment", ["none", "light", "standard", "strong"])
def test_augmented_images_have_the_presets_form_and_repeat_by_the_sample(augment: str, preset: str) -> None:
    change = augmented(PRESETS[preset], augment)
    made = []
    for index in (3, 3, 4):
        with data.sampling(0, 1, index):
            made.append(change(IMAGE))
    plain = PRESETS[preset](IMAGE)
    assert all(image.dtype == np.float32 and image.shape == plain.shape for image in made)
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] == made[2]).all() == (augment == "none")


def test_light_images_are_never_mirrored() -> None:
    stripe = np.zeros((32, 32), np.uint8)
    stripe[:, :8] = 255  # bright on the left, whatever is cut out
    for index in range(30):
        with data.sampling(0, 0, index):
            image = augmented(PRESETS["grey"], "light")(PIL.Image.fromarray(stripe))
        assert image[0, :, :4].mean() >= image[0, :, -4:].mean()


class Several(NamedTuple):
    """What a model with auxiliary heads gives in training."""

    logits: engine.Tensor
    aux: engine.Tensor | None


def test_auxiliary_heads_count_three_tenths() -> None:
    class Model(nn.Module):
        def forward(self, x: Any) -> Any:
            return Several(x, x * 2.0) if self.training else x

    logits, labels = engine.randn(4, 3), np.array([0, 1, 2, 0])
    model = Model().train()
    loss, outputs, targets = _compute(model, (logits, labels))
    wanted = (
        F.cross_entropy(logits, labels, label_smoothing=0.1).item()
        + 0.3 * F.cross_entropy(logits * 2.0, labels, label_smoothing=0.1).item()
    )
    assert loss.item() == pytest.approx(wanted, rel=1e-5)
    assert outputs is logits
    assert targets is labels
    assert _compute(model.eval(), (logits, labels))[0].item() == pytest.approx(F.cross_entropy(logits, labels).item())


@pytest.mark.parametrize("steps", [1, 2, 3, 40])
def test_the_rate_rises_and_falls_to_nothing_in_any_number_of_steps(steps: int) -> None:
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    rate = schedule(optimizer, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        rate.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-6)
    assert all(rate > 0 for rate in rates)
    assert max(rates) > 0.9
    if steps == 40:
        assert rates.index(max(rates)) == 2


BAD: list[dict[str, Any]] = [
    {"epochs": 0}, {"batch": 1.5}, {"lr": 0}, {"lr": float("nan")}, {"weight_decay": -1}, {"layer_decay": 2.0}, {"lora": 0},
    {"patience": 0}, {"seed": -1}, {"val_fraction": 0.0}, {"val_fraction": 1.0}, {"augment": "wild"}, {"precision": "f8"},
    {"lora": 4, "freeze": ("backbone",)}, {"workers": True}, {"freeze": "backbone"},
]  # fmt: skip


@pytest.mark.parametrize("settings", BAD, ids=str)
def test_settings_out_of_range_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Recipe(**settings)
