"""Fetches and warms the default models in the background, so that the first client does not wait for them.

It sends requests through the port, as a client does, so that all code on that path is warm afterwards. The two models
are independent: if one fails, the other still loads, and the service goes on without the failed one.
"""

import gc
import http.client
import io
import json
import os
import random
import threading
import time
import urllib.parse
import uuid
import wave
from collections.abc import Callable, Mapping

from speaches_service.event_log import log_event
from speaches_service.settings import TASKS, Settings
from speaches_service.sockets import connect_address
from speaches_service.state import State

FETCH_SECONDS = 3600
"""The time limit for the download of a model."""
WARM_SECONDS = 300
"""The time limit for the first request to a model."""

_SPEECH, _TRANSCRIPTION = TASKS
_TEXT = "This is the first sentence."


class WarmUpFailed(Exception):
    """A model is unusable, for the reason in the message."""


class WarmUp:
    def __init__(
        self,
        settings: Settings,
        port: int,
        state: State,
        started: float,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """`started` is the start of the process on the monotonic clock; `on_ready` runs when all models are warm."""
        self._settings = settings
        self._port = port
        self._state = state
        self._started = started
        self._on_ready = on_ready
        self._speech: bytes | None = None
        self._speech_done = threading.Event()

    def start(self) -> None:
        """Start daemon threads, which do not delay the end of the process."""
        threading.Thread(target=self._run, name="warm-up", daemon=True).start()

    def _run(self) -> None:
        work = {_SPEECH: self._warm_speech, _TRANSCRIPTION: self._warm_transcription}
        models = self._state.models
        if not self._settings.preload:
            models = {}
        if _SPEECH not in models:
            self._speech_done.set()
        threads = [
            threading.Thread(target=self._warm, args=(task, model.id, work[task]), name=f"warm-up {task}", daemon=True)
            for task, model in models.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # The loaded objects stay alive, so garbage collections need not visit them.
        gc.freeze()
        failed = [model for task, model in self._state.models.items() if task in models and model.phase == "failed"]
        if self._state.record_phase("degraded" if failed else "ready"):
            log_event(f"{self._state.phase} after {time.monotonic() - self._started:.2f} s")
            self._on_ready()

    def _warm(self, task: str, model: str, work: Callable[[str], None]) -> None:
        try:
            self._ensure_cached(task, model)
            self._state.record_model_phase(task, "warming")
            began = time.monotonic()
            work(model)
        except (WarmUpFailed, OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            self._state.record_model_phase(task, "failed", reason)
            log_event(f"{task} is not ready: `{model}`: {reason}", "warning", task=task, model=model)
        else:
            self._state.record_model_phase(task, "ready")
            seconds = time.monotonic() - began
            log_event(f"{task} is ready: `{model}`, warmed in {seconds:.2f} s", task=task, model=model, seconds=seconds)
        finally:
            if task == _SPEECH:
                self._speech_done.set()

    def _ensure_cached(self, task: str, model: str) -> None:
        path = f"/v1/models/{urllib.parse.quote(model)}"
        if self._request("GET", path, WARM_SECONDS)[0] == http.client.OK:
            return
        if self._settings.offline:
            raise WarmUpFailed("it is not in the cache, and offline mode forbids requests to the hub")
        self._state.record_model_phase(task, "fetching")
        log_event(f"fetching `{model}`", task=task, model=model)
        status, body = self._request("POST", path, FETCH_SECONDS)
        if status not in (http.client.OK, http.client.CREATED):
            raise WarmUpFailed(f"it is not in the cache and cannot be fetched: {_reason(status, body)}")

    def _warm_speech(self, model: str) -> None:
        request = {"model": model, "input": _TEXT, "voice": self._settings.voice or "", "response_format": "wav"}
        body = json.dumps(request).encode()
        status, answer = self._request(
            "POST", "/v1/audio/speech", WARM_SECONDS, body, {"Content-Type": "application/json"}
        )
        if status != http.client.OK:
            raise WarmUpFailed(_reason(status, answer))
        self._speech = answer

    def _warm_transcription(self, model: str) -> None:
        # Speech runs the decoder as well; noise at least loads the model.
        self._speech_done.wait(WARM_SECONDS)
        sound = self._speech or _noise_wav()
        boundary = uuid.uuid4().hex
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="warm-up.wav"\r\n'
            "Content-Type: audio/wav\r\n\r\n"
        ).encode()
        body += sound + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        status, answer = self._request("POST", "/v1/audio/transcriptions", WARM_SECONDS, body, headers)
        if status != http.client.OK:
            raise WarmUpFailed(_reason(status, answer))

    def _request(
        self,
        method: str,
        path: str,
        timeout: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """The status and body of this service's answer."""
        connection = http.client.HTTPConnection(connect_address(self._settings.host[0]), self._port, timeout=timeout)
        try:
            key = os.environ.get("API_KEY")
            sent = {**(headers or {}), **({"Authorization": f"Bearer {key}"} if key else {})}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _reason(status: int, body: bytes) -> str:
    """The reason in an error's answer."""
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, LookupError, TypeError):
        detail = body.decode("utf-8", "replace").strip().partition("\n")[0]
    return f"{detail} (status {status})" if detail else f"status {status}"


def _noise_wav() -> bytes:
    """Half a second of noise as a WAV file of 16 kHz."""
    source = random.Random(0)  # noqa: S311 - nothing is kept secret with it
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 16000, 0, "NONE", ""))
        samples = (source.randint(-3000, 3000) for _ in range(8000))
        writer.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples))
    return file.getvalue()
