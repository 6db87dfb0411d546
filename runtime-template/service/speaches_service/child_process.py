"""Processes of the service's own: the service manager with another argument, which ends when its parent does.

Whatever may crash, hang or take much memory is done in one.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

_MANAGER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "speaches_service_manager.py")
_POLL_SECONDS = 0.1
_MAX_OUTPUT_BYTES = 1 << 16
"""How much of the end of what a process says is read, in bytes."""


class ProcessResult(NamedTuple):
    """How a process has ended."""

    code: int
    """As of `subprocess`: the signal with a minus before it, if it was one."""
    timed_out: bool
    """Whether it had to be ended because it took too long."""
    last_line: str
    """The last that it said, on standard output or standard error."""


class Stopped(Exception):
    """The caller asked to stop and needs no result any more."""


def command(*arguments: str) -> list[str]:
    """The service manager with these arguments, in the way in which the launcher has started this one."""
    bytecode = ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix is not None else []
    if sys.dont_write_bytecode:
        bytecode = ["-B"]
    return [sys.executable, "-I", "-X", "utf8", *bytecode, _MANAGER, *arguments]


def run(command: Sequence[str], seconds: float, stop: threading.Event | None = None, **options: Any) -> ProcessResult:
    """Run a process and wait for its end, or end it and what it has started; `options` are those of `Popen`.

    Raises:
        Stopped: `stop` was set; the process is gone.
        OSError: it cannot be started.
    """
    stop, deadline, timed_out = stop or threading.Event(), time.monotonic() + seconds, False
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            # The end of its standard input is how the process knows that this one is gone.
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            # A group of its own, so that what it starts ends with it.
            start_new_session=True,
            **options,
        )
        try:
            while process.poll() is None and not timed_out:
                if stop.wait(_POLL_SECONDS):
                    raise Stopped
                timed_out = time.monotonic() > deadline
        finally:
            if hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.communicate()
        output.seek(max(0, output.seek(0, os.SEEK_END) - _MAX_OUTPUT_BYTES))
        said = output.read().decode("utf-8", "replace").strip()
    return ProcessResult(process.returncode, timed_out, said.rpartition("\n")[2].strip())


def end_with_parent() -> None:
    """End this process as soon as its standard input ends, which is a pipe that the parent never writes to again."""
    threading.Thread(target=_wait_for_end, name="parent", daemon=True).start()


def _wait_for_end() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)
