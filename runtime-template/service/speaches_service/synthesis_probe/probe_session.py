"""ProbeSession one candidate on one model in a process of its own, of which anything may be expected.

Dying, hanging, eating the memory and leaving nonsense are results here, not errors.
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
"""Below the machine directory: what processes that measure leave, until they end."""

_MAX_OUTPUT_CHARACTERS = 300


class Measurement(NamedTuple):
    """What one candidate gave."""

    seconds: Mapping[str, float]
    """The shortest run, by length."""
    sounds: Mapping[str, Sequence[NDArray[Any]]]
    """Of the first and the last run, by length."""
    peak: int | None = None
    """The most memory that it took, in bytes; None when the system does not tell."""
    wall: float = 0
    """How long all of it took, in seconds."""


class MeasurementFailed(Exception):
    """A candidate gave nothing; the message says why."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome: Outcome = outcome


@contextlib.contextmanager
def exclusive_scratch(machine_directory: str, keep: str | None = None) -> Iterator[str]:
    """The directory for scratch files, empty; one process of a machine measures at a time.

    What CoreML has compiled is removed, but for the directory `keep`: other systems and libraries made it.

    Raises:
        LockHeld: another process measures.
        OSError: the machine directory cannot be written.
    """
    os.makedirs(machine_directory, exist_ok=True)
    scratch = os.path.join(machine_directory, SCRATCH_DIRECTORY)
    with locked(os.path.join(machine_directory, LOCK_FILE)):
        # A service that was killed could not do it.
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
    """Starts processes, and ends them."""

    def __init__(
        self,
        scratch: str | None = None,
        *,
        in_background: bool = True,
        command: Sequence[str] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """`scratch` is for files, None takes the system's; tests have another `command` that measures."""
        self._scratch = scratch
        self._in_background = in_background
        self._command = list(command or child_process.command(ARGUMENT))
        self._stop = stop or threading.Event()

    def measure(self, model: str, voices: str, candidate: Candidate, limit: float) -> Measurement:
        """Measure a candidate on the file `model`, within so many seconds.

        Raises:
            MeasurementFailed: it gave nothing.
            Stopped: it was asked to stop; the process is gone.
            OSError: no process can be started, or no scratch file be written.
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
                # What it leaves behind when it is killed goes with the scratch files.
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
    """What a process has left that ended as it should.

    Raises:
        MeasurementFailed: it is not what it should be.
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
    """How a process ended that should not have, with the last that it said."""
    end = f"it ended with exit code {ended.code}"
    if ended.code < 0:
        with contextlib.suppress(ValueError):
            end = f"{signal.Signals(-ended.code).name} ended it"
    return f"{end}: {ended.last_line[-_MAX_OUTPUT_CHARACTERS:]}" if ended.last_line else end
