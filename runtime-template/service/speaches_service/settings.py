"""The settings that the launcher hands over in one environment variable."""

import json
import os
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

from speaches_service.exit_codes import ExitCode, ServiceFailure

SETTINGS_VARIABLE = "SPEACHES_SERVICE_SETTINGS"

LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("critical", "error", "warning", "info", "debug")
TASKS = ("text-to-speech", "automatic-speech-recognition")
BACKENDS = ("faster-whisper", "whispercpp")
DEVICES = ("cpu", "cuda", "metal")
PROVIDERS = ("cpu", "coreml", "cuda")
PRECISIONS = ("auto", "original", "float32")


class BundledModel(NamedTuple):
    """A model that the runtime contains."""

    id: str
    task: str
    """One of `TASKS`."""
    voice: str | None = None
    """A voice that it has."""
    serves: tuple[str, ...] = ()
    """For GGML weights: the models that whisper.cpp serves with them. Nobody asks for the weights themselves."""
    file: str | None = None
    """For GGML weights: the file in its repository."""


class Transcription(NamedTuple):
    """What Whisper models transcribe with."""

    backend: str = "faster-whisper"
    """One of `BACKENDS`."""
    device: str = "cpu"
    """One of `DEVICES`."""
    forced: bool = False
    """Whether somebody asked for it: then nothing else may take its place."""
    why: str = "nothing was decided"
    """For people."""


class Synthesis(NamedTuple):
    """What models that speak compute with."""

    provider: str = "cpu"
    """One of `PROVIDERS`."""
    forced: bool = False
    """Whether somebody asked for it: then nothing else may take its place."""
    why: str = "nothing was decided"
    """For people."""
    precision: str = "auto"
    """One of `PRECISIONS`: the numbers that a quantised model computes with."""
    candidates: tuple[str, ...] = ()
    """What may be compared, because measuring decides: names from `synthesis_probe/candidates.py`."""
    probe_key: str | None = None
    """What a comparison is valid for: models, libraries, system, chip. None when there is nothing to compare."""


class Settings(NamedTuple):
    """Everything that the launcher has decided."""

    runtime: str
    """Absolute path of the runtime."""
    addresses: tuple[str, ...]
    """IP addresses to listen on, at least one, none twice."""
    port: int
    """TCP port, the same on every address; 0 picks one that is free on all of them."""
    listeners: tuple[int, ...] = ()
    """File descriptors of sockets that listen already, one for each address; none where the service opens them."""
    state_directory: str | None = None
    """Absolute path of the directory for `status.json`; None keeps no state."""
    log_level: str = "info"
    """One of `LOG_LEVELS`."""
    log_format: str = "text"
    """One of `LOG_FORMATS`."""
    log_file: str | None = None
    """Absolute path; None logs to standard error."""
    user_interface: bool = True
    """Whether `/` answers with upstream's web page."""
    bundled_models: tuple[BundledModel, ...] = ()
    speech_model: str | None = None
    """The model that speaks for those who name none; None when there is no such model."""
    transcription_model: str | None = None
    """The model that listens for those who name none."""
    voice: str | None = None
    """The voice of `speech_model`."""
    normalize: bool = True
    """Whether English text is normalised before it is spoken, unless a request says otherwise."""
    preload: bool = True
    """Whether both models are got and warmed as soon as the port answers."""
    upload_limit: int = 1 << 30
    """The largest body of a request, in bytes."""
    sample: bool = False
    """Whether the runtime holds the miniature of the repository instead of the real speaches."""
    transcription: Transcription = Transcription()
    synthesis: Synthesis = Synthesis()
    system: str | None = None
    """Name and version of the system, as the launcher is told; macOS tells programs by the SDK they are built with."""
    machine_directory: str | None = None
    """Absolute path of the directory for what was found out about this machine; None keeps nothing."""
    cache_directory: str | None = None
    """Absolute path of the directory for files that can be made again; None keeps nothing."""
    offline: bool = False
    """Whether the hub may not be asked."""
    notes: tuple[str, ...] = ()
    """What the launcher wants to see in the log."""


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
    """Check the decoded JSON.

    Raises:
        ServiceFailure: CANNOT_WORK, naming every key that is unknown, missing or wrong.
    """
    if not isinstance(raw, dict):
        raise _refusal([f"expected an object, got {_name_type(raw)}"])
    problems = _find_problems(raw, _FIELDS, required=("runtime", "addresses", "port"))
    if problems:
        raise _refusal(problems)
    fields: dict[str, Any] = dict(raw)
    fields["addresses"] = tuple(dict.fromkeys(raw["addresses"]))
    fields["listeners"] = tuple(raw.get("listeners", ()))
    fields["notes"] = tuple(raw.get("notes", ()))
    fields["bundled_models"] = tuple(
        BundledModel(**{**model, "serves": tuple(model.get("serves", ()))}) for model in raw.get("bundled_models", ())
    )
    fields["transcription"] = Transcription(**raw.get("transcription", {}))
    synthesis = raw.get("synthesis", {})
    fields["synthesis"] = Synthesis(**{**synthesis, "candidates": tuple(synthesis.get("candidates", ()))})
    return Settings(**fields)


