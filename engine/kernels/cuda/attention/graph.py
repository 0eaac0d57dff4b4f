"""Attention as cuDNN is told about it: the layouts of its operands, and the graph of its one operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..libraries.graphs import data_type

__all__ = ["Attention", "Laid", "fourfold"]

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Laid:
    """Sizes (entries, heads, length, width) of an operand, and its strides in elements."""

    shape: Sizes
    strides: Sizes


@dataclass(frozen=True)
class Attention:
    """An attention, or its gradients. Its tensors are numbered in this order, those it lacks left out.

    ``kind`` is "forward" (query, key, value, result), "statistics" (the same and the logarithms of the sums of each row), or
    "backward" (query, key, value, result, the result's gradient, statistics, the gradients of query, key and value). Then
    come the bias, and the seed and offset of dropout.
    """

    kind: str
    query: Laid
    key: Laid
    value: Laid
    out: Laid
    dtype: str
    scale: float
    causal: bool = False
    dropout: float = 0.0
    bias: Laid | None = None
    flow: Laid | None = None
    gradients: tuple[Laid, Laid, Laid] | None = None
    tf32: bool = False
    deterministic: bool = False

    otherwise = ""

    @property
    def measurable(self) -> bool:
        """Dropout's masks may be one engine's own, and both ways must agree."""
        return not self.dropout

    def write(self, cudnn: Any, graph: Any) -> int:
        """Add tensors and the operation to a graph of cuDNN's."""
        kind = cudnn.data_type
        entries, heads, queries, _ = self.query.shape
        statistics = Laid((entries, heads, queries, 1), (heads * queries, queries, 1, 1))
        single = Laid((1, 1, 1, 1), (1, 1, 1, 1))
        number = {"forward": 4, "statistics": 5, "backward": 9}[self.kind]

        def tensor(uid: int, laid: Laid, dtype: Any = None) -> Any:
            given = data_type(cudnn, self.dtype) if dtype is None else dtype
            return graph.tensor(dim=list(laid.shape), stride=list(laid.strides), data_type=given, uid=uid)

        def result(made: Any, uid: int, laid: Laid, dtype: Any = None) -> None:
            made.set_output(True).set_data_type(data_type(cudnn, self.dtype) if dtype is None else dtype).set_uid(uid)
            made.set_dim(list(laid.shape)).set_stride(list(laid.strides))

        settings: dict[str, Any] = {"attn_scale": self.scale}
        if self.causal:
            settings["diagonal_alignment"] = cudnn.diagonal_alignment.TOP_LEFT
            settings["diagonal_band_right_bound"] = 0
        query, key, value = (tensor(uid, laid) for uid, laid in enumerate((self.query, self.key, self.value), 1))
        if self.bias is not None:
            number += 1
            settings["bias"] = tensor(number, self.bias)
        if self.dropout:
            settings["dropout"] = (
                self.dropout, tensor(number + 1, single, kind.INT64), tensor(number + 2, single, kind.INT64),
            )  # fmt: skip
            number += 2
        if self.kind != "backward":
            out, sums = graph.sdpa(q=query, k=key, v=value, generate_stats=self.kind == "statistics", **settings)
            result(out, 4, self.out)
            if self.kind == "statistics":
                result(sums, 5, statistics, kind.FLOAT)
            return number
        assert self.flow is not None
        assert self.gradients is not None
        made = graph.sdpa_backward(
            q=query, k=key, v=value, o=tensor(4, self.out), dO=tensor(5, self.flow), stats=tensor(6, statistics, kind.FLOAT),
            use_deterministic_algorithm=self.deterministic, **settings,
        )  # fmt: skip
        for uid, each, laid in zip((7, 8, 9), made, self.gradients, strict=True):
            result(each, uid, laid)
        return number


def fourfold(shape: Sizes, strides: Sizes, grouped: bool) -> Laid | None:
    """As (entries, heads, length, width); ``grouped`` are heads in groups, five axes, of which two must be walked as one."""
    lead = (5 if grouped else 4) - len(shape)
    if lead < 0:
        return None
    shape, strides = (*(1,) * lead, *shape), (*(0,) * lead, *strides)
    if not grouped:
        return Laid(shape, strides)
    entries, groups, each, length, width = shape
    entry, group, one, row, column = strides
    if groups > 1 and each > 1 and group != each * one:
        return None
    step = one if groups == 1 else group if each == 1 else one
    return Laid((entries, groups * each, length, width), (entry, step, row, column))
