"""Settings as the launcher writes them: one of its tests writes `settings.json`. Do not edit the file by hand."""

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


def launcher_settings() -> dict[str, Any]:
    with open(_PATH, encoding="utf-8") as file:
        raw: dict[str, Any] = json.load(file)
    return raw


def raw_settings(**fields: object) -> dict[str, Any]:
    """The settings of a service without directories and models, changed by `fields`, as JSON."""
    return {**launcher_settings(), **_BARE, **fields}


def settings(**fields: Any) -> Settings:
    """The settings of a service without directories and models, changed by `fields`."""
    bare = parse_settings(raw_settings())
    return bare._replace(synthesis=synthesis(), transcription=transcription())._replace(**fields)


def transcription(backend: str = "faster-whisper", device: str = "cpu", forced: bool = False) -> Transcription:
    return Transcription(backend, device, forced, "a test")


def synthesis(**fields: Any) -> Synthesis:
    """The CPU without candidates for a measurement, changed by `fields`."""
    return Synthesis("cpu", False, "a test", "auto", (), None)._replace(**fields)
