"""Checks in a child process whether whisper.cpp can use a file on a device, before the service itself loads the file.

A damaged file or a broken GPU ends the process that uses it, without an exception. The result is stored for this file,
version, system and device.
"""

import contextlib
import importlib.metadata
import json
import os
import signal
import threading
import time
from typing import Any, NamedTuple, NoReturn

import numpy as np

from speaches_service import child_process, json_file, machine
from speaches_service.transcription import SAMPLE_RATE
from speaches_service.whispercpp import crash, library
from speaches_service.whispercpp.context import ClipOptions, Context

COMMAND = "check-ggml"
"""The service manager's argument for the checking process."""

CHECKS_FILE = "whispercpp-checks.json"
_FAILURE_TTL_SECONDS = 86_400
"""A failed check is repeated after this time: the machine may have been busy, or short of memory."""
_TIMEOUT_SECONDS = 60.0
"""The limit for a file of any size, including Metal's compilation of its shaders."""
_TIMEOUT_SECONDS_PER_BYTE = 90.0 / 1e9
"""The addition to the limit, for a slow disk and a slow processor."""

_check_lock = threading.Lock()
# Only successful checks: the callers remember failures.
_passed: dict[str, "Outcome"] = {}


class Outcome(NamedTuple):
    reason: str | None
    """The reason why the device cannot use the file; None for a successful check."""
    gpu: str | None = None
    """The name of the GPU that computed."""


def forget(directory: str) -> None:
    """Remove the results about whisper.cpp on this machine, so that it is checked again (`speaches tune`)."""
    crash.collect_evidence(directory)
    for name in (CHECKS_FILE, crash.MARKER_FILE):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(os.path.join(directory, name))


def check(path: str, device: str, directory: str | None) -> Outcome:
    """The stored result for a file on a device (`cpu` or `metal`), or the result of a check now.

    `directory` stores the result; None stores nothing.
    """
    key = _key(path, device)
    if key is None:
        return Outcome("the file is missing")
    if key in _passed:
        return _passed[key]
    with _check_lock:
        known = _read(directory)
        outcome = _unexpired(known.get(key))
        if outcome is None:
            outcome = _try(path, device)
            _store(directory, key, outcome)
        if outcome.reason is None:
            _passed[key] = outcome
    return outcome


def main(path: str, device: str) -> NoReturn:
    """Load a file, transcribe a second of sound, print the result as JSON, and end the process."""
    if hasattr(signal, "alarm"):
        # If the service has ended and the GPU hangs, only the alarm ends this process.
        signal.alarm(int(_timeout(path)) + 10)
    try:
        loaded = library.load(path, use_gpu=device != "cpu")
    except (library.UnusableModel, ImportError) as error:
        _report_and_exit(reason=str(error))
    if device != "cpu" and loaded.gpu is None:
        _report_and_exit(reason="whisper.cpp found no GPU that it can use")
    context = Context(loaded, max(1, (os.cpu_count() or 2) // 2), None)
    seconds = np.arange(SAMPLE_RATE, dtype=np.float32) / SAMPLE_RATE
    hum = (0.1 * np.sin(2 * np.pi * 220 * seconds)).astype(np.float32)
    try:
        context.transcribe(hum, 0.0, ClipOptions(language="en", words=True))
    except (RuntimeError, ValueError) as error:
        _report_and_exit(reason=str(error))
    _report_and_exit(gpu=loaded.gpu and (loaded.gpu_name or loaded.gpu))


def _report_and_exit(**found: str | None) -> NoReturn:
    os.write(1, json.dumps(found).encode() + b"\n")
    # N.B. whisper.cpp would print at the interpreter's finalization, and the last line must be the result.
    os._exit(0)


def _timeout(path: str) -> float:
    """In seconds."""
    return _TIMEOUT_SECONDS + _TIMEOUT_SECONDS_PER_BYTE * os.path.getsize(path)


def _try(path: str, device: str) -> Outcome:
    limit = _timeout(path)
    try:
        ended = child_process.run(child_process.command(COMMAND, path, device), limit)
    except OSError as error:
        return Outcome(f"the check cannot be started: {error.strerror or error}")
    if ended.timed_out:
        return Outcome(f"whisper.cpp had not transcribed a second of sound after {limit:.0f} s")
    try:
        # A library may print lines before the result.
        found = json.loads(ended.last_line)
        return Outcome(found.get("reason"), found.get("gpu"))
    except (ValueError, AttributeError):
        how = f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
        return Outcome(f"whisper.cpp crashed with it ({how})")


def _key(path: str, device: str) -> str | None:
    try:
        real = os.path.realpath(path)
        status = os.stat(real)
    except OSError:
        return None
    version = importlib.metadata.version("pywhispercpp")
    parts = (real, status.st_size, status.st_mtime_ns, version, machine.system(), device)
    return "|".join(map(str, parts))


def _unexpired(record: Any) -> Outcome | None:
    try:
        outcome = Outcome(record["reason"], record["gpu"])
        age = time.time() - record["at"]
    except (LookupError, TypeError):
        return None
    return outcome if outcome.reason is None or 0 <= age < _FAILURE_TTL_SECONDS else None


def _read(directory: str | None) -> dict[str, Any]:
    if directory is None:
        return {}
    known = json_file.read(os.path.join(directory, CHECKS_FILE))
    return known if isinstance(known, dict) else {}


def _store(directory: str | None, key: str, outcome: Outcome) -> None:
    """Store a result, and drop results of removed files. If the disk is full, the next start checks again."""
    if directory is None:
        return
    known = {other: record for other, record in _read(directory).items() if os.path.exists(other.partition("|")[0])}
    known[key] = {**outcome._asdict(), "at": time.time()}
    with contextlib.suppress(OSError):
        os.makedirs(directory, exist_ok=True)
        json_file.write(os.path.join(directory, CHECKS_FILE), known)
