"""A dual-path recurrent network: long sequences cut into chunks, read along the chunks and across them in turn.

Luo, Chen, Yoshioka, "Dual-path RNN: efficient long sequence modeling for time-domain single-channel speech separation"
(arXiv:1910.06379), section 2 and figure 1. Parameter names are those of torchaudio's DPRNN.
"""

from __future__ import annotations

from numzoo.engine import Tensor, nn, ops
from numzoo.engine.nn import functional as F

__all__ = ["DPRNN", "RECURRENT"]

RECURRENT = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
"""What the recurrent layers may be."""


class SingleRNN(nn.Module):
    """A layer that reads sequences (batch, time, width) in both directions and keeps their width."""

    def __init__(self, kind: str, width: int, hidden: int) -> None:
        super().__init__()
        self.rnn = RECURRENT[kind](width, hidden, batch_first=True, bidirectional=True)
        self.proj = nn.Linear(2 * hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.rnn(x.to(dtype=self.proj.weight.dtype))[0])


class DPRNN(nn.Module):
    """Features (batch, width, time) to vectors (batch, time, outputs); chunks of `size` begin every `stride` places."""

    def __init__(
        self, width: int, hidden: int, blocks: int, kind: str, outputs: int, size: int, stride: int
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.stride = size, stride
        self.row_rnn = nn.ModuleList([SingleRNN(kind, width, hidden) for _ in range(blocks)])
        self.col_rnn = nn.ModuleList([SingleRNN(kind, width, hidden) for _ in range(blocks)])
        self.row_norm = nn.ModuleList([nn.GroupNorm(1, width, eps=1e-8) for _ in range(blocks)])
        self.col_norm = nn.ModuleList([nn.GroupNorm(1, width, eps=1e-8) for _ in range(blocks)])
        self.conv = nn.Sequential(nn.Conv2d(width, outputs, 1), nn.PReLU())

    def forward(self, x: Tensor) -> Tensor:
        time = x.shape[2]
        x = self._chunks(x)  # (batch, width, size, chunks)
        batch, width, size, chunks = x.shape
        for row, row_norm, column, column_norm in zip(
            self.row_rnn, self.row_norm, self.col_rnn, self.col_norm, strict=True
        ):
            y = row(x.permute(0, 3, 2, 1).reshape(batch * chunks, size, width))  # along each chunk
            x = x + row_norm(y.reshape(batch, chunks, size, width).permute(0, 3, 2, 1))
            y = column(x.permute(0, 2, 3, 1).reshape(batch * size, chunks, width))  # across the chunks
            x = x + column_norm(y.reshape(batch, size, chunks, width).permute(0, 3, 1, 2))
        return self._joined(self.conv(x), time).transpose(1, 2)

    def _chunks(self, x: Tensor) -> Tensor:
        """(batch, width, time) to (batch, width, size, chunks): every second one begins `stride` later than the one before."""
        batch, width, time = x.shape
        rest = self.size - (self.stride + time) % self.size
        x = F.pad(x, (self.stride, rest + self.stride))
        early = x[:, :, : -self.stride].reshape(batch, width, -1, self.size)
        late = x[:, :, self.stride :].reshape(batch, width, -1, self.size)
        return ops.stack([early, late], 3).reshape(batch, width, -1, self.size).transpose(2, 3)

    def _joined(self, x: Tensor, time: int) -> Tensor:
        """The chunks laid over one another: (batch, outputs, time), in which every place is in two of them."""
        batch, outputs, size, chunks = x.shape
        pairs = x.transpose(2, 3).reshape(batch, outputs, chunks // 2, 2, size)
        early, late = (pairs[:, :, :, place].reshape(batch, outputs, -1) for place in (0, 1))
        return early[:, :, self.stride : self.stride + time] + late[:, :, :time]
