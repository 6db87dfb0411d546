"""Makes sessions with the configured models, and applies a client's changes.

Upstream begins a session with its own models instead of the configured ones. It accepts only complete changes: a
`turn_detection` with one field, or null, is an error.
"""

import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from speaches_service.realtime.input_audio import PREFIX_SECONDS
from speaches_service.rebinding import rebind as rebind_name
from speaches_service.settings import Settings

_SESSION_FACTORY = "create_session_object_configuration"
_UPDATE = "session.update"
_DETECTION, _TRANSCRIPTION = "turn_detection", "input_audio_transcription"
_FORMATS = ("input_audio_format", "output_audio_format")
_ONLY_FORMAT = "pcm16"
_SERVER_VAD = "server_vad"


def rebind(routers: Sequence[ModuleType], settings: Settings) -> None:
    """Replace upstream's factory of sessions, and its handler of changes."""
    types: Any = importlib.import_module("speaches.types.realtime")
    for router in routers:
        maker: Any = getattr(router, _SESSION_FACTORY)
        rebind_name(router.__name__, _SESSION_FACTORY, with_defaults(maker, settings))
        handlers: dict[str, Any] = router.event_router.event_handlers
        if _UPDATE not in handlers:
            raise AttributeError(f"`{router.__name__}` does not handle `{_UPDATE}`")
        handlers[_UPDATE] = lambda context, event: update(context, event, types)


def with_defaults(maker: Callable[..., Any], settings: Settings) -> Callable[..., Any]:
    """Use the service's models and voice if a client names none."""

    def make(
        model: str, intent: str = "conversation", language: str | None = None, transcription_model: str | None = None
    ) -> Any:
        if intent != "transcription":
            transcription_model = transcription_model or settings.stt_model
        session = maker(model, intent, language, transcription_model)
        session.speech_model = settings.tts_model or session.speech_model
        session.voice = settings.voice or session.voice
        return session

    return make


def in_beta_form(event: dict[str, Any]) -> dict[str, Any]:
    """Convert a `session.update` into the form of OpenAI's beta API, which upstream implements, without null fields.

    The newer form nests the fields of the sound: `audio.input.transcription`.
    """
    session = event.get("session")
    if not isinstance(session, dict):
        return event
    sound = session.get("audio")
    for side, names in (
        ("input", {"transcription": _TRANSCRIPTION, "turn_detection": _DETECTION, "format": _FORMATS[0]}),
        ("output", {"voice": "voice", "format": _FORMATS[1]}),
    ):
        fields = sound.get(side) if isinstance(sound, dict) else None
        if isinstance(fields, dict):
            session = {**session, **{older: fields[name] for name, older in names.items() if name in fields}}
    if "output_modalities" in session:
        session = {"modalities": session["output_modalities"], **session}
    for name in _FORMATS:
        if session.get(name) == {"type": "audio/pcm", "rate": 24000}:
            session = {**session, name: _ONLY_FORMAT}
    # Null has a meaning only for the detection: it disables it.
    return {**event, "session": {n: value for n, value in session.items() if value is not None or n == _DETECTION}}


def update_event(types: Any) -> Any:
    """The model of `session.update` with a nullable detection, and with partial detection and transcription."""
    from pydantic import create_model

    fields: Any = {
        _DETECTION: (dict[str, Any] | None, None),
        _TRANSCRIPTION: (dict[str, Any], {}),
        **dict.fromkeys(_FORMATS, (str | dict[str, Any], _ONLY_FORMAT)),
    }
    session = create_model("PartialSession", __base__=types.PartialSession, **fields)
    return create_model("SessionUpdateEvent", __base__=types.SessionUpdateEvent, session=(session, ...))


def update(context: Any, event: Any, types: Any) -> None:
    """Apply a client's changes to a session, and send the resulting session to the client.

    Raises:
        ValueError: a value is invalid; the session is unchanged.
    """
    given: dict[str, Any] = event.session.model_dump(exclude_unset=True)
    for name in _FORMATS:
        if given.pop(name, _ONLY_FORMAT) != _ONLY_FORMAT:
            context.pubsub.publish_nowait(_unsupported(types, event, f"session.{name}", f"`{_ONLY_FORMAT}`"))
    if given.get(_DETECTION) is not None:
        given[_DETECTION] = _detection(context, event, types, given[_DETECTION])
    if _TRANSCRIPTION in given:
        given[_TRANSCRIPTION] = context.session.input_audio_transcription.model_dump() | given[_TRANSCRIPTION]
    changed = types.Session.model_validate(context.session.model_dump() | given)
    context.detection_before = context.session.turn_detection or getattr(context, "detection_before", None)
    context.session = changed
    context.pubsub.publish_nowait(types.SessionUpdatedEvent(session=context.session))


def _detection(context: Any, event: Any, types: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The session's detection with the given changes."""
    requested = dict(given)
    if requested.pop("type", _SERVER_VAD) != _SERVER_VAD:
        name = f"session.{_DETECTION}.type"
        context.pubsub.publish_nowait(_unsupported(types, event, name, f"`{_SERVER_VAD}`", given["type"]))
    padding = requested.pop("prefix_padding_ms", None)
    if padding not in (None, 0, PREFIX_SECONDS * 1000):
        name = f"session.{_DETECTION}.prefix_padding_ms"
        context.pubsub.publish_nowait(_unsupported(types, event, name, f"{PREFIX_SECONDS * 1000:.0f}", padding))
    # After it was disabled, the detection starts with its previous values.
    current = context.session.turn_detection or context.detection_before
    merged: dict[str, Any] = current.model_dump() | {
        name: value for name, value in requested.items() if value is not None
    }
    return merged


def _unsupported(types: Any, event: Any, name: str, used: str, given: object = None) -> Any:
    what = f"`{name}` `{given}`" if given is not None else f"this `{name}`"
    message = f"the service does not support {what} and continues with {used}"
    return types.create_invalid_request_error(message, event_id=event.event_id, param=name)
