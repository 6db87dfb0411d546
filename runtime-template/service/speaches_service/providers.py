"""Gives onnxruntime an explicit list of providers for each of upstream's executors.

Upstream passes all providers that onnxruntime was compiled with, and onnxruntime tries them. This fills the log with
noise, and can make the service slow without a visible reason. Here, the launcher decides. If a session does not get its
provider, that is an error if the user requested the provider, and one line in the log otherwise.
"""

import contextlib
import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from speaches_service import fallback, memory
from speaches_service.deferred_imports import placeholder
from speaches_service.precision import derived
from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name
from speaches_service.settings import Settings
from speaches_service.synthesis_probe import candidates
from speaches_service.synthesis_probe.candidates import Candidate
from speaches_service.synthesis_probe.provider_choice import ProviderChoice

CPU = candidates.CPU_PROVIDER
CUDA = "CUDAExecutionProvider"
COREML = candidates.COREML_PROVIDER

SETTING_NAMES = {CPU: "cpu", CUDA: "cuda", COREML: "coreml"}
"""The providers' names in the settings."""

Provider = tuple[str, dict[str, str]]
"""A name and options, in onnxruntime's form."""
OnUse = Callable[[str, str, str, str | None], None]
"""Called with a model's name on the hub and its backend, provider and precision, whenever the model is loaded."""

_EXECUTORS = "speaches.executors."
_CHOICE = "get_ort_providers_with_options"
_KOKORO, _PIPER = "kokoro", "piper"


class ProviderUnavailable(Exception):
    """A session did not get its provider, for the reason in the message."""


def provider_list(candidate: Candidate) -> list[Provider]:
    """A candidate in onnxruntime's form, followed by the CPU for unsupported operators."""
    cache = candidate.options.get("ModelCacheDirectory")
    if cache is not None:
        # Without the directory, a load compiles the model again and still works.
        with contextlib.suppress(OSError):
            os.makedirs(cache, exist_ok=True)
    first = (candidate.provider, dict(candidate.options))
    return [first] if candidate.provider == CPU else [first, (CPU, {})]


def with_user_options(providers: Sequence[Provider], options: Any, available: Sequence[str]) -> list[Provider]:
    """Apply the variables `UNSTABLE_ORT_OPTS__…`, with which upstream lets the user change providers.

    Options extend those of the provider. A priority adds its provider and sorts the list. An exclusion removes its
    provider; if none is left, the CPU remains.
    """
    named = options.model_fields_set
    chosen = list(providers)
    if "provider_priority" in named:
        priority: Mapping[str, int] = options.provider_priority
        here = [name for name, _ in chosen]
        chosen += [(name, {}) for name in priority if priority[name] > 0 and name in available and name not in here]
        chosen.sort(key=lambda provider: -priority.get(provider[0], 0))
    if "exclude_providers" in named:
        chosen = [provider for provider in chosen if provider[0] not in options.exclude_providers] or [(CPU, {})]
    if "provider_opts" in named:
        chosen = [(name, {**configured, **options.provider_opts.get(name, {})}) for name, configured in chosen]
    return chosen


def model_of(path: str | os.PathLike[str]) -> str:
    """The name on the hub of a file in a cache; for other files, the path."""
    for part in os.fspath(path).replace(os.sep, "/").split("/"):
        if part.startswith("models--"):
            return part.removeprefix("models--").replace("--", "/")
    return os.fspath(path)


