"""From a pretrained encoder, whatever stood upon it, to the same encoder with a fresh head for classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numzoo.engine import nn
from numzoo.hub.errors import UsageError
from numzoo.text import models

__all__ = ["Classifier", "classifier_of"]

_FAMILIES = ("bert", "roberta", "distilbert", "albert", "electra", "mpnet")
_NOT_SIZES = ("classes", "pooler", "pooling", "normalize")


class Classifier:
    """A network that classifies texts, and the builder and settings that make another one like it."""

    def __init__(self, network: nn.Module, builder: str, config: Mapping[str, Any], fresh: tuple[str, ...]) -> None:
        self.network, self.builder, self.config, self.fresh = network, builder, dict(config), fresh

    def head(self) -> list[nn.Parameter]:
        """The parameters that the encoder did not bring."""
        return [parameter for name, parameter in self.network.named_parameters() if name in self.fresh]


def classifier_of(pretrained: Any, classes: int, who: str) -> Classifier:
    """The encoder of a pretrained model below a head for `classes`. Raises UsageError for a model without such an encoder.

    What was a sentence encoder classifies by the vector that it made of a text; the others have the head of their authors.
    """
    report = pretrained.load_report
    family, _, kind = report.model.removeprefix("text.models.").partition("_")
    if not report.model.startswith("text.models.") or family not in _FAMILIES:
        raise UsageError(f"finetune makes classifiers of {', '.join(_FAMILIES)}, and {who} is built by {report.model}.")
    sizes = {name: value for name, value in report.config.items() if name not in _NOT_SIZES}
    if kind in ("sentence_encoder", "sentence_classification"):
        builder, sizes = f"{family}_sentence_classification", {**sizes, "pooling": report.config.get("pooling", "mean")}
    else:
        builder = f"{family}_sequence_classification"
    config = {**sizes, "classes": classes}
    network: Any = getattr(models, builder)(**config)
    inner: Any = getattr(pretrained, family, pretrained)
    wanted = network.state_dict()
    known = {f"{family}.{name}": tensor for name, tensor in inner.state_dict().items()}
    if (
        kind == builder.partition("_")[2]
    ):  # a classifier already: what of its head does not depend on the classes is kept
        known |= {name: tensor for name, tensor in pretrained.state_dict().items() if not name.startswith(f"{family}.")}
    found = {name: each for name, each in known.items() if name in wanted and each.shape == wanted[name].shape}
    missing = tuple(name for name in wanted if name not in found)
    if lost := [name for name in missing if name.startswith(f"{family}.") and not name.startswith(f"{family}.pooler.")]:
        raise UsageError(f"{who} has no {lost[0]}, which its encoder needs.")
    network.load_state_dict({**wanted, **found})
    return Classifier(network, f"text.models.{builder}", config, missing)
