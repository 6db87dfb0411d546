"""faster-whisper's pipeline where it would make up words: for silence, in loops, and out of the prompt.

Whisper hears words in silence and noise of less than half a minute, for more of it faster-whisper raises; and a decoder
that has begun to repeat itself, or its prompt, goes on with it. faster-whisper has a cure for loops, which its batches
leave out: it decodes again, with other temperatures, what compresses too well.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name
from speaches_service.transcription import SAMPLE_RATE

_logger = logging.getLogger(__name__)
_MODULE = "speaches.executors.whisper"
_NAME = "BatchedInferencePipeline"
_MAX_COMPRESSION_RATIO = 2.4
"""Whisper's own threshold: text that compresses better than this repeats itself."""
_TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)
_MAX_PROMPT_TOKENS = 223
"""How many tokens Whisper takes in front of what it writes."""
_KEPT_OPTIONS = ("task", "initial_prompt", "word_timestamps", "hotwords", "without_timestamps")
"""Options of the pipeline that decoding again has, too."""


def rebind() -> None:
    """Replace the class with one that does neither."""
    module = imported(_MODULE)
    # The sample that recognises only its own tones has no faster-whisper.
    if module is None or not hasattr(module, _NAME):
        return

    class Pipeline(getattr(module, _NAME)):  # type: ignore[misc] # it is known at run time only
        """faster_whisper's pipeline for audio of which the speech was found before."""

        def transcribe(self, audio: Any, *arguments: Any, **options: Any) -> Any:
            """Segments and information, as faster_whisper returns them."""
            has_no_speech = "clip_timestamps" in options and not options["clip_timestamps"]
            if has_no_speech and not options.get("vad_filter", True):
                # Of a moment of it, for the information. Nothing tells the language, and finding one takes a while.
                options["language"] = options.get("language") or "en"
                _, information = super().transcribe(audio[:SAMPLE_RATE], *arguments, **options)
                return iter(()), replace(information, duration=len(audio) / SAMPLE_RATE, duration_after_vad=0.0)
            options |= _truncated_prompts(self.model.hf_tokenizer, options)
            segments, information = super().transcribe(audio, *arguments, **options)
            if options.get("temperature", 0):
                return segments, information
            kept = {name: options[name] for name in _KEPT_OPTIONS if name in options}
            return _without_loops(self.model, audio, segments, {**kept, "language": information.language}), information

    rebind_name(_MODULE, _NAME, Pipeline)


def _truncated_prompts(tokenizer: Any, options: dict[str, Any]) -> dict[str, str]:
    """The prompt and the hotwords, cut to what Whisper takes of both together: the last part of the prompt stays."""
    fitting: dict[str, str] = {}
    left = _MAX_PROMPT_TOKENS
    for name in ("hotwords", "initial_prompt"):
        text = options.get(name)
        if not isinstance(text, str):
            continue
        tokens = tokenizer.encode(f" {text.strip()}", add_special_tokens=False).ids
        # Either may come with the other.
        most = left if name == "initial_prompt" or not options.get("initial_prompt") else _MAX_PROMPT_TOKENS // 2
        if len(tokens) > most:
            tokens = tokens[-most:] if name == "initial_prompt" else tokens[:most]
            fitting[name] = tokenizer.decode(tokens)
            words = "the last" if name == "initial_prompt" else "the first"
            _logger.warning("`%s` exceeds Whisper's limit; only %s %d tokens count", name, words, most)
        left -= len(tokens)
    return fitting


def _without_loops(model: Any, audio: Any, segments: Iterable[Any], options: dict[str, Any]) -> Iterator[Any]:
    """The segments, of which those that repeat themselves or the prompt are decoded again."""
    said_before = " ".join(str(options.get(name) or "") for name in ("initial_prompt", "hotwords"))
    count = 0
    for segment in segments:
        if repeats_prompt(said_before, segment.text):
            found = _decode_again(model, audio, segment, {**options, "initial_prompt": None, "hotwords": None}, (0.0,))
        elif segment.compression_ratio > _MAX_COMPRESSION_RATIO:
            found = _decode_again(model, audio, segment, options)
        else:
            found = iter((segment,))
        for each in found:
            count += 1
            yield replace(each, id=count)


def repeats_prompt(prompt: str, text: str) -> bool:
    """Whether most of a text stands in the prompt, three words at a time."""
    words = text.lower().split()
    known = f" {' '.join(prompt.lower().split())} "
    parts = [" ".join(words[at : at + 3]) for at in range(len(words) - 2)]
    return bool(parts) and sum(f" {part} " in known for part in parts) > len(parts) / 2


def _decode_again(
    model: Any, audio: Any, segment: Any, options: dict[str, Any], first: tuple[float, ...] = ()
) -> Iterator[Any]:
    """What is heard of a segment with other temperatures; the segment itself if that is no better."""
    clip = audio[int(segment.start * SAMPLE_RATE) : int(segment.end * SAMPLE_RATE)]
    temperatures = first + _TEMPERATURES
    found, _ = model.transcribe(clip, temperature=temperatures, condition_on_previous_text=False, **options)
    found = list(found)
    if any(each.compression_ratio > _MAX_COMPRESSION_RATIO for each in found):
        yield segment
        return
    for each in found:
        words = each.words and [
            replace(word, start=word.start + segment.start, end=word.end + segment.start) for word in each.words
        ]
        yield replace(each, start=each.start + segment.start, end=each.end + segment.start, words=words)
