"""Softmax over very many classes, the rare ones in clusters behind narrow layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .. import ops
from ..device import DeviceLike
from ..dtype import DtypeLike, int64
from ..errors import DtypeError, SettingError, ShapeError
from ..tensor import Tensor, tensor_like, tensor_of
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module
from .settings import whole

__all__ = ["AdaptiveLogSoftmaxWithLoss", "AdaptiveOutput"]


class AdaptiveOutput(NamedTuple):
    """The log-probability of each target (batch,), and the mean of their negatives."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """log p(target | x) where classes are numbered by falling frequency (Grave et al., 2017, arXiv 1609.04309).

    Classes below ``cutoffs[0]`` are scored by the head beside one number per cluster; those of cluster i, from cutoffs[i]
    to cutoffs[i + 1] (the last to ``n_classes``), by a layer of in_features / div_value^(i + 1) numbers. Only the
    clusters that the batch touches are computed.
    """

    def __init__(
        self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0, head_bias: bool = False,
        *, device: DeviceLike | None = None, dtype: DtypeLike | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        who = "AdaptiveLogSoftmaxWithLoss"
        whole(who, 1, in_features=in_features, n_classes=n_classes)
        bounds = list(cutoffs)
        if not bounds or bounds != sorted(set(bounds)) or bounds[0] < 1 or bounds[-1] >= n_classes:
            raise SettingError(f"{who}: cutoffs must rise from 1 on and stay below n_classes {n_classes}, not {bounds}")
        for bound in bounds:
            whole(who, 1, cutoffs=bound)
        if not div_value > 0:
            raise SettingError(f"{who}: div_value must be above 0, not {div_value!r}")
        self.in_features, self.n_classes, self.div_value, self.head_bias = in_features, n_classes, div_value, head_bias
        self.cutoffs = [*bounds, n_classes]
        self.shortlist_size, self.n_clusters = bounds[0], len(bounds)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for place, (low, high) in enumerate(self._clusters(), 1):
            width = int(in_features // div_value**place)
            whole(f"{who}, cluster {place - 1} (in_features / div_value^{place})", 1, width=width)
            narrow = Linear(in_features, width, bias=False, device=device, dtype=dtype)
            self.tail.append(Sequential(narrow, Linear(width, high - low, bias=False, device=device, dtype=dtype)))

    def reset_parameters(self) -> None:
        """Draw the initial values of all layers again."""
        self.head.reset_parameters()
        for layer in self.tail.modules():
            if isinstance(layer, Linear):
                layer.reset_parameters()

    def forward(self, x: Tensor, target: Tensor) -> AdaptiveOutput:
        """x (batch, in_features) and target (batch,), or one example (in_features,) and its target ()."""
        target = tensor_like("AdaptiveLogSoftmaxWithLoss", target)
        single = x.ndim == 1
        if single:
            x, target = x.unsqueeze(0), target.unsqueeze(0)
        self._check(x)
        if target.shape != x.shape[:1]:
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss: the target {tuple(target.shape)} must have a class for each of {x.shape[0]} examples"
            )
        classes = target.numpy()
        if classes.dtype.kind not in "iu":
            raise DtypeError(
                f"AdaptiveLogSoftmaxWithLoss: the target must be integers, not {target.dtype}; convert it by .long()"
            )
        if classes.size and (classes.min() < 0 or classes.max() >= self.n_classes):
            raise SettingError(
                f"AdaptiveLogSoftmaxWithLoss: the target holds {classes.min()} to {classes.max()}, but classes are 0 to {self.n_classes - 1}"
            )
        cluster = np.searchsorted(self.cutoffs, classes, side="right")  # 0: in the head; else 1 + the cluster's number
        columns = np.where(cluster == 0, classes, self.shortlist_size + cluster - 1)
        output = ops.log_softmax(self.head(x), axis=1).gather(1, self._like(x, columns)[:, None])[:, 0]
        for number, (low, _) in enumerate(self._clusters()):
            rows = np.flatnonzero(cluster == number + 1)
            if rows.size:
                places = self._like(x, rows)
                inside = ops.log_softmax(self.tail[number](x[places]), axis=1)
                chosen = inside.gather(1, self._like(x, classes[rows] - low)[:, None])[:, 0]
                output = ops.index_add(output, 0, places, chosen)
        loss = -output.mean()
        return AdaptiveOutput(output[0] if single else output, loss)

    def log_prob(self, x: Tensor) -> Tensor:
        """The log-probabilities of all classes: (batch, in_features) to (batch, n_classes)."""
        self._check(x)
        head = ops.log_softmax(self.head(x), axis=1)
        parts = [head[:, : self.shortlist_size]]
        for number, layer in enumerate(self.tail):
            column = self.shortlist_size + number
            parts.append(ops.log_softmax(layer(x), axis=1) + head[:, column : column + 1])
        return ops.cat(parts, 1)

    def predict(self, x: Tensor) -> Tensor:
        """The likeliest class of each example: (batch, in_features) to (batch,)."""
        return ops.argmax(self.log_prob(x), axis=1)

    def _clusters(self) -> list[tuple[int, int]]:
        return list(zip(self.cutoffs[:-1], self.cutoffs[1:], strict=True))

    def _check(self, x: Tensor) -> None:
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss: wants (batch, {self.in_features}) or ({self.in_features},), not {tuple(x.shape)}"
            )

    @staticmethod
    def _like(x: Tensor, numbers: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
        return tensor_of(numbers).to(device=x.device, dtype=int64)
