"""The module: a part of a network that holds parameters, buffers and other modules as plain attributes.

The attributes are the tree: there is no second registry. The order of the state dictionary is PyTorch's: a module's own
parameters, its buffers, then its children, each in the order in which they were first assigned.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, TypeVar

import numpy as np

from .. import device as devices
from ..device import Device, DeviceLike, as_device
from ..dtype import DtypeLike, as_dtype, bfloat16, float16, is_floating
from ..errors import ArgumentError, DtypeError, StateError
from ..ops import zeros_like
from ..tensor import Tensor, tensor_of
from .hooks import ModuleHooks, RemovableHook, call, everywhere
from .parameter import Parameter
from .state import StateReport, check_values, compare, load_into

__all__ = [
    "Module",
]

Self = TypeVar("Self", bound="Module")
Hook = Callable[..., Any]
ndarray = np.ndarray


class Module:
    """The base of every layer and model: define ``forward``, call the module.

    ``classifier_modules`` names the submodules that depend on the number of classes: what new classes replace.
    """

    training: bool = True
    frozen: bool = False
    """Whether ``train()`` passes this module by: what ``nn.freeze`` sets for normalisations, so that their statistics stay."""
    classifier_modules: ClassVar[tuple[str, ...]] = ()
    narrow: ClassVar[tuple[str, ...]] = ()
    """Parameters of its own or below it that it computes with just as well in a type narrower than float32."""
    _buffers: Mapping[str, bool] = {}
    _hooks: ModuleHooks | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; each kind of module says it."""
        raise ArgumentError(f"{type(self).__name__} defines no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and type(args[0]) is not ndarray and self._hooks is None and not everywhere:
            return self.forward(args[0])  # the usual call, which is made often
        for value in args:
            if type(value) is ndarray:
                args = tuple(self._beside(v) if type(v) is ndarray else v for v in args)
                break
        if not kwargs and self._hooks is None and not everywhere:
            return self.forward(*args)
        for value in kwargs.values():
            if type(value) is ndarray:
                kwargs = {name: self._beside(v) if type(v) is ndarray else v for name, v in kwargs.items()}
                break
        if self._hooks is None and not everywhere:
            return self.forward(*args, **kwargs)
        return call(self, self._hooks, args, kwargs)

    def _beside(self, array: Any) -> Tensor:
        """A NumPy array as a tensor on the device that the parameters are on."""
        first = next(self.parameters(), None)
        return Tensor(array) if first is None else Tensor(array).to(device=first.device)

    # ---- the tree -------------------------------------------------------------------------------------------------

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Hold a tensor that is part of the state but not trained (not of the state either if not ``persistent``)."""
        if not isinstance(tensor, Tensor) and tensor is not None:
            raise ArgumentError(f"register_buffer: {name!r} must be a Tensor or None, not {type(tensor).__name__}")
        _check_name("register_buffer", name)
        self._buffers = {**self._buffers, name: persistent}
        setattr(self, name, tensor)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """The same as assigning it; None keeps the name free of a parameter."""
        setattr(self, name, parameter)

    def add_module(self, name: str, module: Module | None) -> None:
        """The same as assigning it, for names that are no identifiers."""
        if not isinstance(module, Module) and module is not None:
            raise ArgumentError(f"add_module: {name!r} must be a Module, not {type(module).__name__}")
        _check_name("add_module", name)
        self.__dict__[name] = module

    register_module = add_module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Names and modules one level down."""
        for name, value in self.__dict__.items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """The modules one level down."""
        return (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Dotted names and modules: this one (named ``prefix``), then everything below, each once."""
        return self._walk(prefix, set())

    def _walk(self, prefix: str, seen: set[int]) -> Iterator[tuple[str, Module]]:
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child._walk(f"{prefix}.{name}" if prefix else name, seen)

    def modules(self) -> Iterator[Module]:
        """This module and everything below it."""
        return (module for _, module in self.named_modules())

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Dotted names and parameters, a shared one once."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in module.__dict__.items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, a shared one once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Dotted names and buffers."""
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name in module._buffers:
                value = module.__dict__.get(name)
                if value is not None:
                    yield (f"{path}.{name}" if path else name), value

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module that a dotted name leads to."""
        module: Any = self
        for part in target.split(".") if target else ():
            module = module.__dict__.get(part) if isinstance(module, Module) else None
            if not isinstance(module, Module):
                raise ArgumentError(
                    f"{type(self).__name__} has no module {target!r} (there is no {part!r}); named_modules() lists them"
                )
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter that a dotted name leads to."""
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path).__dict__.get(name)  # a shared one has several names
        if not isinstance(found, Parameter):
            raise ArgumentError(f"{type(self).__name__} has no parameter {target!r}; named_parameters() lists them")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer that a dotted name leads to."""
        found = dict(self.named_buffers()).get(target)
        if found is None:
            raise ArgumentError(f"{type(self).__name__} has no buffer {target!r}; named_buffers() lists them")
        return found

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on everything below, then on this module."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # ---- state ----------------------------------------------------------------------------------------------------

    def state_entries(self) -> Iterator[tuple[str, Module, str, Tensor]]:
        """Every entry of the state: dotted name, the module that holds it, its name there, and the tensor."""
        yield from self._entries("")

    def _entries(self, prefix: str) -> Iterator[tuple[str, Module, str, Tensor]]:
        for name, value in self.__dict__.items():
            if isinstance(value, Parameter):
                yield prefix + name, self, name, value
        for name, persistent in self._buffers.items():
            value = self.__dict__.get(name)
            if persistent and value is not None:
                yield prefix + name, self, name, value
        for name, child in self.named_children():
            yield from child._entries(f"{prefix}{name}.")

    def state_dict(self, *, prefix: str = "") -> OrderedDict[str, Tensor]:
        """Dotted names, behind ``prefix``, and tensors of all parameters and persistent buffers; they share the module's memory."""
        return OrderedDict((prefix + name, value) for name, _, _, value in self.state_entries())

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, assign: bool = False) -> StateReport:
        """Take values from a state dictionary of tensors or arrays; the report says what became of each name.

        Nothing is changed unless every name fits: a missing, an unexpected or a mismatched one is a StateError. With ``strict=False``
        the first two are only reported. Values are copied, or taken as they are with ``assign`` (they then share memory).
        """
        own = {name: value for name, _, _, value in self.state_entries()}
        if isinstance(state, Mapping):
            state = {name: np.asarray(v) if isinstance(v, np.generic) else v for name, v in state.items()}
        check_values(type(self).__name__, own, state)
        report = compare(own, state)
        if report.mismatched or (strict and (report.missing or report.unexpected)):
            raise StateError(f"{type(self).__name__}: the state does not fit.\n{report}")
        load_into(self, state, report, assign)
        return report

    def hold_narrow(self, dtypes: Mapping[str, Any]) -> None:
        """Hold what the modules call ``narrow`` in the 16-bit types given by name: for weights that are used as a file has them.

        They are widened where they are used, so results are those of the widened weights. Such a model is not trained.
        """
        parameters = dict(self.named_parameters())
        for path, module in self.named_modules():
            for name in module.narrow:
                whole = f"{path}.{name}" if path else name
                if whole in parameters and whole in dtypes and dtypes[whole] in (float16, bfloat16):
                    parameters[whole].convert(dtypes[whole], None)

    # ---- modes and places -----------------------------------------------------------------------------------------

    def train(self: Self, mode: bool = True) -> Self:
        """Behave as in training (dropout drops, batch norm uses the batch), here and below."""
        for module in self.modules():
            module.training = mode and not module.frozen
        return self

    def eval(self: Self) -> Self:
        """Behave as in use: nothing is random, stored statistics serve."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Train the parameters here and below, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget every parameter's gradient, or make those that are there zero."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = zeros_like(parameter.grad)

    def to(self: Self, *args: Any, device: DeviceLike | None = None, dtype: DtypeLike | None = None) -> Self:
        """Move to a device, change floating-point parameters and buffers to a dtype, or both; in place."""
        for value in args:
            if isinstance(value, devices.Device) or (
                isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda")
            ):
                device = value
            else:
                dtype = value
        kind = None if dtype is None else as_dtype(dtype)
        if kind is not None and not is_floating(kind):
            raise DtypeError(
                f"{type(self).__name__}.to: parameters are floating-point numbers; {kind} is no dtype for them"
            )
        place = None if device is None else as_device(device)
        parameters = list(self.parameters())
        if place is not None and place.type == "cuda":
            _send(parameters, place)
        for parameter in parameters:
            parameter.convert(kind, place)
        for module in self.modules():
            for name in module._buffers:
                value = module.__dict__.get(name)
                if value is not None:
                    wanted = kind if kind is not None and is_floating(value.dtype) else value.dtype
                    module.__dict__[name] = tensor_of(value.to(dtype=wanted, device=place or value.device).array)
        return self

    def sending(self, state: Mapping[str, Any], device: DeviceLike) -> AbstractContextManager[None]:
        """A block in which arrays of a state are on their way to a GPU, while it is loaded with ``assign`` and before ``to(device)`` wants them there."""
        place = as_device(device)
        own = {name: parameter for name, parameter in self.named_parameters() if name in state}
        arrays = [state[name] for name, parameter in own.items() if _goes_as_it_is(state[name], parameter)]
        if place.type != "cuda" or not arrays:
            return nullcontext()
        from ..cuda.transfer import ahead

        return ahead(list({id(array): array for array in arrays}.values()), place)

    def cpu(self: Self) -> Self:
        return self.to(device="cpu")

    def cuda(self: Self, index: int = 0) -> Self:
        return self.to(device=f"cuda:{index}")

    def float(self: Self) -> Self:
        return self.to(dtype="float32")

    def half(self: Self) -> Self:
        return self.to(dtype="float16")

    def bfloat16(self: Self) -> Self:
        return self.to(dtype="bfloat16")

    def double(self: Self) -> Self:
        return self.to(dtype="float64")

    # ---- hooks ----------------------------------------------------------------------------------------------------

    def register_forward_hook(self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False) -> RemovableHook:
        """Call ``hook(module, args, result)`` after forward; what it returns, if not None, replaces the result.

        ``with_kwargs`` calls ``hook(module, args, kwargs, result)``; ``prepend`` puts it before the hooks that are there.
        """
        return self._add_hook("after", hook, with_kwargs, prepend)

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHook:
        """Call ``hook(module, args)`` before forward; what it returns, if not None, replaces the arguments.

        ``with_kwargs`` calls ``hook(module, args, kwargs)``, which gives None or both; ``prepend`` as above.
        """
        return self._add_hook("before", hook, with_kwargs, prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHook:
        """Call ``hook(module, grad_input, grad_output)`` when backward has passed the module.

        Both are tuples with None where there is no gradient; what the hook returns, if not None, replaces the first.
        """
        return self._add_hook("backward_after", hook, False, prepend)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHook:
        """Call ``hook(module, grad_output)`` when backward reaches the module; what it returns, if not None, replaces that."""
        return self._add_hook("backward_before", hook, False, prepend)

    def _add_hook(self, kind: str, hook: Hook, with_kwargs: bool, prepend: bool) -> RemovableHook:
        if self._hooks is None:
            self._hooks = ModuleHooks()

        def emptied() -> None:
            self.__dict__.pop("_hooks", None)

        return self._hooks.add(kind, hook, with_kwargs, prepend, emptied)

    # ---- looks ----------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The settings, for the readable form."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        extra = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({extra})"
        return f"{type(self).__name__}({extra}\n  " + "\n  ".join(lines) + "\n)"

    def summary(self, *input_shape: int) -> str:
        """A table of the modules with their parameter counts and, if the shape of an input is given, their output shapes."""
        from .summary import summary

        return summary(self, input_shape)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor) and type(value) is Tensor and isinstance(self.__dict__.get(name), Parameter):
            raise ArgumentError(
                f"{type(self).__name__}.{name} is a parameter, and a plain tensor would not be trained or saved; assign nn.Parameter(tensor)"
            )
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        import difflib

        near = difflib.get_close_matches(
            name, [n for n in dir(type(self)) if not n.startswith("_")] + list(self.__dict__), 1
        )
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{hint}")


def _goes_as_it_is(array: Any, parameter: Parameter) -> bool:
    return type(array) is np.ndarray and array.dtype == parameter.dtype and bool(array.flags.c_contiguous)


def _send(parameters: list[Parameter], place: Device) -> None:
    """Copy what lies on the CPU to a GPU, all in one go; dtypes are changed there, where it is faster."""
    from ..cuda.transfer import to_gpu

    here = [p for p in parameters if not p.is_pending and p.device == devices.CPU and p.array.flags.c_contiguous]
    for parameter, array in zip(here, to_gpu([p.array for p in here], place), strict=True):
        parameter.set_array(array)


def _check_name(who: str, name: Any) -> None:
    if not isinstance(name, str) or not name or "." in name:
        raise ArgumentError(f"{who}: a name is a string without dots, not {name!r:.60}")
