"""Receives the sound of a realtime session without losing any of it, and ends each turn once.

Upstream's detector notices speech a moment after its beginning, and upstream transcribes only from that moment on. This
module keeps a little of the sound before it, as OpenAI's `prefix_padding_ms` does. Upstream also begins the next buffer
some time after it has noticed the end of a turn. Sound that arrives until then, for example from a client that sends
faster than real time, ends the same turn again.
"""

import base64
import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

PREFIX_SECONDS = 0.3
"""OpenAI's own default."""

_MODULE = "speaches.realtime.input_audio_buffer"
_EVENTS = "speaches.realtime.input_audio_buffer_event_router"
_NAME = "data_w_vad_applied"
_APPEND, _STOPPED = "input_audio_buffer.append", "input_audio_buffer.speech_stopped"
_RATE = 24000
"""The rate of a client's sound, in Hz."""


def rebind(routers: Sequence[ModuleType]) -> None:
    """Replace upstream's filling of buffers, and its choice of the samples with speech."""
    module: Any = importlib.import_module(_MODULE)
    upstream: Any = importlib.import_module(_EVENTS)
    if not hasattr(module.InputAudioBuffer, _NAME):
        raise AttributeError(f"`{_MODULE}.InputAudioBuffer` has no `{_NAME}`")
    rate = module.SAMPLE_RATE
    setattr(module.InputAudioBuffer, _NAME, property(lambda buffer: speech_in(buffer, rate)))
    for router in routers:
        handlers: dict[str, Any] = router.event_router.event_handlers
        if _APPEND not in handlers or _STOPPED not in handlers:
            raise AttributeError(f"`{router.__name__}` does not handle `{_APPEND}`")
        handlers[_APPEND] = lambda context, event: append(context, event, upstream, rate)
        handlers[_STOPPED] = lambda context, event: commit(context, event, upstream)


def append(context: Any, event: Any, upstream: Any, rate: int) -> None:
    """Add sound to the last buffer, and begin another buffer at the end of a turn.

    Raises:
        ValueError: the audio is not base64.
    """
    buffer = context.input_audio_buffers[next(reversed(context.input_audio_buffers))]
    # An event may end within a sample.
    content = getattr(buffer, "half_sample", b"") + base64.b64decode("".join(event.audio.split()), validate=True)
    whole = len(content) // 2 * 2
    buffer.half_sample = content[whole:]
    if not whole:
        return
    samples = np.frombuffer(content[:whole], "<i2").astype(np.float32) / 32768
    buffer.append(upstream.resample_audio_data(samples, _RATE, rate))
    if context.session.turn_detection is None:
        return
    found = upstream.vad_detection_flow(buffer, context.session.turn_detection, context)
    if found is None:
        return
    if found.type == _STOPPED:
        following = upstream.InputAudioBuffer(context.pubsub)
        following.half_sample = buffer.half_sample
        context.input_audio_buffers[following.id] = following
    context.pubsub.publish_nowait(found)


def commit(context: Any, event: Any, upstream: Any) -> None:
    """Start the transcription of a finished turn."""
    previous = next(reversed(context.conversation.items), None)
    committed = upstream.InputAudioBufferCommittedEvent(previous_item_id=previous, item_id=event.item_id)
    context.pubsub.publish_nowait(committed)


def speech_in(buffer: Any, rate: int) -> Any:
    """The samples with speech; all samples if the client has disabled the detection."""
    start, end = buffer.vad_state.audio_start_ms, buffer.vad_state.audio_end_ms
    first = 0 if start is None else max(0, int((start / 1000 - PREFIX_SECONDS) * rate))
    # A client may commit a turn before the detector has found its end.
    return buffer.data[first:] if end is None else buffer.data[first : end * rate // 1000]


def drop_buffer(context: Any, name: str) -> None:
    """Drop the buffer of a transcribed turn."""
    if name != next(reversed(context.input_audio_buffers)):
        context.input_audio_buffers.pop(name, None)
