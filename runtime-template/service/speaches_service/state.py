"""`status.json`: the state of the service, for `speaches status`, `/health/ready` and Harbor."""

import os
import platform
import threading
from datetime import datetime, timezone
from typing import Literal, NamedTuple

from speaches_service import json_file
from speaches_service.event_log import log_event
from speaches_service.exit_codes import ExitCode, ServiceFailure
from speaches_service.settings import TASKS, Settings

STATUS_FILE = "status.json"

Phase = Literal["starting", "serving", "ready", "degraded", "draining", "stopped"]
"""`serving`: answers while the default models are warming; `degraded`: answers without some of them."""

ModelPhase = Literal["waiting", "fetching", "warming", "ready", "failed"]


class ModelState(NamedTuple):
    id: str
    phase: ModelPhase
    backend: str
    """The launcher's decision, until the model is loaded; then the actual backend."""
    provider: str
    """The device or onnxruntime provider of the backend."""
    precision: str | None = None
    """The number format, such as `float32`; None until the model is loaded."""
    reason: str | None = None
    """The reason of a failure."""


class State:
    """The state of this process. Every change is written to disk."""

    def __init__(self, settings: Settings, port: int, started_at: float) -> None:
        """`started_at` is in seconds since the epoch."""
        self._directory = settings.state_dir
        self._lock = threading.RLock()
        self._models: dict[str, ModelState] = {
            task: ModelState(model, "waiting", backend, provider)
            for task, model, backend, provider in (
                (TASKS[0], settings.tts_model, "onnxruntime", settings.synthesis.provider),
                (TASKS[1], settings.stt_model, settings.transcription.backend, settings.transcription.device),
            )
            if model is not None
        }
        self._phase: Phase = "starting"
        self._record: dict[str, object] = {
            "pid": os.getpid(),
            "addresses": list(settings.host),
            "port": port,
            "phase": self._phase,
            "started_at": datetime.fromtimestamp(started_at, timezone.utc).isoformat(timespec="milliseconds"),
            "exit_code": None,
            "message": None,
            "sample": settings.is_sample,
            "models": self._describe_models(),
            "versions": {"python": platform.python_version(), "speaches": None},
        }

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def models(self) -> dict[str, ModelState]:
        """The default models by task."""
        return dict(self._models)

    def open(self) -> None:
        """Create the directory and write the phase `starting`.

        Raises:
            ServiceFailure: CANNOT_WRITE.
        """
        try:
            if self._directory is not None:
                os.makedirs(self._directory, exist_ok=True)
                json_file.remove_partial(os.path.join(self._directory, STATUS_FILE))
            self._write()
        except OSError as error:
            raise ServiceFailure(
                ExitCode.CANNOT_WRITE, f"cannot write `{self._directory}`: {error.strerror or error}"
            ) from error

    def record_phase(self, phase: Phase, speaches_version: str | None = None) -> bool:
        """Record a change of phase. Returns False if the service is ending, because it then does not become ready.

        A failed write, for example on a full disk, is logged and does not end the service.
        """
        with self._lock:
            if self._phase in ("draining", "stopped") and phase != "stopped":
                return False
            self._phase = phase
            self._record["phase"] = phase
            if speaches_version is not None:
                self._record["versions"] = {"python": platform.python_version(), "speaches": speaches_version}
            self._save()
            return True

    def record_model_phase(self, task: str, phase: ModelPhase, reason: str | None = None) -> None:
        with self._lock:
            self._models[task] = self._models[task]._replace(phase=phase, reason=reason)
            self._record["models"] = self._describe_models()
            self._save()

    def record_computation(self, model: str, backend: str, provider: str, precision: str | None = None) -> None:
        """Record the actual backend, provider and precision of a model, if it is a default model."""
        with self._lock:
            for task, known in self._models.items():
                found = known._replace(backend=backend, provider=provider, precision=precision)
                if known.id == model and known != found:
                    self._models[task] = found
                    self._record["models"] = self._describe_models()
                    self._save()

    def record_stop(self, exit_code: int, message: str | None = None) -> None:
        """Record the exit code and, for a failure, its message.

        N.B. A signal handler may call this while the same thread is inside one of the methods above.
        """
        self._record["exit_code"] = int(exit_code)
        self._record["message"] = message
        self.record_phase("stopped")

    def _describe_models(self) -> list[dict[str, str | None]]:
        return [{"task": task, **model._asdict()} for task, model in self._models.items()]

    def _save(self) -> None:
        try:
            self._write()
        except OSError as error:
            log_event(f"cannot write `{self._directory}`: {error.strerror or error}", "warning")

    def _write(self) -> None:
        if self._directory is not None:
            json_file.write(os.path.join(self._directory, STATUS_FILE), self._record)
