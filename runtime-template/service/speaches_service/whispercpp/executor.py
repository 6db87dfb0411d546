"""Implements upstream's executor protocol with whisper.cpp, and falls back to upstream's own executor.

N.B. Import this module after upstream, whose classes it derives from.
"""

import contextlib
import importlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from fastapi import HTTPException

from speaches_service.event_log import log_event
from speaches_service.transcription import SAMPLE_RATE
from speaches_service.transcription.languages import UnknownLanguage
from speaches_service.whispercpp.check import check
from speaches_service.whispercpp.context import ClipOptions, Context
from speaches_service.whispercpp.disconnection import Disconnected, client_has_disconnected
from speaches_service.whispercpp.library import UnusableModel, load
from speaches_service.whispercpp.results import Information, Options, Segment
from speaches_service.whispercpp.thread_count import thread_count
from speaches_service.whispercpp.weights import Catalog

_managers: Any = importlib.import_module("speaches.executors.shared.base_model_manager")
_registries: Any = importlib.import_module("speaches.model_registry")
_executor_registry: Any = importlib.import_module("speaches.executors.shared.registry")
_voices: Any = importlib.import_module("speaches.executors.silero_vad_v5")
_whisper: Any = importlib.import_module("speaches.executors.whisper")


class WhisperCppConfiguration(NamedTuple):
    catalog: Catalog
    device: str
    """`cpu` or `metal`."""
    directory: str | None
    """Stores the checks of files."""
    guard: Callable[[], AbstractContextManager[object]] | None
    """Entered around work on a GPU."""
    on_use: Callable[[str, str, str], None]
    """Called with a model, its backend and its device whenever these change."""


class ModelSelection:
    """Selects the models that whisper.cpp serves: their file has passed its check and has not failed since."""

    def __init__(self, configuration: WhisperCppConfiguration) -> None:
        self.configuration = configuration
        self._failed: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def path(self, model: str) -> str | None:
        """The file for a model; None if faster-whisper serves the model. The first call for a file checks the file."""
        weights = self.configuration.catalog.weights_for(model)
        if weights is None:
            return None
        path = self.configuration.catalog.path(model)
        if path is None:
            # The file may be downloaded later.
            self.fail(model, f"{weights.repository}/{weights.file}", "it is not in the model cache")
            return None
        if (model, path) in self._failed:
            return None
        outcome = check(path, self.configuration.device, self.configuration.directory)
        if outcome.reason is None:
            return path
        self.fail(model, path, outcome.reason)
        return None

    def fail(self, model: str, path: str, reason: str) -> None:
        """Let faster-whisper serve a model from now on, and log this once."""
        with self._lock:
            if (model, path) in self._failed:
                return
            self._failed.add((model, path))
        self.configuration.on_use(model, "faster-whisper", "cpu")
        log_event(f"`{model}` is transcribed by faster-whisper, not by whisper.cpp: `{path}`: {reason}", "warning")


class Manager(_managers.BaseModelManager):  # type: ignore[misc] # known only at run time
    """Manages the models in memory, and answers requests."""

    def __init__(self, ttl: int, choice: ModelSelection, chosen_threads: int, fallback: Any) -> None:
        """`fallback` is the manager of upstream's Whisper executor."""
        super().__init__(ttl)
        self._choice = choice
        self._chosen_threads = chosen_threads
        self._fallback = fallback

    def load_model(self, model_id: str) -> Any:
        """A model as a context manager; faster-whisper's model if whisper.cpp fails to load it."""
        return _Loading(super().load_model(model_id), lambda: self._fallback.load_model(model_id))

    def _load_fn(self, model_id: str) -> Context:
        path = self._choice.path(model_id)
        if path is None:
            self._forget_failed(model_id)
            raise UnusableModel("there is no file with GGML weights that can be used")
        configuration, began = self._choice.configuration, time.monotonic()
        guard = configuration.guard if configuration.device != "cpu" else None
        try:
            with guard() if guard is not None else contextlib.nullcontext():
                loaded = load(path, use_gpu=configuration.device != "cpu")
            if configuration.device != "cpu" and loaded.gpu is None:
                raise UnusableModel("whisper.cpp found no GPU that it can use")
        except UnusableModel as error:
            self._choice.fail(model_id, path, str(error))
            self._forget_failed(model_id)
            raise
        configuration.on_use(model_id, "whispercpp", configuration.device if loaded.gpu else "cpu")
        count = thread_count(self._chosen_threads, loaded.gpu is not None)
        name = loaded.gpu_name or loaded.gpu
        where = f"on {name} ({loaded.gpu})" if loaded.gpu else f"on the processor ({count} threads)"
        log_event(f"`{model_id}` is transcribed by whisper.cpp {where}, loaded in {time.monotonic() - began:.2f} s")
        return Context(loaded, count, guard if loaded.gpu else None)

    def _forget_failed(self, model_id: str) -> None:
        """Remove a model that failed to load: upstream would list it as loaded."""
        with self._lock:
            self.loaded_models.pop(model_id, None)

    def handle_transcription_request(self, request: Any, **options: Any) -> Any:
        """Answer at once, or for a stream segment by segment."""
        if request.response_format == "diarized_json":
            # Upstream rejects this format.
            return self._fallback.handle_transcription_request(request, **options)
        model = self._open(request.model)
        if model is None:
            return self._fallback.handle_transcription_request(request, **options)
        clip_options = ClipOptions(
            language=request.language,
            prompt=_prompt(request),
            temperature=request.temperature,
            words="word" in request.timestamp_granularities,
            timestamps=not request.without_timestamps,
        )
        work = _Work(request, clip_options, model)
        if request.stream:
            return _events(work)
        segments, information = work.run()
        return _whisper.segments_to_transcription_response(
            segments, information, response_format=request.response_format
        )

    def handle_translation_request(self, request: Any, **options: Any) -> Any:
        model = self._open(request.model) if request.response_format != "diarized_json" else None
        if model is None:
            return self._fallback.handle_translation_request(request, **options)
        clip_options = ClipOptions(prompt=request.prompt, temperature=request.temperature, translate=True)
        segments, information = _Work(request, clip_options, model).run()
        return _whisper.segments_to_translation_response(segments, information, response_format=request.response_format)

    def _open(self, model_id: str) -> Any:
        """A model that stays loaded until its context is exited; None if faster-whisper must answer."""
        model = super().load_model(model_id)
        try:
            model.__enter__()
        except UnusableModel:
            return None
        return model


