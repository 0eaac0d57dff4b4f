"""The inert things that a checkpoint's pickle may name, in one fixed table.

A global in the stream is only a key of `GLOBALS`. What stands there are objects of `kinds`: a `Function` holds a
Python function of ours, which takes what the stream gave and describes a tensor or a plain value. Nothing is imported,
looked up or called by a name that comes from a file.
"""

from __future__ import annotations

from collections.abc import Callable

from numzoo.hub.checkpoint.dtypes import TORCH, TORCH_STORAGE, DataType
from numzoo.hub.checkpoint.pytorch import run_values
from numzoo.hub.checkpoint.pytorch.kinds import (
    CounterMapping,
    Function,
    LateTensor,
    Opaque,
    OrderedMapping,
    StorageType,
    TensorType,
    integers,
    kind_of,
    wants,
)
from numzoo.hub.checkpoint.pytorch.run_values import NumberType, Record, RecordType
from numzoo.hub.checkpoint.tensors import StorageView, Tensor
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = [
    "GLOBALS",
    "REFUSED",
    "build",
    "cost",
    "new",
    "reduce",
    "set_items",
]


def cost(arguments: object) -> int:
    """Estimate the bytes that applying a function to `arguments` would copy."""
    first = arguments[0] if type(arguments) is tuple and arguments else None
    if isinstance(first, (list, dict)):
        return 128 * len(first)
    return len(first) if type(first) in (str, bytes) else 0  # type: ignore[arg-type]


def reduce(target: object, arguments: object) -> object:
    """Apply what opcode REDUCE found. Raises UnsafeFileError unless `target` is in the table as applicable."""
    if type(arguments) is not tuple:
        raise FormatError(f"REDUCE was given {kind_of(arguments)} in place of a tuple of arguments")
    if type(target) is Function:
        return target.apply(arguments)
    if type(target) is TensorType and target.name == "Parameter":
        return _parameter(arguments)
    raise UnsafeFileError(f"REDUCE would call {kind_of(target)}")


def new(target: object, arguments: object) -> object:
    """Make what opcode NEWOBJ asks for: an empty tensor object, a Parameter or an ordered dictionary."""
    if type(arguments) is not tuple:
        raise FormatError(f"NEWOBJ was given {kind_of(arguments)} in place of a tuple of arguments")
    if type(target) is TensorType:
        if arguments and target.name == "Parameter":
            return _parameter(arguments)
        if arguments:
            raise FormatError(f"NEWOBJ of {target.name} was given {len(arguments)} arguments")
        return LateTensor(target.name)
    if type(target) is Function and target.name == "collections.OrderedDict" and not arguments:
        return OrderedMapping()
    if type(target) is RecordType and not arguments:
        return Record()
    raise UnsafeFileError(f"NEWOBJ would make {kind_of(target)}")


def build(target: object, state: object) -> None:
    """Take the state of opcode BUILD: a module's `_metadata`, or what old tensors and Parameters keep in theirs."""
    if type(target) is OrderedMapping:
        if not isinstance(state, dict):
            raise FormatError(f"BUILD gives an ordered dictionary {kind_of(state)} in place of attributes")
        return  # `_metadata`: the versions of the modules, which carry no values
    if type(target) is NumberType:
        run_values.set_number_type(target, state)
        return
    if type(target) is Record and type(state) is dict and not target:
        target.update(state)
        return
    if type(target) is not LateTensor:
        raise UnsafeFileError(f"BUILD would set the state of {kind_of(target)}")
    if type(state) is not tuple or len(state) not in (3, 4, 5):
        raise FormatError(f"BUILD gives a {target.name} {kind_of(state)} in place of a tuple of 3, 4 or 5")
    if len(state) == 3:  # (requires_grad, volatile, backward_hooks)
        _no_hooks(state[2])
        return
    if target.tensor is not None:
        raise FormatError(f"BUILD fills a {target.name} that has its values already")
    if len(state) == 4:  # what Tensor.set_ takes
        target.tensor = _rebuild_tensor(state)
    else:  # (data, grad, backward_hooks, requires_grad, volatile)
        _no_hooks(state[2])
        target.tensor = _tensor(state[0])


