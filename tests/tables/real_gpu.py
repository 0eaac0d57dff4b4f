"""A real GPU under the interface of the emulated one, so that the tests of kernels run on both."""

from __future__ import annotations

from functools import cache
from typing import Any

import emulated_libraries
import numpy as np

from numzoo.engine.kernels.cuda.machine import CudaMachine


class RealMachine(CudaMachine):
    """`launched` lists what ran, `emulated_libraries.ASKED` what was asked of the libraries."""

    def __init__(self) -> None:
        super().__init__()
        self.launched: list[str] = []

    def put(self, array: Any) -> Any:
        """A NumPy array on this machine, with the same order of axes in memory."""
        array = np.asarray(array)
        order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        dense = self.xp.asarray(np.ascontiguousarray(array.transpose(order)))
        return dense.transpose([int(axis) for axis in np.argsort(order)]) if array.ndim else dense

    def prepare(self, wanted: Any) -> Any:
        emulated_libraries.ASKED.append(wanted)
        return super().prepare(wanted)

    def entry(self, module: Any, name: str) -> Any:
        launch = super().entry(module, name)

        def noted(*arguments: Any) -> None:
            self.launched.append(name)
            launch(*arguments)

        def prepared(*arguments: Any) -> Any:
            run = launch.prepared(*arguments)

            def noted_run(*given: Any) -> None:
                self.launched.append(name)
                run(*given)

            return noted_run

        noted.prepared = prepared  # type: ignore[attr-defined]
        return noted


@cache
def real_machine() -> RealMachine:
    """The same one for all tests: what is compiled, prepared and allocated for a machine lasts as long as it does."""
    return RealMachine()
