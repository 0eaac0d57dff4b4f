"""What would be done: the samples, what the weights want of their input, and how many updates there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

from numzoo.finetuning.recipe import Recipe
from numzoo.finetuning.samples import Samples

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan(ABC):
    """The model's name, the samples and the recipe; a domain adds how its input is prepared."""

    model: str
    samples: Samples
    recipe: Recipe

    @property
    def steps_per_epoch(self) -> int:
        """Updates in an epoch."""
        return -(-len(self.samples.train) // self.recipe.batch)

    @abstractmethod
    def preprocessing(self) -> dict[str, Any]:
        """How input is prepared, as plain JSON values."""

    def document(self) -> dict[str, Any]:
        """The plan as plain JSON values."""
        samples = self.samples
        return {
            "model": self.model,
            "folder": str(samples.folder),
            "split": samples.split,
            "classes": [{"class": name, "train": a, "validation": b} for name, a, b in samples.counts()],
            samples.noun: {"train": len(samples.train), "validation": len(samples.validation)},
            "passed_over": [str(path) for path in samples.passed_over],
            "preprocessing": self.preprocessing(),
            "recipe": asdict(self.recipe),
            "steps": self.steps_per_epoch * self.recipe.epochs,
        }
