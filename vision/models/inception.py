"""GoogLeNet (Inception v1) and Inception v3: several filters side by side, with auxiliary classifiers in training.

GoogLeNet: Szegedy et al., "Going Deeper with Convolutions" (arXiv:1409.4842), table 1; with batch norm.
Inception v3: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (arXiv:1512.00567), table 1.

In training a model with auxiliary heads returns a named tuple of logits; in evaluation, the logits alone.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from numzoo import engine
from numzoo.engine import Tensor, nn
from numzoo.engine.nn import functional as F

Size = int | tuple[int, int]


class GoogLeNetOutputs(NamedTuple):
    """What GoogLeNet returns in training; the paper weights both auxiliary losses by 0.3. All (batch, classes)."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class InceptionOutputs(NamedTuple):
    """What Inception v3 returns in training. Both (batch, classes)."""

    logits: Tensor
    aux_logits: Tensor


class ConvNormReLU(nn.Module):
    """Convolution without bias, batch norm, ReLU; the children are ``conv`` and ``bn`` in both families."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, *, stride: int = 1, padding: Size = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return nn.norm_activation((self.conv, self.bn), x, F.relu)


class Renormalize(nn.Module):
    """From ImageNet's mean and deviation to mean 0.5, deviation 0.5: the scale that both families were trained with."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", _per_channel(0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5), persistent=False)
        shift = _per_channel((0.485 - 0.5) / 0.5, (0.456 - 0.5) / 0.5, (0.406 - 0.5) / 0.5)
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


# ---- GoogLeNet ----------------------------------------------------------------------------------------------------


class InceptionV1(nn.Module):
    """Four branches side by side (arXiv:1409.4842, figure 2 b): the arguments are a row of table 1.

    The branch that the paper gives 5 x 5 filters has 3 x 3 here, as in the public checkpoint.
    """

    def __init__(
        self, in_channels: int, one: int, three_in: int, three: int, five_in: int, five: int, pool: int
    ) -> None:
        super().__init__()
        self.branch1 = ConvNormReLU(in_channels, one, 1)
        self.branch2 = nn.Sequential(
            ConvNormReLU(in_channels, three_in, 1), ConvNormReLU(three_in, three, 3, padding=1)
        )
        self.branch3 = nn.Sequential(ConvNormReLU(in_channels, five_in, 1), ConvNormReLU(five_in, five, 3, padding=1))
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), ConvNormReLU(in_channels, pool, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return engine.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], axis=1)


