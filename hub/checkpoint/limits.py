"""How much a file may ask for before it is refused, in one place.

Real checkpoints stay far below: the pickle of ResNet-50 has 12 thousand opcodes and its directory 330 members. The
limits bound time and memory for a file that was made to waste them.
"""

from __future__ import annotations

MEBIBYTE = 1 << 20

# The opcode machine.
PICKLE_BYTES = 64 * MEBIBYTE
OPCODES = 4_000_000
STACK = 262_144
MARKS = 1_000
MEMO = 1_000_000
COPIED = 128 * MEBIBYTE
TEXT = 16 * MEBIBYTE
GLOBAL_NAME = 255

# What `scan` lists of a pickle that it does not run.
DISASSEMBLED_LINE = 65_536
MEMO_TEXTS = 100_000
NAMES_LISTED = 10_000
PICKLES_LISTED = 64

# What the machine built, when it is walked into a flat dictionary.
DEPTH = 64
LEAVES = 1_000_000
NAME = 4_096
NAMES_TOTAL = 64 * MEBIBYTE

# Tensors.
DIMENSIONS = 32
TENSOR_BYTES = 1 << 48
OVERLAPPING_BYTES = 64 * MEBIBYTE

# Containers.
MEMBERS = 200_000
TAR_HEADERS = 64
INDEX_BYTES = 64 * MEBIBYTE
SHARDS = 10_000
SAFETENSORS_HEADER = 100_000_000
HEADER_MEMORY = 48 * MEBIBYTE
NUMPY_HEADER = 10_000
GGUF_VALUES = 2_000_000
FIELDS = 4_000_000
WORKER_MEMORY = 256 * MEBIBYTE
WORKER_SECONDS = 60
DECODED_FREE = 64 * MEBIBYTE
DECODED_RATIO = 32
INFLATED_FREE = 64 * MEBIBYTE
INFLATED_RATIO = 16
