"""What a primitive does to each result before it writes it: scale it, add an operand, and more. That saves a pass over the results."""

from __future__ import annotations

import ctypes

from .library import Library
from .memory import Layout, refusal

LINEAR = 0x26  # the eltwise algorithm alpha x + beta
SQUARE_ROOT = 0x25
POWER = 0x30  # alpha x^beta
ADD = 0x1FFF0
MULTIPLY = 0x1FFF1


class Epilogue:
    """Steps in the order in which they were asked for, as the attributes of a primitive."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._count = 0
        steps = ctypes.c_void_p()
        self.handle: int | None = None
        code = library.steps_create(ctypes.byref(steps))
        if code:
            raise refusal("a list of steps", code)
        self._steps: int | None = steps.value
        self.handle = library.new_attributes().value

    def __del__(self) -> None:
        if self.handle is not None:
            self._library.steps_destroy(self._steps)
            self._library.attributes_destroy(self.handle)

    def scale(self, factor: float) -> None:
        """Multiply by a number."""
        self.apply(LINEAR, factor)

    def apply(self, algorithm: int, alpha: float = 0.0, beta: float = 0.0) -> None:
        """Apply an eltwise algorithm."""
        self._note(self._library.steps_eltwise(self._steps, algorithm, alpha, beta))

    def add_to(self, factor: float) -> None:
        """Add what the destination holds, times a number."""
        self._note(self._library.steps_sum(self._steps, factor, 0, 0))

    def add(self, layout: Layout) -> int:
        """Add an operand, whose axes of length one repeat; gives the name of the argument that it becomes."""
        return self._operand(ADD, layout)

    def multiply(self, layout: Layout) -> int:
        """Multiply by an operand; gives the name of the argument that it becomes."""
        return self._operand(MULTIPLY, layout)

    def _operand(self, algorithm: int, layout: Layout) -> int:
        self._note(self._library.steps_binary(self._steps, algorithm, layout.handle))
        return self._count << 15 | 2  # DNNL_ARG_ATTR_MULTIPLE_POST_OP(its place) | DNNL_ARG_SRC_1

    def _note(self, code: int) -> None:
        if code or self._library.attributes_steps(self.handle, self._steps):
            raise refusal("a step after a product", code)
        self._count += 1
