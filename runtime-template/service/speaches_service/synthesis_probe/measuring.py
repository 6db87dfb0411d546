"""Measuring one provider on one model in a process of its own, of which anything may be expected.

Dying, hanging, eating the memory and talking nonsense are results here, not errors.
"""

import contextlib
import json
import math
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speaches_service.synthesis_probe import child, material, process_memory
from speaches_service.synthesis_probe.candidates import Candidate
from speaches_service.synthesis_probe.models import SpeechModel
from speaches_service.synthesis_probe.outcomes import Failure

ARGUMENT = "measure-synthesis"
"""The argument of the service manager that makes it the process that measures."""

_SERVICE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_POLL_SECONDS = 0.1
_MEMORY_SECONDS = 0.25
_REAP_SECONDS = 5
_LONGEST_LINE = 1 << 16
_SHOWN_OUTPUT = 300


class Limits(NamedTuple):
    """What a process may take."""

    step_seconds: float
    """For loading the model, and for each run; one that takes longer hangs."""
    memory: int | None = None
    """In bytes; None when there is nothing yet that it could be compared with."""


class Measurement(NamedTuple):
    """What one provider gave."""

    failure: Failure | None = None
    seconds: Mapping[str, Sequence[float]] = {}
    """Of every run but the first, by length."""
    audio: Mapping[str, Sequence[NDArray[Any]]] = {}
    """Of the first and the last run, by length."""
    peak: int | None = None
    """The most memory that it took, in bytes; None when the system does not tell."""
    slowest_step: float = 0
    """In seconds, as seen from outside."""


class Stopped(Exception):
    """Somebody does not want to know any more."""


