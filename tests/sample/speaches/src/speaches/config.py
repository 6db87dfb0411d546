"""Settings of the service, read from the environment."""

import json
import os
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, model_validator

type Device = Literal["cpu", "cuda", "auto"]


class WhisperConfig(BaseModel):
    """Settings of faster-whisper (`WHISPER__*`)."""

    inference_device: Device = "auto"
    device_index: int | list[int] = 0
    compute_type: str = "default"
    cpu_threads: int = 0
    num_workers: int = 1


class OrtOptions(BaseModel):
    """Settings of onnxruntime (`UNSTABLE_ORT_OPTS__*`)."""

    exclude_providers: list[str] = ["TensorrtExecutionProvider"]
    provider_priority: dict[str, int] = {"CUDAExecutionProvider": 100}
    provider_opts: dict[str, dict[str, Any]] = {}


class Config(BaseModel):
    """Settings, each named as its environment variable in lower case; `A__B` sets the field `b` of the section `a`."""

    stt_model_ttl: int = Field(default=300, ge=-1)
    """Seconds an unused model stays loaded: -1 for ever, 0 not at all."""
    tts_model_ttl: int = Field(default=300, ge=-1)
    vad_model_ttl: int = Field(default=-1, ge=-1)
    api_key: SecretStr | None = None
    log_level: str = "debug"
    host: str = Field(alias="UVICORN_HOST", default="127.0.0.1")
    port: int = Field(alias="UVICORN_PORT", default=8000)
    allow_origins: list[str] | None = None
    enable_ui: bool = True
    loopback_host_url: str | None = None
    """Where the service reaches itself."""
    whisper: WhisperConfig = WhisperConfig()
    unstable_ort_opts: OrtOptions = OrtOptions()
    preload_models: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _read_environment(cls, values: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            variable = (field.alias or name).upper()
            if isinstance(field.default, BaseModel):
                section = type(field.default).model_fields
                nested = {key: _variable(f"{variable}__{key.upper()}") for key in section}
                found[name] = {key: value for key, value in nested.items() if value is not None}
            elif (value := _variable(variable)) is not None:
                found[field.alias or name] = value
        return found | values


def _variable(name: str) -> Any:
    """Return an environment variable, lists and mappings as JSON. An empty one counts as unset."""
    value = os.environ.get(name)
    if not value:
        return None
    return json.loads(value) if value[0] in "[{" else value