class AuxiliaryV1(nn.Module):
    """The auxiliary classifier of arXiv:1409.4842, section 5."""

    def __init__(self, in_channels: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.conv = ConvNormReLU(in_channels, 128, 1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(x, 4)  # (batch, in_channels, 4, 4)
        x = self.conv(x).flatten(1)  # (batch, 2048)
        x = F.relu(self.fc1(x))
        return self.fc2(self.dropout(x))  # (batch, classes)


class GoogLeNet(nn.Module):
    """GoogLeNet. `transform_input` takes images normalised as for the other ImageNet models; `aux_logits` builds the
    auxiliary heads, and `dropout_aux` acts in them.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("fc", "aux1.fc2", "aux2.fc2")

    def __init__(
        self,
        *,
        classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        self.renormalize = Renormalize() if transform_input else None
        self.conv1 = ConvNormReLU(3, 64, 7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = ConvNormReLU(64, 64, 1)
        self.conv3 = ConvNormReLU(64, 192, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = InceptionV1(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = InceptionV1(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = InceptionV1(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = InceptionV1(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = InceptionV1(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = InceptionV1(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = InceptionV1(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = InceptionV1(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = InceptionV1(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = AuxiliaryV1(512, classes, dropout_aux) if aux_logits else None
        self.aux2 = AuxiliaryV1(528, classes, dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, classes)

        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, mean=0.0, std=0.01, a=-2, b=2)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:  # (batch, 3, 224, 224)
        if self.renormalize is not None:
            x = self.renormalize(x)
        x = self.maxpool1(self.conv1(x))  # (batch, 64, 56, 56)
        x = self.maxpool2(self.conv3(self.conv2(x)))  # (batch, 192, 28, 28)
        x = self.inception3b(self.inception3a(x))  # (batch, 480, 28, 28)
        x = self.inception4a(self.maxpool3(x))  # (batch, 512, 14, 14)
        early = x
        x = self.inception4d(self.inception4c(self.inception4b(x)))  # (batch, 528, 14, 14)
        late = x
        x = self.maxpool4(self.inception4e(x))  # (batch, 832, 7, 7)
        x = self.inception5b(self.inception5a(x))  # (batch, 1024, 7, 7)
        x = self.avgpool(x).flatten(1)
        logits: Tensor = self.fc(self.dropout(x))  # (batch, classes)
        if self.training and self.aux1 is not None and self.aux2 is not None:
            aux_logits1 = self.aux1(early)
            return GoogLeNetOutputs(logits, self.aux2(late), aux_logits1)
        return logits


# ---- Inception v3 -------------------------------------------------------------------------------------------------


class InceptionA(nn.Module):
    """At 35 x 35: 1 x 1, 5 x 5, two 3 x 3 in a row, and pooling (arXiv:1512.00567, figure 5)."""

    def __init__(self, in_channels: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNormReLU(in_channels, 64, 1)
        self.branch5x5_1 = ConvNormReLU(in_channels, 48, 1)
        self.branch5x5_2 = ConvNormReLU(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = ConvNormReLU(in_channels, 64, 1)
        self.branch3x3dbl_2 = ConvNormReLU(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvNormReLU(96, 96, 3, padding=1)
        self.branch_pool = ConvNormReLU(in_channels, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pooled = self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1))
        return engine.cat([self.branch1x1(x), five, double, pooled], axis=1)


class InceptionB(nn.Module):
    """From 35 x 35 to 17 x 17 (arXiv:1512.00567, figure 10)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3 = ConvNormReLU(in_channels, 384, 3, stride=2)
        self.branch3x3dbl_1 = ConvNormReLU(in_channels, 64, 1)
        self.branch3x3dbl_2 = ConvNormReLU(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvNormReLU(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return engine.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)], axis=1)


class InceptionC(nn.Module):
    """At 17 x 17: 7 x 7 filters as a row and a column, once and twice (arXiv:1512.00567, figure 6)."""

    def __init__(self, in_channels: int, inner: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNormReLU(in_channels, 192, 1)
        self.branch7x7_1 = ConvNormReLU(in_channels, inner, 1)
        self.branch7x7_2 = ConvNormReLU(inner, inner, (1, 7), padding=(0, 3))
        self.branch7x7_3 = ConvNormReLU(inner, 192, (7, 1), padding=(3, 0))
        self.branch7x7dbl_1 = ConvNormReLU(in_channels, inner, 1)
        self.branch7x7dbl_2 = ConvNormReLU(inner, inner, (7, 1), padding=(3, 0))
        self.branch7x7dbl_3 = ConvNormReLU(inner, inner, (1, 7), padding=(0, 3))
        self.branch7x7dbl_4 = ConvNormReLU(inner, inner, (7, 1), padding=(3, 0))
        self.branch7x7dbl_5 = ConvNormReLU(inner, 192, (1, 7), padding=(0, 3))
        self.branch_pool = ConvNormReLU(in_channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        pooled = self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1))
        return engine.cat([self.branch1x1(x), seven, double, pooled], axis=1)


class InceptionD(nn.Module):
    """From 17 x 17 to 8 x 8 (arXiv:1512.00567, section 5)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3_1 = ConvNormReLU(in_channels, 192, 1)
        self.branch3x3_2 = ConvNormReLU(192, 320, 3, stride=2)
        self.branch7x7x3_1 = ConvNormReLU(in_channels, 192, 1)
        self.branch7x7x3_2 = ConvNormReLU(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = ConvNormReLU(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = ConvNormReLU(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return engine.cat([three, seven, F.max_pool2d(x, 3, stride=2)], axis=1)


class InceptionE(nn.Module):
    """At 8 x 8: 3 x 3 filters as a row beside a column (arXiv:1512.00567, figure 7)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNormReLU(in_channels, 320, 1)
        self.branch3x3_1 = ConvNormReLU(in_channels, 384, 1)
        self.branch3x3_2a = ConvNormReLU(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = ConvNormReLU(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = ConvNormReLU(in_channels, 448, 1)
        self.branch3x3dbl_2 = ConvNormReLU(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = ConvNormReLU(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = ConvNormReLU(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = ConvNormReLU(in_channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = [
            self.branch1x1(x),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1)),
        ]
        return engine.cat(branches, axis=1)  # (batch, 2048, 8, 8)


class AuxiliaryV3(nn.Module):
    """The auxiliary classifier on the last 17 x 17 grid (arXiv:1512.00567, section 4 and figure 8)."""

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.conv0 = ConvNormReLU(in_channels, 128, 1)
        self.conv1 = ConvNormReLU(128, 768, 5)
        self.fc = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 5, stride=3)  # (batch, in_channels, 5, 5)
        x = self.conv1(self.conv0(x))  # (batch, 768, 1, 1)
        x = F.adaptive_avg_pool2d(x, 1)
        return self.fc(x.flatten(1))  # (batch, classes)


class Inception3(nn.Module):
    """Inception v3. `transform_input` takes images normalised as for the other ImageNet models; `aux_logits` builds
    the auxiliary head, which in training needs images of at least 299 x 299.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("fc", "AuxLogits.fc")

    def __init__(
        self, *, classes: int = 1000, aux_logits: bool = True, transform_input: bool = False, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.renormalize = Renormalize() if transform_input else None
        self.Conv2d_1a_3x3 = ConvNormReLU(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = ConvNormReLU(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvNormReLU(32, 64, 3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = ConvNormReLU(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNormReLU(80, 192, 3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = InceptionA(192, pool=32)
        self.Mixed_5c = InceptionA(256, pool=64)
        self.Mixed_5d = InceptionA(288, pool=64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, inner=128)
        self.Mixed_6c = InceptionC(768, inner=160)
        self.Mixed_6d = InceptionC(768, inner=160)
        self.Mixed_6e = InceptionC(768, inner=192)
        self.AuxLogits = AuxiliaryV3(768, classes) if aux_logits else None
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280)
        self.Mixed_7c = InceptionE(2048)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, classes)

        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, mean=0.0, std=0.1, a=-2, b=2)
        if self.AuxLogits is not None:
            nn.init.trunc_normal_(self.AuxLogits.fc.weight, mean=0.0, std=0.001, a=-2, b=2)

    def forward(self, x: Tensor) -> Tensor | InceptionOutputs:  # (batch, 3, 299, 299)
        if self.renormalize is not None:
            x = self.renormalize(x)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))  # (batch, 64, 147, 147)
        x = self.Conv2d_3b_1x1(self.maxpool1(x))  # (batch, 80, 73, 73)
        x = self.maxpool2(self.Conv2d_4a_3x3(x))  # (batch, 192, 35, 35)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))  # (batch, 288, 35, 35)
        x = self.Mixed_6a(x)  # (batch, 768, 17, 17)
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        middle = x
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # (batch, 2048, 8, 8)
        x = self.avgpool(x).flatten(1)
        logits: Tensor = self.fc(self.dropout(x))  # (batch, classes)
        if self.training and self.AuxLogits is not None:
            return InceptionOutputs(logits, self.AuxLogits(middle))
        return logits


def googlenet(
    *,
    classes: int = 1000,
    aux_logits: bool = True,
    transform_input: bool = False,
    dropout: float = 0.2,
    dropout_aux: float = 0.7,
) -> GoogLeNet:
    """GoogLeNet for (batch, 3, 224, 224) (arXiv:1409.4842, table 1); the settings are those of `GoogLeNet`."""
    return GoogLeNet(
        classes=classes,
        aux_logits=aux_logits,
        transform_input=transform_input,
        dropout=dropout,
        dropout_aux=dropout_aux,
    )


def inception_v3(
    *, classes: int = 1000, aux_logits: bool = True, transform_input: bool = False, dropout: float = 0.5
) -> Inception3:
    """Inception v3 for (batch, 3, 299, 299) (arXiv:1512.00567, table 1); the settings are those of `Inception3`."""
    return Inception3(classes=classes, aux_logits=aux_logits, transform_input=transform_input, dropout=dropout)


def _per_channel(*values: float) -> Tensor:
    return engine.tensor(values, dtype="float32").reshape(1, 3, 1, 1)
