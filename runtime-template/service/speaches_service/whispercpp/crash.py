"""Records evidence of crashes during GPU work, so that the next start disables the GPU.

A broken Metal device aborts the process, which the process cannot prevent. While a GPU computes, `faulthandler` writes
into a file named after this process. If the file contains its output, a fatal signal ended the process during GPU work.
A kill, a power cut or an ordinary end leave the file unchanged.
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
"""The launcher reads it."""

_EVIDENCE_FILE = "gpu-work-{}.txt"


class CrashRecorder:
    """The evidence file of this process. The first GPU work creates it."""

    def __init__(self, directory: str, runtime: str, system: str) -> None:
        """`directory` is the machine directory, and `runtime` the identity of the runtime's plan.

        `system` is the launcher's name for the system, which the launcher compares.
        """
        self._directory = directory
        self._record = json.dumps({"runtime": runtime, "system": system}).encode() + b"\n"
        self._lock = threading.Lock()
        self._running = 0
        self._file: int | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Enter this around work that may crash the process."""
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
    """Convert the evidence of dead processes into the marker file. Returns the reason of a crash, or None.

    The evidence files of running processes stay.
    """
    found = None
    for path in sorted(glob.glob(os.path.join(glob.escape(directory), _EVIDENCE_FILE.format("*")))):
        try:
            found = _collect_one(directory, path) or found
        except (OSError, ValueError):
            # Another service is collecting the file, or it is damaged. Either way it is no evidence.
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
    """Create the evidence file of this process, and lock it until the process ends."""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, _EVIDENCE_FILE.format(os.getpid()))
    while True:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        # Between these two lines, another service may have removed the file as that of a dead process.
        if file_lock.try_lock(file) and os.path.exists(path) and os.path.samestat(os.fstat(file), os.stat(path)):
            os.ftruncate(file, 0)
            os.write(file, record)
            return file
        os.close(file)
