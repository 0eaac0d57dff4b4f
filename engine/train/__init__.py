"""Training: a small loop, and the parts it is made of, which serve loops written by hand as well.

>>> from numzoo import engine
>>> from numzoo.engine import nn, optim, train
>>> x = engine.randn(64, 2); y = (x.sum(1) > 0).to("int64")
>>> model = nn.Linear(2, 2)
>>> history = train.fit(model, (x, y), optim.SGD(model.parameters(), lr=0.5), epochs=5, progress=False)
>>> history["loss"][-1] < history["loss"][0]
True
"""

from .callbacks import CSVLog, EarlyStopping, Progress, TensorBoard
from .checkpoint import Checkpoint
from .confusion import F1, ConfusionMatrix, Precision, Recall
from .errors import CheckpointError, MissingCheckpointError, NonFiniteError, TrainingError
from .history import History
from .loop import fit
from .metrics import Accuracy, Mean, MeanAbsoluteError, MeanSquaredError, Metric, TopKAccuracy
from .plots import plot_confusion, plot_history
from .run import Run
from .step import Stepper, evaluate

__all__ = [
    "F1",
    "Accuracy",
    "CSVLog",
    "Checkpoint",
    "CheckpointError",
    "ConfusionMatrix",
    "EarlyStopping",
    "History",
    "Mean",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "MissingCheckpointError",
    "NonFiniteError",
    "Precision",
    "Progress",
    "Recall",
    "Run",
    "Stepper",
    "TensorBoard",
    "TopKAccuracy",
    "TrainingError",
    "evaluate",
    "fit",
    "plot_confusion",
    "plot_history",
]
