"""How to train: the settings that all kinds of data share."""

from __future__ import annotations

from dataclasses import dataclass

from numzoo import engine
from numzoo.engine import optim
from numzoo.engine.optim.settings import NOT_NEGATIVE, POSITIVE, Range, number, whole
from numzoo.hub.errors import UsageError

__all__ = ["BACKBONE", "Recipe", "schedule"]

BACKBONE = "backbone"
"""The name, among the patterns to freeze, of everything but the head."""


@dataclass(frozen=True)
class Recipe:
    """How to train: AdamW, label smoothing 0.1, gradients clipped to norm 1; the rate rises over the first twentieth of all steps and falls to
    0 along half a cosine.

    `freeze` names what is not trained (patterns as for ``nn.freeze``, or "backbone": all but the head); `lora` is the rank of adapters that are
    trained in the place of the backbone. `layer_decay` lowers the rate from stage to stage towards the input (None: to a tenth at the first,
    or not at all where the backbone is not trained whole). `patience` epochs without a better accuracy end it.
    """

    epochs: int = 5
    batch: int = 32
    lr: float = 1e-3
    weight_decay: float = 0.02
    layer_decay: float | None = None
    freeze: tuple[str, ...] = ()
    lora: int | None = None
    precision: str = "f32"
    seed: int = 0
    val_fraction: float = 0.2
    patience: int | None = None
    workers: int = 0

    def __post_init__(self) -> None:
        who = "finetune"
        for name, least in (("epochs", 1), ("batch", 1), ("seed", 0), ("workers", 0)):
            whole(who, name, getattr(self, name), least)
        for name in ("lora", "patience"):
            if getattr(self, name) is not None:
                whole(who, name, getattr(self, name), 1)
        number(who, "lr", self.lr, POSITIVE)
        number(who, "weight_decay", self.weight_decay, NOT_NEGATIVE)
        number(who, "val_fraction", self.val_fraction, Range(0.0, 1.0, open_low=True))
        if self.layer_decay is not None:
            number(who, "layer_decay", self.layer_decay, Range(0.0, 1.0, open_low=True, open_high=False))
        if isinstance(self.freeze, str):
            raise UsageError(
                f"finetune: freeze is a tuple of patterns, such as ({self.freeze!r:.40},), and not one alone."
            )
        if self.lora is not None and self.freeze:
            raise UsageError("finetune: lora freezes the backbone itself; leave freeze out, or train without adapters.")
        with engine.precision(self.precision):
            pass


def schedule(optimizer: optim.Optimizer, steps: int) -> optim.LRScheduler:
    """The rate over all steps, as the recipe has it."""
    warm = max(1, steps // 20)
    if steps <= warm + 1:
        return optim.CosineAnnealingLR(optimizer, max(1, steps))
    parts = [optim.LinearLR(optimizer, 0.1, 1.0, warm), optim.CosineAnnealingLR(optimizer, steps - warm)]
    return optim.SequentialLR(optimizer, parts, [warm])