def _find_problems(raw: Mapping[str, object], fields: Mapping[str, "_Field"], required: tuple[str, ...]) -> list[str]:
    problems = [f"unknown key `{key}`" for key in raw if key not in fields]
    problems += [f"missing key `{key}`" for key in required if key not in raw]
    for key, (is_right, expectation) in fields.items():
        if key in raw and not is_right(raw[key]):
            problems.append(f"`{key}` must be {expectation}, got {json.dumps(raw[key])}")
    return problems


def _refusal(problems: list[str]) -> ServiceFailure:
    return ServiceFailure(
        ExitCode.CANNOT_WORK,
        f"`{SETTINGS_VARIABLE}`: {'; '.join(problems)}",
        "launcher and service manager belong to different runtimes; use the launcher of this one",
    )


def _name_type(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _is_boolean(value: object) -> bool:
    return isinstance(value, bool)


def _is_absolute_path(value: object) -> bool:
    return isinstance(value, str) and os.path.isabs(value)


def _is_absolute_path_or_null(value: object) -> bool:
    return value is None or _is_absolute_path(value)


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _are_addresses(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) and item for item in value)


def _are_descriptors(value: object) -> bool:
    return isinstance(value, list) and all(_is_port(item) for item in value)


def _are_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_string(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_string_or_null(value: object) -> bool:
    return value is None or _is_string(value)


def _is_log_level(value: object) -> bool:
    return value in LOG_LEVELS


def _is_log_format(value: object) -> bool:
    return value in LOG_FORMATS


def _are_models(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and not _find_problems(item, _MODEL_FIELDS, required=("id", "task")) for item in value
    )


def _is_object(fields: Mapping[str, "_Field"]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and not _find_problems(value, fields, required=tuple(fields))


_Field = tuple[Callable[[object], bool], str]

_MODEL_FIELDS: dict[str, _Field] = {
    "id": (_is_string, "a string"),
    "voice": (_is_string_or_null, "a string or null"),
    "task": (lambda value: value in TASKS, f"one of {', '.join(TASKS)}"),
    "serves": (_are_strings, "a list of strings"),
    "file": (_is_string_or_null, "a string or null"),
}

_TRANSCRIPTION_FIELDS: dict[str, _Field] = {
    "backend": (lambda value: value in BACKENDS, f"one of {', '.join(BACKENDS)}"),
    "device": (lambda value: value in DEVICES, f"one of {', '.join(DEVICES)}"),
    "forced": (_is_boolean, "true or false"),
    "why": (_is_string, "a string"),
}

_SYNTHESIS_FIELDS: dict[str, _Field] = {
    "provider": (lambda value: value in PROVIDERS, f"one of {', '.join(PROVIDERS)}"),
    "forced": (_is_boolean, "true or false"),
    "why": (_is_string, "a string"),
    "precision": (lambda value: value in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
    "candidates": (_are_strings, "a list of strings"),
    "probe_key": (_is_string_or_null, "a string or null"),
}

_FIELDS: dict[str, _Field] = {
    "runtime": (_is_absolute_path, "an absolute path"),
    "addresses": (_are_addresses, "a list of at least one IP address"),
    "port": (_is_port, "a number from 0 to 65535"),
    "state_directory": (_is_absolute_path_or_null, "an absolute path or null"),
    "listeners": (_are_descriptors, "a list of file descriptors"),
    "log_level": (_is_log_level, f"one of {', '.join(LOG_LEVELS)}"),
    "log_format": (_is_log_format, f"one of {', '.join(LOG_FORMATS)}"),
    "log_file": (_is_absolute_path_or_null, "an absolute path or null"),
    "user_interface": (_is_boolean, "true or false"),
    "bundled_models": (_are_models, f"a list of objects with `id` and `task` ({' or '.join(TASKS)})"),
    "speech_model": (_is_string_or_null, "a string or null"),
    "transcription_model": (_is_string_or_null, "a string or null"),
    "voice": (_is_string_or_null, "a string or null"),
    "upload_limit": (_is_size, "a number of bytes"),
    "normalize": (_is_boolean, "true or false"),
    "preload": (_is_boolean, "true or false"),
    "sample": (_is_boolean, "true or false"),
    "transcription": (_is_object(_TRANSCRIPTION_FIELDS), f"an object with {', '.join(_TRANSCRIPTION_FIELDS)}"),
    "synthesis": (_is_object(_SYNTHESIS_FIELDS), f"an object with {', '.join(_SYNTHESIS_FIELDS)}"),
    "system": (_is_string_or_null, "a string or null"),
    "machine_directory": (_is_absolute_path_or_null, "an absolute path or null"),
    "cache_directory": (_is_absolute_path_or_null, "an absolute path or null"),
    "offline": (_is_boolean, "true or false"),
    "notes": (_are_strings, "a list of strings"),
}
