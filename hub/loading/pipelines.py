"""`transform` and `pipeline`: preprocessing as the entry says, the model, softmax, and the names of the classes.

The preset, its settings and the list of categories are data of the manifest; nothing here knows a model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import FormatError, UsageError
from numzoo.hub.loading.asked import asked
from numzoo.hub.loading.card import read_card
from numzoo.hub.loading.load import as_path, load
from numzoo.hub.loading.places import place_card, place_of
from numzoo.hub.loading.resolve import build, resolve
from numzoo.hub.loading.tasks import PIPELINES, READERS, STORED
from numzoo.hub.registry.choice import Registries
from numzoo.hub.registry.names import Registry, is_resource, open_registry

if TYPE_CHECKING:
    from numzoo.hub.download.progress import Progress

__all__ = ["Pipeline", "pipeline", "transform"]

_FROM_ARRAY = {"image-classification": "vision.io.from_array"}


def transform(
    name: str | os.PathLike[str],
    *,
    trust_first_use: bool = False,
    offline: bool | None = None,
    registry: Registries = None,
) -> Callable[[Any], Any]:
    """The preprocessing that belongs to the weights `name`: from an image to the array that the model takes.

    `name` is an entry, or a repository, a folder or a file that says it.

    >>> transform("resnet50")                                   # doctest: +SKIP
    """
    known = open_registry(registry, offline=offline)
    path = as_path(name, known)
    place = place_of(name, path, Fetch(offline, trust_first_use))
    if place is not None:
        return _transform(place.name, place_card(place).transform)
    if path is None:
        entry = known.entry(os.fspath(name))
        return _transform(entry.name, entry.transform)
    return _transform(str(path), read_card(path).transform)


def pipeline(
    name: str | os.PathLike[str],
    *,
    device: Any = None,
    dtype: Any = None,
    trust_first_use: bool = False,
    offline: bool | None = None,
    registry: Registries = None,
    progress: Progress | Literal[False] | None = None,
) -> Any:
    """What stands before the pretrained model, the model, and what its result means, as one callable: a `Pipeline` for
    images, and for other tasks what their domain gives (``text.pipelines.TextGeneration`` for text-generation, and so on).

    `name` is an entry; a repository of the Hugging Face hub or a folder whose config.json numzoo has the model for; or a
    file that `hub.save` wrote with its categories and its transform, as ``numzoo finetune`` does. With `dtype` the weights are of
    that type, such as "bfloat16"; what the pipeline is given is turned into it, and answers are ordinary numbers all the same.

    >>> classify = pipeline("mobilenet_v2")                     # doctest: +SKIP
    >>> classify("cat.jpg")                                     # doctest: +SKIP
    [('Egyptian cat', 0.717), ('tiger cat', 0.147), ('tabby', 0.130), ...]
    >>> pipeline("minilm_l6").similarity("a cat", "a kitten")   # doctest: +SKIP
    """
    known = open_registry(registry, offline=offline)
    fetch = Fetch(offline, trust_first_use, progress)
    wanted = asked(name, known, fetch)
    if wanted.task in READERS:
        _transform(wanted.who, wanted.settings)  # refused before anything is fetched
    model = load(
        wanted.name or name,
        device=device,
        dtype=dtype,
        stored=wanted.task in STORED and device is None and dtype is None,
        trust_first_use=trust_first_use,
        offline=offline,
        registry=known,
        progress=progress,
    )
    wanted = wanted.by_notes(model.load_report.notes)
    if wanted.task in READERS:
        prepare = _transform(wanted.who, wanted.settings)
        return Pipeline(model, prepare, wanted.labels, wanted.who, wanted.task, known, fetch)
    make = resolve(PIPELINES[wanted.task], "pipelines")
    return make(model, wanted.files(fetch), categories=wanted.labels, settings=wanted.settings)


class Pipeline:
    """From images to classes with probabilities. `model` is frozen: none of its parameters asks for a gradient."""

    def __init__(
        self,
        model: Any,
        prepare: Callable[[Any], Any],
        labels: Sequence[str],
        name: str,
        task: str,
        registry: Registry,
        fetch: Fetch,
    ) -> None:
        self.model, self.transform, self.categories, self.name = model, prepare, tuple(labels), name
        self.task, self._registry, self._fetch = task, registry, fetch
        model.requires_grad_(False)

    def __repr__(self) -> str:
        return f"Pipeline({self.name!r}, {len(self.categories)} categories)"

    def __call__(self, images: Any, *, top: int = 5) -> list[Any]:
        """The `top` most probable classes as (label, probability) pairs, the most probable first.

        `images` is a path, ``sample:NAME``, a Pillow image, a uint8 array (height, width[, channels]), or a list of
        these: then the answer is a list of such lists, and the images go through the model as one batch.
        """
        if not isinstance(top, int) or isinstance(top, bool) or top < 1:
            raise UsageError(f"top is a positive number of classes, but {top!r} was given.")
        if isinstance(images, (list, tuple)):
            return [self._best(row, top) for row in self.probabilities(images)]
        return self._best(self.probabilities([images])[0], top)

    def probabilities(self, images: Iterable[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The probability of every class for every image, float64 (images, classes); rows add up to 1."""
        prepared = [self.transform(self._read(image)) for image in images]
        if not prepared:
            return np.zeros((0, len(self.categories)))
        batch = np.stack(prepared).astype(next(self.model.parameters()).dtype, copy=False)
        logits = np.asarray(self.model(batch).numpy()).astype(np.float64)
        if logits.shape != (len(prepared), len(self.categories)):
            raise FormatError(
                f"{self.name}: the model gave an array {logits.shape} for {len(prepared)} images, but its list of "
                f"categories has {len(self.categories)} names; the entry's categories or its config are wrong."
            )
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def _best(self, row: np.ndarray[Any, np.dtype[np.float64]], top: int) -> list[tuple[str, float]]:
        order = np.argsort(-row, kind="stable")[:top]
        return [(self.categories[index], float(row[index])) for index in order]

    def _read(self, image: Any) -> Any:
        if isinstance(image, str) and is_resource(image):
            files = self._registry.files(image)
            if not image.startswith("sample:") or len(files) != 1:
                raise UsageError(f"{image} is no image: wanted a path, sample:NAME, a Pillow image or an array.")
            (file,) = files
            stream, _ = self._fetch.open(file)
            with stream:
                return resolve(READERS[self.task], "io")(stream)
        if isinstance(image, np.ndarray):
            return resolve(_FROM_ARRAY[self.task], "io")(image)
        return resolve(READERS[self.task], "io")(image)


def _transform(who: str, given: Mapping[str, Any] | None) -> Callable[[Any], Any]:
    if given is None:
        raise UsageError(
            f"{who} says nothing of preprocessing; a file says it that hub.save(..., transform=...) wrote."
        )
    settings = dict(given)
    preset: Callable[[Any], Any] = build(settings.pop("preset"), "transforms", settings, who=who)
    return preset