def set_items(target: object, items: list[object]) -> None:
    """Put keys and values in turn into `target`: exactly a dict, or an OrderedDict or Counter from here."""
    if type(target) is not dict and type(target) is not OrderedMapping and type(target) is not CounterMapping:
        raise UnsafeFileError(f"SETITEM would write into {kind_of(target)}")
    for index in range(0, len(items), 2):
        target[_take_key(items[index])] = items[index + 1]


def _take_key(key: object) -> object:
    """Give `key` if it may be a dictionary's key: text, a number, None, or a flat tuple of those.

    Integers stay within 64 bits, so that nobody can choose them to have one hash.
    """
    if type(key) is str:
        return key
    if type(key) is tuple and len(key) <= 16:
        for part in key:
            if type(part) is tuple:
                raise FormatError("a dictionary has nested tuples as keys")
            _take_key(part)
        return key
    if type(key) is int and -(1 << 63) <= key < 1 << 64:
        return key
    if key is None or type(key) is bool or type(key) is float or type(key) is bytes:
        return key
    raise FormatError(f"a dictionary has {kind_of(key)} as a key")


def _no_hooks(hooks: object) -> None:
    if hooks is not None and not (isinstance(hooks, dict) and not hooks):
        raise UnsafeFileError(f"a tensor carries backward hooks ({kind_of(hooks)})")


def _no_bits(metadata: object) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or len(metadata) > 16:
        raise FormatError(f"a tensor's metadata is {kind_of(metadata)}, not a small dictionary")
    if any(on is not False for on in metadata.values()):
        raise FormatError("a tensor carries metadata (a conjugate or negative bit), which only PyTorch can apply")


def _tensor(value: object) -> Tensor:
    if type(value) is LateTensor and value.tensor is not None:
        return value.tensor
    if type(value) is not Tensor:
        raise FormatError(f"a tensor was expected, but {kind_of(value)} stands there")
    return value


def _strided(storage: object, offset: object, size: object, stride: object, dtype: DataType | None = None) -> Tensor:
    if type(storage) is not StorageView:
        raise FormatError(f"a tensor stands on {kind_of(storage)}, not on a storage")
    if type(offset) is not int:
        raise FormatError(f"a tensor's offset is {kind_of(offset)}, not an integer")
    return Tensor(
        storage,
        dtype or storage.dtype,
        offset,
        integers("a tensor's size", size),
        integers("a tensor's stride", stride),
    )


def _rebuild_tensor(arguments: tuple[object, ...]) -> Tensor:
    wants("_rebuild_tensor", arguments, 4)
    storage, offset, size, stride = arguments
    return _strided(storage, offset, size, stride)


def _rebuild_tensor_v2(arguments: tuple[object, ...]) -> Tensor:
    wants("_rebuild_tensor_v2", arguments, 6, 7)
    _no_hooks(arguments[5])
    _no_bits(arguments[6] if len(arguments) == 7 else None)
    storage, offset, size, stride = arguments[:4]
    return _strided(storage, offset, size, stride)


def _rebuild_tensor_v3(arguments: tuple[object, ...]) -> Tensor:
    wants("_rebuild_tensor_v3", arguments, 7, 8)
    _no_hooks(arguments[5])
    _no_bits(arguments[7] if len(arguments) == 8 else None)
    if type(arguments[6]) is not DataType:
        raise FormatError(f"a tensor has {kind_of(arguments[6])} as its dtype")
    storage, offset, size, stride = arguments[:4]
    return _strided(storage, offset, size, stride, arguments[6])


def _rebuild_parameter(arguments: tuple[object, ...]) -> LateTensor:
    wants("_rebuild_parameter", arguments, 3)
    _no_hooks(arguments[2])
    return LateTensor("Parameter", _tensor(arguments[0]))


