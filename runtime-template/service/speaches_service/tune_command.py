"""`speaches tune`: compare everything that could speak with the CPU, now, and tell what was found."""

import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from speaches_service.event_log import announce
from speaches_service.exit_codes import ExitCode, ServiceFailure, unusable_part
from speaches_service.file_lock import Held
from speaches_service.settings import Settings
from speaches_service.synthesis_probe import workshop
from speaches_service.synthesis_probe.candidates import Candidate, coreml
from speaches_service.synthesis_probe.comparison import Inconclusive, compare
from speaches_service.synthesis_probe.decisions import Decision, Decisions, describe, recommended
from speaches_service.synthesis_probe.measuring import Limits, Measurement, Measuring
from speaches_service.synthesis_probe.models import SpeechModel, models_in


def tune(
    settings: Settings,
    as_json: bool,
    offered: Callable[[str, str, str], tuple[Candidate, ...]] = coreml,
    command: Sequence[str] | None = None,
) -> None:
    """Compare for every model and write the result to standard output; `offered` and `command` are for tests.

    Raises:
        ServiceFailure: UNAVAILABLE when there is no model or none that speaks, TEMPORARY when somebody else compares,
            CANNOT_WRITE when the result cannot be kept.
    """
    try:
        cache = str(importlib.import_module("speaches.hf_utils").HF_HUB_CACHE)
    except ImportError as error:
        raise unusable_part(error) from error
    models = models_in(cache)
    if not models:
        raise ServiceFailure(
            ExitCode.UNAVAILABLE,
            f"there is no Kokoro model in `{cache}`",
            "get one with `speaches models pull speaches-ai/Kokoro-82M-v1.0-ONNX-int8`",
        )
    key = settings.synthesis.probe_key
    if key is None:
        announce(f"nothing can take the place of the CPU here: {settings.synthesis.why}")
    try:
        if settings.machine_directory is not None:
            # What transcription has learned about the GPU counts no more either.
            importlib.import_module("speaches_service.whispercpp.installation").forget(settings.machine_directory)
        with _scratch(settings, key) as scratch:
            found = _compare(settings, models, offered, Measuring(scratch, in_background=False, command=command))
    except Held as held:
        raise ServiceFailure(
            ExitCode.TEMPORARY,
            "another process compares already",
            "wait for it: a service does so after its first start",
        ) from held
    except OSError as error:
        raise ServiceFailure(
            ExitCode.CANNOT_WRITE,
            f"cannot keep the result in `{settings.machine_directory}`: {error.strerror or error}",
        ) from error
    if not found:
        raise ServiceFailure(ExitCode.UNAVAILABLE, "no model speaks on the CPU; the lines above say why")
    sys.stdout.write(json.dumps(describe(key, found), indent=2) + "\n" if as_json else _table(found))
    sys.stdout.flush()


def _scratch(settings: Settings, key: str | None) -> AbstractContextManager[str]:
    if settings.machine_directory is None:
        return tempfile.TemporaryDirectory()
    return workshop.opened(settings.machine_directory, key)


def _compare(
    settings: Settings,
    models: Sequence[SpeechModel],
    offered: Callable[[str, str, str], tuple[Candidate, ...]],
    measuring: Measuring,
) -> dict[str, Decision]:
    """What was found out, by model; kept if there is a key to keep it under."""
    key, directory = settings.synthesis.probe_key, settings.machine_directory

    def measure(model: SpeechModel, candidate: Candidate, limits: Limits) -> Measurement:
        announce(f"`{model.id}` on {candidate.name}")
        return measuring.measure(model, candidate, limits)

    found: dict[str, Decision] = {}
    for model in models:
        kept = None if key is None or directory is None else (directory, key)
        try:
            decision = compare(model, offered(*kept, model.id) if kept is not None else (), measure)
        except Inconclusive as reason:
            announce(f"`{model.id}` was left out: {reason}", "warning", model=model.id)
            continue
        found[model.id] = decision
        if kept is not None:
            Decisions(*kept).record(model.id, decision)
    return found


def _table(found: dict[str, Decision]) -> str:
    """The result for people."""
    lines = []
    for model, decision in found.items():
        factor = decision.real_time_factor or 0
        lines.append(f"{model}: {decision.chosen}, {factor:.2f} s of computing for a second of speech")
        rows = [("candidate", "outcome", "speed-up", "correlation", "reason")]
        rows += [
            (
                verdict.name,
                verdict.outcome,
                "-" if verdict.speedup is None else f"{verdict.speedup:.2f}",
                "-" if verdict.correlation is None else f"{verdict.correlation:.4f}",
                verdict.reason,
            )
            for verdict in decision.candidates
        ]
        if not decision.candidates:
            rows = []
        widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else []
        for *cells, reason in rows:
            padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
            lines.append(f"  {'  '.join(padded)}  {reason}")
    best = recommended(found)
    if best is not None:
        lines.append(f"recommended: --tts-model {best}")
    elif len(found) > 1:
        lines.append("no model is clearly faster than the others")
    return "\n".join(lines) + "\n"
