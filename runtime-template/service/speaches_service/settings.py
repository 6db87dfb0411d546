"""Reads the settings, which the launcher passes in one environment variable.

The service does not validate the values: the launcher of the same runtime writes typed ones (`service_settings.rs`).
"""

import json
from collections.abc import MutableMapping
from typing import Any, NamedTuple, TypeVar

from speaches_service.exit_codes import ExitCode, ServiceFailure

SETTINGS_VARIABLE = "SPEACHES_SERVICE_SETTINGS"

SCHEMA = 1
"""The version of the fields' meaning."""

TASKS = ("text-to-speech", "automatic-speech-recognition")


class BundledModel(NamedTuple):
    id: str
    task: str
    """One of `TASKS`."""
    voice: str | None
    serves: tuple[str, ...]
    """For GGML weights: the models that whisper.cpp serves with them. Clients never request the weights by name."""
    file: str | None


class Transcription(NamedTuple):
    """The backend for Whisper models."""

    backend: str
    """`faster-whisper` or `whispercpp`."""
    device: str
    """`cpu`, `cuda` or `metal`."""
    forced: bool
    """Whether the user requested it: then nothing else may replace it."""
    why: str
    """For people."""


class Synthesis(NamedTuple):
    """The computation of text-to-speech models."""

    provider: str
    """`cpu`, `coreml` or `cuda`."""
    forced: bool
    """Whether the user requested it: then nothing else may replace it."""
    why: str
    """For people."""
    precision: str
    """`auto`, `original` or `float32`: the number format of a quantised model."""
    candidates: tuple[str, ...]
    """The candidates for a measurement: names from `synthesis_probe/candidates.py`."""
    probe_key: str | None
    """Identifies the models, libraries, system and chip of a measurement. None if there is nothing to compare."""


class Settings(NamedTuple):
    """All decisions of the launcher. A setting has the same name as in the launcher's table."""

    runtime: str
    """Absolute path."""
    host: tuple[str, ...]
    """IP addresses to listen on: at least one, without duplicates."""
    port: int
    """TCP port on every address; 0 chooses one that is free on all of them."""
    listeners: tuple[int, ...]
    """File descriptors of listening sockets, one for each address; empty if the service opens the sockets."""
    state_dir: str | None
    """Absolute path of the directory for `status.json`; None keeps no state."""
    log_level: str
    """`debug`, `info`, `warning`, `error` or `critical`."""
    log_format: str
    """`text` or `json`."""
    log_file: str | None
    """Absolute path; None logs to standard error."""
    ui: bool
    """Whether to serve upstream's web page at `/`."""
    bundled_models: tuple[BundledModel, ...]
    tts_model: str | None
    """The model that `tts-1` names, that the warm-up loads, and that realtime sessions use."""
    stt_model: str | None
    """The model that `whisper-1` names, that the warm-up loads, and that realtime sessions use."""
    voice: str | None
    """The voice for the warm-up, realtime sessions and the web page."""
    normalize: bool
    """Whether to normalize English text before synthesis, if the request does not decide it."""
    preload: bool
    """Whether to fetch and warm both models as soon as the port answers."""
    upload_limit: int
    """The largest body of a request, in MiB."""
    name: str
    """`speaches`, or `speaches-sample` or `speaches-tones` for miniatures."""
    transcription: Transcription
    synthesis: Synthesis
    system: str | None
    """Name and version of the system, as the launcher sees them: macOS reports a version by the program's SDK."""
    machine_directory: str | None
    """Absolute path of the directory for measurements and checks of this machine; None keeps nothing."""
    cache_directory: str | None
    """Absolute path of the directory for files that the service can regenerate; None keeps nothing."""
    offline: bool
    """Whether requests to the hub are forbidden."""
    notes: tuple[str, ...]
    """Messages from the launcher for the log."""

    @property
    def is_sample(self) -> bool:
        """Whether the log must say that this is not the real speaches."""
        return self.name in ("speaches-sample", "speaches-tones")


def take_settings(environment: MutableMapping[str, str]) -> Settings:
    """Read the settings and remove their variable, so that upstream and children do not see it.

    Raises:
        ServiceFailure: USAGE without the variable, MALFORMED if it is not JSON, CANNOT_WORK for everything else.
    """
    text = environment.pop(SETTINGS_VARIABLE, None)
    if text is None:
        raise ServiceFailure(
            ExitCode.USAGE, f"`{SETTINGS_VARIABLE}` is not set", "start the service with `bin/speaches serve`"
        )
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise ServiceFailure(ExitCode.MALFORMED, f"`{SETTINGS_VARIABLE}` is not JSON: {error}") from error
    return parse_settings(raw)


def parse_settings(raw: object) -> Settings:
    """Convert the decoded JSON.

    Raises:
        ServiceFailure: CANNOT_WORK for another schema, or for unknown or missing keys, all of which it names.
    """
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise _invalid_settings(f"expected an object with `schema` {SCHEMA}")
    settings = _make(Settings, {key: value for key, value in raw.items() if key != "schema"})
    return settings._replace(
        bundled_models=tuple(_make(BundledModel, model) for model in settings.bundled_models),
        transcription=_make(Transcription, settings.transcription),
        synthesis=_make(Synthesis, settings.synthesis),
    )


_Record = TypeVar("_Record", BundledModel, Transcription, Synthesis, Settings)


def _make(kind: type[_Record], fields: Any) -> _Record:
    """Convert a JSON object; its lists become tuples."""
    problems = [f"unknown key `{key}`" for key in fields if key not in kind._fields]
    problems += [f"missing key `{key}`" for key in kind._fields if key not in fields]
    if problems:
        raise _invalid_settings("; ".join(problems))
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    return kind(**values)


def _invalid_settings(problem: str) -> ServiceFailure:
    return ServiceFailure(
        ExitCode.CANNOT_WORK,
        f"`{SETTINGS_VARIABLE}`: {problem}",
        "the launcher and the service manager belong to different runtimes; use `bin/speaches` of this runtime",
    )
