"""`speaches tune`: measures the candidates for every speech model now, and prints the results."""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from speaches_service import hub_cache
from speaches_service.event_log import log_event
from speaches_service.exit_codes import ExitCode, ServiceFailure, unavailable_component
from speaches_service.file_lock import LockHeld
from speaches_service.settings import Settings
from speaches_service.synthesis_probe.candidates import COREML, Candidate, cache_of, candidates_named
from speaches_service.synthesis_probe.decisions import Decision, Decisions, describe, recommended
from speaches_service.synthesis_probe.evaluate import Inconclusive, compare
from speaches_service.synthesis_probe.models import SpeechModel, models_in
from speaches_service.synthesis_probe.probe_session import Measurement, ProbeSession, exclusive_scratch
from speaches_service.whispercpp import check


def tune(
    settings: Settings,
    as_json: bool,
    select_candidates: Callable[[Sequence[str], str | None], tuple[Candidate, ...]] = candidates_named,
    command: Sequence[str] | None = None,
) -> None:
    """Measure every model and write the results to standard output; `select_candidates` and `command` are for tests.

    Raises:
        ServiceFailure: UNAVAILABLE if no model exists or none produces speech, TEMPORARY if another process is
            measuring, CANNOT_WRITE if the result cannot be saved.
    """
    try:
        cache = hub_cache.directory()
    except ImportError as error:
        raise unavailable_component(error) from error
    models = models_in(cache)
    if not models:
        raise ServiceFailure(
            ExitCode.UNAVAILABLE,
            f"found no Kokoro model in `{cache}`",
            "get one with `speaches models pull speaches-ai/Kokoro-82M-v1.0-ONNX-int8`",
        )
    key = settings.synthesis.probe_key
    if key is None:
        log_event(f"there is no other provider to compare here: {settings.synthesis.why}")
    try:
        if settings.machine_directory is not None:
            # Transcription's results about the GPU are measured again as well.
            check.forget(settings.machine_directory)
        with _scratch(settings) as scratch:
            candidates = select_candidates(settings.synthesis.candidates, settings.machine_directory)
            session = ProbeSession(scratch, in_background=False, command=command)
            found = _compare(settings, models, candidates, session)
    except LockHeld as held:
        raise ServiceFailure(
            ExitCode.TEMPORARY,
            "another process is measuring already",
            "wait until it has finished; a service measures after its first start",
        ) from held
    except OSError as error:
        raise ServiceFailure(
            ExitCode.CANNOT_WRITE,
            f"cannot save the result in `{settings.machine_directory}`: {error.strerror or error}",
        ) from error
    if not found:
        raise ServiceFailure(ExitCode.UNAVAILABLE, "no model produced speech; see the log lines above")
    sys.stdout.write(json.dumps(describe(key, found), indent=2) + "\n" if as_json else _table(found))
    sys.stdout.flush()


def _scratch(settings: Settings) -> AbstractContextManager[str]:
    directory = settings.machine_directory
    if directory is None:
        return tempfile.TemporaryDirectory()
    return exclusive_scratch(directory, keep=cache_of(directory) if COREML in settings.synthesis.candidates else None)


def _compare(
    settings: Settings, models: Sequence[SpeechModel], candidates: Sequence[Candidate], session: ProbeSession
) -> dict[str, Decision]:
    """The results by model. They are saved if the machine has a probe key."""
    key, directory = settings.synthesis.probe_key, settings.machine_directory
    found: dict[str, Decision] = {}
    for model in models:

        def measure(path: str, voices: str, candidate: Candidate, limit: float, name: str = model.id) -> Measurement:
            log_event(f"measuring `{name}` with {candidate.name}")
            return session.measure(path, voices, candidate, limit)

        try:
            found[model.id] = compare(model, candidates, settings.cache_directory, measure)
        except Inconclusive as reason:
            log_event(f"skipped `{model.id}`: {reason}", "warning", model=model.id)
            continue
        if key is not None and directory is not None:
            with Decisions(directory, key).changing() as known:
                known[model.id] = found[model.id]
    return found


def _table(found: dict[str, Decision]) -> str:
    lines = []
    for model, decision in found.items():
        chosen = decision.chosen
        lines.append(f"{model}: {chosen.name if chosen is not None else 'nothing'} is used")
        rows = [("candidate", "outcome", "speed-up", "s per s of speech", "correlation", "reason")]
        rows += [
            (
                result.name,
                result.outcome,
                _number(result.speedup, 2),
                _number(result.real_time_factor, 2),
                _number(result.correlation, 4),
                result.reason,
            )
            for result in decision.candidates
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(f"  {'  '.join(padded)}".rstrip())
    best = recommended(found)
    if best is not None:
        lines.append(f"recommended: --tts-model {best}")
    elif len(found) > 1:
        lines.append("no model is clearly faster than the others")
    return "\n".join(lines) + "\n"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
