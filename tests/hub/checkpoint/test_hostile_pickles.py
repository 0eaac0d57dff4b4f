"""Pickles that want to run something, or to take all memory: every one is refused, named, and runs nothing."""

from __future__ import annotations

import struct
import sys
import types

import pytest

from numzoo.hub.checkpoint import limits, read_checkpoint, read_metadata
from numzoo.hub.checkpoint.dtypes import TORCH
from numzoo.hub.checkpoint.pytorch.objects import GLOBALS
from numzoo.hub.checkpoint.pytorch.opcodes import Machine, read_pickle
from numzoo.hub.checkpoint.tensors import Storage, StorageView
from numzoo.hub.errors import FormatError, HubError, UnsafeFileError


@pytest.fixture
def sentinel(monkeypatch):
    """A module whose function, class and method record that they ran."""
    module = types.ModuleType("numzoo_sentinel")
    ran = []

    class Trap:
        def __init__(self, *arguments):
            ran.append(("init", arguments))

        def __setstate__(self, state):
            ran.append(("setstate", state))

        def __reduce__(self):
            ran.append(("reduce",))
            return (Trap, ())

    module.run = lambda *arguments: ran.append(arguments)
    module.Trap = Trap
    monkeypatch.setitem(sys.modules, "numzoo_sentinel", module)
    return ran


def attacks(forge) -> dict[str, bytes]:
    """Opcodes of an object that a real unpickler would run."""
    text, named = forge.text, forge.named
    run = named("numzoo_sentinel", "run") + forge.tuple(text("x"))
    trap = named("numzoo_sentinel", "Trap")
    system = named("os", "system") + forge.tuple(text("touch sentinel"))
    return {
        "GLOBAL and REDUCE": run + b"R",
        "os.system": system + b"R",
        "posix.system": named("posix", "system") + forge.tuple(text("true")) + b"R",
        "builtins.eval": named("builtins", "eval") + forge.tuple(text("1")) + b"R",
        "builtins.getattr": named("__builtin__", "getattr") + forge.tuple(text("1"), text("real")) + b"R",
        "INST": b"(" + text("x") + b"inumzoo_sentinel\nTrap\n",
        "OBJ": b"(" + trap + text("x") + b"o",
        "STACK_GLOBAL": text("numzoo_sentinel") + text("run") + b"\x93" + forge.tuple(text("x")) + b"R",
        "NEWOBJ": trap + b")\x81",
        "NEWOBJ_EX": trap + b")}\x92",
        "BUILD with __setstate__": trap + b")\x81" + text("x") + b"b",
        "BUILD on a dictionary": b"}" + forge.dict({"__class__": trap}) + b"b",
        "BUILD on a function": named("collections", "OrderedDict") + forge.dict({"x": b"N"}) + b"b",
        "EXT1": b"\x82\x01",
        "EXT2": b"\x83\x01\x00",
        "EXT4": b"\x84\x01\x00\x00\x00",
        "PERSID": b"Px\n",
        "nested in a list": forge.list(forge.list(run + b"R")),
        "as a dictionary's key": b"}" + run + b"RNs",
        "as backward hooks": forge.rebuild(
            forge.storage("FloatStorage", "0", 1), 0, (1,), (1,), forge.ordered({"hook": run + b"R"})
        ),
        "inside a type": forge.call("torch._tensor", "_rebuild_from_type_v2", named("os", "system"), trap, b")", b"}"),
        "an allowed value as a function": named("torch", "FloatStorage") + forge.tuple(text("x")) + b"R",
        "a text as a function": text("os.system") + forge.tuple(text("x")) + b"R",
        "a dictionary from an allowed function": forge.call(
            "torch._tensor",
            "_rebuild_from_type_v2",
            named("collections", "OrderedDict"),
            named("torch", "Tensor"),
            b")",
            b"}",
        ),
        "codecs with another codec": forge.call("_codecs", "encode", text("x"), text("zlib_codec")),
        "a dotted name": named("torch._utils", "_rebuild_tensor_v2.__globals__") + b")R",
        "a dotted module": named("collections.OrderedDict", "fromkeys") + b")R",
        "torch.load again": named("torch", "load") + forge.tuple(text("x")) + b"R",
        "numpy's array": named("numpy.core.multiarray", "_reconstruct") + b")R",
        "arguments with another class's state": named("argparse", "Namespace") + b")\x81" + text("x") + b"b",
        "arguments that are called": named("argparse", "Namespace") + b")R",
        "storage by bytes": named("torch.storage", "_load_from_bytes") + forge.tuple(text("x")) + b"R",
        "a user's class": named("__main__", "Net") + b")\x81}b",
        "functools.partial": named("functools", "partial") + b")R",
    }