class _Loading:
    """Loads a model, or its replacement if that fails."""

    def __init__(self, model: Any, other: Callable[[], Any]) -> None:
        self._model = model
        self._other = other

    def __enter__(self) -> Any:
        try:
            return self._model.__enter__()
        except UnusableModel:
            self._model = self._other()
            return self._model.__enter__()

    def __exit__(self, *error: object) -> None:
        self._model.__exit__(*error)


class _Work:
    """One request, with the entered context of its model, which the request exits at its end."""

    def __init__(self, request: Any, clip_options: ClipOptions, model: Any) -> None:
        """Check the options.

        Raises:
            HTTPException: 422 for a language that Whisper does not know, for which upstream's executor answers 500.
        """
        self._model = model
        try:
            self._context: Context = model.model
            self._audio = request.audio
            self._clips = _clips(request)
            language = self._context.language(clip_options.language)
            self._clip_options = clip_options._replace(language=language)
            self.information = Information(request.audio.duration, Options(clip_options.words), language or "en")
        except UnknownLanguage as error:
            self.leave()
            raise HTTPException(status_code=422, detail=str(error)) from error
        except BaseException:
            self.leave()
            raise

    def run(self) -> tuple[list[Segment], Information]:
        """Raises: Disconnected."""
        try:
            return list(self.segments()), self.information
        finally:
            self.leave()

    def segments(self) -> Iterator[Segment]:
        """Yield segments as soon as their clip is transcribed."""
        clip_options, count = self._clip_options, 0
        for start, end in self._clips:
            if client_has_disconnected():
                raise Disconnected
            segments, language = self._context.transcribe(
                self._audio.data[start:end], start / SAMPLE_RATE, clip_options
            )
            # All clips have the language of the first one, as in faster-whisper.
            clip_options = clip_options._replace(language=language)
            self.information.language = language
            for segment in segments:
                count += 1
                segment.id = count
                yield segment

    def leave(self) -> None:
        """Exit the model's context. More than one call does no harm."""
        model, self._model = self._model, None
        if model is not None:
            model.__exit__(None, None, None)


def _events(work: _Work) -> Iterator[Any]:
    """Upstream's events for a stream: one for each segment, and the whole text at the end.

    N.B. `transcription/events.py` starts the generator at once: a generator that never starts would keep its model
    loaded forever.
    """
    events: Any = importlib.import_module("openai.types.audio")
    texts: list[str] = []
    try:
        for segment in work.segments():
            texts.append(segment.text)
            yield events.TranscriptionTextDeltaEvent(type="transcript.text.delta", delta=segment.text, logprobs=None)
    except Disconnected:
        return
    finally:
        work.leave()
    text = "".join(texts).strip()
    yield events.TranscriptionTextDoneEvent(type="transcript.text.done", text=text, logprobs=None)


class Registry(_registries.ModelRegistry):  # type: ignore[misc] # known only at run time
    """Lists no models, because upstream's registry for Whisper already lists those that whisper.cpp serves."""

    def list_remote_models(self) -> Iterator[Any]:
        """None."""
        return iter(())

    def list_local_models(self) -> Iterator[Any]:
        """None."""
        return iter(())


class Executor:
    """Has the attributes of upstream's executors, whose class is a generic pydantic model."""

    name = "whispercpp"
    task = "automatic-speech-recognition"

    def __init__(self, choice: ModelSelection, manager: Manager) -> None:
        self._choice = choice
        self.model_manager = manager
        # Nothing passes this filter, which no caller uses.
        self.model_registry = Registry(_registries.HfModelFilter(model_name="\0"))

    def can_handle_model(self, model_id: str, _model_card_data: Any) -> bool:
        return self._choice.path(model_id) is not None


class ExecutorRegistry(_executor_registry.ExecutorRegistry):  # type: ignore[misc] # known only at run time
    """Puts whisper.cpp before upstream's executors."""

    choice: ModelSelection
    """`install` sets it, because upstream makes the registry itself."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        manager = Manager(
            config.stt_model_ttl, self.choice, config.whisper.cpu_threads, self._whisper_executor.model_manager
        )
        self._whispercpp = Executor(self.choice, manager)

    @property
    def transcription(self) -> tuple[Any, ...]:
        return (self._whispercpp, *super().transcription)

    @property
    def translation(self) -> tuple[Any, ...]:
        return (self._whispercpp, *super().translation)

    def all_executors(self) -> tuple[Any, ...]:
        return (self._whispercpp, *super().all_executors())


def _clips(request: Any) -> list[tuple[int, int]]:
    """The intervals with speech in samples, merged into clips of at most 30 s, as in faster-whisper's batches."""
    merged = _voices.merge_segments(request.speech_segments, request.vad_options)
    return [(clip["start"], clip["end"]) for clip in merged]


def _prompt(request: Any) -> str | None:
    """The hotwords before the prompt, as in faster-whisper: whisper.cpp has no other place for hotwords."""
    parts = (getattr(request, "hotwords", None), getattr(request, "prompt", None))
    return " ".join(part for part in parts if part) or None
