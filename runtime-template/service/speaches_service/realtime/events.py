"""The events of a client, and errors: each is an event of its own, and the session goes on.

Upstream ends the session with the first exception of a handler, be it a mistake of the client in one event.
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
"""How many events upstream may look back at; it does not, except for debugging."""

_logger = logging.getLogger(__name__)


def rebind(routers: Sequence[ModuleType]) -> None:
    """Replace how events are read, and how they are handed to their handlers."""
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
    """Reads events as upstream's adapter does, and changes of the session as clients write them."""

    def __init__(self, adapter: Any, update: Any) -> None:
        self._adapter = adapter
        self._update = update

    def validate_json(self, text: str | bytes) -> Any:
        """The event.

        Raises:
            ValidationError: it is none.
        """
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        if isinstance(event, dict) and event.get("type") == "session.update":
            return self._update.model_validate(sessions.in_beta_form(event))
        return self._adapter.validate_json(text)

    def __getattr__(self, name: str) -> Any:
        """Whatever else the adapter does."""
        return getattr(self._adapter, name)


class TextSocket:
    """A socket that reads text from frames of bytes, too, and that says in one way that the client has gone."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def receive_text(self) -> str:
        """The next frame.

        Raises:
            WebSocketDisconnect: the client has gone.
        """
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000), message.get("reason"))
        text: str | None = message.get("text")
        return text if text is not None else message["bytes"].decode(errors="replace")

    async def send_text(self, text: str) -> None:
        """Send a frame.

        Raises:
            WebSocketDisconnect: the client has gone.
        """
        try:
            await self._socket.send_text(text)
        except RuntimeError as error:
            # Starlette's, where uvicorn has noticed it first.
            raise WebSocketDisconnect(1006, str(error)) from error

    def __getattr__(self, name: str) -> Any:
        """Whatever else the socket does."""
        return getattr(self._socket, name)


def with_error_events(
    dispatch: Callable[..., Coroutine[Any, Any, None]], types: Any
) -> Callable[..., Coroutine[Any, Any, None]]:
    """Hand events to their handlers, and answer with an error what fails there."""

    async def dispatch_and_answer(router: Any, context: Any, event: Any) -> None:
        subscription = context.pubsub.subscribe()
        try:
            await dispatch(router, context, event)
        except Exception as error:
            # Some handlers answer before they raise.
            if not _has_error(subscription):
                context.pubsub.publish_nowait(_error(types, event, error))
            _logger.warning("the event `%s` of a realtime session failed: %s", event.type, error)
            _logger.debug("", exc_info=True)
        finally:
            context.pubsub.subscribers.discard(subscription)
            # Upstream keeps both as long as the session lasts: all of the sound, twice.
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