def _rebuild_parameter_with_state(arguments: tuple[object, ...]) -> LateTensor:
    wants("_rebuild_parameter_with_state", arguments, 4)
    return _rebuild_parameter(arguments[:3])  # the state holds Python attributes, which carry no values


def _parameter(arguments: tuple[object, ...]) -> LateTensor:
    wants("Parameter", arguments, 1, 2)
    return LateTensor("Parameter", _tensor(arguments[0]))


def _rebuild_from_type(arguments: tuple[object, ...]) -> object:
    wants("_rebuild_from_type_v2", arguments, 4)
    function, kind, inner, _state = arguments
    if type(function) is not Function or not function.name.startswith("torch._utils."):
        raise UnsafeFileError(f"_rebuild_from_type_v2 would call {kind_of(function)}")
    if type(kind) is not TensorType:
        raise UnsafeFileError(f"_rebuild_from_type_v2 would make {kind_of(kind)}")
    if type(inner) is not tuple:
        raise FormatError(f"_rebuild_from_type_v2 was given {kind_of(inner)} in place of a tuple of arguments")
    return function.apply(inner)


def _ordered(arguments: tuple[object, ...]) -> OrderedMapping:
    wants("OrderedDict", arguments, 0, 1)
    result = OrderedMapping()
    if arguments:  # Python 2 wrote a list of [key, value]
        if type(arguments[0]) is not list:
            raise FormatError(f"OrderedDict was given {kind_of(arguments[0])} in place of a list of pairs")
        for pair in arguments[0]:
            if type(pair) not in (list, tuple) or len(pair) != 2:
                raise FormatError("OrderedDict was given a list that holds more than pairs")
            result[_take_key(pair[0])] = pair[1]
    return result


def _counter(arguments: tuple[object, ...]) -> CounterMapping:
    wants("Counter", arguments, 0, 1)
    if arguments and type(arguments[0]) is not dict:
        raise FormatError(f"Counter was given {kind_of(arguments[0])} in place of a dictionary")
    return CounterMapping(*arguments)


def _size(arguments: tuple[object, ...]) -> tuple[int, ...]:
    wants("torch.Size", arguments, 1)
    return integers("torch.Size", arguments[0])


def _device(arguments: tuple[object, ...]) -> Opaque:
    wants("torch.device", arguments, 1, 2)
    if type(arguments[0]) is not str or not all(type(part) is int for part in arguments[1:]):
        raise FormatError("torch.device was given something other than a name and a number")
    return Opaque(":".join(map(str, arguments)))


def _layout(arguments: tuple[object, ...]) -> Opaque:
    wants("_get_layout", arguments, 1)
    if type(arguments[0]) is not str:
        raise FormatError(f"_get_layout was given {kind_of(arguments[0])} in place of a name")
    return Opaque(arguments[0])


def _encode(arguments: tuple[object, ...]) -> bytes:
    wants("_codecs.encode", arguments, 2)
    text, codec = arguments
    if type(text) is not str or codec not in ("latin1", "latin-1"):
        raise UnsafeFileError("_codecs.encode may only turn text into latin1 bytes")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise FormatError("_codecs.encode was given characters outside latin1") from None


def _bytearray(arguments: tuple[object, ...]) -> bytes:
    wants("bytearray", arguments, 0, 1, 2)
    if len(arguments) == 2:
        return _encode(arguments)
    if arguments and type(arguments[0]) is not bytes:
        raise FormatError(f"bytearray was given {kind_of(arguments[0])} in place of bytes")
    return arguments[0] if arguments else b""  # type: ignore[return-value]


def _set(arguments: tuple[object, ...]) -> frozenset[object]:
    wants("set", arguments, 0, 1)
    if arguments and type(arguments[0]) is not list:
        raise FormatError(f"set was given {kind_of(arguments[0])} in place of a list")
    return frozenset(_take_key(item) for item in arguments[0]) if arguments else frozenset()  # type: ignore[attr-defined]


