"""A sound that every library makes alike: no random numbers, no sines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ramp(samples: int) -> NDArray[np.float32]:
    """Samples between -0.5 and 0.5, from integers alone."""
    places = np.arange(samples, dtype=np.int64)
    return ((places * places * 7 + places * 37) % 512 - 256).astype(np.float32) / 512
