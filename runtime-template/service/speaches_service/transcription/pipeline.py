"""Prevents hallucinated words in faster-whisper's pipeline: for silence, in loops, and from the prompt.

Whisper hears words in silence and noise of less than half a minute; for longer silence, faster-whisper raises. A
decoder that begins to repeat itself, or its prompt, continues to do so. Against loops, faster-whisper decodes text that
compresses too well again, with other temperatures, but its batched pipeline omits this.
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
"""Whisper's own threshold: text with a higher ratio repeats itself."""
_TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)
_MAX_PROMPT_TOKENS = 223
"""Whisper's limit for the prompt and the hotwords together."""
_KEPT_OPTIONS = ("task", "initial_prompt", "word_timestamps", "hotwords", "without_timestamps")
"""Options that apply to a second decoding, too."""


def rebind() -> None:
    """Replace upstream's pipeline."""
    module = imported(_MODULE)
    # The sample that recognizes only its own tones has no faster-whisper.
    if module is None or not hasattr(module, _NAME):
        return

    class Pipeline(getattr(module, _NAME)):  # type: ignore[misc] # the class is known only at run time
        """faster_whisper's pipeline for audio in which the speech was already detected."""

        def transcribe(self, audio: Any, *arguments: Any, **options: Any) -> Any:
            has_no_speech = "clip_timestamps" in options and not options["clip_timestamps"]
            if has_no_speech and not options.get("vad_filter", True):
                # Transcribe one second for the information. Silence has no language, and detecting one takes a while.
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
    """The prompt and the hotwords that exceed Whisper's common limit, truncated. The end of the prompt stays."""
    fitting: dict[str, str] = {}
    left = _MAX_PROMPT_TOKENS
    for name in ("hotwords", "initial_prompt"):
        text = options.get(name)
        if not isinstance(text, str):
            continue
        tokens = tokenizer.encode(f" {text.strip()}", add_special_tokens=False).ids
        # The prompt gets the rest; if there is a prompt, the hotwords get half of the limit.
        most = left if name == "initial_prompt" or not options.get("initial_prompt") else _MAX_PROMPT_TOKENS // 2
        if len(tokens) > most:
            tokens = tokens[-most:] if name == "initial_prompt" else tokens[:most]
            fitting[name] = tokenizer.decode(tokens)
            words = "the last" if name == "initial_prompt" else "the first"
            _logger.warning("`%s` exceeds Whisper's limit; only %s %d tokens count", name, words, most)
        left -= len(tokens)
    return fitting


def _without_loops(model: Any, audio: Any, segments: Iterable[Any], options: dict[str, Any]) -> Iterator[Any]:
    """The segments; those that repeat themselves or the prompt are decoded again."""
    prompt_text = " ".join(str(options.get(name) or "") for name in ("initial_prompt", "hotwords"))
    count = 0
    for segment in segments:
        if repeats_prompt(prompt_text, segment.text):
            found = _decode_again(model, audio, segment, {**options, "initial_prompt": None, "hotwords": None}, (0.0,))
        elif segment.compression_ratio > _MAX_COMPRESSION_RATIO:
            found = _decode_again(model, audio, segment, options)
        else:
            found = iter((segment,))
        for each in found:
            count += 1
            yield replace(each, id=count)


def repeats_prompt(prompt: str, text: str) -> bool:
    """Whether the prompt contains most of a text's sequences of three words."""
    words = text.lower().split()
    known = f" {' '.join(prompt.lower().split())} "
    parts = [" ".join(words[at : at + 3]) for at in range(len(words) - 2)]
    return bool(parts) and sum(f" {part} " in known for part in parts) > len(parts) / 2


def _decode_again(
    model: Any, audio: Any, segment: Any, options: dict[str, Any], first: tuple[float, ...] = ()
) -> Iterator[Any]:
    """Decode a segment with other temperatures. If the result still repeats itself, keep the segment."""
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
