"""What an operation is: a body that computes, and a gradient rule for each argument that can have one.

    @elementwise(x=lambda grad, y: grad * y, y=lambda grad, x: grad * x)
    def multiply(xp, x: Array, y: Array) -> Array:
        "The product x y."
        return x * y

The body's parameters annotated ``Array`` are its tensors; the others are its settings. ``xp`` is NumPy or CuPy. A rule
gets what its parameters name: ``grad`` (of the result; a tuple ``grads`` where there are several), ``out`` (``outs``), a tensor, its
shape, strides or dtype alone (``x_shape``, ``x_strides``, ``x_dtype``), a setting or a residual, and gives the gradient before broadcasting is undone.
Where the gradients of all tensors share their work, one rule ``jointly`` gives them all, in order. What no rule names is
not kept alive.

Gradients of complex numbers are PyTorch's: dL/da + i dL/db at a + ib. A rule need not know: where a complex gradient arrives, the
walker conjugates it, calls the rule, and conjugates the outcome, which is right for every function that is complex-differentiable
(the rule multiplies by the derivative, as for real numbers). A function that is not (a conjugate, a Cholesky factor) says
``holomorphic=False``, and so does every one of several results: its rule gives that gradient itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import numpy as np

from .debug.watch import everyone
from .dtype import is_differentiable
from .errors import ArgumentError
from .explaining import check_places, explain, lack
from .implementations import Implementations, with_body
from .keeping import Plan
from .modes import modes
from .narrowing import run_narrow
from .node import Node, Output
from .quiet import quiet
from .recording import Recorder
from .signature import Rule
from .tensor import Tensor, new_tensor, tensor_of

P = ParamSpec("P")
R = TypeVar("R")

ndarray, generic = np.ndarray, np.generic
Direct = Callable[[Node, Any], "list[Any] | None"]
Keeps = Callable[[tuple[Any, ...], dict[str, Any]], bool]
"""Whether a call's result is kept for the rules: asked with its inputs and settings."""


