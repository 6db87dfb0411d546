"""One model in memory, and how a clip of sound becomes segments."""

import contextlib
import threading
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speaches_service.transcription import SAMPLE_RATE
from speaches_service.whispercpp.library import Loaded, extension, no_speech_probability
from speaches_service.whispercpp.results import Segment, Word

MIN_CLIP_SAMPLES = SAMPLE_RATE // 5
"""In samples; whisper.cpp hears nothing in less than half of that."""

BEAM_SIZE = 5
"""As faster-whisper has it, on the processor."""


class UnknownLanguage(ValueError):
    """Whisper does not know a language of this name."""


class ClipOptions(NamedTuple):
    """How a client wants its clips to be transcribed."""

    language: str | None = None
    """None detects it."""
    prompt: str | None = None
    temperature: float = 0.0
    translate: bool = False
    words: bool = False
    """Whether each word gets its time."""
    timestamps: bool = False
    """Whether the model says where segments begin and end; else a clip is one segment."""


class Context:
    """A whisper.cpp context. It holds the state of one transcription, so there is one at a time."""

    def __init__(
        self, loaded: Loaded, threads: int, guard: Callable[[], AbstractContextManager[object]] | None
    ) -> None:
        """`guard` is entered around everything that computes, to leave evidence if the process dies in it."""
        self._library = extension()
        self._loaded = loaded
        self._threads = threads
        self._guard = guard or contextlib.nullcontext
        # N.B. two threads in one context end the process (`GGML_ASSERT`).
        self._lock = threading.Lock()
        self.is_multilingual = bool(self._library.whisper_is_multilingual(loaded.context))
        self._end_of_text = int(self._library.whisper_token_eot(loaded.context))

    def __del__(self) -> None:
        with self._guard():
            self._library.whisper_free(self._loaded.context)

    @property
    def gpu(self) -> str | None:
        """The backend that computes, if it is a GPU."""
        return self._loaded.gpu

    def language(self, wanted: str | None) -> str | None:
        """The language to transcribe from; None for one that has to be detected.

        Raises:
            UnknownLanguage: there is none of this name. A model for English only takes every one for English.
        """
        if not self.is_multilingual:
            return "en"
        if not wanted:
            return None
        number = self._library.whisper_lang_id(wanted)
        if number < 0:
            raise UnknownLanguage(f"Whisper does not know the language `{wanted}`")
        return str(self._library.whisper_lang_str(number))

    def transcribe(self, clip: NDArray[np.float32], offset: float, wanted: ClipOptions) -> tuple[list[Segment], str]:
        """The segments of a clip that begins `offset` seconds after the audio, and the language they are in.

        Raises:
            RuntimeError: whisper.cpp could not do it.
        """
        duration = len(clip) / SAMPLE_RATE
        if len(clip) < MIN_CLIP_SAMPLES:
            clip = np.pad(clip, (0, MIN_CLIP_SAMPLES - len(clip)))
        samples = np.ascontiguousarray(clip, np.float32)
        with self._lock, self._guard():
            context, library = self._loaded.context, self._library
            status = library.whisper_full(context, self._parameters(wanted), samples, len(samples))
            if status != 0:
                raise RuntimeError(f"whisper.cpp could not transcribe a clip of {duration:.1f} s (status {status})")
            segments = [
                self._segment(number, offset, duration, wanted)
                for number in range(library.whisper_full_n_segments(context))
            ]
            language = str(library.whisper_lang_str(library.whisper_full_lang_id(context)))
        if not wanted.timestamps:
            segments = _as_one(segments, offset, duration)
        return segments, language

    def _parameters(self, wanted: ClipOptions) -> Any:
        """Fresh ones: what a request wants must not reach the next."""
        strategies = self._library.whisper_sampling_strategy
        # See docs/transcription.md for the figures.
        beams = 1 if self.gpu else BEAM_SIZE
        parameters = self._library.whisper_full_default_params(
            strategies.WHISPER_SAMPLING_BEAM_SEARCH if beams > 1 else strategies.WHISPER_SAMPLING_GREEDY
        )
        if beams > 1:
            parameters.beam_search = {"beam_size": beams, "patience": -1.0}
        for name in ("print_progress", "print_realtime", "print_timestamps", "print_special"):
            setattr(parameters, name, False)
        parameters.n_threads = self._threads
        parameters.temperature = wanted.temperature
        parameters.translate = wanted.translate and self.is_multilingual
        # Each clip stands for itself, as in faster-whisper's batches.
        parameters.no_context = True
        # faster-whisper does not let a model write `[music]` either.
        parameters.suppress_nst = True
        parameters.language = wanted.language or ""
        if wanted.prompt:
            parameters.initial_prompt = wanted.prompt
        parameters.no_timestamps = not (wanted.timestamps or wanted.words)
        parameters.token_timestamps = wanted.words
        return parameters

    def _segment(self, number: int, offset: float, duration: float, wanted: ClipOptions) -> Segment:
        library, context = self._library, self._loaded.context
        text = library.whisper_full_get_segment_text(context, number).decode("utf-8", "replace")
        count = library.whisper_full_n_tokens(context, number)
        tokens = [library.whisper_full_get_token_data(context, number, index) for index in range(count)]
        tokens = [token for token in tokens if token.id < self._end_of_text]
        start, end = 0.0, duration
        if wanted.timestamps:
            # N.B. both are arbitrary numbers where the model was not asked for them.
            start = min(max(library.whisper_full_get_segment_t0(context, number) / 100, 0.0), duration)
            end = min(max(library.whisper_full_get_segment_t1(context, number) / 100, start), duration)
        return Segment(
            id=0,
            seek=round(offset * 100),
            start=round(offset + start, 3),
            end=round(offset + end, 3),
            text=text,
            tokens=[token.id for token in tokens],
            avg_logprob=float(np.mean([token.plog for token in tokens])) if tokens else 0.0,
            compression_ratio=_compression_ratio(text),
            no_speech_prob=no_speech_probability(self._loaded.pointer, number),
            words=self._words(tokens, offset, duration) if wanted.words else None,
            temperature=wanted.temperature,
        )

    def _words(self, tokens: Sequence[Any], offset: float, duration: float) -> list[Word]:
        """Tokens up to the next that begins with a blank. In languages without blanks that is all of a segment."""
        grouped: list[tuple[list[bytes], list[Any]]] = []
        for token in tokens:
            # N.B. a token may be a part of a character, for which the extension's own text raises.
            piece = self._library.whisper_token_to_bytes(self._loaded.context, token.id)
            if not grouped or piece.startswith(b" "):
                grouped.append(([], []))
            grouped[-1][0].append(piece)
            grouped[-1][1].append(token)
        words = []
        for pieces, parts in grouped:
            start = min(max(parts[0].t0 / 100, 0.0), duration)
            end = min(max(parts[-1].t1 / 100, start), duration)
            words.append(
                Word(
                    start=round(offset + start, 2),
                    end=round(offset + end, 2),
                    word=b"".join(pieces).decode("utf-8", "replace"),
                    probability=float(np.mean([part.p for part in parts])),
                )
            )
        return words


def _as_one(segments: Sequence[Segment], offset: float, duration: float) -> list[Segment]:
    """A clip as one segment: times of words need those of segments, for which the client may not have asked."""
    if not segments:
        return []
    first, tokens = segments[0], [token for segment in segments for token in segment.tokens]
    weights = [len(segment.tokens) for segment in segments]
    text = "".join(segment.text for segment in segments)
    known = [segment.words for segment in segments if segment.words is not None]
    return [
        Segment(
            id=0,
            seek=first.seek,
            start=round(offset, 3),
            end=round(offset + duration, 3),
            text=text,
            tokens=tokens,
            avg_logprob=float(np.average([segment.avg_logprob for segment in segments], weights=weights))
            if tokens
            else 0.0,
            compression_ratio=_compression_ratio(text),
            no_speech_prob=first.no_speech_prob,
            words=[word for words in known for word in words] if known else None,
            temperature=first.temperature,
        )
    ]


def _compression_ratio(text: str) -> float:
    """As Whisper counts it: repetitions compress well."""
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded)) if encoded else 0.0