class Providers:
    """The providers of one run of the service."""

    def __init__(self, settings: Settings, on_use: OnUse) -> None:
        self._settings = settings
        self._on_use = on_use
        self._provider_choice = ProviderChoice(settings)

    def configured_candidate(self, executor: str) -> Candidate:
        """The launcher's decision for an executor (`kokoro` or `piper`)."""
        synthesis = self._settings.synthesis
        # float32 was not measured on NVIDIA's GPUs.
        is_original = synthesis.precision == "original" or (synthesis.precision, synthesis.provider) == ("auto", "cuda")
        precision = "original" if is_original else "float32"
        if synthesis.provider == "cuda":
            # The default searches the best convolution for every new length of text, which takes longer than the
            # computation.
            options = {"cudnn_conv_algo_search": "DEFAULT"} if executor == _KOKORO else {}
            return Candidate("cuda", CUDA, options, precision)
        if synthesis.provider == "coreml":
            return candidates.coreml(self._settings.machine_directory, precision)
        return candidates.ORIGINAL if is_original else candidates.FLOAT32

    def rebind(self) -> None:
        """Replace upstream's choice of providers in every executor."""
        for executor in (_KOKORO, _PIPER):
            if imported(_EXECUTORS + executor) is not None:
                self._rebind_speech(executor)
        if imported(_EXECUTORS + "parakeet") is not None:
            self._rebind_parakeet()
        silero = imported(_EXECUTORS + "silero_vad_v5")
        if silero is not None:
            # Silero is tiny and runs in a loop over a few milliseconds each, so every other provider is slower.
            rebind_name(silero.__name__, _CHOICE, lambda options: [(CPU, dict(options.provider_opts.get(CPU, {})))])

    def _rebind_speech(self, executor: str) -> None:
        module = _EXECUTORS + executor

        def open_session(path: str | os.PathLike[str], *, providers: Any) -> Any:
            runtime = importlib.import_module("onnxruntime")
            session_options = runtime.SessionOptions()
            # Texts differ in length, and onnxruntime would plan and keep memory for each length.
            session_options.enable_mem_pattern = executor != _KOKORO
            model, source = model_of(path), os.fspath(path)

            def load(candidate: Candidate, open_list: Callable[..., Any]) -> Any:
                """Load the candidate's file, or the original file if the derived one is missing or fails."""
                chosen = with_user_options(provider_list(candidate), providers, runtime.get_available_providers())
                cache = self._settings.cache_directory
                float32 = derived.obtain(cache, source, model) if candidate.precision == "float32" else None

                def open_file(file: str, precision: str) -> Any:
                    def make(chosen: Sequence[Provider]) -> Any:
                        session = original(file, sess_options=session_options, providers=chosen, enable_fallback=0)
                        if executor != _KOKORO:
                            return session
                        return memory.ShrinkingSession(session, runtime.RunOptions())

                    def use(provider: str) -> None:
                        self._on_use(model, "onnxruntime", provider, precision)

                    return open_list(chosen, make, use)

                if float32 is not None:
                    try:
                        return open_file(float32, "float32")
                    except (ValueError, RuntimeError) as error:  # onnxruntime's errors derive from either
                        derived.reject(cache, source, model, error)
                return open_file(source, "original")

            measured = self._provider_choice.chosen(model)
            if measured is None:
                configured = self.configured_candidate(executor)
                required = configured.provider if self._settings.synthesis.forced else None
                return load(configured, partial(self._open, model, required))
            if measured.provider != CPU:
                # `load` records a failure in the decision.
                loaded = self._provider_choice.load(model, measured, partial(load, measured, self._make))
                if loaded is not None:
                    return loaded
                measured = self._provider_choice.chosen(model)
                if measured is None or measured.provider != CPU:
                    measured = candidates.FLOAT32
            return load(measured, partial(self._open, model, None))

        # The providers depend on the model, which is known only when its session is opened.
        rebind_name(module, _CHOICE, lambda options: options)
        original: Any = rebind_name(module, "InferenceSession", open_session)

    def _rebind_parakeet(self) -> None:
        module = _EXECUTORS + "parakeet"
        transcription = self._settings.transcription
        configured: list[Provider] = [(CUDA, {}), (CPU, {})] if transcription.device == "cuda" else [(CPU, {})]
        required = CUDA if transcription.forced and transcription.device == "cuda" else None

        def choose(options: Any) -> list[Provider]:
            runtime = importlib.import_module("onnxruntime")
            return with_user_options(configured, options, runtime.get_available_providers())

        def load_model(model: str, *, providers: Sequence[Provider]) -> Any:
            def make(chosen: Sequence[Provider]) -> Any:
                return original.load_model(model, providers=chosen)

            def use(provider: str) -> None:
                self._on_use(model, "onnxruntime", provider, None)

            return self._open(model, required, providers, make, use)

        rebind_name(module, _CHOICE, choose)
        original: Any = rebind_name(module, "onnx_asr", placeholder("onnx_asr", load_model=load_model))

    def _open(
        self,
        model: str,
        required: str | None,
        chosen: Sequence[Provider],
        make: Callable[[Sequence[Provider]], Any],
        use: Callable[[str], None],
    ) -> Any:
        """Make a model whose sessions have the first provider of the list, else the CPU; tell `use` the provider.

        Raises:
            HTTPException: 503 if the sessions do not get the `required` provider.
        """
        wanted = chosen[0][0]
        try:
            if required not in (None, wanted):
                raise ProviderUnavailable("a variable `UNSTABLE_ORT_OPTS__…` selects another provider")
            return self._make(chosen, make, use)
        except ProviderUnavailable as reason:
            wanted = required or wanted
            word = SETTING_NAMES.get(wanted, wanted)
            if required is not None:
                fallback.refuse(model, word, reason)
            fallback.fall_back(model, word, reason)
        return self._make([(CPU, {})], make, use)

    @staticmethod
    def _make(
        chosen: Sequence[Provider],
        make: Callable[[Sequence[Provider]], Any],
        use: Callable[[str], None],
    ) -> Any:
        """Make a model whose sessions have the first provider of the list.

        Raises:
            ProviderUnavailable: the sessions do not get it.
            Exception: that provider is the CPU, so the model itself is the cause.
        """
        wanted = chosen[0][0]
        try:
            made = make(chosen)
        except (ValueError, RuntimeError) as error:  # onnxruntime's errors derive from either
            if wanted == CPU:
                raise
            raise ProviderUnavailable(str(error)) from error
        if any(session.get_providers()[0] != wanted for session in _sessions_of(made)):
            raise ProviderUnavailable("onnxruntime did not enable it; see the log lines above")
        use(SETTING_NAMES.get(wanted, wanted))
        return made


def _sessions_of(made: Any) -> list[Any]:
    """A session itself, or the sessions of a model of onnx_asr."""
    if hasattr(made, "get_providers"):
        return [made]
    return [value for value in vars(made.asr).values() if hasattr(value, "get_providers")]
