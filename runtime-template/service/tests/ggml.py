"""Weights for tests of whisper.cpp, which a script of `tests/sample` makes once for each run."""

import atexit
import functools
import os
import subprocess
import sys
import tempfile

REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
TEXT = "this is a smoke test of the bundled speech server"

_directory = tempfile.TemporaryDirectory()
atexit.register(_directory.cleanup)


@functools.cache
def weights() -> str:
    path = os.path.join(_directory.name, "ggml-tiny.bin")
    maker = os.path.join(REPOSITORY, "tests", "sample", "make_ggml.py")
    subprocess.run([sys.executable, maker, path, "--text", TEXT], check=True)
    return path


def run_child(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python code in a child process, which may crash."""
    service = os.path.join(REPOSITORY, "runtime-template", "service")
    return subprocess.run(
        [sys.executable, "-B", "-c", f"import sys; sys.path.insert(0, {service!r})\n{code}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
