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
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import numpy as np

from . import device
from .dtype import Array, Dtype, float32, float64, is_differentiable, kind, result_type
from .errors import ArgumentError, DeviceError, DtypeError, EngineError, ShapeError
from .modes import modes
from .node import NOTHING_KEPT, Node, Output, ReducedNode, next_sequence
from .tensor import Tensor, as_array, new_tensor, tensor_of

P = ParamSpec("P")
R = TypeVar("R")
Rule = Callable[..., Any]

ndarray = np.ndarray
# The engine's own files: the line that is blamed for a node lies outside them.
_ENGINE_FILES = frozenset(str(file) for file in Path(__file__).parent.rglob("*.py"))
_NOTHING: dict[str, Any] = {}
_get_frame = sys._getframe


class Op(Generic[P, R]):
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
        compares: bool = False,
        jointly: Rule | None = None,
    ) -> None:
        self.body = body
        self.name = body.__name__
        self.__name__ = self.name
        self.__qualname__ = self.name
        self.__module__ = body.__module__
        self.__doc__ = body.__doc__
        self.__wrapped__ = body
        parameters = list(inspect.signature(body).parameters.values())[1:]
        tensors = [p for p in parameters if "Array" in str(p.annotation)]
        self.variadic = bool(tensors) and tensors[0].kind is inspect.Parameter.VAR_POSITIONAL
        self.tensors = tuple(p.name for p in tensors)
        self.count = sys.maxsize if self.variadic else len(tensors)
        self.optional = tuple("None" in str(p.annotation) for p in tensors)
        self.required = 1 if self.variadic else sum(p.default is inspect.Parameter.empty for p in tensors)
        settings = [p for p in parameters if p not in tensors and p.name != "keep"]
        self.setting_names = frozenset(p.name for p in settings)
        self.setting_order = tuple(p.name for p in settings if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self.setting_defaults = {p.name: p.default for p in settings if p.default is not inspect.Parameter.empty}
        self.needs_settings = len(self.setting_defaults) < len(settings)
        self.keeps = any(p.name == "keep" for p in parameters)
        self.residuals = residuals
        self.outputs = outputs
        self.promotes = promotes
        self.floating = floating
        self.narrows = narrows
        self.compares = compares
        self.jointly = jointly is not None
        if jointly is not None:
            rules = dict.fromkeys(self.tensors, jointly)
        self.rules = tuple(self._compile(name, rules) for name in self.tensors)
        unknown = set(rules) - set(self.tensors)
        if unknown or _RESERVED & set(self.tensors):
            raise ArgumentError(
                f"op {self.name}: rules are given for {sorted(rules)}, but its tensors (the parameters annotated Array) are {self.tensors}, "
                f"none of which may be called {sorted(_RESERVED)}"
            )
        self.kernels: dict[str, Callable[..., Any]] = {}
        self.implementations: dict[type, Callable[..., Any]] = {}
        self.plans: dict[int, tuple[tuple[int, ...], bool, tuple[int, ...]]] = {}
        TABLE[self.name] = self

    def __repr__(self) -> str:
        return f"<op {self.name}{inspect.signature(self.body)}>"

    def kernel(self, device_type: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a faster implementation for ``"cpu"`` or ``"cuda"``: the body's parameters without ``xp``.

        It may answer ``NotImplemented``; then the body computes.
        """

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self.kernels[device_type] = function
            self.implementations.clear()
            return function

        return register

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
            else:
                arrays.append(self._operand(value, len(arrays)))
                foreign = True
        if foreign:
            inputs = tuple(v if isinstance(v, Tensor) else a for v, a in zip(inputs, arrays, strict=True))
        if record:
            record = modes.recording
        first = arrays[0]
        # Arrays of one dtype need no thought, nor does a number beside a floating-point array.
        if self.promotes and not (
            type(first) is ndarray
            and (
                len(arrays) == 1 or (len(arrays) == 2 and type(arrays[1]) is ndarray and first.dtype is arrays[1].dtype)
            )
            and not (self.floating and first.dtype.kind in "biu")
        ):
            arrays = self._promote(arrays)
            first = arrays[0]
        implementation = self.implementations.get(type(first)) or self._prepare(type(first))
        try:
            if self.narrows and modes.precision is not None:
                result = self._run_narrow(implementation, inputs, arrays, settings)
            elif self.keeps:
                result = implementation(*arrays, keep=record, **settings)
            else:
                result = implementation(*arrays, **settings)
        except RuntimeWarning:
            with _quiet():
                return self(*inputs, **settings)
        except (TypeError, ValueError) as error:
            raise self._explain(error, arrays) from None
        if self.outputs == 1 and not self.residuals:
            out = new_tensor(Tensor)
            out.array = result if type(result) is ndarray else _whole(result)
            if record:
                self._record(inputs, settings, (out,), ())
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
        out = new_tensor(Tensor)
        out.array = result if type(result) is ndarray else _whole(result)
        if x.requires_grad and modes.recording and self.rules[0] is not None:
            self._attach([x.node or x], 1, (x,), _NOTHING, out, 3)
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
        if a.dtype is not b.dtype or implementation is None or (self.floating and a.dtype.kind in "biu"):
            return self(x, y)  # type: ignore[call-arg, arg-type, return-value]
        try:
            result = implementation(a, b)
        except RuntimeWarning:
            with _quiet():
                result = implementation(a, b)
        except (TypeError, ValueError) as error:
            raise self._explain(error, [a, b]) from None
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
            self._attach([first, second], mask, (x, y), _NOTHING, out, 3)
        else:
            out.requires_grad = False
            out.node = None
        return out

    # ---- recording ------------------------------------------------------------------------------------------------

    def _record(
        self, inputs: tuple[Any, ...], settings: dict[str, Any], outs: tuple[Tensor, ...], residuals: tuple[Any, ...]
    ) -> None:
        """Make the node that remembers this call, and hang the results on it."""
        edges: list[Any] = []
        mask = 0
        bit = 1
        rules = self.rules
        position = 0
        for value in inputs:
            edge = None
            if isinstance(value, Tensor) and value.requires_grad and rules[position] is not None:
                mask |= bit
                edge = value.node or value
            edges.append(edge)
            bit <<= 1
            if not self.variadic:
                position += 1
        if not mask:
            for out in outs:
                out.requires_grad = False
                out.node = None
            return
        if len(outs) == 1:
            self._attach(edges, mask, inputs, settings, outs[0], 3, residuals)
            return
        node = self._attach(edges, mask, inputs, settings, None, 3, residuals, outs)
        for index, out in enumerate(outs):
            out.requires_grad = is_differentiable(out.array.dtype)
            out.node = Output(node, index, out.array.shape, out.array.dtype) if out.requires_grad else None

    def _attach(
        self, edges: list[Any], mask: int, inputs: tuple[Any, ...], settings: dict[str, Any], out: Tensor | None, depth: int,
        residuals: tuple[Any, ...] = (), outs: tuple[Tensor, ...] = (),
    ) -> Node:  # fmt: skip
        """Make the node, with what the rules in ``mask`` want kept and the line that called, and hang ``out`` on it."""
        plan = self.plans.get(mask) or self._plan(mask, len(inputs))
        node = new_tensor(Node) if not self.narrows or modes.precision is None else ReducedNode(modes.precision)
        node.sequence = next_sequence()
        node.op = self
        node.edges = edges
        node.settings = settings
        node.plan = plan
        if plan != NOTHING_KEPT:
            wanted, keep_out, wanted_residuals = plan
            if wanted:
                node.saved = [inputs[i] if i >= 0 else shape_of(inputs[~i]) for i in wanted]
            if wanted_residuals:
                node.residuals = [residuals[i] for i in wanted_residuals]
            if keep_out:
                # The array alone: the Tensor itself would make a cycle with its node.
                node.outs = [out.array] if out is not None else [o.array for o in outs]
        frame = _get_frame(depth)
        code = frame.f_code
        while code.co_filename in _ENGINE_FILES and frame.f_back is not None:
            frame = frame.f_back
            code = frame.f_code
        node.code = code
        node.instruction = frame.f_lasti
        if out is not None:
            array = out.array
            node.shape = array.shape
            node.dtype = array.dtype
            out.requires_grad = True
            out.node = node
        return node

    def _plan(self, mask: int, count: int) -> tuple[tuple[int, ...], bool, tuple[int, ...]]:
        """Which inputs, whether the results, and which residuals the rules of the inputs in ``mask`` name."""
        names: set[str] = set()
        for position in range(count):
            rule = self.rules[0 if self.variadic else position]
            if mask >> position & 1 and rule is not None:
                names.update(rule[1])
        tensors = self.tensors * count if self.variadic else self.tensors[:count]
        inputs = tuple(i for i, name in enumerate(tensors) if name in names)
        # A shape alone is asked for by the complement of the position.
        inputs += tuple(~i for i, name in enumerate(tensors) if f"{name}_shape" in names)
        plan = (
            inputs,
            bool(names & {"out", "outs"}),
            tuple(i for i, name in enumerate(self.residuals) if name in names),
        )
        self.plans[mask] = plan
        return plan

    def _compile(self, tensor: str, rules: dict[str, Rule]) -> tuple[Rule, tuple[str, ...], bool] | None:
        """A rule, the names it asks for, each checked, and whether that is the gradient alone; None where the tensor has no gradient."""
        if tensor not in rules:
            return None
        names = tuple(inspect.signature(rules[tensor]).parameters)
        shapes = {f"{name}_shape" for name in self.tensors}
        known = {*_RESERVED, *self.tensors, *shapes, *self.setting_names, *self.residuals}
        if not set(names) <= known:
            raise ArgumentError(
                f"op {self.name}: the rule for {tensor} names {sorted(set(names) - known)}; it may name {sorted(known)}"
            )
        return rules[tensor], names, names == ("grad",)

    # ---- arguments ------------------------------------------------------------------------------------------------

    def _bind(self, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort arguments into tensors and settings; settings come back complete, with the defaults filled in."""
        settings = dict(self.setting_defaults)
        if len(args) > self.count:
            surplus = args[self.count :]
            if len(surplus) > len(self.setting_order):
                raise ArgumentError(
                    f"{self.name}: takes {self._form()}, but {len(args)} positional arguments were given"
                )
            settings.update(zip(self.setting_order, surplus, strict=False))
            args = args[: self.count]
        tensors = list(args)
        if given:
            for name, value in given.items():
                if name in self.setting_names:
                    settings[name] = value
            for name in self.tensors[len(tensors) :]:
                if name in given:
                    tensors.append(given[name])
                elif any(later in given for later in self.tensors):
                    tensors.append(None)
            for name in given:
                if name not in self.setting_names and name not in self.tensors[len(args) :]:
                    raise ArgumentError(f"{self.name}: has no argument {name!r}; it takes {self._form()}")
        while tensors and tensors[-1] is None and len(tensors) > self.required:
            tensors.pop()
        if len(tensors) < self.required:
            raise ArgumentError(f"{self.name}: takes {self._form()}, but only {len(tensors)} tensor(s) were given")
        missing = self.setting_names - settings.keys()
        if missing:
            raise ArgumentError(f"{self.name}: the setting {sorted(missing)[0]!r} is missing; it takes {self._form()}")
        return tuple(tensors), settings

    def _form(self) -> str:
        tensors = [f"*{self.tensors[0]}"] if self.variadic else list(self.tensors)
        settings = [
            f"{n}={self.setting_defaults[n]!r}" if n in self.setting_defaults else n for n in sorted(self.setting_names)
        ]
        return f"({', '.join(tensors + settings)})"

    def _operand(self, value: Any, position: int) -> Any:
        """What an input that is no Tensor means: arrays stay, lists become arrays, numbers stay where they are promoted."""
        if type(value) is ndarray:
            kind(value.dtype)
            return value
        if value is None and not self.variadic and self.optional[position]:
            return None
        if isinstance(value, np.generic):
            value = value.item() if self.promotes and value.dtype.itemsize <= 8 else np.asarray(value)[()]
        for python in _NUMBERS:
            if isinstance(value, python):
                return python(value) if self.promotes else as_array(value)
        if isinstance(value, (list, tuple, np.generic, ndarray)):
            return as_array(value)
        if device.is_array(value):
            return value
        raise ArgumentError(
            f"{self.name}: wants tensors, arrays or numbers, not {type(value).__name__} ({value!r:.60})"
        )

    def _promote(self, arrays: list[Any]) -> list[Any]:
        """Operands of an elementwise op brought to the dtype that PyTorch's table gives them."""
        if (
            len(arrays) == 2
            and type(arrays[1]) in _REAL
            and type(arrays[0]) is ndarray
            and arrays[0].dtype.kind == "f"
            and -_LARGE < arrays[1] < _LARGE
        ):
            return [arrays[0], np.asarray(arrays[1], arrays[0].dtype)]
        target = result_type(*arrays)
        if self.floating and kind(target) < 2:
            target = float32
        # Numbers become 0-dimensional arrays of the result's dtype, so that no body needs to know about them.
        try:
            out = [
                (a if a.dtype == target else _cast(a, target)) if device.is_array(a) else _number(a, target)
                for a in arrays
            ]
        except (OverflowError, ValueError):
            if self.compares and kind(target) == 1:
                # Any integer can be compared with one that its dtype cannot hold.
                return self._promote([a.astype(float64) if device.is_array(a) else _double(a) for a in arrays])
            number = next(a for a in arrays if not device.is_array(a))
            raise DtypeError(
                f"{self.name}: the number {number!r:.40} does not fit {target}; convert the tensor first, with .to(dtype)"
            ) from None
        types = {type(a) for a in out}
        if len(types) > 1:
            like = next((a for a in arrays if device.is_array(a) and not isinstance(a, ndarray)), None)
            xp = device.namespace(like)
            out = [xp.asarray(a) if isinstance(a, ndarray) and a.ndim == 0 else a for a in out]
        return out

    def _prepare(self, array_type: type) -> Callable[..., Any]:
        """The kernel with the body behind it, or the body, for arrays of this type."""
        if not (issubclass(array_type, ndarray) or array_type.__module__.startswith("cupy")):
            raise ArgumentError(f"{self.name}: wants tensors or arrays, not {array_type.__name__}")
        kernel = self.kernels.get(device.load_kernels(array_type))
        xp = device.namespace_of_type(array_type)
        body = partial(self.body, xp)
        if kernel is None:
            self.implementations[array_type] = body
            return body
        fast = kernel

        def implementation(*arrays: Array, **settings: Any) -> Any:
            result = fast(*arrays, **settings)
            return body(*arrays, **settings) if result is NotImplemented else result

        self.implementations[array_type] = implementation
        return implementation

    def _run_narrow(
        self, implementation: Callable[..., Any], inputs: tuple[Any, ...], arrays: list[Any], settings: dict[str, Any]
    ) -> Any:
        """Run on operands narrowed to the mode's precision, and widen the result to float32 again."""
        narrow: Dtype = modes.precision  # type: ignore[assignment]
        if any(a is not None and a.dtype != float32 for a in arrays):
            return implementation(*arrays, **settings)
        # A parameter comes again and again: its narrow form is kept until it changes.
        operands = [
            None if array is None else device.convert(array, narrow, keep=type(value) is not Tensor)
            for value, array in zip(inputs, arrays, strict=True)
        ]
        return device.convert(implementation(*operands, **settings), float32)

    def _explain(self, error: Exception, arrays: list[Any]) -> Exception:
        """The array library's complaint, with who was computing and on what."""
        places = {str(device.device_of(a)) for a in arrays if device.is_array(a)}
        if len(places) > 1:
            return DeviceError(
                f"{self.name}: its tensors are on {' and '.join(sorted(places))}; move them to one device with .to(device)"
            )
        if isinstance(error, EngineError):
            return error
        given = ", ".join(describe(a) for a in arrays)
        if not self.promotes:
            text = f"{self.name}: {error} (given {given})"
            return DtypeError(text) if isinstance(error, TypeError) else ShapeError(text)
        if isinstance(error, TypeError):
            return DtypeError(f"{self.name}: cannot compute on {given}; convert with .to(dtype)")
        return ShapeError(
            f"{self.name}: {given} do not broadcast: counted from the last axis, sizes must be equal or 1"
        )


def shape_of(value: Any) -> tuple[int, ...] | None:
    """The shape of a tensor, an array or a number; None of None."""
    return None if value is None else tuple(getattr(value, "shape", ()))


# An overflow or a NaN is a result like others. NumPy's own way to be quiet about it costs more than a small operation,
# so its warnings about the engine's arithmetic are filtered, and where somebody made errors of them, caught.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=str(__package__).replace(".", r"\."))


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


_REAL = (float, int)
_NUMBERS: tuple[Any, ...] = (bool, int, float, complex)
_LARGE = 60000.0  # what every floating-point dtype holds
_RESERVED = {"grad", "grads", "out", "outs", "position"}

TABLE: dict[str, Op[Any, Any]] = {}
"""Every operation by name."""


def _cast(array: Array, dtype: Dtype) -> Array:
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def _number(value: Any, dtype: Dtype) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(value, dtype)


def _double(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _whole(result: Any) -> Any:
    """An array library's number as a 0-dimensional array."""
    return np.asarray(result) if isinstance(result, np.generic) else result


def describe(value: Any) -> str:
    """Dtype and shape in a few characters, for messages."""
    if device.is_array(value) or isinstance(value, Tensor):
        return f"{value.dtype} {tuple(value.shape)}"
    return repr(value)[:40]


Body = Callable[Concatenate[Any, P], Any]


def op(
    *, residuals: tuple[str, ...] = (), narrows: bool = False, jointly: Rule | None = None, **rules: Rule
) -> Callable[[Body[P]], Op[P, Tensor]]:
    """An operation on tensors as they are: no promotion. ``narrows`` lets ``precision`` narrow its operands."""
    return lambda body: Op(body, rules, residuals=residuals, narrows=narrows, jointly=jointly)


def op_with_results(
    results: int, *, residuals: tuple[str, ...] = (), jointly: Rule | None = None, **rules: Rule
) -> Callable[[Body[P]], Op[P, tuple[Tensor, ...]]]:
    """An operation with several results; its rules are given ``grads``, None for a result that was not used."""
    return lambda body: Op(body, rules, residuals=residuals, outputs=results, jointly=jointly)


def elementwise(**rules: Rule) -> Callable[[Body[P]], Op[P, Tensor]]:
    """An operation on each element, operands promoted and broadcast."""
    return lambda body: Op(body, rules, promotes=True)


def comparison() -> Callable[[Body[P]], Op[P, Tensor]]:
    """An elementwise operation that compares; numbers that a tensor's dtype cannot hold are compared all the same."""
    return lambda body: Op(body, {}, promotes=True, compares=True)


def floating(**rules: Rule) -> Callable[[Body[P]], Op[P, Tensor]]:
    """An elementwise operation whose result is a floating-point number: integers become float32 first."""
    return lambda body: Op(body, rules, promotes=True, floating=True)