def _complex(arguments: tuple[object, ...]) -> complex:
    wants("complex", arguments, 2)
    real, imaginary = arguments
    if type(real) is not float or type(imaginary) is not float:
        raise FormatError("complex was given something other than two floats")
    return complex(real, imaginary)


def _table() -> dict[str, object]:
    functions: dict[str, Callable[[tuple[object, ...]], object]] = {
        "collections OrderedDict": _ordered,
        "collections Counter": _counter,
        "torch._utils _rebuild_tensor": _rebuild_tensor,
        "torch._utils _rebuild_tensor_v2": _rebuild_tensor_v2,
        "torch._utils _rebuild_tensor_v3": _rebuild_tensor_v3,
        "torch._utils _rebuild_parameter": _rebuild_parameter,
        "torch._utils _rebuild_parameter_with_state": _rebuild_parameter_with_state,
        "torch._tensor _rebuild_from_type_v2": _rebuild_from_type,
        "torch.tensor _rebuild_from_type_v2": _rebuild_from_type,
        "torch.serialization _get_layout": _layout,
        "torch Size": _size,
        "torch device": _device,
        "_codecs encode": _encode,
        "numpy dtype": run_values.number_type,
        "numpy.core.multiarray scalar": run_values.scalar,
        "numpy._core.multiarray scalar": run_values.scalar,
        "pathlib PosixPath": run_values.path_text,
        "pathlib WindowsPath": run_values.path_text,
    }
    for module in ("builtins", "__builtin__"):
        functions |= {f"{module} bytearray": _bytearray, f"{module} set": _set, f"{module} complex": _complex}
    table: dict[str, object] = {name: Function(name.replace(" ", "."), apply) for name, apply in functions.items()}
    table |= {f"torch {name}": dtype for name, dtype in TORCH.items()}
    for name, dtype in TORCH_STORAGE.items():
        kind = name.removesuffix("Storage")
        for module in ("torch", "torch.cuda"):
            table[f"{module} {name}"] = StorageType(name, dtype)
            if not kind.startswith("Complex"):  # these never had a tensor class
                table[f"{module} {kind}Tensor"] = TensorType(f"{kind}Tensor")
    for module in ("torch", "torch.storage"):
        table[f"{module} UntypedStorage"] = StorageType("UntypedStorage", TORCH["uint8"])
    for module in ("torch", "torch._tensor", "torch.tensor"):
        table[f"{module} Tensor"] = TensorType("Tensor")
    table["argparse Namespace"] = RecordType("argparse.Namespace")
    table["torch.nn.parameter Parameter"] = TensorType("Parameter")
    for scheme in ("affine", "symmetric"):
        for scope in ("per_tensor", "per_channel"):
            table[f"torch {scope}_{scheme}"] = Opaque(f"torch.{scope}_{scheme}")
    table["torch per_channel_affine_float_qparams"] = Opaque("torch.per_channel_affine_float_qparams")
    return table


GLOBALS = _table()

# Known names that stay outside the table, and what to tell the person.
REFUSED: dict[str, str] = {
    "torch._utils _rebuild_qtensor": "quantised tensors are not read; save the dequantised state dict",
    "torch._utils _rebuild_sparse_tensor": "sparse tensors are not read; save dense ones",
    "torch._utils _rebuild_meta_tensor_no_storage": "a meta tensor has no values",
    "torch._utils _rebuild_wrapper_subclass": "a tensor subclass needs PyTorch; save plain tensors",
    "torch._utils _rebuild_device_tensor_from_numpy": "such a device tensor is not read; save it from the CPU",
    "numpy.core.multiarray _reconstruct": "arrays of NumPy are not read inside a pickle; save tensors",
    "numpy._core.multiarray _reconstruct": "arrays of NumPy are not read inside a pickle; save tensors",
    "torch._utils _rebuild_device_tensor_from_cpu_tensor": "such a device tensor is not read; save it from the CPU",
    **{
        f"torch {name}Storage": "quantised tensors are not read; save the dequantised state dict"
        for name in ("QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4")
    },
}