NAMES = [
    "GLOBAL and REDUCE",
    "os.system",
    "posix.system",
    "builtins.eval",
    "builtins.getattr",
    "INST",
    "OBJ",
    "STACK_GLOBAL",
    "NEWOBJ",
    "NEWOBJ_EX",
    "BUILD with __setstate__",
    "BUILD on a dictionary",
    "BUILD on a function",
    "EXT1",
    "EXT2",
    "EXT4",
    "PERSID",
    "nested in a list",
    "as a dictionary's key",
    "as backward hooks",
    "inside a type",
    "an allowed value as a function",
    "a text as a function",
    "a dictionary from an allowed function",
    "codecs with another codec",
    "a dotted name",
    "a dotted module",
    "torch.load again",
    "numpy's array",
    "arguments with another class's state",
    "arguments that are called",
    "storage by bytes",
    "a user's class",
    "functools.partial",
]


def test_every_attack_of_the_table_has_a_name(forge):
    assert list(attacks(forge)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_attack_is_refused_in_every_format_and_runs_nothing(forge, save, sentinel, monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    root = attacks(forge)[name]
    one = [("0", 1, bytes(4))]
    old = root.replace(forge.storage("FloatStorage", "0", 1), forge.storage("FloatStorage", "0", 1, b"N"))
    oldest = root.replace(forge.storage("FloatStorage", "0", 1), b"K\x02Q")
    members = forge.tar_members(
        oldest,
        forge.tar_storages([(1, "FloatStorage", 1, bytes(4))]),
        forge.tar_tensors([(2, 1, "FloatTensor", (1,), (1,), 0)]),
    )
    for content in (forge.torch_zip(root, {"0": bytes(4)}), forge.stream(old, one), forge.tar(members)):
        path = save(content)
        for read in (read_checkpoint, read_metadata):
            with pytest.raises(UnsafeFileError, match=r"byte \d+"):
                read(path)
    assert sentinel == []
    assert not (tmp_path / "sentinel").exists()


def test_the_trap_itself_works(forge, sentinel):
    """The attacks are real: Python's own unpickler runs them."""
    import pickle

    pickle.loads(forge.pickle(attacks(forge)["GLOBAL and REDUCE"]))
    pickle.loads(forge.pickle(attacks(forge)["BUILD with __setstate__"]))
    assert [entry[0] for entry in sentinel] == ["x", "setstate"]


def test_the_message_names_the_global_and_its_byte(forge, save):
    path = save(forge.torch_zip(forge.list(forge.call("os", "system", forge.text("true"))), {}))
    with pytest.raises(UnsafeFileError, match=r"file\.bin: model/data\.pkl, byte 4: the global os\.system") as caught:
        read_checkpoint(path)
    assert caught.value.exit_code == 9
    assert isinstance(caught.value, ValueError)


def test_a_name_cannot_write_to_the_terminal(forge, save):
    with pytest.raises(UnsafeFileError) as caught:
        read_checkpoint(save(forge.torch_zip(forge.named("os\x1b[2J\x00\r", "x"), {})))
    assert str(caught.value).isprintable()


FORBIDDEN = {
    "POP": b"0",
    "POP_MARK": b"(1",
    "DUP": b"2",
    "FLOAT": b"F1\n",
    "INT": b"I1\n",
    "LONG": b"L1L\n",
    "STRING": b"S'a'\n",
    "BINSTRING": b"T\x01\x00\x00\x00a",
    "UNICODE": b"Va\n",
    "DICT": b"(d",
    "GET": b"g0\n",
    "LIST": b"(l",
    "PUT": b"p0\n",
    "BINBYTES": b"B\x01\x00\x00\x00a",
    "SHORT_BINBYTES": b"C\x01a",
    "LONG4": b"\x8b\x01\x00\x00\x00\x01",
    "SHORT_BINUNICODE": b"\x8c\x01a",
    "BINUNICODE8": b"\x8d\x01\x00\x00\x00\x00\x00\x00\x00a",
    "BINBYTES8": b"\x8e" + bytes(8),
    "ADDITEMS": b"\x8f(\x90",
    "FROZENSET": b"(\x91",
    "MEMOIZE": b"\x94",
    "FRAME": b"\x95" + bytes(8),
    "BYTEARRAY8": b"\x96" + bytes(8),
    "NEXT_BUFFER": b"\x97",
    "READONLY_BUFFER": b"\x98",
    "PROTO": b"\x80\x02",
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_an_opcode_outside_the_list_is_named(forge, name):
    with pytest.raises(UnsafeFileError, match=rf"byte \d: the opcode {name}\b"):
        read_pickle(memoryview(forge.pickle(b"N", FORBIDDEN[name])), "it")


def test_the_machine_knows_exactly_the_listed_opcodes():
    allowed = b"cR\x81bQ(t\x85\x86\x87)]}\x8faesuN\x88\x89JKM\x8aGXUhjqr"
    from numzoo.hub.checkpoint.pytorch import opcodes

    assert sorted(opcodes.HANDLERS) == sorted(allowed)


def test_the_table_holds_no_callable_of_the_outside():
    """What a stream can name are objects of our own classes, and functions of objects.py and run_values.py."""
    from numzoo.hub.checkpoint import dtypes
    from numzoo.hub.checkpoint.pytorch import objects, run_values

    own = (
        objects.Function,
        run_values.RecordType,
        objects.StorageType,
        objects.TensorType,
        objects.Opaque,
        dtypes.DataType,
    )
    for name, value in GLOBALS.items():
        assert type(value) in own, name
        if type(value) is objects.Function:
            assert value.apply.__module__ in (objects.__name__, run_values.__name__), name


PROTOCOLS = {
    "none": b"}.",
    "1": b"\x80\x01}.",
    "3": b"\x80\x03}.",
    "4": b"\x80\x04\x95\x02\0\0\0\0\0\0\0}.",
    "5": b"\x80\x05}.",
}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_other_protocols_are_refused(name):
    with pytest.raises(FormatError if name == "none" else UnsafeFileError, match=r"PROTO|protocol"):
        read_pickle(memoryview(PROTOCOLS[name]), "it")


def damaged(forge) -> dict[str, bytes]:
    text = forge.text("w")
    storage = forge.storage("FloatStorage", "0", 1)
    return {
        "nothing": b"",
        "one byte": b"\x80",
        "no STOP": b"\x80\x02}",
        "STOP on an empty stack": b"\x80\x02.",
        "two values at STOP": forge.pickle(b"}}"),
        "an open mark at STOP": forge.pickle(b"(}"),
        "TUPLE without a mark": forge.pickle(b"t"),
        "TUPLE2 on one value": forge.pickle(b"N\x86"),
        "TUPLE3 on two values": forge.pickle(b"NN\x87"),
        "APPEND on nothing": forge.pickle(b"Na"),
        "APPENDS below the mark": forge.pickle(b"(Ne"),
        "SETITEM on one value": forge.pickle(b"Ns"),
        "SETITEMS of three": forge.pickle(b"}(NNNu"),
        "REDUCE on one value": forge.pickle(b")R"),
        "REDUCE without a tuple": forge.pickle(forge.named("torch", "Size"), b"NR"),
        "BUILD on nothing": forge.pickle(b"Nb"),
        "BINPUT on nothing": forge.pickle(b"q\x00"),
        "BINGET of nothing": forge.pickle(b"h\x05"),
        "LONG_BINGET of nothing": forge.pickle(b"j\xff\xff\xff\xff"),
        "a text that is cut": b"\x80\x02X\x05\x00\x00\x00ab",
        "a text of 4 GB": forge.pickle(b"X\xff\xff\xff\xff"),
        "a text that is no UTF-8": forge.pickle(b"X\x01\x00\x00\x00\xff"),
        "a lone surrogate": forge.pickle(b"X\x03\x00\x00\x00\xed\xa0\x80"),
        "a short text that is cut": b"\x80\x02U\x05a",
        "a long number that is cut": b"\x80\x02\x8a\xff\x01",
        "a number that is cut": b"\x80\x02J\x01",
        "a float that is cut": b"\x80\x02G\x01",
        "a global without an end": b"\x80\x02ctorch",
        "a global without its second line": b"\x80\x02ctorch\nSize",
        "a global of 1000 letters": forge.pickle(forge.named("a" * 1000, "b")),
        "an opcode that does not exist": forge.pickle(b"\xff"),
        "a list as a key": forge.pickle(b"}]Ns"),
        "a dictionary as a key": forge.pickle(b"}}Ns"),
        "a tuple of lists as a key": forge.pickle(b"}]\x85Ns"),
        "nested tuples as a key": forge.pickle(b"})\x85\x85Ns"),
        "a number above 64 bits as a key": forge.pickle(b"}", forge.integer(1 << 70), b"Ns"),
        "a list in a set": forge.pickle(forge.call("builtins", "set", forge.list(b"]"))),
        "a tensor on a text": forge.pickle(forge.rebuild(text, 0, (1,), (1,))),
        "a tensor of texts": forge.pickle(
            forge.call("torch._utils", "_rebuild_tensor", storage, b"K\x00", forge.tuple(text), forge.shape(1))
        ),
        "a boolean as a size": forge.pickle(
            forge.call("torch._utils", "_rebuild_tensor", storage, b"K\x00", forge.tuple(b"\x88"), forge.shape(1))
        ),
        "too few arguments": forge.pickle(forge.call("torch._utils", "_rebuild_tensor_v2", storage)),
        "a parameter of a text": forge.pickle(
            forge.call("torch._utils", "_rebuild_parameter", text, b"\x88", forge.ordered())
        ),
        "a conjugate bit": forge.pickle(
            forge.call(
                "torch._utils",
                "_rebuild_tensor_v2",
                storage,
                b"K\x00",
                forge.shape(1),
                forge.shape(1),
                b"\x89",
                forge.ordered(),
                forge.dict({"conj": b"\x88"}),
            )
        ),
        "a tensor filled twice": forge.pickle(
            forge.named("torch", "FloatTensor"),
            b")\x81",
            (forge.tuple(storage, b"K\x00", forge.shape(1), forge.shape(1)) + b"b") * 2,
        ),
        "a parameter of an empty tensor": forge.pickle(
            forge.call(
                "torch._utils", "_rebuild_parameter", forge.named("torch", "FloatTensor") + b")\x81", b"\x88", b"N"
            )
        ),
        "OrderedDict of a text": forge.pickle(forge.call("collections", "OrderedDict", text)),
        "OrderedDict of triples": forge.pickle(
            forge.call("collections", "OrderedDict", forge.list(forge.list(b"N" * 3)))
        ),
        "Counter of a list": forge.pickle(forge.call("collections", "Counter", b"]")),
        "complex of texts": forge.pickle(forge.call("builtins", "complex", text, text)),
        "device of a list": forge.pickle(forge.call("torch", "device", b"]")),
        "latin1 of a snowman": forge.pickle(forge.call("_codecs", "encode", forge.text("☃"), forge.text("latin1"))),
    }


DAMAGED = 51


@pytest.mark.parametrize("index", range(DAMAGED))
def test_a_damaged_stream_names_its_byte(forge, index):
    from numzoo.hub.checkpoint.pytorch.stream import _Storages

    table = damaged(forge)
    assert len(table) == DAMAGED
    name = list(table)[index]
    content = table[name].replace(b"K\x01tQ", b"K\x01NtQ")  # the id of the legacy stream has a sixth part
    with pytest.raises(FormatError, match=r"byte \d+"):
        read_pickle(memoryview(content), name, _Storages().find)


WRONG_TARGETS = {
    "SETITEM on a list": b"]NNs",
    "SETITEM on a tuple": b")NNs",
    "SETITEM on a text": b"X\x00\x00\x00\x00NNs",
    "SETITEM on a number": b"K\x01NNs",
    "SETITEM on a global": b"ctorch\nSize\nNNs",
    "SETITEMS on a set": b"\x8f(NNu",
    "APPEND on a dictionary": b"}Na",
    "APPEND on a tuple": b")Na",
    "APPENDS on a text": b"X\x00\x00\x00\x00(Ne",
}


@pytest.mark.parametrize("name", WRONG_TARGETS)
def test_nothing_is_written_into_other_things_than_lists_and_dictionaries(forge, name):
    with pytest.raises(UnsafeFileError, match="would write"):
        read_pickle(memoryview(forge.pickle(WRONG_TARGETS[name])), "it")


# What would end in an error all the same, but in one that says less.
SAID = {
    "a persistent id of nobody": (b"NQ", UnsafeFileError, "a persistent id stands where none may be"),
    "a key without a value": (b"}(Nu", FormatError, "a key without a value"),
    "a number that is cut short": (b"\x8a\x09\x01", FormatError, "9 bytes should follow"),
    "a mark that is not open": (b"t", FormatError, "no MARK is open"),
    "REDUCE without a tuple": (b"ctorch\nSize\nNR", FormatError, "REDUCE was given .* in place of a tuple"),
    "NEWOBJ without a tuple": (b"ctorch\nTensor\nN\x81", FormatError, "NEWOBJ was given .* in place of a tuple"),
    "NEWOBJ of a tensor with arguments": (
        b"ctorch\nFloatTensor\nK\x01\x85\x81", FormatError, "NEWOBJ of FloatTensor was given 1 arguments"),
    "a layout that is no name": (b"ctorch.serialization\n_get_layout\nK\x01\x85R", FormatError, "_get_layout was given"),
    "bytes of a number": (b"cbuiltins\nbytearray\nK\x01\x85R", FormatError, "bytearray was given"),
    "a set of a dictionary": (b"cbuiltins\nset\n}\x85R", FormatError, "set was given"),
    "an ordered dictionary of a tuple": (
        b"ccollections\nOrderedDict\n)\x85R", FormatError, "OrderedDict was given .* in place of a list of pairs"),
    "BUILD without a tuple": (b"ctorch\nTensor\n)\x81Nb", FormatError, "in place of a tuple of 3, 4 or 5"),
    "BUILD with two values": (b"ctorch\nTensor\n)\x81NN\x86b", FormatError, "in place of a tuple of 3, 4 or 5"),
    "BUILD of a dictionary without attributes": (
        b"ccollections\nOrderedDict\n)RNb", FormatError, "in place of attributes"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_a_refusal_says_what_was_wrong(forge, name):
    program, error, why = SAID[name]
    with pytest.raises(error, match=why):
        read_pickle(memoryview(forge.pickle(program)), "it")


V2 = b"ctorch._utils\n_rebuild_tensor_v2\n(NQK\x00K\x01\x85K\x01\x85\x89"  # of a storage of 4 bytes, up to the hooks
REBUILT = {
    "whole": (V2 + b"}tR", None, ""),
    "without hooks": (V2 + b"NtR", None, ""),
    "too few arguments": (V2 + b"tR", FormatError, "_rebuild_tensor_v2 was given 5 arguments; wanted 6 or 7"),
    "too many arguments": (V2 + b"}NNtR", FormatError, "was given 8 arguments; wanted 6 or 7"),
    "hooks that hold something": (V2 + b"}NNstR", UnsafeFileError, "carries backward hooks"),
    "a list of hooks": (V2 + b"]tR", UnsafeFileError, "carries backward hooks"),
    "metadata that are a list": (V2 + b"}]tR", FormatError, "metadata is .*, not a small dictionary"),
    "metadata of 17 bits": (
        V2 + b"}}(" + b"".join(b"K%c\x89" % index for index in range(17)) + b"utR", FormatError, "not a small dictionary"),
    "an offset that is no number": (V2.replace(b"(NQK\x00", b"(NQN") + b"}tR", FormatError, "offset is"),
    "a dtype that is none": (V2.replace(b"v2", b"v3") + b"}NtR", FormatError, "as its dtype"),
    "another kind than a tensor": (
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor\nctorch\nSize\n(NQK\x00K\x01\x85K\x01\x85tNtR",
        UnsafeFileError, "_rebuild_from_type_v2 would make the global torch.Size"),
    "another function than one of tensors": (
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch\nSize\nctorch\nTensor\n(K\x01\x85tNtR",
        UnsafeFileError, "_rebuild_from_type_v2 would call the global torch.Size"),
    "a type without a tuple of arguments": (
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor\nctorch\nTensor\nNNtR",
        FormatError, "_rebuild_from_type_v2 was given .* in place of a tuple"),
    "a negative bit": (V2 + b"}}X\x03\x00\x00\x00neg\x88stR", FormatError, "carries metadata"),
}  # fmt: skip


@pytest.mark.parametrize("name", REBUILT)
def test_the_arguments_of_a_tensor_are_all_looked_at(forge, name):
    program, error, why = REBUILT[name]

    def run():
        storage = StorageView(Storage("0", 4), TORCH["float32"], 0, 4)
        return read_pickle(memoryview(forge.pickle(program)), "it", lambda _: storage)

    if error is None:
        assert run().shape == (1,)
        return
    with pytest.raises(error, match=why):
        run()


def test_bytes_after_stop_are_refused(forge, save):
    whole = forge.pickle(b"}")
    for tail in (b"\x00", whole, forge.pickle(attacks(forge)["os.system"])):
        with pytest.raises(UnsafeFileError, match=r"after the pickle's STOP at byte 3"):
            read_pickle(memoryview(whole + tail), "it")
    content = forge.zip([forge.Entry("a/data.pkl", whole + whole)])
    with pytest.raises(UnsafeFileError, match="STOP"):
        read_checkpoint(save(content))


LIMITS = {
    "OPCODES": b"}" + b"q\x00" * 20,
    "STACK": b"N" * 20,
    "MARKS": b"(" * 20,
    "MEMO": b"N" + b"".join(b"r" + struct.pack("<I", 1 << index) for index in range(20)),
    "TEXT": b"X\x14\x00\x00\x00" + b"a" * 20,
    "COPIED": b"ccollections\nOrderedDict\n](](NNee\x85R",
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_stream_above_a_limit_is_refused(forge, monkeypatch, name):
    monkeypatch.setattr(limits, name, 10)
    with pytest.raises(FormatError, match=r"(beyond|more than|longer than) 10\b"):
        read_pickle(memoryview(forge.pickle(LIMITS[name])), "it")


def test_copies_of_one_list_are_counted(forge):
    """5 bytes of opcodes copy a list of any length: without a total this would fill the memory."""
    pairs = forge.list(*(forge.tuple(forge.integer(index), b"N") for index in range(1000))) + b"q\x01"
    again = b"ccollections\nOrderedDict\nq\x02h\x01\x85R" + b"h\x02h\x01\x85R" * 2000
    with pytest.raises(FormatError, match="copies"):
        read_pickle(memoryview(forge.pickle(b"](", pairs, again, b"e")), "it")


def test_a_memo_bomb_stays_small(forge):
    """The largest index costs one entry, not 4 billion."""
    machine = Machine(memoryview(forge.pickle(b"}r\xff\xff\xff\xff")), "it")
    assert machine.run() == {}
    assert machine.memo == {0xFFFFFFFF: {}}


SELVES = {
    "a list in itself": b"]q\x00h\x00a",
    "a dictionary in itself": b"}q\x00X\x01\x00\x00\x00ah\x00s",
    "a list in a tuple in itself": b"]q\x00h\x00\x85a",
    "two lists in each other": b"]q\x00](h\x00ea",
    "doubling lists": b"](]q\x00" + b"".join(b"](h%ch%ceq%c" % (n, n, n + 1) for n in range(40)) + b"e",
    "a list 100000 deep": b"]" * 100_000 + b"a" * 99_999,
    "a tuple 100000 deep": b")" + b"\x85" * 100_000,
}


@pytest.mark.parametrize("name", SELVES)
def test_what_holds_or_doubles_itself_is_refused(forge, save, name):
    with pytest.raises(FormatError, match=r"nest more than|more than 1000000 values"):
        read_checkpoint(save(forge.torch_zip(SELVES[name], {})))


IDS = {
    "a module": (
        lambda forge: forge.tuple(forge.text("module"), forge.text("Net"), b"N", b"N") + b"Q",
        UnsafeFileError,
    ),
    "another word": (lambda forge: forge.tuple(forge.text("file"), *[b"N"] * 4) + b"Q", UnsafeFileError),
    "a text": (lambda forge: forge.text("storage") + b"Q", UnsafeFileError),
    "a number": (lambda forge: b"K\x01Q", UnsafeFileError),
    "an empty tuple": (lambda forge: b")Q", UnsafeFileError),
    "a storage with too few parts": (lambda forge: forge.tuple(forge.text("storage")) + b"Q", FormatError),
    "a storage of a text": (
        lambda forge: (
            forge.tuple(forge.text("storage"), forge.text("FloatStorage"), forge.text("0"), forge.text("cpu"), b"K\x01")
            + b"Q"
        ),
        FormatError,
    ),
    "a negative count": (lambda forge: forge.storage("FloatStorage", "0", -1), FormatError),
    "an overflowing count": (lambda forge: forge.storage("FloatStorage", "0", 1 << 62), FormatError),
    "a boolean count": (
        lambda forge: forge.storage("FloatStorage", "0", 1).replace(b"K\x01tQ", b"\x88tQ"),
        FormatError,
    ),
    "too many elements": (lambda forge: forge.storage("FloatStorage", "0", 2), FormatError),
    "too few elements": (lambda forge: forge.storage("FloatStorage", "0", 0), FormatError),
    "a wider type": (lambda forge: forge.storage("DoubleStorage", "0", 1), FormatError),
    "a missing key": (lambda forge: forge.storage("FloatStorage", "1", 1), FormatError),
    "a key that steps up": (lambda forge: forge.storage("FloatStorage", "../data.pkl", 1), FormatError),
    "two types for one key": (
        lambda forge: forge.list(forge.storage("FloatStorage", "0", 1), forge.storage("IntStorage", "0", 1)),
        FormatError,
    ),
    "a quantised storage": (lambda forge: forge.storage("QInt8Storage", "0", 4), UnsafeFileError),
}


@pytest.mark.parametrize("name", IDS)
def test_a_persistent_id_that_is_no_honest_storage_is_refused(forge, save, name):
    make, error = IDS[name]
    with pytest.raises(error, match="byte"):
        read_checkpoint(save(forge.torch_zip(make(forge), {"0": bytes(4)})))


UNREAD = [
    "_rebuild_qtensor",
    "_rebuild_sparse_tensor",
    "_rebuild_meta_tensor_no_storage",
    "_rebuild_wrapper_subclass",
    "_rebuild_device_tensor_from_numpy",
    "_rebuild_device_tensor_from_cpu_tensor",
]


@pytest.mark.parametrize("name", UNREAD)
def test_tensors_that_are_not_plain_are_refused_with_advice(forge, save, name):
    with pytest.raises(UnsafeFileError, match=rf"{name} is not on the list.*(read|values|PyTorch)"):
        read_checkpoint(save(forge.torch_zip(forge.call("torch._utils", name, b"N"), {})))


def test_every_refusal_is_an_error_of_the_hub(forge, save):
    with pytest.raises(HubError) as caught:
        read_checkpoint(save(forge.torch_zip(b"(", {})))
    assert str(caught.value).endswith(".")


def _number(forge, code: str, order: str, content: str, rest: bytes = b"NNN"):
    kind = forge.call("numpy", "dtype", forge.text(code), b"\x89", b"\x88") + b"(K\x03" + forge.text(order) + rest
    kind += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    encoded = forge.call("_codecs", "encode", forge.text(content), forge.text("latin1"))
    return forge.call("numpy.core.multiarray", "scalar", kind, encoded)


RUN_VALUES = {
    "a number of objects": lambda forge: _number(forge, "O8", "|", "\0" * 8),
    "a number of a structure": lambda forge: _number(forge, "V8", "|", "\0" * 8),
    "fields": lambda forge: _number(forge, "f8", "<", "\0" * 8, b"N" + forge.tuple(forge.text("a")) + b"N"),
    "an order that is none": lambda forge: _number(forge, "f8", "!", "\0" * 8),
    "too few bytes": lambda forge: _number(forge, "f8", "<", "\0" * 7),
    "too many bytes": lambda forge: _number(forge, "f8", "<", "\0" * 9),
    "no dtype": lambda forge: forge.call("numpy.core.multiarray", "scalar", b"N", forge.text("x")),
    "a path of numbers": lambda forge: forge.call("pathlib", "PosixPath", b"K\x01"),
}


@pytest.mark.parametrize("name", RUN_VALUES)
def test_what_a_script_keeps_is_held_to_what_scripts_write(forge, save, name):
    with pytest.raises(FormatError, match="byte"):
        read_checkpoint(save(forge.torch_zip(forge.dict({"x": RUN_VALUES[name](forge)}), {})))


def test_arguments_are_filled_once(forge, save):
    twice = forge.named("argparse", "Namespace") + b")\x81" + forge.dict({"a": b"K\x01"}) + b"b"
    path = save(forge.torch_zip(forge.dict({"args": twice, "n": _number(forge, "i2", ">", "\x01\x02")}), {}))
    assert read_metadata(path).values == {"args.a": 1, "n": 258}
    with pytest.raises(UnsafeFileError, match="BUILD would set the state of a value of the type Record"):
        read_checkpoint(save(forge.torch_zip(twice + forge.dict({"b": b"K\x02"}) + b"b", {})))
