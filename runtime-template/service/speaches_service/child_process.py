"""Child processes of the service: the service manager with another argument. Each ends when its parent ends.

The service uses one for all work that may crash, hang or take much memory.
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
"""The service reads only this much of the end of a process's output."""


class ProcessResult(NamedTuple):
    code: int
    """As of `subprocess`: the exit code, or the negative number of the signal that ended the process."""
    timed_out: bool
    """Whether the service killed the process at the end of its time limit."""
    last_line: str
    """The last line of standard output and standard error together."""


class Stopped(Exception):
    """The caller requested a stop and no longer needs the result."""


def command(*arguments: str) -> list[str]:
    """The service manager's command line with these arguments and the launcher's options for the interpreter."""
    bytecode = ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix is not None else []
    if sys.dont_write_bytecode:
        bytecode = ["-B"]
    return [sys.executable, "-I", "-X", "utf8", *bytecode, _MANAGER, *arguments]


def run(command: Sequence[str], seconds: float, stop: threading.Event | None = None, **options: Any) -> ProcessResult:
    """Run a process until it ends; after `seconds`, kill it and its children. `options` are those of `Popen`.

    Raises:
        Stopped: the caller set `stop`; the process has ended.
        OSError: the process cannot be started.
    """
    stop, deadline, timed_out = stop or threading.Event(), time.monotonic() + seconds, False
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            # The child ends when its standard input ends, which happens when this process ends.
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            # Its own process group, so that its children can be killed with it.
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
        text = output.read().decode("utf-8", "replace").strip()
    return ProcessResult(process.returncode, timed_out, text.rpartition("\n")[2].strip())


def end_with_parent() -> None:
    """End this process as soon as its standard input ends: a pipe that closes when the parent ends."""
    threading.Thread(target=_wait_for_end, name="parent", daemon=True).start()


def _wait_for_end() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)
