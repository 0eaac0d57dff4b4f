"""M5 and Conv-TasNet in PyTorch, written down from the papers' figures, for the comparison with numzoo's.

torchaudio has a ConvTasNet of its own; test_torchaudio.py holds numzoo's to it where torchaudio is installed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


class M5(nn.Module):
    """arXiv:1610.00087, table 1, column M5, without padding."""

    def __init__(self, classes: int, channels: tuple[int, ...], stride: int) -> None:
        super().__init__()
        widths = (1, *channels)
        for place in range(4):
            first = place == 0
            layer = nn.Conv1d(widths[place], widths[place + 1], 80 if first else 3, stride if first else 1)
            self.add_module(f"conv{place + 1}", layer)
            self.add_module(f"bn{place + 1}", nn.BatchNorm1d(widths[place + 1]))
        self.fc1 = nn.Linear(channels[-1], classes)

    def forward(self, x: Any) -> Any:
        x, layers = x[:, None], dict(self.named_children())
        for place in range(1, 5):
            x = layers[f"conv{place}"](x)
            x = F.max_pool1d(F.relu(layers[f"bn{place}"](x)), 4)
        return self.fc1(x.mean(-1))


class ConvTasNet(nn.Module):
    """arXiv:1809.07454, figure 1 and section 2, non-causal; norms are global (equations 8 and 9)."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.c, self.l, self.n = config["num_sources"], config["enc_kernel_size"], config["enc_num_feats"]
        self.b, self.h = config["msk_num_feats"], config["msk_num_hidden_feats"]
        self.x, self.r, self.rectified = (
            config["msk_num_layers"],
            config["msk_num_stacks"],
            config["msk_activate"] == "relu",
        )
        shapes = {"encoder.weight": (self.n, 1, self.l), "decoder.weight": (self.n, 1, self.l)}
        masks = "mask_generator."
        shapes |= _norm(f"{masks}input_norm", self.n) | _layer(f"{masks}input_conv", self.n, self.b)
        for place in range(self.r * self.x):
            block = f"{masks}conv_layers.{place}."
            shapes |= _layer(f"{block}conv_layers.0", self.b, self.h) | {f"{block}conv_layers.1.weight": (1,)}
            shapes |= _norm(f"{block}conv_layers.2", self.h)
            shapes |= {f"{block}conv_layers.3.weight": (self.h, 1, 3), f"{block}conv_layers.3.bias": (self.h,)}
            shapes |= {f"{block}conv_layers.4.weight": (1,)} | _norm(f"{block}conv_layers.5", self.h)
            if place < self.r * self.x - 1:
                shapes |= _layer(f"{block}res_out", self.h, self.b)
            shapes |= _layer(f"{block}skip_out", self.h, self.b)
        shapes |= {f"{masks}output_prelu.weight": (1,)} | _layer(f"{masks}output_conv", self.b, self.c * self.n)
        for name, shape in shapes.items():
            *path, last = name.split(".")
            home: nn.Module = self
            for part in path:
                if part not in dict(home.named_children()):
                    home.add_module(part, nn.Module())
                home = dict(home.named_children())[part]
            home.register_parameter(last, nn.Parameter(torch.zeros(shape)))

    def forward(self, mixture: Any) -> Any:
        w = dict(self.named_parameters())
        stride, samples = self.l // 2, mixture.shape[-1]
        rest = -samples % stride
        coded = F.conv1d(F.pad(mixture, (stride, stride + rest)), w["encoder.weight"], stride=stride)
        masks = "mask_generator."
        y = _mix(w, f"{masks}input_conv", _normal(w, f"{masks}input_norm", coded))
        total = torch.zeros_like(y)
        for place in range(self.r * self.x):
            block, dilation = f"{masks}conv_layers.{place}.", 2 ** (place % self.x)
            z = F.prelu(_mix(w, f"{block}conv_layers.0", y), w[f"{block}conv_layers.1.weight"])
            z = _normal(w, f"{block}conv_layers.2", z)
            kernel = w[f"{block}conv_layers.3.weight"]
            padded = F.pad(z, (dilation, dilation))
            z = sum(kernel[:, 0, tap, None] * padded[..., tap * dilation :][..., : z.shape[-1]] for tap in range(3))
            z = F.prelu(z + w[f"{block}conv_layers.3.bias"][:, None], w[f"{block}conv_layers.4.weight"])
            z = _normal(w, f"{block}conv_layers.5", z)
            total = total + _mix(w, f"{block}skip_out", z)
            if place < self.r * self.x - 1:
                y = y + _mix(w, f"{block}res_out", z)
        mask = _mix(w, f"{masks}output_conv", F.prelu(total, w[f"{masks}output_prelu.weight"]))
        mask = torch.relu(mask) if self.rectified else torch.sigmoid(mask)
        parts = coded[:, None] * mask.reshape(len(mixture), self.c, self.n, -1)
        frames = torch.einsum("bcnt,nl->bclt", parts, w["decoder.weight"][:, 0])  # every frame's own waveform
        out = torch.zeros(len(mixture), self.c, (frames.shape[-1] - 1) * stride + self.l, dtype=mixture.dtype)
        for place in range(frames.shape[-1]):  # overlap and add
            out = out + F.pad(frames[..., place], (place * stride, out.shape[-1] - place * stride - self.l))
        return out[..., stride : stride + samples]


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _layer(name: str, narrow: int, wide: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (wide, narrow, 1), f"{name}.bias": (wide,)}


def _mix(w: dict[str, Any], name: str, x: Any) -> Any:
    return torch.einsum("oi,bit->bot", w[f"{name}.weight"][:, :, 0], x) + w[f"{name}.bias"][:, None]


def _normal(w: dict[str, Any], name: str, x: Any) -> Any:
    mean = x.mean((1, 2), keepdim=True)
    variance = ((x - mean) ** 2).mean((1, 2), keepdim=True)
    return w[f"{name}.weight"][:, None] * (x - mean) / torch.sqrt(variance + 1e-8) + w[f"{name}.bias"][:, None]
