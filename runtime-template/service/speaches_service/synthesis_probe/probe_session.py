"""Measures candidates in child processes that may fail in any way.

Crashes, hangs, exhausted memory and invalid results are outcomes of a measurement, not errors of this module.
"""

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speaches_service import child_process
from speaches_service.file_lock import locked
from speaches_service.synthesis_probe import ARGUMENT, child, probe_input
from speaches_service.synthesis_probe.candidates import CACHE_DIRECTORY, Candidate
from speaches_service.synthesis_probe.decisions import Outcome

LOCK_FILE = "synthesis-probe.lock"
SCRATCH_DIRECTORY = "synthesis-probe.work"
"""Below the machine directory: the temporary files of measuring processes."""

_MAX_OUTPUT_CHARACTERS = 300


class Measurement(NamedTuple):
    """The result of one candidate."""

    seconds: Mapping[str, float]
    """The time of the shortest run, by length."""
    sounds: Mapping[str, Sequence[NDArray[Any]]]
    """The sounds of the first and the last run, by length."""
    peak: int | None = None
    """The peak memory in bytes; None if the system does not report it."""
    wall: float = 0
    """The total time in seconds."""


class MeasurementFailed(Exception):
    """A candidate gave no result, for the reason in the message."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome: Outcome = outcome


@contextlib.contextmanager
def exclusive_scratch(machine_directory: str, keep: str | None = None) -> Iterator[str]:
    """An empty directory for temporary files, under a lock: only one process of a machine measures at a time.

    Removes CoreML's compiled models except for the directory `keep`: the others belong to other versions of the system
    or of onnxruntime.

    Raises:
        LockHeld: another process is measuring.
        OSError: the machine directory is not writable.
    """
    os.makedirs(machine_directory, exist_ok=True)
    scratch = os.path.join(machine_directory, SCRATCH_DIRECTORY)
    with locked(os.path.join(machine_directory, LOCK_FILE)):
        # A killed service leaves its files.
        shutil.rmtree(scratch, ignore_errors=True)
        os.mkdir(scratch, 0o700)
        with contextlib.suppress(OSError):
            for entry in os.scandir(os.path.join(machine_directory, CACHE_DIRECTORY)):
                if entry.path != keep:
                    shutil.rmtree(entry.path, ignore_errors=True)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


class ProbeSession:
    """Starts measuring processes and kills them at their time limit."""

    def __init__(
        self,
        scratch: str | None = None,
        *,
        in_background: bool = True,
        command: Sequence[str] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """`scratch` is for files, None uses the system's temporary directory; tests pass another `command`."""
        self._scratch = scratch
        self._in_background = in_background
        self._command = list(command or child_process.command(ARGUMENT))
        self._stop = stop or threading.Event()

    def measure(self, model: str, voices: str, candidate: Candidate, limit: float) -> Measurement:
        """Measure a candidate on the file `model`, within `limit` seconds.

        Raises:
            MeasurementFailed: the candidate gave no result.
            Stopped: the caller requested a stop; the process has ended.
            OSError: the process cannot be started, or the directory is not writable.
        """
        directory = tempfile.mkdtemp(prefix=f"{candidate.name}-", dir=self._scratch)
        try:
            work = child.ProbeRequest(model, voices, candidate.provider, dict(candidate.options), self._in_background)
            with open(os.path.join(directory, child.REQUEST_FILE), "w", encoding="utf-8") as file:
                json.dump(work._asdict(), file)
            began = time.monotonic()
            ended = child_process.run(
                [*self._command, directory],
                limit,
                self._stop,
                # The files of a killed process are then removed with the directory.
                env={**os.environ, "TMPDIR": directory},
                creationflags=getattr(subprocess, "IDLE_PRIORITY_CLASS", 0) if self._in_background else 0,
            )
            if ended.timed_out:
                raise MeasurementFailed("hang", f"it exceeded its limit of {limit:.0f} s")
            if ended.code != 0:
                raise MeasurementFailed("crash", _describe(ended))
            return _read(directory)._replace(wall=time.monotonic() - began)
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _read(directory: str) -> Measurement:
    """Read the result of a process that ended normally.

    Raises:
        MeasurementFailed: the result is a refusal, or invalid.
    """
    try:
        with open(os.path.join(directory, child.RESULT_FILE), encoding="utf-8") as file:
            result = json.load(file)
        if "refused" in result:
            raise MeasurementFailed("refused", str(result["refused"]))
        seconds = {length: float(result["seconds"][length]) for length in probe_input.LENGTHS}
        if not all(0 < each < math.inf for each in seconds.values()):
            raise MeasurementFailed("crash", f"it reported impossible times: {seconds}")
        sounds = {
            length: [
                np.load(os.path.join(directory, child.sound_file(length, number))) for number in (0, child.RUNS - 1)
            ]
            for length in probe_input.LENGTHS
        }
        return Measurement(seconds, sounds, None if result["peak"] is None else int(result["peak"]))
    except (OSError, ValueError, LookupError, TypeError, EOFError) as error:
        raise MeasurementFailed("crash", f"its result cannot be read: {error}") from error


def _describe(ended: child_process.ProcessResult) -> str:
    """The signal or exit code of a crashed process, with the end of its output."""
    end = f"it ended with exit code {ended.code}"
    if ended.code < 0:
        with contextlib.suppress(ValueError):
            end = f"{signal.Signals(-ended.code).name} ended it"
    return f"{end}: {ended.last_line[-_MAX_OUTPUT_CHARACTERS:]}" if ended.last_line else end
