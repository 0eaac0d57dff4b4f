"""Feeding data: data sets, samplers and the loader.

>>> from numzoo.engine import data
>>> pairs = data.TensorDataset([[0.0], [1.0], [2.0]], [0, 1, 1])
>>> [(x.tolist(), y.tolist()) for x, y in data.DataLoader(pairs, batch_size=2)]
[([[0.0], [1.0]], [0, 1]), ([[2.0]], [1])]
"""

from .collate import default_collate, default_convert
from .dataset import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset, random_split
from .delimited import CSVDataset
from .device import OnDevice, on_device
from .errors import DataError, ItemError, MissingDataError, WorkerError, WorkerTimeoutError
from .lengths import LengthBatchSampler
from .loader import DataLoader
from .numpy_folder import NumpyFolder, read_arrays
from .sample import Seeded, sample_generator, sampling
from .sampler import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    WeightedRandomSampler,
)
from .sharding import WorkerInfo, get_worker_info, shard
from .table import FrameDataset, TableDataset

__all__ = [
    "BatchSampler",
    "CSVDataset",
    "ConcatDataset",
    "DataError",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "FrameDataset",
    "ItemError",
    "IterableDataset",
    "LengthBatchSampler",
    "MissingDataError",
    "NumpyFolder",
    "OnDevice",
    "RandomSampler",
    "Sampler",
    "Seeded",
    "SequentialSampler",
    "Subset",
    "TableDataset",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerError",
    "WorkerInfo",
    "WorkerTimeoutError",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "on_device",
    "random_split",
    "read_arrays",
    "sample_generator",
    "sampling",
    "shard",
]
