"""Operations written as PyTorch's users write them: a class with a ``forward`` and a ``backward``.

    class Clamp(Function):
        @staticmethod
        def forward(ctx, x, low):
            ctx.save_for_backward(x)
            ctx.low = low
            return engine.maximum(x, low)

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * (x > ctx.low), None

    y = Clamp.apply(x, 0.0)

The engine's own operations are made by ``engine.op``, which is shorter, has kernels and needs no context.
"""

from __future__ import annotations

from typing import Any, ClassVar

from .device import is_array
from .dtype import is_differentiable
from .errors import ArgumentError, GradientError
from .keeping import Plan
from .modes import Recording, modes
from .node import Output
from .op import Op
from .ops import zeros
from .tensor import Tensor, tensor_like, tensor_of


class Context:
    """What a call of a ``Function`` hands from ``forward`` to ``backward``; it may hold attributes of any name."""

    needs_input_grad: tuple[bool, ...] = ()
    """Whether a gradient is wanted, for each argument."""

    def __init__(self) -> None:
        self._kept: list[Any] = []
        self._places: list[int] = []  # which result each kept tensor is, or -1
        self._arrived: tuple[Any, ...] | None = None
        self._constant: list[Any] = []
        self._materialize = True
        self._results: list[tuple[tuple[int, ...], Any, Any]] = []

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep arguments, results or other tensors until backward has passed."""
        for value in tensors:
            if value is not None and not isinstance(value, Tensor):
                raise ArgumentError(
                    f"save_for_backward: keeps tensors, not {type(value).__name__}; make it an attribute of ctx"
                )
        self._kept = list(tensors)

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was kept, inside ``backward``."""
        if self._arrived is None:
            raise GradientError("saved_tensors: they are there only while backward runs")
        return self._arrived

    def mark_non_differentiable(self, *results: Tensor) -> None:
        """These results have no gradient."""
        self._constant = list(results)

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (at first) or None for results that were not used."""
        self._materialize = bool(value)

    def mark_dirty(self, *arguments: Tensor) -> None:
        """Refused: nothing may write into its arguments here."""
        raise GradientError("mark_dirty: a function must not write into its arguments; give a new tensor")


class Function:
    """An operation of one's own: define ``forward(ctx, ...)`` and ``backward(ctx, *grads)`` as static methods, call ``apply``.

    ``backward`` gives a gradient or None for each argument of ``forward``; written in tensor code, it can be differentiated again.
    Where ``setup_context(ctx, inputs, output)`` is defined, ``forward`` has no ``ctx``.
    """

    _operations: ClassVar[dict[tuple[type, int], Op[Any, Any]]] = {}

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """What it computes; each function says it."""
        raise ArgumentError("Function: define forward(ctx, ...) as a static method")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep what backward needs, where ``forward`` has no ``ctx``."""

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The gradients of the arguments; each function says it."""
        raise GradientError("Function: define backward(ctx, *grads) as a static method")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Compute, and record the call where a gradient may be wanted."""
        context = Context()
        context.needs_input_grad = tuple(isinstance(value, Tensor) and value.requires_grad for value in args)
        with Recording(False):
            if cls.setup_context is not Function.setup_context:
                given = cls.forward(*args, **kwargs)
                cls.setup_context(context, args, given)
            else:
                given = cls.forward(context, *args, **kwargs)
        several = isinstance(given, (tuple, list))
        values = list(given) if several else [given]
        for value in values:
            if not isinstance(value, Tensor):
                raise ArgumentError(f"{cls.__name__}: forward gives tensors, not {type(value).__name__}")
        outs = tuple(tensor_of(value.array) for value in values)
        if modes.recording and any(context.needs_input_grad):
            cls._remember(context, args, values, outs)
        return outs if several else outs[0]

    @classmethod
    def _remember(cls, context: Context, args: tuple[Any, ...], values: list[Tensor], outs: tuple[Tensor, ...]) -> None:
        """Make the node of a call and hang the results on it."""
        operation = cls._operation(len(outs))
        edges = [
            (value.node or value) if wanted else None
            for value, wanted in zip(args, context.needs_input_grad, strict=True)
        ]
        node = operation._attach(edges, -1, (), {"context": context}, outs[0] if len(outs) == 1 else None, 2)
        place = {id(value): index for index, value in enumerate(values)}
        context._results = [(out.array.shape, out.array.dtype, out.device) for out in outs]
        # A result is kept as every operation keeps its own: as a tensor it would lead back to the node, and never die.
        own = {id(value) for value in args}
        context._places = [-1 if id(v) in own else place.get(id(v), -1) for v in context._kept]
        node.saved = [None if at >= 0 else v for v, at in zip(context._kept, context._places, strict=True)]
        node.outs = [out.array for out in outs] if any(at >= 0 for at in context._places) else []
        key = (len(node.saved), bool(node.outs))
        plan = operation.plans.get(key)
        if plan is None:
            plan = operation.plans[key] = Plan.of_function(operation, *key)
        node.plan = plan
        context._kept = []
        constant = {id(value) for value in context._constant}
        context._constant = []
        for index, (value, out) in enumerate(zip(values, outs, strict=True)):
            wanted = is_differentiable(out.array.dtype) and id(value) not in constant
            out.requires_grad = wanted
            if len(outs) > 1:
                out.node = Output(node, index, out.array.shape, out.array.dtype) if wanted else None
            elif not wanted:
                out.node = None

    @classmethod
    def _operation(cls, results: int) -> Op[Any, Any]:
        """What stands in the graph for this class, with so many results."""
        found = Function._operations.get((cls, results))
        if found is None:

            def body(xp: Any, *saved: Any, context: Any) -> Any:
                raise AssertionError("a Function computes in forward")

            def one(grad: Tensor, saved: Any, outs: Any, context: Context) -> Any:
                return cls._gradients(context, (grad,), saved, outs)

            def many(grads: tuple[Tensor | None, ...], saved: Any, outs: Any, context: Context) -> Any:
                return cls._gradients(context, grads, saved, outs)

            body.__name__ = cls.__name__
            body.__annotations__["saved"] = "Array"
            found = Op(
                body,
                {},
                outputs=results,
                narrows=True,
                jointly=one if results == 1 else many,
                holomorphic=False,
                listed=False,
            )
            Function._operations[cls, results] = found
        return found

    @classmethod
    def _gradients(
        cls,
        context: Context,
        grads: tuple[Tensor | None, ...],
        saved: tuple[Any, ...] | None,
        outs: tuple[Tensor, ...] | None,
    ) -> list[Any]:
        """Call ``backward`` and see that it gave one gradient for each argument."""
        if context._materialize:
            grads = tuple(
                zeros(shape, dtype=dtype, device=device) if grad is None else grad
                for grad, (shape, dtype, device) in zip(grads, context._results, strict=True)
            )
        context._arrived = tuple(
            value if place < 0 else outs[place]  # type: ignore[index]
            for value, place in zip(saved or (), context._places, strict=True)
        )
        try:
            given = cls.backward(context, *grads)
        finally:
            context._arrived = None
        gradients = list(given) if isinstance(given, (tuple, list)) else [given]
        count = len(context.needs_input_grad)
        if len(gradients) < count or any(g is not None for g in gradients[count:]):
            raise GradientError(
                f"{cls.__name__}.backward gave {len(gradients)} gradients, but forward has {count} arguments; give one, or None, for each"
            )
        # What was kept belongs to others: as a gradient it is copied, since an optimiser may write to it.
        kept = {id(value) for value in (*(saved or ()), *(outs or ())) if value is not None}
        return [
            tensor_like(f"{cls.__name__}.backward", g)
            if is_array(g) or isinstance(g, (int, float))
            else g.clone()
            if id(g) in kept
            else g
            for g in gradients[:count]
        ]


__all__ = ["Context", "Function"]
