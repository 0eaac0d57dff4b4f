"""Recurrent layers: RNN, LSTM and GRU, several layers deep, in one direction or both, on padded or packed sequences."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..device import DeviceLike
from ..dtype import DtypeLike
from ..errors import ArgumentError, SettingError, ShapeError
from ..modes import TF32, modes
from ..ops.sequences.elman import check_nonlinearity
from ..tensor import Tensor, tensor_like
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter
from .settings import probability, whole
from .utils.rnn import PackedSequence

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "RNNBase",
]

Sizes = tuple[int, ...]


class RNNBase(Module):
    """What the recurrent layers share; parameters are named as PyTorch's, ``weight_ih_l0`` to ``bias_hh_l1_reverse``.

    Sequences are (time, batch, features), (batch, time, features) with ``batch_first``, (time, features), or packed. States
    are (layers x directions, batch, width), zeros unless given. Gives the last layer's states at every step, directions side
    by side, and every layer's last state.
    """

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, *, device: DeviceLike | None = None, dtype: DtypeLike | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        name = type(self).__name__
        whole(name, 1, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        whole(name, 0, proj_size=proj_size)
        probability(name, dropout)
        if proj_size >= hidden_size:
            raise SettingError(f"{name}: proj_size {proj_size} must be below hidden_size {hidden_size}")
        if dropout and num_layers == 1:
            warnings.warn(
                f"{name}: dropout={dropout} acts between layers, and there is only one; give num_layers above 1",
                stacklevel=3,
            )
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.dropout, self.bidirectional, self.proj_size = (
            batch_first,
            dropout,
            bidirectional,
            proj_size,
        )
        tall, narrow = self.gates * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            wide = input_size if layer == 0 else narrow * self.directions
            for suffix in self._suffixes(layer):
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (tall, wide), "weight_hh": (tall, narrow)}
                if bias:
                    shapes |= {"bias_ih": (tall,), "bias_hh": (tall,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for part, shape in shapes.items():
                    setattr(self, part + suffix, Parameter.of(*shape, device=device, dtype=dtype))
        self.reset_parameters()

    @property
    def directions(self) -> int:
        """1, or 2 if bidirectional."""
        return 2 if self.bidirectional else 1

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: self.directions]

    def reset_parameters(self) -> None:
        """Draw the initial values: evenly spread within 1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do here; PyTorch's asks for weights in one piece of memory."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The states at every step, and each layer's last (h, or (h, c) of an LSTM)."""
        name = type(self).__name__
        if isinstance(input, PackedSequence):
            sizes: Sizes = tuple(int(n) for n in input.batch_sizes.tolist())
            rows, batch, order = self._widened(input.data), sizes[0], input.sorted_indices
            self._check_width(name, rows.shape, 2)
            states = self._initial(name, hx, batch, rows, True)
            if order is not None:
                states = [ops.getitem(s, (slice(None), order)) for s in states]
            rows, last = self._run(rows, states, sizes)
            if input.unsorted_indices is not None:
                last = [ops.getitem(s, (slice(None), input.unsorted_indices)) for s in last]
            return input._replace(data=rows), self._states(last)
        input = tensor_like(name, input)
        batched = input.ndim == 3
        self._check_width(name, input.shape, 3 if batched else 2)
        x = self._widened(input)
        x = x if batched else x.unsqueeze(1)
        x = x.transpose(0, 1) if self.batch_first and batched else x
        time, batch = x.shape[:2]
        if not time or not batch:
            raise ShapeError(f"{name}: wants at least one step and one sequence, not {tuple(input.shape)}")
        states = self._initial(name, hx, batch, x, batched)
        rows, last = self._run(x.reshape(time * batch, x.shape[2]), states, (batch,) * time)
        out = rows.reshape(time, batch, rows.shape[1])
        if not batched:
            return out.squeeze(1), self._states([s.squeeze(1) for s in last])
        return (out.transpose(0, 1) if self.batch_first else out), self._states(last)

    def _check_width(self, name: str, shape: tuple[int, ...], ndim: int) -> None:
        if len(shape) != ndim or shape[-1] != self.input_size:
            layout = "batch, time" if self.batch_first else "time, batch"
            raise ShapeError(
                f"{name}: wants ({layout}, {self.input_size}) or (time, {self.input_size}), not {tuple(shape)}"
            )

    def _widened(self, values: Tensor) -> Tensor:
        """What `precision` narrowed on the way, in the weights' type; anything else as it is."""
        narrow = modes.precision
        if narrow is None or narrow is TF32 or values.dtype != narrow:
            return values
        return values.to(self.weight_ih_l0.dtype)

    def _widths(self) -> tuple[int, ...]:
        """The width of each kind of state."""
        return (self.proj_size or self.hidden_size,)

    def _given(self, name: str, hx: Any) -> list[Tensor]:
        if not isinstance(hx, Tensor):
            raise ArgumentError(f"{name}: the first state must be a tensor, not {type(hx).__name__}")
        return [hx]

    def _states(self, last: list[Tensor]) -> Any:
        return last[0]

    def _initial(self, name: str, hx: Any, batch: int, like: Tensor, batched: bool) -> list[Tensor]:
        """The states before the first step (layers x directions, batch, width), checked."""
        count = self.num_layers * self.directions
        shapes = [(count, batch, width) for width in self._widths()]
        if hx is None:
            return [ops.zeros(shape, dtype=like.dtype, device=like.device) for shape in shapes]
        states = [self._widened(state) for state in self._given(name, hx)]
        states = states if batched else [s.unsqueeze(1) for s in states]
        for state, shape in zip(states, shapes, strict=True):
            if tuple(state.shape) != shape:
                wanted = shape if batched else (shape[0], shape[2])
                given = tuple(state.shape) if batched else (state.shape[0], *state.shape[2:])
                raise ShapeError(f"{name}: the first state must have the shape {wanted}, not {given}")
        return states

    def _run(self, rows: Tensor, states: list[Tensor], sizes: Sizes) -> tuple[Tensor, list[Tensor]]:
        """Every layer in every direction, on packed rows."""
        ends, even = _ends(sizes), sizes[0] == sizes[-1]
        backwards = _backwards(sizes) if self.bidirectional and not even else None

        def turn(rows: Tensor) -> Tensor:
            """Every sequence turned around; the same again turns it back."""
            if not even:
                return ops.pick_rows(rows, rows=backwards)
            steps = ops.reshape(rows, (len(sizes), sizes[0], *rows.shape[1:]))
            return ops.reshape(ops.flip(steps, (0,)), rows.shape)

        last: list[list[Tensor]] = []
        for layer in range(self.num_layers):
            outs = []
            for direction, suffix in enumerate(self._suffixes(layer)):
                place = layer * self.directions + direction
                first = [ops.getitem(s, place) for s in states]
                entering = turn(rows) if direction else rows
                results = self._layer(entering, first, suffix, sizes)
                last.append(
                    [ops.getitem(r, ends) if isinstance(ends, slice) else ops.pick_rows(r, rows=ends) for r in results]
                )
                out = results[0]
                outs.append(turn(out) if direction else out)
            rows = outs[0] if len(outs) == 1 else ops.cat(outs, 1)
            if self.dropout and layer + 1 < self.num_layers:
                rows = F.dropout(rows, self.dropout, self.training)
        return rows, [ops.stack(list(kind)) for kind in zip(*last, strict=True)]

    def _weights(self, suffix: str, *parts: str) -> list[Tensor | None]:
        return [self.__dict__.get(part + suffix) for part in parts]

    def _layer(self, rows: Tensor, first: list[Tensor], suffix: str, sizes: Sizes) -> tuple[Tensor, ...]:
        """One layer in one direction: its states after each row, the one that is handed on first."""
        raise ArgumentError(f"{type(self).__name__} says no _layer(); take RNN, LSTM or GRU")

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, usual in (
            ("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0.0), ("bidirectional", False),
        ):  # fmt: skip
            if getattr(self, name) != usual:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


class RNN(RNNBase):
    """h = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu (Elman, 1990)."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *, device: DeviceLike | None = None, dtype: DtypeLike | None = None,
    ) -> None:  # fmt: skip
        check_nonlinearity("RNN", nonlinearity)
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device=device, dtype=dtype
        )

    def _layer(self, rows: Tensor, first: list[Tensor], suffix: str, sizes: Sizes) -> tuple[Tensor, ...]:
        weights = self._weights(suffix, "weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return (_call(ops.rnn_layer, rows, *first, *weights, sizes=sizes, nonlinearity=self.nonlinearity),)


class GRU(RNNBase):
    """Gated recurrent units (Cho et al., 2014), the reset gate scaling W_hh h + b_hh as in PyTorch."""

    gates = 3

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, *, device: DeviceLike | None = None, dtype: DtypeLike | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device=device, dtype=dtype
        )

    def _layer(self, rows: Tensor, first: list[Tensor], suffix: str, sizes: Sizes) -> tuple[Tensor, ...]:
        weights = self._weights(suffix, "weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return (_call(ops.gru_layer, rows, *first, *weights, sizes=sizes),)


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997); its states are (h, c).

    ``proj_size`` narrows h by a further weight (Sak et al., 2014).
    """

    gates = 4

    def _widths(self) -> tuple[int, ...]:
        return self.proj_size or self.hidden_size, self.hidden_size

    def _given(self, name: str, hx: Any) -> list[Tensor]:
        if not isinstance(hx, (tuple, list)) or len(hx) != 2 or not all(isinstance(s, Tensor) for s in hx):
            raise ArgumentError(f"{name}: the first states must be two tensors (h, c), not {type(hx).__name__}")
        return list(hx)

    def _states(self, last: list[Tensor]) -> Any:
        return tuple(last)

    def _layer(self, rows: Tensor, first: list[Tensor], suffix: str, sizes: Sizes) -> tuple[Tensor, ...]:
        weights = self._weights(suffix, "weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        results: tuple[Tensor, ...] = _call(ops.lstm_layer, rows, *first, *weights, sizes=sizes)
        return results


def _call(operation: Callable[..., Any], *tensors: Tensor | None, **settings: Any) -> Any:
    return operation(*tensors, **settings)


def _ends(sizes: Sizes) -> Any:
    """The row of each sequence's last step: a slice where all are equally long."""
    total = sum(sizes)
    if sizes[0] == sizes[-1]:
        return slice(total - sizes[0], total)
    starts, lengths = _starts(sizes)
    return (starts[lengths - 1] + np.arange(sizes[0]),)


def _backwards(sizes: Sizes) -> Any:
    """The rows with every sequence turned around; the same again turns them back."""
    starts, lengths = _starts(sizes)
    sequence = np.concatenate([np.arange(size) for size in sizes])
    step = np.repeat(np.arange(len(sizes)), sizes)
    return (starts[lengths[sequence] - 1 - step] + sequence,)


def _starts(sizes: Sizes) -> tuple[Any, Any]:
    """Where each step begins among the rows, and how long each sequence is."""
    steps = np.asarray(sizes)
    return np.cumsum(steps) - steps, (steps[:, None] > np.arange(sizes[0])).sum(0)
