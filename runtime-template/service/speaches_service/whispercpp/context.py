"""Transcribes clips of sound with one model in memory."""

import contextlib
import threading
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speaches_service.transcription import SAMPLE_RATE
from speaches_service.transcription.languages import UnknownLanguage
from speaches_service.whispercpp.library import Loaded, extension, no_speech_probability
from speaches_service.whispercpp.results import Segment, Word

MIN_CLIP_SAMPLES = SAMPLE_RATE // 5
"""whisper.cpp hears nothing in clips shorter than half of this."""

BEAM_SIZE = 5
"""faster-whisper's value, for the CPU."""


class ClipOptions(NamedTuple):
    """The options of a request."""

    language: str | None = None
    """None detects the language."""
    prompt: str | None = None
    temperature: float = 0.0
    translate: bool = False
    words: bool = False
    """Whether each word gets its times."""
    timestamps: bool = False
    """Whether the model decides where segments begin and end; otherwise a clip is one segment."""


class Context:
    """A whisper.cpp context. It holds the state of one transcription, so a lock serializes its use."""

    def __init__(
        self, loaded: Loaded, threads: int, guard: Callable[[], AbstractContextManager[object]] | None
    ) -> None:
        """Every computation enters `guard`, which records evidence if the process crashes."""
        self._library = extension()
        self._loaded = loaded
        self._threads = threads
        self._guard = guard or contextlib.nullcontext
        # N.B. Two threads in one context crash the process (`GGML_ASSERT`).
        self._lock = threading.Lock()
        self.is_multilingual = bool(self._library.whisper_is_multilingual(loaded.context))
        self._end_of_text = int(self._library.whisper_token_eot(loaded.context))

    def __del__(self) -> None:
        with self._guard():
            self._library.whisper_free(self._loaded.context)

    @property
    def gpu(self) -> str | None:
        """The backend, if it is a GPU."""
        return self._loaded.gpu

    def language(self, requested: str | None) -> str | None:
        """whisper.cpp's name of the language; None to detect it. An English-only model accepts every name as English.

        Raises:
            UnknownLanguage: Whisper does not know the language.
        """
        if not self.is_multilingual:
            return "en"
        if not requested:
            return None
        number = self._library.whisper_lang_id(requested)
        if number < 0:
            raise UnknownLanguage(f"Whisper does not know the language `{requested}`")
        return str(self._library.whisper_lang_str(number))

    def transcribe(self, clip: NDArray[np.float32], offset: float, options: ClipOptions) -> tuple[list[Segment], str]:
        """The segments of a clip that begins `offset` seconds after the start of the audio, and their language.

        Raises:
            RuntimeError: whisper.cpp failed.
        """
        duration = len(clip) / SAMPLE_RATE
        if len(clip) < MIN_CLIP_SAMPLES:
            clip = np.pad(clip, (0, MIN_CLIP_SAMPLES - len(clip)))
        samples = np.ascontiguousarray(clip, np.float32)
        with self._lock, self._guard():
            context, library = self._loaded.context, self._library
            status = library.whisper_full(context, self._parameters(options), samples, len(samples))
            if status != 0:
                raise RuntimeError(f"whisper.cpp could not transcribe a clip of {duration:.1f} s (status {status})")
            segments = [
                self._segment(number, offset, duration, options)
                for number in range(library.whisper_full_n_segments(context))
            ]
            language = str(library.whisper_lang_str(library.whisper_full_lang_id(context)))
        if not options.timestamps:
            segments = _as_one(segments, offset, duration)
        return segments, language

    def _parameters(self, options: ClipOptions) -> Any:
        """Made anew for each clip, so that no option of a request affects the next request."""
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
        parameters.temperature = options.temperature
        parameters.translate = options.translate and self.is_multilingual
        # Clips are independent, as in faster-whisper's batches.
        parameters.no_context = True
        # faster-whisper suppresses tokens such as `[music]`, too.
        parameters.suppress_nst = True
        parameters.language = options.language or ""
        if options.prompt:
            parameters.initial_prompt = options.prompt
        parameters.no_timestamps = not (options.timestamps or options.words)
        parameters.token_timestamps = options.words
        return parameters

    def _segment(self, number: int, offset: float, duration: float, options: ClipOptions) -> Segment:
        library, context = self._library, self._loaded.context
        text = library.whisper_full_get_segment_text(context, number).decode("utf-8", "replace")
        count = library.whisper_full_n_tokens(context, number)
        tokens = [library.whisper_full_get_token_data(context, number, index) for index in range(count)]
        tokens = [token for token in tokens if token.id < self._end_of_text]
        start, end = 0.0, duration
        if options.timestamps:
            # N.B. Without timestamps, both are arbitrary numbers.
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
            words=self._words(tokens, offset, duration) if options.words else None,
            temperature=options.temperature,
        )

    def _words(self, tokens: Sequence[Any], offset: float, duration: float) -> list[Word]:
        """A word extends to the next token with a leading blank. Without blanks, a whole segment is one word."""
        grouped: list[tuple[list[bytes], list[Any]]] = []
        for token in tokens:
            # N.B. A token may be a part of a character, for which the extension's own conversion raises.
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
    """Merge the segments of a clip: the times of words need segments even if the client does not request them."""
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
    """Whisper's measure of repetitions, which compress well."""
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded)) if encoded else 0.0
