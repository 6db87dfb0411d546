"""`status.json`: what the service tells `speaches status` and Harbor about itself."""

import json
import os
import platform
from datetime import datetime, timezone
from typing import Literal

from speaches_service.event_log import announce
from speaches_service.exit_codes import ExitCode, ServiceFailure
from speaches_service.settings import Settings

STATUS_FILE = "status.json"

Phase = Literal["starting", "serving", "draining", "stopped"]


class State:
    """The state of this process, written to disk at every change of phase."""

    def __init__(self, settings: Settings, port: int, started_at: float) -> None:
        """Take what is known before upstream is imported; `started_at` is in seconds since the epoch."""
        self._directory = settings.state_directory
        self._record: dict[str, object] = {
            "pid": os.getpid(),
            "addresses": list(settings.addresses),
            "port": port,
            "phase": "starting",
            "started_at": datetime.fromtimestamp(started_at, timezone.utc).isoformat(timespec="milliseconds"),
            "exit_code": None,
            "message": None,
            "sample": settings.sample,
            "versions": {"python": platform.python_version(), "speaches": None},
        }

    def open(self) -> None:
        """Make the directory and write the phase `starting`.

        Raises:
            ServiceFailure: CANNOT_WRITE.
        """
        try:
            if self._directory is not None:
                os.makedirs(self._directory, exist_ok=True)
            self._write()
        except OSError as error:
            raise ServiceFailure(
                ExitCode.CANNOT_WRITE, f"cannot write `{self._directory}`: {error.strerror or error}"
            ) from error

    def enter(self, phase: Phase, speaches_version: str | None = None) -> None:
        """Record a change of phase; a disk that is full by now is reported and does not end the service."""
        self._record["phase"] = phase
        if speaches_version is not None:
            self._record["versions"] = {"python": platform.python_version(), "speaches": speaches_version}
        try:
            self._write()
        except OSError as error:
            announce(f"cannot write `{self._directory}`: {error.strerror or error}")

    def enter_stopped(self, exit_code: int, message: str | None = None) -> None:
        """Record the end: the exit code and, for a failure, its message."""
        self._record["exit_code"] = int(exit_code)
        self._record["message"] = message
        self.enter("stopped")

    def _write(self) -> None:
        if self._directory is None:
            return
        path = os.path.join(self._directory, STATUS_FILE)
        scratch = f"{path}.{os.getpid()}"
        with open(scratch, "w", encoding="utf-8") as file:
            file.write(json.dumps(self._record, indent=2) + "\n")
        os.replace(scratch, path)
