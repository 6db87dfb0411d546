"""Settings as the launcher writes them: `settings.json` is made by one of its tests, and never by hand."""

import json
import os
from typing import Any

from speaches_service.settings import Settings, Synthesis, Transcription, parse_settings

_PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "settings.json")

_BARE: dict[str, Any] = {
    "listeners": [],
    "state_dir": None,
    "log_file": None,
    "bundled_models": [],
    "tts_model": None,
    "stt_model": None,
    "voice": None,
    "system": None,
    "machine_directory": None,
    "cache_directory": None,
    "notes": [],
}


def launchers() -> dict[str, Any]:
    """The decoded JSON of the launcher."""
    with open(_PATH, encoding="utf-8") as file:
        raw: dict[str, Any] = json.load(file)
    return raw


def raw_settings(**fields: object) -> dict[str, Any]:
    """The JSON of a service that keeps nothing and has no models, but for `fields`."""
    return {**launchers(), **_BARE, **fields}


def settings(**fields: Any) -> Settings:
    """The settings of a service that keeps nothing and has no models, but for `fields`."""
    bare = parse_settings(raw_settings())
    return bare._replace(synthesis=synthesis(), transcription=transcription())._replace(**fields)


def transcription(backend: str = "faster-whisper", device: str = "cpu", forced: bool = False) -> Transcription:
    """A decision about transcription."""
    return Transcription(backend, device, forced, "a test")


def synthesis(**fields: Any) -> Synthesis:
    """A decision about speech: the CPU without anything to measure, but for `fields`."""
    return Synthesis("cpu", False, "a test", "auto", (), None)._replace(**fields)
