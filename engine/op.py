"""What an operation is: a body that computes, and a gradient rule for each argument that can have one.

    @elementwise(x=lambda grad, y: grad * y, y=lambda grad, x: grad * x)
    def multiply(xp, x: Array, y: Array) -> Array:
        "The product x y."
        return x * y

The body's parameters annotated ``Array`` are its tensors; the others are its settings. ``xp`` is NumPy or CuPy. A rule
gets what its parameters name: ``grad`` (of the result; a tuple ``grads`` where there are several), ``out`` (``outs``), a
tensor, its shape alone (``x_shape``), a setting or a residual, and gives the gradient before broadcasting is undone.
Where the gradients of all tensors share their work, one rule ``jointly`` gives them all, in order. What no rule names is
not kept alive.

Gradients of complex numbers are PyTorch's: dL/da + i dL/db at a + ib. A rule need not know: where a complex gradient arrives, the
walker conjugates it, calls the rule, and conjugates the outcome, which is right for every function that is complex-differentiable
(the rule multiplies by the derivative, as for real numbers). A function that is not (a conjugate, a Cholesky factor) says
``holomorphic=False``, and so does every one of several results: its rule gives that gradient itself.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import numpy as np

from . import device
from .debug.watch import everyone, watchers
from .dtype import Array
from .errors import ArgumentError
from .explaining import check_places, explain, lack
from .keeping import Plan
from .modes import modes
from .narrowing import run_narrow
from .node import Node
from .operands import NUMBERS, with_numbers
from .recording import Recorder
from .signature import Rule
from .tensor import Tensor, new_tensor, tensor_of

P = ParamSpec("P")
R = TypeVar("R")

ndarray = np.ndarray
Direct = Callable[[Node, Any], "list[Any] | None"]


class Op(Recorder, Generic[P, R]):
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
    ) -> None:
        super().__init__(
            body, rules, residuals=residuals, promotes=promotes, floating=floating, compares=compares, jointly=jointly
        )
        self.outputs = outputs
        self.kept_outs = tuple(range(outputs)) if kept is None else kept
        self.narrows = narrows
        self.widens = widens
        self.steadies = False  # whether narrow operands on a GPU are widened first where others are narrowed
        self.holomorphic = holomorphic and outputs == 1
        self.nothing_left = (None,) * len(residuals)  # of an implementation that gives the result alone
        self.direct: Direct | None = None
        self.kernels: dict[str, Callable[..., Any]] = {}
        self.complete: dict[str, bool] = {}
        self.implementations: dict[type, Callable[..., Any]] = {}
        self.narrow_kernels: dict[str, Callable[..., Any]] = {}
        self.narrow_implementations: dict[type, Callable[..., Any] | None] = {}
        self.plans: dict[Any, Plan] = {}
        everyone.add(self)
        if listed:
            held = TABLE.get(self.name)
            if held is not None and held.__module__ != self.__module__:
                raise ArgumentError(f"op {self.name}: {held.__module__} has one of this name; choose another name")
            TABLE[self.name] = self

    def __repr__(self) -> str:
        return f"<op {self.name}{inspect.signature(self.body)}>"

    def kernel(self, device_type: str, *, complete: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a faster implementation for ``"cpu"`` or ``"cuda"``: the body's parameters without ``xp``.

        It may answer ``NotImplemented``, then the body computes; one that is ``complete`` never does.
        """

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self.kernels[device_type] = function
            self.complete[device_type] = complete
            self.implementations.clear()
            return function

        return register

    def narrow_kernel(self, device_type: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register what computes in a narrower ``dtype`` on operands that are still float32, where nothing is recorded: a kernel's parameters and ``dtype``.

        It may answer ``NotImplemented``; then the operands are narrowed one by one and the ordinary implementation computes.
        """

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self.narrow_kernels[device_type] = function
            self.implementations.clear()
            return function

        return register

    def directly(self, function: Direct) -> Direct:
        """Register the gradients of small arrays of float32 or float64, computed at once from what a node keeps.

        ``function(node, flow)`` gives one array or None for each edge, or None to leave it to the rules, to which a generic test holds it.
        Where a call costs more than it computes, that is most of a small backward pass.
        """
        self.direct = function
        return function

    def __call__(self, *args: P.args, **settings: P.kwargs) -> R:
        inputs: tuple[Any, ...] = args
        if not self.required <= len(inputs) <= self.count or settings or self.needs_settings:
            inputs, settings = self._bind(inputs, settings)  # type: ignore[assignment]
        elif self.setting_defaults:
            settings = self.setting_defaults  # type: ignore[assignment]
        record = foreign = False
        arrays: list[Any] = []
        for value in inputs:
            if isinstance(value, Tensor):
                arrays.append(value.array)
                if value.requires_grad:
                    record = True
            elif value is None and self.optional and self.optional[len(arrays)]:
                arrays.append(None)
            else:
                arrays.append(self._operand(value, len(arrays)))
                foreign = True
        if foreign and record:
            inputs = tuple([v if isinstance(v, Tensor) else _kept(a) for v, a in zip(inputs, arrays, strict=True)])
        if record:
            record = modes.recording
        first = arrays[0]
        if len(arrays) > 1:
            kind = None
            for array in arrays:
                type_ = type(array)
                if type_ is not kind and array is not None and type_ not in NUMBERS:
                    if kind is not None:
                        check_places(self.name, arrays)
                        break
                    kind = type_
        # Arrays of one dtype need no thought, nor does a number beside a floating-point array.
        if self.promotes and not (
            type(first) is ndarray
            and (
                len(arrays) == 1 or (len(arrays) == 2 and type(arrays[1]) is ndarray and first.dtype is arrays[1].dtype)
            )
            and not (self.floating and first.dtype.kind in "biu")
        ):
            arrays = self._promote(arrays)
            # A number beside an array of a GPU stays with the host, and travels with the launch.
            first = next((a for a in arrays if type(a) is not ndarray), arrays[0])
        implementation = self.implementations.get(type(first)) or self._prepare(type(first))
        try:
            if (self.narrows or self.steadies) and modes.precision is not None:
                result, inputs = run_narrow(self, implementation, inputs, arrays, settings, record)
            elif self.keeps:
                result = implementation(*arrays, keep=record, **settings)
            else:
                result = implementation(*arrays, **settings)
        except RuntimeWarning:
            with _quiet():
                return self(*inputs, **settings)
        except (TypeError, ValueError) as error:
            raise explain(self, error, arrays) from None
        except MemoryError as error:
            raise lack(self.name, error, first) from None
        if self.outputs == 1 and (not self.residuals or type(result) is not tuple):
            out = new_tensor(Tensor)
            out.array = result if type(result) is ndarray else _whole(result)
            if record:
                self._record(inputs, settings, (out,), self.nothing_left)
            else:
                out.requires_grad = False
                out.node = None
            return out  # type: ignore[return-value]
        outs = [tensor_of(_whole(value)) for value in result[: self.outputs]]
        if record:
            self._record(inputs, settings, tuple(outs), result[self.outputs :])
        return outs[0] if self.outputs == 1 else tuple(outs)  # type: ignore[return-value]

    def one(self, x: Any) -> Tensor:
        """The call on one tensor and no settings: what operators and methods use, without the general call's care."""
        if type(x) is not Tensor or (self.floating and x.array.dtype.kind in "biu"):
            return self(x)  # type: ignore[call-arg, return-value]
        array = x.array
        implementation = self.implementations.get(type(array))
        if implementation is None:
            return self(x)  # type: ignore[call-arg, arg-type, return-value]
        try:
            result = implementation(array)
        except RuntimeWarning:
            with _quiet():
                result = implementation(array)
        except MemoryError as error:
            raise lack(self.name, error, array) from None
        out = new_tensor(Tensor)
        out.array = result if type(result) is ndarray else _whole(result)
        if x.requires_grad and modes.recording and self.rules[0] is not None:
            self._attach([x.node or x], 1, (x,), self.setting_defaults, out, 3)
        else:
            out.requires_grad = False
            out.node = None
        return out

    def two(self, x: Any, y: Any) -> Tensor:
        """The call on two tensors of one dtype and no settings, likewise."""
        if type(x) is not Tensor or type(y) is not Tensor:
            return self(x, y)  # type: ignore[call-arg, return-value]
        a = x.array
        b = y.array
        implementation = self.implementations.get(type(a))
        if (
            a.dtype is not b.dtype
            or type(a) is not type(b)
            or implementation is None
            or (self.floating and a.dtype.kind in "biu")
        ):
            return self(x, y)  # type: ignore[call-arg, arg-type, return-value]
        try:
            result = implementation(a, b)
        except RuntimeWarning:
            with _quiet():
                result = implementation(a, b)
        except (TypeError, ValueError) as error:
            raise explain(self, error, [a, b]) from None
        except MemoryError as error:
            raise lack(self.name, error, a) from None
        out = new_tensor(Tensor)
        out.array = result if type(result) is ndarray else _whole(result)
        mask = 0
        first = second = None
        if x.requires_grad:
            mask = 1
            first = x.node or x
        if y.requires_grad:
            mask += 2
            second = y.node or y
        if mask and modes.recording and self.rules[0] is not None:
            self._attach([first, second], mask, (x, y), self.setting_defaults, out, 3)
        else:
            out.requires_grad = False
            out.node = None
        return out

    # ---- implementations ------------------------------------------------------------------------------------------

    def _prepare(self, array_type: type) -> Callable[..., Any]:
        """What computes on arrays of this type, with everyone who watches around it."""
        if not (issubclass(array_type, ndarray) or array_type.__module__.startswith("cupy")):
            raise ArgumentError(f"{self.name}: wants tensors or arrays, not {array_type.__name__}")
        implementation = self._choose(array_type)
        narrow = self.narrow_kernels.get(device.load_kernels(array_type))
        for watcher in watchers:
            implementation = watcher.around(self, implementation)
            narrow = narrow and watcher.around(self, narrow)
        self.narrow_implementations[array_type] = narrow
        self.implementations[array_type] = implementation
        return implementation

    def _choose(self, array_type: type) -> Callable[..., Any]:
        """The kernel with the body behind it, or the body."""
        place = device.load_kernels(array_type)
        kernel = self.kernels.get(place)
        body = partial(self.body, device.namespace_of_type(array_type))
        if place != "cpu" and self.count > 1:
            body = partial(with_numbers, body, device.namespace_of_type(array_type))
        if kernel is None:
            return body
        if self.complete[place]:
            return kernel

        def implementation(*arrays: Array, **settings: Any) -> Any:
            result = kernel(*arrays, **settings)
            return body(*arrays, **settings) if result is NotImplemented else result

        def plain(*arrays: Array) -> Any:
            result = kernel(*arrays)
            return body(*arrays) if result is NotImplemented else result

        return implementation if self.setting_names or self.keeps else plain


# An overflow or a NaN is a result like others. NumPy's own way to be quiet about it costs more than a small operation,
# so its warnings about the engine's arithmetic are filtered, and where somebody made errors of them, caught.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=str(__package__).replace(".", r"\."))


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


TABLE: dict[str, Op[Any, Any]] = {}
"""Every operation by name."""


def _whole(result: Any) -> Any:
    """An array library's number as a 0-dimensional array."""
    return np.asarray(result) if isinstance(result, np.generic) else result


def _kept(value: Any) -> Tensor | None:
    """An input that was no tensor, as rules are given it."""
    if value is None:
        return None
    return tensor_of(np.asarray(value) if type(value) in NUMBERS else value)


Body = Callable[Concatenate[Any, P], Any]


def op(
    *,
    residuals: tuple[str, ...] = (),
    narrows: bool = False,
    widens: bool = True,
    jointly: Rule | None = None,
    holomorphic: bool = True,
    **rules: Rule,
) -> Callable[[Body[P]], Op[P, Tensor]]:
    """An operation on tensors as they are: no promotion.

    ``narrows`` lets ``precision`` narrow its operands; then the result is widened again if it ``widens``.
    """
    return lambda body: Op(
        body, rules, residuals=residuals, narrows=narrows, widens=widens, jointly=jointly, holomorphic=holomorphic
    )


def op_with_results(
    results: int,
    *,
    residuals: tuple[str, ...] = (),
    narrows: bool = False,
    jointly: Rule | None = None,
    kept: tuple[int, ...] | None = None,
    **rules: Rule,
) -> Callable[[Body[P]], Op[P, tuple[Tensor, ...]]]:
    """An operation with several results; its rules are given ``grads``, None for a result that was not used.

    Of the results, ``outs``, those at the places ``kept`` are kept alive for the rules (by default all); others are None there.
    """
    return lambda body: Op(
        body, rules, residuals=residuals, outputs=results, narrows=narrows, jointly=jointly, kept=kept
    )


def elementwise(*, holomorphic: bool = True, **rules: Rule) -> Callable[[Body[P]], Op[P, Tensor]]:
    """An operation on each element, operands promoted and broadcast."""
    return lambda body: Op(body, rules, promotes=True, holomorphic=holomorphic)


def comparison() -> Callable[[Body[P]], Op[P, Tensor]]:
    """An elementwise operation that compares; numbers that a tensor's dtype cannot hold are compared all the same."""
    return lambda body: Op(body, {}, promotes=True, compares=True)


def floating(**rules: Rule) -> Callable[[Body[P]], Op[P, Tensor]]:
    """An elementwise operation whose result is a floating-point number: integers become float32 first."""
    return lambda body: Op(body, rules, promotes=True, floating=True)
