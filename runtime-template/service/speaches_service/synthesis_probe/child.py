"""The process that measures one candidate on one model: `speaches_service_manager.py measure-synthesis DIRECTORY`.

The process reads its request from the directory, and writes the sounds and its result there, or the reason of a
failure. `probe_session.py` handles all other outcomes, such as a crash.
"""

import contextlib
import importlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import numpy as np

from speaches_service import child_process
from speaches_service.error_text import first_line
from speaches_service.synthesis_probe import probe_input
from speaches_service.synthesis_probe.candidates import CPU_PROVIDER

REQUEST_FILE, RESULT_FILE = "work.json", "result.json"
RUNS = 3
"""The number of runs for each length. The first run warms up and does not count."""

_LOWEST_PRIORITY = 19
_ERRORS_ONLY = 3
_MAX_REASON_CHARACTERS = 500


class ProbeRequest(NamedTuple):
    model: str
    """Path of the ONNX file."""
    voices: str
    """Path of the file with voices."""
    provider: str
    options: dict[str, str]
    in_background: bool
    """Whether to run at the lowest priority."""


class ProviderRefused(Exception):
    """The provider rejects the model, for the reason in the message."""


def main(
    directory: str,
    open_session: Callable[[ProbeRequest, str], Any] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> NoReturn:
    """Measure and end the process. Tests pass misbehaving sessions and a clock of their own."""
    child_process.end_with_parent()
    with open(os.path.join(directory, REQUEST_FILE), encoding="utf-8") as file:
        work = ProbeRequest(**json.load(file))
    if work.in_background and hasattr(os, "nice"):
        os.nice(_LOWEST_PRIORITY)
    try:
        result = _measure(work, directory, open_session or OnnxSession, clock)
    except Exception as error:  # noqa: BLE001 - every error is a result
        name = "" if isinstance(error, ProviderRefused) else f"{type(error).__name__}: "
        result = {"refused": f"{name}{first_line(error)}"[:_MAX_REASON_CHARACTERS]}
    with open(os.path.join(directory, RESULT_FILE), "w", encoding="utf-8") as file:
        json.dump(result, file)
    # N.B. The interpreter's finalization may hang in the measured provider.
    os._exit(0)


def _measure(
    work: ProbeRequest, directory: str, open_session: Callable[[ProbeRequest, str], Any], clock: Callable[[], float]
) -> dict[str, object]:
    seconds: dict[str, float] = {}
    with np.load(work.voices) as voices:
        session = open_session(work, directory)
        for length in probe_input.LENGTHS:
            inputs = probe_input.inputs_of(session.get_inputs(), voices, length)
            for number in range(RUNS):
                began = clock()
                sound = session.run(None, inputs)[0]
                if number > 0:
                    # Other work of the machine only makes a run longer.
                    seconds[length] = min(clock() - began, seconds.get(length, float("inf")))
                elif not seconds and not session.count_nodes().get(work.provider):
                    raise ProviderRefused("no part of the model runs on it")
                if number in (0, RUNS - 1):
                    np.save(os.path.join(directory, sound_file(length, number)), sound, allow_pickle=False)
    return {"seconds": seconds, "peak": peak_memory()}


def sound_file(length: str, number: int) -> str:
    """The file with the sound of a run. The process writes those of the first and the last run of each length."""
    return f"{length}-{number}.npy"


def peak_memory() -> int | None:
    """The peak memory of this process in bytes; None if the system does not report it."""
    if sys.platform == "linux":
        # N.B. `ru_maxrss` is wrong here: it starts with the parent's memory at the start of this process.
        with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
        return None
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class OnnxSession:
    """A session of onnxruntime with the requested provider."""

    def __init__(self, work: ProbeRequest, directory: str) -> None:
        onnxruntime: Any = importlib.import_module("onnxruntime")
        if work.provider not in onnxruntime.get_available_providers():
            raise ProviderRefused(f"this onnxruntime has no {work.provider}")
        # Kokoro may contain random noise; the seed makes it the same for every candidate.
        onnxruntime.set_seed(0)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        # As in the service: texts differ in length, and onnxruntime would plan and keep memory for each length.
        options.enable_mem_pattern = False
        # Only a profile reports the provider of each node in every version of onnxruntime.
        options.enable_profiling = True
        options.profile_file_prefix = os.path.join(directory, "profile")
        cache = work.options.get("ModelCacheDirectory")
        if cache is not None:
            os.makedirs(cache, exist_ok=True)
        providers = [(work.provider, work.options)]
        if work.provider != CPU_PROVIDER:
            providers.append((CPU_PROVIDER, {}))
        # onnxruntime's own fallback in Python prints, and tries again without the provider.
        self._session = onnxruntime.InferenceSession(work.model, options, providers=providers, enable_fallback=0)
        self.get_inputs = self._session.get_inputs
        self.run = self._session.run

    def count_nodes(self) -> dict[str, int]:
        """The number of nodes that each provider computes. Call this once, after the first run."""
        path = self._session.end_profiling()
        with open(path, encoding="utf-8") as file:
            events = json.load(file)
        os.remove(path)
        nodes = (event["args"] for event in events if event.get("cat") == "Node" and "args" in event)
        return dict(Counter(node.get("provider", "") for node in nodes))
