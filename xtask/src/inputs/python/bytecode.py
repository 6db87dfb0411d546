"""Compiles Python source to unchecked hash-based .pyc files (PEP 552), the same bytes every time.

Standard input: one line per file, `source<TAB>destination<TAB>name`. The name is what the code object says
its file is; the import system puts the real path in its place. Files that are no valid Python of this
version, such as templates, are left without bytecode, as `compileall` does.

The caller has made the directories of the destinations. A script that made them itself could make them again after
the caller was killed and the next run cleaned up, since the script goes on for a while.
"""

import importlib.util
import marshal
import struct
import sys

# PEP 552: "the first bit […] indicates whether the pyc is hash-based, the second […] whether it is to be checked".
HASH_BASED_UNCHECKED = 0b01

# `x in {"a", None}` has a frozenset as a constant. `marshal` writes it in the order of hashes, and that of `None` is
# where it lies in memory, before Python 3.12; that of `...` always is. Each run would write another file.
MARK = b"elements of a frozenset in an order that does not change: "


def is_unordered(constant):
    if isinstance(constant, (frozenset, tuple)):
        return any(map(is_unordered, constant))
    return constant is None or constant is Ellipsis


def ordered(code):
    """The code with a marked tuple in the place of each such frozenset; the very same code when it has none."""
    constants = []
    for constant in code.co_consts:
        if hasattr(constant, "co_consts"):
            constant = ordered(constant)
        elif isinstance(constant, frozenset) and is_unordered(constant):
            elements = sorted(constant, key=lambda element: (type(element).__name__, repr(element)))
            # A new object, since `marshal` numbers objects that have other references.
            constant = (bytes(bytearray(MARK)), *elements)
        constants.append(constant)
    if all(new is old for new, old in zip(constants, code.co_consts)):
        return code
    return code.replace(co_consts=tuple(constants))


def dump(code):
    """The code as `marshal` writes it, with the marked tuples turned into frozensets.

    A short tuple is `)`, its size as a byte and its elements; a frozenset is `>`, its size as four bytes and its elements.
    """
    marked = b"s" + struct.pack("<I", len(MARK)) + MARK
    data = marshal.dumps(ordered(code))
    start, written = 0, []
    while (found := data.find(marked, start)) >= 0:
        kind, size = data[found - 2], data[found - 1]
        if kind != ord(")"):
            return None
        written += [data[start : found - 2], b">", struct.pack("<I", size - 1)]
        start = found + len(marked)
    written.append(data[start:])
    dumped = b"".join(written)
    return dumped if marshal.loads(dumped) == code else None


for line in sys.stdin:
    source, destination, name = line.rstrip("\n").split("\t")
    with open(source, "rb") as file:
        data = file.read()
    try:
        code = compile(data, name, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError):
        continue
    dumped = dump(code)
    if dumped is None:
        # Better without bytecode than with another one each time.
        continue
    with open(destination, "xb") as file:
        file.write(importlib.util.MAGIC_NUMBER)
        file.write(struct.pack("<I", HASH_BASED_UNCHECKED))
        file.write(importlib.util.source_hash(data))
        file.write(dumped)