class Op(Recorder, Implementations, Generic[P, R]):
    """A callable operation: unwraps tensors, computes, and records a node when a gradient may be wanted."""

    def __init__(
        self,
        body: Callable[..., Any],
        rules: dict[str, Rule],
        *,
        residuals: tuple[str, ...] = (),
        outputs: int = 1,
        promotes: bool = False,
        floating: bool = False,
        narrows: bool = False,
        widens: bool = True,
        compares: bool = False,
        jointly: Rule | None = None,
        holomorphic: bool = True,
        listed: bool = True,
        kept: tuple[int, ...] | None = None,
        keeps_result: Keeps | None = None,
    ) -> None:
        super().__init__(
            body, rules, residuals=residuals, promotes=promotes, floating=floating, compares=compares, jointly=jointly
        )
        Implementations.__init__(self)
        self.outputs = outputs
        self.kept_outs = tuple(range(outputs)) if kept is None else kept
        self.keeps_result = keeps_result
        if keeps_result is not None:
            self.kept_outs = tuple(place for place in self.kept_outs if place)
        self.kept_with_result = (0, *self.kept_outs)
        self.narrows = narrows
        self.widens = widens
        self.steadies = False  # whether narrow operands on a GPU are widened first where others are narrowed
        self.holomorphic = holomorphic and outputs == 1
        self.gathers = (
            False  # whether its rules take what flows to one of several results as a list that is not added up yet
        )
        self.nothing_left = (None,) * len(residuals)  # of an implementation that gives the result alone
        self.flowing = None not in self.rules
        """Whether every input has a gradient."""
        special = self.keeps or residuals or narrows or self.variadic or outputs > 1
        self.simple = not special and (self.flowing or not any(self.rules))
        """Whether a call on one tensor needs no more thought than ``one`` gives it."""
        self.plain = self.simple and not self.setting_names
        """And one on two tensors no more than ``two``."""
        self.direct: Direct | None = None
        self.plans: dict[Any, Plan] = {}
        everyone.add(self)
        if listed:
            held = TABLE.get(self.name)
            if held is not None and held.__module__ != self.__module__:
                raise ArgumentError(f"op {self.name}: {held.__module__} has one of this name; choose another name")
            TABLE[self.name] = self

    def __repr__(self) -> str:
        return f"<op {self.name}{inspect.signature(self.body)}>"

    def __reduce__(self) -> str:
        # A copy of a model, or one that is sent to a worker, calls the same operation: it is found by its name.
        return self.name

    def directly(self, function: Direct) -> Direct:
        """Register the gradients as a walk computes them that neither records nor watches: on arrays, at once, from what a node keeps.

        ``function(node, arrived)`` gives one array or None for each edge, or None to leave it to the rules, to which a generic test holds it;
        of several results a list arrives. They are the same numbers by the same kernels, but for small arrays of NumPy's. It spares the calls
        of operations, which cost more than small steps compute.
        """
        self.direct = function
        return function

    def __call__(self, *args: P.args, **settings: P.kwargs) -> R:
        if settings or self.needs_settings or not self.required <= len(args) <= self.count:
            inputs, complete = self._bind(args, settings)
            if self.simple and len(inputs) == 1:
                return self.one(inputs[0], complete)  # type: ignore[return-value]
            return self.run(inputs, complete)  # type: ignore[no-any-return]
        if self.simple:
            if len(args) == 1:
                return self.one(args[0])  # type: ignore[return-value]
            if len(args) == 2 and self.plain:
                return self.two(args[0], args[1])  # type: ignore[return-value]
        return self.run(args, self.setting_defaults)  # type: ignore[no-any-return]

    def one(self, x: Any, settings: dict[str, Any] | None = None) -> Tensor:
        """The call on one tensor, with all of its settings or with none, without the general call's care."""
        if settings is None:
            settings = self.setting_defaults
        if not isinstance(x, Tensor) or not self.simple or (self.steadies and modes.precision is not None):
            return self.run((x,), settings)  # type: ignore[no-any-return]
        array = x.array
        implementation = self.implementations.get(type(array))
        if implementation is None or (self.floating and array.dtype.kind in "biu"):
            return self.run((x,), settings)  # type: ignore[no-any-return]
        try:
            result = implementation(array, **settings) if settings else implementation(array)
            if result is NotImplemented:
                result = self.bodies[type(array)](array, **settings)
        except RuntimeWarning:
            return self._run_quietly((x,), settings)  # type: ignore[no-any-return]
        except (TypeError, ValueError) as error:
            raise explain(self, error, [array]) from None
        except MemoryError as error:
            raise lack(self.name, error, array) from None
        out = new_tensor(Tensor)
        out.array = np.asarray(result) if isinstance(result, generic) else result
        if x.requires_grad and modes.recording and self.flowing:
            self._attach([x.node or x], 1, (x,), settings, out, 3)
        else:
            out.requires_grad = False
            out.node = None
        return out

    def two(self, x: Any, y: Any) -> Tensor:
        """The call on two tensors of one dtype, or one and a number, and no settings, likewise."""
        if not isinstance(x, Tensor) or not self.plain:
            return self.run((x, y), self.setting_defaults)  # type: ignore[no-any-return]
        a = x.array
        if isinstance(y, Tensor):
            b = y.array
        else:
            b = self._number(y, a)
            if b is None:
                return self.run((x, y), self.setting_defaults)  # type: ignore[no-any-return]
            y = tensor_of(b)
        implementation = self.implementations.get(type(a))
        if (
            a.dtype is not b.dtype
            or (type(a) is not type(b) and (b.ndim or type(b) is not ndarray))
            or implementation is None
            or (self.floating and a.dtype.kind in "biu")
        ):
            return self.run((x, y), self.setting_defaults)  # type: ignore[no-any-return]
        try:
            result = implementation(a, b)
            if result is NotImplemented:
                result = self.bodies[type(a)](a, b)
        except RuntimeWarning:
            return self._run_quietly((x, y), self.setting_defaults)  # type: ignore[no-any-return]
        except (TypeError, ValueError) as error:
            raise explain(self, error, [a, b]) from None
        except MemoryError as error:
            raise lack(self.name, error, a) from None
        out = new_tensor(Tensor)
        out.array = np.asarray(result) if isinstance(result, generic) else result
        mask = 0
        first = second = None
        if x.requires_grad:
            mask = 1
            first = x.node or x
        if y.requires_grad:
            mask += 2
            second = y.node or y
        if mask and modes.recording and self.flowing:
            self._attach([first, second], mask, (x, y), self.setting_defaults, out, 3)
        else:
            out.requires_grad = False
            out.node = None
        return out

    def run(self, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """The call on whatever inputs an operation may have, with all of its settings."""
        recording = modes.recording
        foreign = False
        mask, bit = 0, 1
        arrays: list[Any] = []
        edges: list[Any] = []
        for value in inputs:
            if isinstance(value, Tensor):
                arrays.append(value.array)
                if recording:
                    if value.requires_grad:
                        mask |= bit
                        edges.append(value.node or value)
                    else:
                        edges.append(None)
                    bit += bit
                continue
            if value is None and self.optional and self.optional[len(arrays)]:
                arrays.append(None)
            else:
                arrays.append(self._operand(value, len(arrays)))
                foreign = True
            edges.append(None)
            bit += bit
        if mask and not self.flowing:
            edges, mask = self._edges(inputs)
        kind: Any = type(arrays[0])
        alike = not foreign
        for array in arrays:
            if type(array) is not kind and array is not None:
                alike = False
        if not alike:
            check_places(self.name, arrays)
        # Arrays of one dtype need no thought.
        if self.promotes and (
            foreign
            or len(arrays) > 2
            or arrays[0].dtype is not arrays[-1].dtype
            or (self.floating and arrays[0].dtype.kind in "biu")
        ):
            arrays = self._promote(arrays)
        if not alike:
            # A number beside an array of a GPU stays with the host, and travels with the launch.
            kind = type(next((a for a in arrays if a is not None and type(a) is not ndarray), arrays[0]))
            inputs = tuple(
                [
                    tensor_of(a) if a is not None and not isinstance(v, Tensor) else v
                    for v, a in zip(inputs, arrays, strict=True)
                ]
            )
        record = mask != 0
        implementation = self.implementations.get(kind) or self.prepare(kind)
        try:
            if modes.precision is not None and (self.narrows or self.steadies):
                # Where another thread has just begun or ended to watch, what composed them is forgotten.
                compute = self.composed.get(kind) or with_body(implementation, self.bodies[kind])
                result, standing = run_narrow(self, compute, inputs, arrays, settings, record)
                if standing is not inputs:
                    inputs = standing  # which lead where the inputs led, but for those that were widened first
                    if record and self.steadies:
                        edges, mask = self._edges(inputs)
            elif self.keeps:
                result = implementation(*arrays, keep=record, **settings)
            else:
                result = implementation(*arrays, **settings)
            if result is NotImplemented:
                result = self.bodies[kind](*arrays, **({**settings, "keep": record} if self.keeps else settings))
        except RuntimeWarning:
            return self._run_quietly(inputs, settings)
        except (TypeError, ValueError) as error:
            raise explain(self, error, arrays) from None
        except MemoryError as error:
            raise lack(self.name, error, arrays[0]) from None
        if self.outputs != 1:
            return self._several(edges, mask, inputs, settings, result)
        residuals = self.nothing_left
        if residuals and type(result) is tuple:
            residuals = result[1:]
            result = result[0]
        out = new_tensor(Tensor)
        out.array = np.asarray(result) if isinstance(result, generic) else result
        if mask:
            self._attach(edges, mask, inputs, settings, out, 3, residuals)
        else:
            out.requires_grad = False
            out.node = None
        return out

    def _run_quietly(self, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Once more, after somebody made an error of a warning."""
        with quiet():
            return self.run(inputs, settings)

    def _several(
        self, edges: list[Any], mask: int, inputs: tuple[Any, ...], settings: dict[str, Any], result: Any
    ) -> tuple[Tensor, ...]:
        """Several results as tensors, with the node that remembers the call."""
        outs: tuple[Any, ...] = tuple([None if value is None else tensor_of(value) for value in result[: self.outputs]])
        if mask:
            left = result[self.outputs :] or self.nothing_left
            node = self._attach(edges, mask, inputs, settings, None, 4, left, outs)
            for index, out in enumerate(outs):
                out.requires_grad = is_differentiable(out.array.dtype)
                out.node = Output(node, index, out.array.shape, out.array.dtype) if out.requires_grad else None
        return outs


TABLE: dict[str, Op[Any, Any]] = {}
"""Every operation by name."""


Body = Callable[Concatenate[Any, P], Any]


def op(
    *,
    residuals: tuple[str, ...] = (),
    narrows: bool = False,
    widens: bool = True,
    jointly: Rule | None = None,
    holomorphic: bool = True,
    keeps_result: Keeps | None = None,
    **rules: Rule,
) -> Callable[[Body[P]], Op[P, Tensor]]:
    """An operation on tensors as they are: no promotion.

    ``narrows`` lets ``precision`` narrow its operands; then the result is widened again if it ``widens``. Where rules name ``out``, they
    are given None instead if ``keeps_result``, asked with the call's inputs and settings, says no.
    """
    return lambda body: Op(
        body, rules, residuals=residuals, narrows=narrows, widens=widens, jointly=jointly, holomorphic=holomorphic,
        keeps_result=keeps_result,
    )  # fmt: skip


def op_with_results(
    results: int,
    *,
    residuals: tuple[str, ...] = (),
    narrows: bool = False,
    jointly: Rule | None = None,
    kept: tuple[int, ...] | None = None,
    keeps_result: Keeps | None = None,
    **rules: Rule,
) -> Callable[[Body[P]], Op[P, tuple[Tensor, ...]]]:
    """An operation with several results; its rules are given ``grads``, None for a result that was not used.

    Of the results, ``outs``, those at the places ``kept`` are kept alive for the rules (by default all); others are None there. The first
    is as well where ``keeps_result``, asked with the call's inputs and settings, says so.
    """
    return lambda body: Op(
        body, rules, residuals=residuals, outputs=results, narrows=narrows, jointly=jointly, kept=kept, keeps_result=keeps_result
    )  # fmt: skip


def elementwise(*, holomorphic: bool = True, **rules: Rule) -> Callable[[Body[P]], Op[P, Tensor]]:
    """An operation on each element, operands promoted and broadcast."""
    return lambda body: Op(body, rules, promotes=True, holomorphic=holomorphic)


def comparison() -> Callable[[Body[P]], Op[P, Tensor]]:
    """An elementwise operation that compares; numbers that a tensor's dtype cannot hold are compared all the same."""
    return lambda body: Op(body, {}, promotes=True, compares=True)


def floating(**rules: Rule) -> Callable[[Body[P]], Op[P, Tensor]]:
    """An elementwise operation whose result is a floating-point number: integers become float32 first."""
    return lambda body: Op(body, rules, promotes=True, floating=True)
