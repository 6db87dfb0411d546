"""Give the C library of Wine 10 three functions that NumPy calls and that Wine only has the names of.

`complete_wine.py …/x86_64-windows/ucrtbase.dll`. Without them Wine ends the program.
"""

import sys
from pathlib import Path

import pefile

# How a name without a function begins: `sub rsp, 40` and `lea rcx, [rip + …]`, to say what is missing.
STUB = bytes.fromhex("4883ec28488d0d")
# Windows passes 8 bytes in rcx, and 16 by their address in rcx.
FUNCTIONS = {
    b"crealf": "660f6ec1 c3",  # movd xmm0, ecx; ret
    b"cimagf": "48c1e920 660f6ec1 c3",  # shr rcx, 32; movd xmm0, ecx; ret
    b"cimag": "f20f104108 c3",  # movsd xmm0, [rcx + 8]; ret
}

path = Path(sys.argv[1])
library = pefile.PE(path)
content = bytearray(path.read_bytes())
for symbol in library.DIRECTORY_ENTRY_EXPORT.symbols:
    at = library.get_offset_from_rva(symbol.address)
    if symbol.name in FUNCTIONS and content.startswith(STUB, at):
        code = bytes.fromhex(FUNCTIONS[symbol.name])
        content[at : at + len(code)] = code
# Hard links to it stay what they are.
path.unlink()
path.write_bytes(content)
