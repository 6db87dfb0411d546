"""The settings that the launcher hands over in one environment variable.

They are not checked again: the launcher of the same runtime has written them from typed values (`service_settings.rs`).
"""

import json
from collections.abc import MutableMapping
from typing import Any, NamedTuple, TypeVar

from speaches_service.exit_codes import ExitCode, ServiceFailure

SETTINGS_VARIABLE = "SPEACHES_SERVICE_SETTINGS"

SCHEMA = 1
"""The launcher's number for what the fields mean."""

TASKS = ("text-to-speech", "automatic-speech-recognition")


class BundledModel(NamedTuple):
    """A model that the runtime contains."""

    id: str
    task: str
    """One of `TASKS`."""
    voice: str | None
    """A voice that it has."""
    serves: tuple[str, ...]
    """For GGML weights: the models that whisper.cpp serves with them. No client asks for the weights themselves."""
    file: str | None
    """For GGML weights: the file in its repository."""


class Transcription(NamedTuple):
    """What Whisper models transcribe with."""

    backend: str
    """`faster-whisper` or `whispercpp`."""
    device: str
    """`cpu`, `cuda` or `metal`."""
    forced: bool
    """Whether the user asked for it: then nothing else may take its place."""
    why: str
    """For people."""


class Synthesis(NamedTuple):
    """What models that speak compute with."""

    provider: str
    """`cpu`, `coreml` or `cuda`."""
    forced: bool
    """Whether the user asked for it: then nothing else may take its place."""
    why: str
    """For people."""
    precision: str
    """`auto`, `original` or `float32`: the numbers that a quantised model computes with."""
    candidates: tuple[str, ...]
    """What may be compared, because measuring decides: names from `synthesis_probe/candidates.py`."""
    probe_key: str | None
    """What a comparison is valid for: models, libraries, system, chip. None when there is nothing to compare."""


class Settings(NamedTuple):
    """Everything that the launcher has decided. A setting of its table has the name that it has there."""

    runtime: str
    """Absolute path of the runtime."""
    host: tuple[str, ...]
    """IP addresses to listen on, at least one, none twice."""
    port: int
    """TCP port, the same on every address; 0 picks one that is free on all of them."""
    listeners: tuple[int, ...]
    """File descriptors of sockets that listen already, one for each address; none where the service opens them."""
    state_dir: str | None
    """Absolute path of the directory for `status.json`; None keeps no state."""
    log_level: str
    """`debug`, `info`, `warning`, `error` or `critical`."""
    log_format: str
    """`text` or `json`."""
    log_file: str | None
    """Absolute path; None logs to standard error."""
    ui: bool
    """Whether `/` answers with upstream's web page."""
    bundled_models: tuple[BundledModel, ...]
    tts_model: str | None
    """The model that speaks for those who name none; None when there is no such model."""
    stt_model: str | None
    """The model that listens for those who name none."""
    voice: str | None
    """The voice of `tts_model`."""
    normalize: bool
    """Whether English text is normalised before it is spoken, unless a request says otherwise."""
    preload: bool
    """Whether both models are got and warmed as soon as the port answers."""
    upload_limit: int
    """The largest body of a request, in MiB."""
    name: str
    """What the runtime is called: `speaches`, or `speaches-sample` and `speaches-tones` for miniatures."""
    transcription: Transcription
    synthesis: Synthesis
    system: str | None
    """Name and version of the system, as the launcher is told; macOS tells programs by the SDK they are built with."""
    machine_directory: str | None
    """Absolute path of the directory for what was found out about this machine; None keeps nothing."""
    cache_directory: str | None
    """Absolute path of the directory for files that can be made again; None keeps nothing."""
    offline: bool
    """Whether the hub may not be asked."""
    notes: tuple[str, ...]
    """What the launcher wants to see in the log."""

    @property
    def is_sample(self) -> bool:
        """Whether people have to be told that this is not the real speaches."""
        return self.name in ("speaches-sample", "speaches-tones")


def take_settings(environment: MutableMapping[str, str]) -> Settings:
    """Read the settings and remove their variable, which is no business of upstream or of children.

    Raises:
        ServiceFailure: USAGE without the variable, MALFORMED when it is not JSON, CANNOT_WORK for everything else.
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
    """Take the decoded JSON as it is.

    Raises:
        ServiceFailure: CANNOT_WORK for another schema, or naming every key that is unknown or missing.
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
    """One record of a JSON object, whose lists become tuples."""
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
