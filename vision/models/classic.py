"""LeNet and AlexNet: the networks that began it.

LeNet: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition" (Proc. IEEE, 1998),
figure 2. AlexNet: Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (arXiv:1404.5997), the
form for one processor.
"""

from __future__ import annotations

from typing import ClassVar

from numzoo.engine import Tensor, nn


class LeNet(nn.Module):
    """LeNet for grey images of 28 x 28, with what has been learnt since: batch norm, ReLU, max pooling, dropout.

    Two convolutions of 5 x 5, each followed by pooling, then layers of 120, 84 and `classes`, as in the paper's
    figure 2; wider in the convolutions (32 and 48 maps where 1998 could afford 6 and 16). 194,494 parameters.
    """

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier.5",)

    def __init__(self, *, classes: int = 10, dropout: float = 0.25) -> None:
        super().__init__()
        self.features = nn.Sequential(  # (batch, 1, 28, 28)
            nn.Conv2d(1, 32, 5, padding=2, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),  # (batch, 32, 14, 14)
            nn.Conv2d(32, 48, 5, bias=False),
            nn.BatchNorm2d(48),
            nn.ReLU(),
            nn.MaxPool2d(2),  # (batch, 48, 5, 5)
        )
        self.classifier = nn.Sequential(
            nn.Linear(48 * 5 * 5, 120),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        return self.classifier(x.flatten(1))  # (batch, classes)


class AlexNet(nn.Module):
    """AlexNet in one column: five convolutions, three fully connected layers (section 5 of arXiv:1404.5997)."""

    classifier_modules: ClassVar[tuple[str, ...]] = ("classifier.6",)

    def __init__(self, *, classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(  # (batch, 3, 224, 224)
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (batch, 64, 27, 27)
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (batch, 192, 13, 13)
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (batch, 256, 6, 6)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))
        return self.classifier(x.flatten(1))  # (batch, classes)


def lenet(*, classes: int = 10, dropout: float = 0.25) -> LeNet:
    """LeNet with batch norm for (batch, 1, 28, 28) (LeCun et al., Proc. IEEE 1998, figure 2)."""
    return LeNet(classes=classes, dropout=dropout)


def alexnet(*, classes: int = 1000, dropout: float = 0.5) -> AlexNet:
    """AlexNet for (batch, 3, 224, 224) (arXiv:1404.5997)."""
    return AlexNet(classes=classes, dropout=dropout)
