"""The first word of what is said in a realtime session.

Upstream's detector notices speech a moment after it has begun, and upstream transcribes from that moment on. Here a
little of the sound before it is kept, as OpenAI's `prefix_padding_ms` does.
"""

from typing import Any

from speaches_service.rebinding import imported

PREFIX_SECONDS = 0.3
"""OpenAI's own default."""

_MODULE = "speaches.realtime.input_audio_buffer"
_NAME = "data_w_vad_applied"


def rebind() -> None:
    """Replace what upstream cuts out of a buffer.

    Raises:
        AttributeError: upstream has none, so this is not the version that this was written for.
    """
    module = imported(_MODULE)
    # The sample has no realtime sessions.
    if module is None:
        return
    if not hasattr(module.InputAudioBuffer, _NAME):
        raise AttributeError(f"`{_MODULE}.InputAudioBuffer` has no `{_NAME}`")
    rate = module.SAMPLE_RATE
    setattr(module.InputAudioBuffer, _NAME, property(lambda buffer: speech_in(buffer, rate)))


def speech_in(buffer: Any, rate: int) -> Any:
    """The samples in which there is speech; all of them where the client has not asked for detection."""
    start, end = buffer.vad_state.audio_start_ms, buffer.vad_state.audio_end_ms
    first = 0 if start is None else max(0, int((start / 1000 - PREFIX_SECONDS) * rate))
    # A client may commit what is being said before its end was detected.
    return buffer.data[first:] if end is None else buffer.data[first : end * rate // 1000]
