"""Reads the events of a client, and answers each error with an event, after which the session goes on.

Upstream ends the session at the first exception of a handler, even for a mistake of the client in one event.
"""

import importlib
import json
import logging
from collections.abc import Callable, Coroutine, Sequence
from types import ModuleType
from typing import Any

from starlette.websockets import WebSocketDisconnect

from speaches_service.realtime import input_audio, sessions
from speaches_service.rebinding import rebind as rebind_name

_ROUTER = "speaches.realtime.event_router"
_MANAGER = "speaches.realtime.message_manager"
_TYPES = "speaches.types.realtime"
_ADAPTER = "client_event_type_adapter"
_COMMITTED = "input_audio_buffer.committed"
_MAX_KEPT_EVENTS = 16
"""The number of past events that upstream keeps access to, though it uses them only for debugging."""

_logger = logging.getLogger(__name__)


def rebind(routers: Sequence[ModuleType]) -> None:
    """Replace upstream's reading and dispatching of events."""
    types: Any = importlib.import_module(_TYPES)
    reader = Reader(getattr(types, _ADAPTER), sessions.update_event(types))
    for module in (_MANAGER, *(router.__name__ for router in routers if hasattr(router, _ADAPTER))):
        rebind_name(module, _ADAPTER, reader)
    manager: Any = importlib.import_module(_MANAGER).WsServerMessageManager
    receive, send = manager.receiver, manager.sender
    manager.receiver = lambda self, socket: receive(self, TextSocket(socket))
    manager.sender = lambda self, socket: send(self, TextSocket(socket))
    router: Any = importlib.import_module(_ROUTER).EventRouter
    router.dispatch = with_error_events(router.dispatch, types)


class Reader:
    """Reads events with upstream's adapter, and `session.update` in all forms that clients use."""

    def __init__(self, adapter: Any, update: Any) -> None:
        self._adapter = adapter
        self._update = update

    def validate_json(self, text: str | bytes) -> Any:
        """Raises: ValidationError: the text is not a valid event."""
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        if isinstance(event, dict) and event.get("type") == "session.update":
            return self._update.model_validate(sessions.in_beta_form(event))
        return self._adapter.validate_json(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


class TextSocket:
    """A socket that reads text from binary frames too, and reports every disconnection as `WebSocketDisconnect`."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def receive_text(self) -> str:
        """Raises: WebSocketDisconnect."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000), message.get("reason"))
        text: str | None = message.get("text")
        return text if text is not None else message["bytes"].decode(errors="replace")

    async def send_text(self, text: str) -> None:
        """Raises: WebSocketDisconnect."""
        try:
            await self._socket.send_text(text)
        except RuntimeError as error:
            # Starlette raises it if uvicorn noticed the disconnection first.
            raise WebSocketDisconnect(1006, str(error)) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def with_error_events(
    dispatch: Callable[..., Coroutine[Any, Any, None]], types: Any
) -> Callable[..., Coroutine[Any, Any, None]]:
    """Pass events to their handlers, and answer each exception with an error event."""

    async def dispatch_and_answer(router: Any, context: Any, event: Any) -> None:
        subscription = context.pubsub.subscribe()
        try:
            await dispatch(router, context, event)
        except Exception as error:
            # Some handlers publish an error before they raise.
            if not _has_error(subscription):
                context.pubsub.publish_nowait(_error(types, event, error))
            _logger.warning("the event `%s` of a realtime session failed: %s", event.type, error)
            _logger.debug("", exc_info=True)
        finally:
            context.pubsub.subscribers.discard(subscription)
            # Upstream keeps both for the whole session: all of the sound, twice.
            del context.pubsub.events[:-_MAX_KEPT_EVENTS]
            if event.type == _COMMITTED:
                input_audio.drop_buffer(context, event.item_id)

    return dispatch_and_answer


def _has_error(queue: Any) -> bool:
    while not queue.empty():
        if queue.get_nowait().type == "error":
            return True
    return False


def _error(types: Any, event: Any, error: Exception) -> Any:
    event_id = getattr(event, "event_id", None)
    if event.type in types.CLIENT_EVENT_TYPES and isinstance(error, ValueError):
        return types.create_invalid_request_error(f"`{event.type}`: {error}", event_id=event_id)
    return types.create_server_error(f"`{event.type}` failed: {error}", event_id=event_id)