class Measuring:
    """Starts processes, and ends them."""

    def __init__(
        self,
        directory: str | None = None,
        *,
        in_background: bool = True,
        command: Sequence[str] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """`directory` is for scratch files, None takes the system's; tests have another `command` that measures."""
        self._directory = directory
        self._in_background = in_background
        self._command = list(command or own_command())
        self._stop = stop or threading.Event()

    def measure(self, model: SpeechModel, candidate: Candidate, limits: Limits) -> Measurement:
        """Measure a provider.

        Raises:
            Stopped: it was asked to stop; the process is gone.
            OSError: no process can be started, or no scratch file be written.
        """
        scratch = tempfile.mkdtemp(prefix=f"{candidate.name}-", dir=self._directory)
        try:
            audio = os.path.join(scratch, "audio")
            os.mkdir(audio)
            work = child.Work(
                model=model.model,
                voices=model.voices,
                provider=candidate.provider,
                options=dict(candidate.options),
                directory=audio,
                step_seconds=limits.step_seconds,
                in_background=self._in_background,
            )
            with open(os.path.join(scratch, "output"), "w+b") as output:
                return self._run(work, limits, scratch, output)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _run(self, work: child.Work, limits: Limits, scratch: str, output: IO[bytes]) -> Measurement:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            # What it leaves behind when it is killed goes with the scratch files.
            env={**os.environ, "TMPDIR": scratch},
            # A group of its own, so that what it starts ends with it.
            start_new_session=True,
            creationflags=getattr(subprocess, "IDLE_PRIORITY_CLASS", 0) if self._in_background else 0,
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 - both are pipes
        lines: queue.Queue[bytes | None] = queue.Queue()
        reader = threading.Thread(
            target=_read, args=(process.stdout, lines), name="synthesis-probe reader", daemon=True
        )
        reader.start()
        progress = _Progress()
        try:
            # N.B. the pipe stays open: its end is how the process knows that this one is gone.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write((json.dumps(work._asdict()) + "\n").encode())
                process.stdin.flush()
            failure = self._follow(process.pid, lines, limits, progress)
            if failure is None and not progress.is_done:
                failure = Failure("crash", _describe_end(process, output))
            if failure is None:
                return Measurement(None, progress.seconds, _load(work.directory), progress.peak, progress.slowest_step)
        except _Malformed as malformed:
            failure = Failure("crash", str(malformed))
        finally:
            _kill(process)
            with contextlib.suppress(OSError):
                process.stdin.close()
            reader.join(_REAP_SECONDS)
            if not reader.is_alive():
                process.stdout.close()
        return Measurement(failure, peak=progress.peak, slowest_step=progress.slowest_step)

    def _follow(
        self, pid: int, lines: "queue.Queue[bytes | None]", limits: Limits, progress: "_Progress"
    ) -> Failure | None:
        """Watch a process until it is done or ends, or until that does not matter any more."""
        step_began = memory_asked = time.monotonic()
        while not progress.is_done:
            with contextlib.suppress(queue.Empty):
                line = lines.get(timeout=_POLL_SECONDS)
                if line is None:
                    return None
                progress.slowest_step = max(progress.slowest_step, time.monotonic() - step_began)
                step_began = time.monotonic()
                progress.take(line)
            if self._stop.is_set():
                raise Stopped
            if progress.refusal is not None:
                return Failure("refused", progress.refusal)
            now = time.monotonic()
            if now - memory_asked > _MEMORY_SECONDS:
                memory_asked = now
                progress.saw(process_memory.resident(pid))
            if limits.memory is not None and (progress.peak or 0) > limits.memory:
                return Failure("memory", f"it took more than {limits.memory >> 20} MiB")
            if now - step_began > limits.step_seconds:
                return Failure("hang", f"{progress.next_step} took more than {limits.step_seconds:.0f} s")
        return None


def own_command() -> list[str]:
    """The service manager as the process that measures, in the way in which the launcher has started this one."""
    bytecode = ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix is not None else []
    if sys.dont_write_bytecode:
        bytecode = ["-B"]
    manager = os.path.join(_SERVICE, "speaches_service_manager.py")
    return [sys.executable, "-I", "-X", "utf8", *bytecode, manager, ARGUMENT]


class _Malformed(Exception):
    """A result is not what it has to be."""


class _Progress:
    """What a process has told so far."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {length: [] for length in material.LENGTHS}
        self.peak: int | None = None
        self.slowest_step = 0.0
        self.next_step = "its start"
        self.refusal: str | None = None
        self.is_done = False

    def saw(self, memory: int | None) -> None:
        if memory is not None:
            self.peak = max(self.peak or 0, memory)

    def take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            step = str(event["step"])
            if step == "refused":
                self.refusal = str(event["reason"])
                return
            self.saw(None if event["peak"] is None else int(event["peak"]))
            if step == "begun":
                self.next_step = "loading the model"
            elif step == "loaded":
                self.next_step = "the first run"
            elif step == "spoken":
                self.next_step = f"the run after number {int(event['number']) + 1} of the {event['length']} text"
                if int(event["number"]) > 0:
                    self.seconds[event["length"]].append(float(event["seconds"]))
            elif step == "done":
                if not all(_are_times(runs) for runs in self.seconds.values()):
                    raise _Malformed("it says that it is done, and is not")
                self.is_done = True
        except (ValueError, LookupError, TypeError) as error:
            raise _Malformed(f"it gave a result that is none: {line[:_SHOWN_OUTPUT]!r}") from error


def _are_times(runs: Sequence[float]) -> bool:
    return len(runs) == child.WARM_RUNS and all(0 < seconds < math.inf for seconds in runs)


def _read(stream: IO[bytes], lines: "queue.Queue[bytes | None]") -> None:
    # Too long a line comes in pieces, which are no JSON.
    while line := stream.readline(_LONGEST_LINE):
        lines.put(line)
    lines.put(None)


def _load(directory: str) -> dict[str, list[NDArray[Any]]]:
    try:
        return {
            length: [
                np.load(os.path.join(directory, child.file_name(length, number)), allow_pickle=False)
                for number in (0, child.WARM_RUNS)
            ]
            for length in material.LENGTHS
        }
    except (OSError, ValueError, EOFError) as error:
        raise _Malformed(f"its audio cannot be read: {error}") from error


def _describe_end(process: "subprocess.Popen[bytes]", output: IO[bytes]) -> str:
    """How a process ended that should not have, with the last that it said."""
    try:
        code = process.wait(_REAP_SECONDS)
    except subprocess.TimeoutExpired:
        return "it closed its output and went on"
    end = f"it ended with exit code {code}"
    if code < 0:
        with contextlib.suppress(ValueError):
            end = f"{signal.Signals(-code).name} ended it"
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - _SHOWN_OUTPUT))
    said = [line.strip() for line in output.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return f"{end}: {said[-1]}" if said else end


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process and what it has started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
