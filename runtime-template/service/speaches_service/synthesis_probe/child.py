"""The process that measures one provider on one model: `speaches_service_manager.py measure-synthesis`.

It gets its work as one line of JSON on standard input and tells every step as one on standard output, as soon as it is
done. Standard output is taken away from everybody else first, since onnxruntime may print. Audio goes into files. It
ends when its standard input does, which is when its parent has died.
"""

import contextlib
import faulthandler
import importlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from speaches_service.synthesis_probe import material, process_memory
from speaches_service.synthesis_probe.candidates import CPU_PROVIDER

WARM_RUNS = 2
"""Of each length, after a first one that does not count."""

GRACE_SECONDS = 2
"""How much later than its parent would the process ends itself, should something hang while the parent is gone."""

_LOWEST_PRIORITY = 19
_ERRORS_ONLY = 3


class Work(NamedTuple):
    """What to measure."""

    model: str
    """Path of the ONNX file."""
    voices: str
    """Path of the file with voices."""
    provider: str
    options: dict[str, str]
    directory: str
    """Where to put audio; an empty directory."""
    step_seconds: float
    """How long one step may take."""
    in_background: bool
    """Whether everything else on this machine comes first."""


class Refused(Exception):
    """The provider does not do it, for the reason in the message."""


class Session(Protocol):
    """A loaded model."""

    def get_inputs(self) -> list[Any]:
        """As onnxruntime describes them."""

    def run(self, output_names: None, input_feed: dict[str, NDArray[Any]]) -> list[Any]:
        """All outputs."""

    def count_nodes(self) -> dict[str, int]:
        """How many parts of the model each provider computes. Asked once, after the first run."""


def main(
    open_session: Callable[[Work], Session] | None = None, clock: Callable[[], float] = time.perf_counter
) -> NoReturn:
    """Measure and end the process. Tests bring sessions that misbehave and a clock of their own."""
    tell = _take_over_output()
    work = Work(**json.loads(_read_line()))
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    if work.in_background and hasattr(os, "nice"):
        os.nice(_LOWEST_PRIORITY)
    try:
        _measure(work, open_session or OnnxSession, clock, tell)
    except Refused as refusal:
        tell({"step": "refused", "reason": str(refusal)})
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the result
        first_line = str(error).strip().partition("\n")[0]
        tell({"step": "refused", "reason": f"{type(error).__name__}: {first_line}"[:500]})
    # N.B. no farewell: it may hang in what has just been found to be bad.
    os._exit(0)


def _measure(
    work: Work, open_session: Callable[[Work], Session], clock: Callable[[], float], tell: Callable[[object], None]
) -> None:
    def step(name: str, **details: object) -> None:
        tell({"step": name, "peak": process_memory.own_peak(), **details})
        # Kills without Python, if need be.
        faulthandler.dump_traceback_later(work.step_seconds + GRACE_SECONDS, exit=True, file=nowhere)

    with open(os.devnull, "w", encoding="utf-8") as nowhere, np.load(work.voices) as voices:
        step("begun")
        session = open_session(work)
        step("loaded")
        is_checked = False
        for length in material.LENGTHS:
            inputs = material.inputs_of(session.get_inputs(), voices, length)
            for number in range(1 + WARM_RUNS):
                began = clock()
                audio = session.run(None, inputs)[0]
                seconds = clock() - began
                if number in (0, WARM_RUNS):
                    np.save(os.path.join(work.directory, file_name(length, number)), audio, allow_pickle=False)
                if not is_checked:
                    is_checked = True
                    if not session.count_nodes().get(work.provider):
                        raise Refused("no part of the model runs on it")
                step("spoken", length=length, number=number, seconds=seconds)
        step("done")


def file_name(length: str, number: int) -> str:
    """The file with the audio of a run; of the first and the last of each length it is kept."""
    return f"{length}-{number}.npy"


class OnnxSession:
    """A session of onnxruntime that is known to have the provider."""

    def __init__(self, work: Work) -> None:
        onnxruntime: Any = importlib.import_module("onnxruntime")
        if work.provider not in onnxruntime.get_available_providers():
            raise Refused(f"this onnxruntime has no {work.provider}")
        # Kokoro may have noise in it: the same for everybody.
        onnxruntime.set_seed(0)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        # As the service loads Kokoro: every text has another length, and for each the memory would be planned and kept.
        options.enable_mem_pattern = False
        self._knows_assignment = hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info")
        if self._knows_assignment:
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        else:
            # onnxruntime 1.23 tells only in a profile which provider has computed what.
            options.enable_profiling = True
            options.profile_file_prefix = os.path.join(work.directory, "profile")
        cache = work.options.get("ModelCacheDirectory")
        if cache is not None:
            os.makedirs(cache, exist_ok=True)
        providers = [(work.provider, work.options)]
        if work.provider != CPU_PROVIDER:
            providers.append((CPU_PROVIDER, {}))
        # Python's own fallback would print, and try again without the provider.
        self._session = onnxruntime.InferenceSession(work.model, options, providers=providers, enable_fallback=0)

    def get_inputs(self) -> list[Any]:
        """As onnxruntime describes them."""
        inputs: list[Any] = self._session.get_inputs()
        return inputs

    def run(self, output_names: None, input_feed: dict[str, NDArray[Any]]) -> list[Any]:
        """All outputs."""
        outputs: list[Any] = self._session.run(output_names, input_feed)
        return outputs

    def count_nodes(self) -> dict[str, int]:
        """How many parts of the model each provider computes."""
        if self._knows_assignment:
            counted: Counter[str] = Counter()
            for subgraph in self._session.get_provider_graph_assignment_info():
                counted[subgraph.ep_name] += len(subgraph.get_nodes())
            return dict(counted)
        path = self._session.end_profiling()
        with open(path, encoding="utf-8") as file:
            events = json.load(file)
        os.remove(path)
        return dict(
            Counter(
                event["args"].get("provider", "") for event in events if event.get("cat") == "Node" and "args" in event
            )
        )


def _take_over_output() -> Callable[[object], None]:
    """Keep standard output for results; whatever else is printed goes to standard error."""
    results = os.dup(1)
    os.dup2(2, 1)

    def tell(event: object) -> None:
        # A parent that is gone ends this process in another way.
        with contextlib.suppress(OSError):
            os.write(results, (json.dumps(event) + "\n").encode())

    return tell


def _read_line() -> bytes:
    """A line of standard input. N.B. nothing is buffered: the rest is for `_end_with_parent`."""
    line = bytearray()
    while not line.endswith(b"\n"):
        character = os.read(0, 1)
        if not character:
            os._exit(1)
        line += character
    return bytes(line)


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)
