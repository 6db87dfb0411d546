"""Runs the service, from open sockets to the exit code."""

import atexit
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from speaches_service import event_log, hub_cache, stop_event
from speaches_service.deferred_imports import garbage_collection_paused
from speaches_service.event_log import log_event
from speaches_service.exit_codes import ExitCode, ServiceFailure, unavailable_component
from speaches_service.settings import TASKS, Settings
from speaches_service.sockets import port_of, url_of
from speaches_service.state import State
from speaches_service.synthesis_probe import provider_choice
from speaches_service.synthesis_probe.background import BackgroundProbe
from speaches_service.warm_up import WarmUp

if TYPE_CHECKING:
    from speaches_service.server import Server

DRAIN_SECONDS = 6
"""The time limit for open requests after the request to stop."""

DEADLINE_SECONDS = 7.5
"""The process ends then, even if a thread is still inside a model. Harbor kills after 10 s."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Service:
    """One run of speaches on sockets that already listen."""

    def __init__(
        self, settings: Settings, listeners: Sequence[socket.socket], started_at: float, started: float
    ) -> None:
        """`started_at` is in seconds since the epoch, `started` the same moment on the monotonic clock."""
        self._settings = settings
        self._listeners = list(listeners)
        self._port = port_of(listeners[0])
        self._state = State(settings, self._port, started_at)
        self._started = started
        self._probe = BackgroundProbe(settings, hub_cache.directory)
        self._server: Server | None = None
        self._stop_requested = threading.Event()

    def run(self) -> NoReturn:
        """Serve until the request to stop, then end the process."""
        try:
            self._serve()
        except ServiceFailure as failure:
            event_log.log_failure(failure)
            if self._settings.log_level == "debug" and failure.__cause__ is not None:
                traceback.print_exception(failure.__cause__)
            self._end(failure.exit_code, failure.message)
        except Exception as error:  # noqa: BLE001 - every end needs an exit code and a state
            traceback.print_exception(error)
            message = f"internal error: {type(error).__name__}: {error}"
            log_event(message, "error")
            self._end(ExitCode.INTERNAL, message)
        self._end(ExitCode.STOPPED)

    def _serve(self) -> None:
        for stop_signal in STOP_SIGNALS:
            signal.signal(stop_signal, self._on_signal)
        stop_event.watch(lambda: self._on_signal(signal.SIGTERM, None))
        self._prepare_for_hangup()
        self._state.open()
        for note in self._settings.notes:
            log_event(note)
        if self._settings.is_sample:
            kind = self._settings.name.removeprefix("speaches-").upper()
            log_event(f"this is the {kind}, a miniature to try things out, not the real speaches")
        log_event(f"listening on {', '.join(url_of(address, self._port) for address in self._settings.host)}")
        self._announce_choices()

        with garbage_collection_paused():
            try:
                from speaches_service.server import Server
                from speaches_service.upstream import build_application
                from speaches_service import library_log, readiness  # isort: skip - the first missing module is reported
            except ImportError as error:
                raise unavailable_component(error) from error
            application = build_application(self._settings, self._port, self._state)
            readiness.mount(application, self._state)
            library_log.install(self._settings.log_level)
        server = Server(application, self._settings.log_level, DRAIN_SECONDS, self._on_serving, self._on_draining)
        threading.Thread(target=self._enforce_deadline, name="deadline", daemon=True).start()
        self._server = server
        server.run(sockets=self._listeners)
        if not server.started and not self._stop_requested.is_set():
            raise ServiceFailure(ExitCode.INTERNAL, "speaches did not start; see the log lines above")

    def _announce_choices(self) -> None:
        transcription, synthesis = self._settings.transcription, self._settings.synthesis
        speech_task, transcription_task = TASKS
        log_event(
            f"transcription computes with {transcription.backend} on {transcription.device}: {transcription.why}",
            task=transcription_task,
            backend=transcription.backend,
            device=transcription.device,
            forced=transcription.forced,
        )
        log_event(
            f"speech computes with onnxruntime on {synthesis.provider}: {synthesis.why}",
            task=speech_task,
            provider=synthesis.provider,
            forced=synthesis.forced,
        )

    def _prepare_for_hangup(self) -> None:
        """SIGHUP reopens the log file. Without a log file it means that the terminal has closed, unless ignored."""
        hangup = getattr(signal, "SIGHUP", None)
        if hangup is None:
            return
        if self._settings.log_file is not None:
            signal.signal(hangup, event_log.make_reopener(self._settings.log_file))
        elif signal.getsignal(hangup) is not signal.SIG_IGN:
            signal.signal(hangup, self._on_signal)

    def _on_serving(self, speaches_version: str) -> None:
        self._state.record_phase("serving", speaches_version)
        log_event(f"serving after {time.monotonic() - self._started:.2f} s")
        WarmUp(self._settings, self._port, self._state, self._started, self._probe.start).start()

    def _on_draining(self) -> None:
        self._probe.stop()
        self._state.record_phase("draining")
        log_event(f"stopping; open requests may take {DRAIN_SECONDS} s")

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Drain at the first signal, or end at once if the server has not started. End at once at the second signal."""
        if self._stop_requested.is_set():
            self._end_at_once(128 + number)
        self._stop_requested.set()
        if self._server is None:
            self._end_at_once(ExitCode.STOPPED)
        self._server.should_exit = True

    def _enforce_deadline(self) -> None:
        self._stop_requested.wait()
        time.sleep(DEADLINE_SECONDS)
        self._end_at_once(ExitCode.STOPPED)

    def _end(self, exit_code: ExitCode, message: str | None = None) -> NoReturn:
        """End without the interpreter's finalization.

        Finalization would wait for minutes until upstream's timers have unloaded idle models, and it may abort the
        process while a daemon thread is still inside native code.
        """
        # Here libraries remove their temporary files, flush logs and send telemetry.
        atexit._run_exitfuncs()  # noqa: SLF001 - undocumented, but in every CPython
        self._end_at_once(exit_code, message)

    def _end_at_once(self, exit_code: int, message: str | None = None) -> NoReturn:
        provider_choice.remove_own_marker()
        self._state.record_stop(exit_code, message)
        log_event("stopped")
        event_log.flush()
        os._exit(exit_code)
