import asyncio
import sys
import unittest
from types import SimpleNamespace
from typing import Any

try:
    from pydantic import BaseModel, TypeAdapter
    from starlette.websockets import WebSocketDisconnect

    from speaches_service.realtime import events
except ImportError as error:
    print(f"skipping test_realtime_events, which needs fastapi and numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs fastapi and numpy: {error}") from error


class Pubsub:
    """Replaces upstream's."""

    def __init__(self) -> None:
        self.subscribers: set[Any] = set()
        self.events: list[Any] = []

    def subscribe(self) -> Any:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self.subscribers.add(queue)
        return queue

    def publish_nowait(self, event: Any) -> None:
        self.events.append(event)
        for queue in self.subscribers:
            queue.put_nowait(event)


TYPES: Any = SimpleNamespace(
    CLIENT_EVENT_TYPES={"append"},
    create_invalid_request_error=lambda message, **_: SimpleNamespace(type="error", of="client", text=message),
    create_server_error=lambda message, **_: SimpleNamespace(type="error", of="server", text=message),
)


class Cleared(BaseModel):
    type: str


class EventsTest(unittest.TestCase):
    def dispatch(self, kind: str, error: Exception | None = None, answer: bool = False) -> Any:
        """The published events after an event of this kind."""
        pubsub = Pubsub()
        pubsub.events = [SimpleNamespace(type="old")] * 50

        async def fail(_router: Any, context: Any, _event: Any) -> None:
            if answer:
                context.pubsub.publish_nowait(SimpleNamespace(type="error", of="handler", text=""))
            if error is not None:
                raise error

        context = SimpleNamespace(pubsub=pubsub, input_audio_buffers={"said": 1, "next": 2})
        event = SimpleNamespace(type=kind, item_id="said", event_id=None)
        asyncio.run(events.with_error_events(fail, TYPES)(None, context, event))
        self.assertEqual(pubsub.subscribers, set())
        self.assertEqual(list(context.input_audio_buffers), ["next"] if "committed" in kind else ["said", "next"])
        return [each for each in pubsub.events if each.type == "error"]

    def test_an_exception_becomes_an_event_and_the_session_goes_on(self) -> None:
        with self.assertLogs("speaches_service.realtime.events", "WARNING"):
            [answer] = self.dispatch("append", ValueError("no base64"))
            self.assertEqual((answer.of, answer.text), ("client", "`append`: no base64"))
            [answer] = self.dispatch("append", OSError("gone"))
            self.assertEqual((answer.of, answer.text), ("server", "`append` failed: gone"))
            [answer] = self.dispatch("input_audio_buffer.committed", ValueError("no model"))
            self.assertEqual(answer.of, "server")

    def test_an_error_of_the_handler_is_not_answered_twice(self) -> None:
        with self.assertLogs("speaches_service.realtime.events", "WARNING"):
            self.assertEqual(
                [answer.of for answer in self.dispatch("append", ValueError("x"), answer=True)], ["handler"]
            )
        self.assertEqual(self.dispatch("append"), [])

    def test_old_events_and_transcribed_turns_are_dropped(self) -> None:
        pubsub = Pubsub()
        pubsub.events = [SimpleNamespace(type=str(number)) for number in range(100)]

        async def nothing(*_: Any) -> None:
            pass

        context = SimpleNamespace(pubsub=pubsub)
        asyncio.run(events.with_error_events(nothing, TYPES)(None, context, SimpleNamespace(type="append")))
        self.assertEqual([event.type for event in pubsub.events], [str(number) for number in range(84, 100)])
        self.dispatch("input_audio_buffer.committed")

    def test_changes_of_a_session_are_read_in_all_forms(self) -> None:
        class Session(BaseModel):
            turn_detection: None = None

        class Update(BaseModel):
            type: str
            session: Session

        reader = events.Reader(TypeAdapter(Cleared), Update)
        read = reader.validate_json('{"type": "session.update", "session": {"turn_detection": null, "voice": null}}')
        self.assertEqual(read.session.model_fields_set, {"turn_detection"})
        self.assertEqual(reader.validate_json('{"type": "clear"}'), Cleared(type="clear"))
        for text in ("no JSON", "[]", "{}"):
            with self.assertRaises(ValueError):
                reader.validate_json(text)
        self.assertIsNotNone(reader.core_schema)

    def test_binary_frames_are_text(self) -> None:
        frames: list[dict[str, Any]] = [
            {"type": "websocket.receive", "text": "text"},
            {"type": "websocket.receive", "bytes": b"{\xff}", "text": None},
            {"type": "websocket.disconnect", "code": 1001},
        ]

        async def receive() -> dict[str, Any]:
            return frames.pop(0)

        async def send(_text: str) -> None:
            raise RuntimeError("after sending websocket.close")

        socket = events.TextSocket(SimpleNamespace(receive=receive, send_text=send, path="/"))

        async def read() -> list[str]:
            return [await socket.receive_text() for _ in range(2)]

        self.assertEqual(asyncio.run(read()), ["text", "{\ufffd}"])
        with self.assertRaises(WebSocketDisconnect) as caught:
            asyncio.run(socket.receive_text())
        self.assertEqual((caught.exception.code, socket.path), (1001, "/"))
        with self.assertRaises(WebSocketDisconnect):
            asyncio.run(socket.send_text(""))


if __name__ == "__main__":
    unittest.main()
