"""Compiles Python source to unchecked hash-based .pyc files (PEP 552), the same bytes every time.

Standard input: one line per file, `source<TAB>destination<TAB>name`. The name is what the code object says
its file is; the import system puts the real path in its place. Files that are no valid Python of this
version, such as templates, are left without bytecode, as `compileall` does.
"""

import importlib._bootstrap_external as bootstrap
import importlib.util
import os
import sys

for line in sys.stdin:
    source, destination, name = line.rstrip("\n").split("\t")
    with open(source, "rb") as file:
        data = file.read()
    try:
        code = compile(data, name, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError):
        continue
    os.makedirs(os.path.dirname(destination), exist_ok=True)
    with open(destination, "xb") as file:
        file.write(bootstrap._code_to_hash_pyc(code, importlib.util.source_hash(data), False))
