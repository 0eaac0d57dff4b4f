"""One step of a recurrent layer, for loops written by hand."""

from __future__ import annotations

import math
from typing import Any

from ..device import DeviceLike
from ..dtype import DtypeLike
from ..errors import ArgumentError, ShapeError
from ..ops import relu, tanh, zeros
from ..ops.sequences.elman import check_nonlinearity
from ..ops.sequences.gru import gru_step
from ..ops.sequences.lstm import lstm_step
from ..ops.sequences.recurrent import plain_projection
from ..tensor import Tensor, tensor_like
from . import init
from .module import Module
from .parameter import Parameter
from .settings import whole

__all__ = [
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "RNNCellBase",
]


class RNNCellBase(Module):
    """What the cells share: inputs (batch, input_size) or (input_size,), states of the width ``hidden_size``."""

    bias_ih: Parameter | None
    bias_hh: Parameter | None
    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        device: DeviceLike | None = None,
        dtype: DtypeLike | None = None,
    ) -> None:
        super().__init__()
        whole(type(self).__name__, 1, input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        tall = self.gates * hidden_size
        self.weight_ih = Parameter.of(tall, input_size, device=device, dtype=dtype)
        self.weight_hh = Parameter.of(tall, hidden_size, device=device, dtype=dtype)
        self.bias_ih = Parameter.of(tall, device=device, dtype=dtype) if bias else None
        self.bias_hh = Parameter.of(tall, device=device, dtype=dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values: evenly spread within 1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _state(self, input: Tensor, state: Any) -> Tensor:
        """The state before, zeros where none is given; and the input, checked."""
        name = type(self).__name__
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: wants (batch, {self.input_size}) or ({self.input_size},), not {tuple(input.shape)}"
            )
        shape = (*input.shape[:-1], self.hidden_size)
        if state is None:
            return zeros(shape, dtype=input.dtype, device=input.device)
        if not isinstance(state, Tensor):
            raise ArgumentError(f"{name}: the state must be a tensor, not {type(state).__name__}")
        if tuple(state.shape) != shape:
            raise ShapeError(f"{name}: the state must have the shape {shape}, not {tuple(state.shape)}")
        return state

    def _sums(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """What enters the gates from the input and from the state."""
        return (
            plain_projection(input, self.weight_ih, self.bias_ih),
            plain_projection(state, self.weight_hh, self.bias_hh),
        )

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else f", bias={self.bias}")


class RNNCell(RNNCellBase):
    """h = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        device: DeviceLike | None = None,
        dtype: DtypeLike | None = None,
    ) -> None:
        check_nonlinearity("RNNCell", nonlinearity)
        super().__init__(input_size, hidden_size, bias, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        input = tensor_like("RNNCell", input)
        entering, returning = self._sums(input, self._state(input, hx))
        return (tanh if self.nonlinearity == "tanh" else relu)(entering + returning)

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class GRUCell(RNNCellBase):
    """One step of ``GRU``."""

    gates = 3

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        input = tensor_like("GRUCell", input)
        h = self._state(input, hx)
        return gru_step(*self._sums(input, h), h)


class LSTMCell(RNNCellBase):
    """One step of ``LSTM``: the states are (h, c)."""

    gates = 4

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        if hx is not None and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise ArgumentError(f"LSTMCell: the states must be two tensors (h, c), not {type(hx).__name__}")
        input = tensor_like("LSTMCell", input)
        h, c = (self._state(input, s) for s in (hx if hx is not None else (None, None)))
        entering, returning = self._sums(input, h)
        return lstm_step(entering + returning, c)
