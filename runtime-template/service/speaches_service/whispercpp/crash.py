"""Evidence of a crash in work on the GPU, so that the next start leaves it off.

A broken Metal device aborts the process, and nothing in it can prevent that. While a GPU computes, `faulthandler` is
set to write into a file that names this process. What it wrote there means that a fatal signal ended the process at
that time; a kill, a power cut or an ordinary end leave the file as it was.
"""

import contextlib
import faulthandler
import glob
import json
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timezone

from speaches_service import file_lock, json_file

MARKER_FILE = "gpu-crash.json"
"""What the launcher looks for."""

_EVIDENCE_FILE = "gpu-work-{}.txt"


class CrashRecorder:
    """The evidence file of this process; it is made for the first work."""

    def __init__(self, directory: str, runtime: str, system: str) -> None:
        """`directory` is that for what is known about this machine, `runtime` the identity of the runtime's plan.

        `system` is what the launcher calls the system, which it compares.
        """
        self._directory = directory
        self._record = json.dumps({"runtime": runtime, "system": system}).encode() + b"\n"
        self._lock = threading.Lock()
        self._running = 0
        self._file: int | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Work that may end the process."""
        with self._lock:
            self._running += 1
            if self._running == 1:
                if self._file is None:
                    self._file = _open(self._directory, self._record)
                faulthandler.enable(self._file, all_threads=False)
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if self._running == 0:
                    faulthandler.disable()


def collect_evidence(directory: str) -> str | None:
    """Turn what dead processes have left into the marker, and tell what happened; None when nothing did.

    What belongs to a process that lives is left alone.
    """
    found = None
    for path in sorted(glob.glob(os.path.join(glob.escape(directory), _EVIDENCE_FILE.format("*")))):
        try:
            found = _collect_one(directory, path) or found
        except (OSError, ValueError):
            # Another service settles it at this moment, or it is damaged: no evidence either way.
            with contextlib.suppress(OSError):
                os.unlink(path)
    return found


def _collect_one(directory: str, path: str) -> str | None:
    with open(path, "r+b") as file:
        if not file_lock.try_lock(file.fileno()):
            return None
        record, _, fatal = file.read().partition(b"\n")
        reason = None
        if fatal.strip():
            first_line = fatal.strip().decode("utf-8", "replace").partition("\n")[0]
            signal_name = first_line.removeprefix("Fatal Python error: ")
            reason = f"the last service died while the GPU transcribed ({signal_name})"
            at = datetime.fromtimestamp(os.path.getmtime(path), timezone.utc).isoformat(timespec="seconds")
            json_file.write(os.path.join(directory, MARKER_FILE), {"reason": reason, "at": at, **json.loads(record)})
        os.unlink(path)
        return reason


def _open(directory: str, record: bytes) -> int:
    """Make the evidence file of this process, locked for as long as it lives."""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, _EVIDENCE_FILE.format(os.getpid()))
    while True:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        # Between these two lines another service may have taken it for that of a dead process and removed it.
        if file_lock.try_lock(file) and os.path.exists(path) and os.path.samestat(os.fstat(file), os.stat(path)):
            os.ftruncate(file, 0)
            os.write(file, record)
            return file
        os.close(file)
