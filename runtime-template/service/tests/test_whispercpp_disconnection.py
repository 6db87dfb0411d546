import asyncio
import sys
import time
import unittest
from collections.abc import Callable

try:
    from starlette.types import Message, Receive, Scope, Send

    from speaches_service.whispercpp.disconnection import Disconnected, DisconnectionWatcher, client_has_disconnected
except ImportError as error:
    print(f"skipping test_whispercpp_disconnection, which needs starlette: {error}", file=sys.stderr)
    raise unittest.SkipTest(str(error)) from error

BODY: list[Message] = [
    {"type": "http.request", "body": b"a", "more_body": True},
    {"type": "http.request", "body": b"b", "more_body": False},
]
PATH = "/v1/audio/transcriptions"


class DisconnectionWatcherTest(unittest.TestCase):
    def run_request(self, work: Callable[[], bool], path: str = PATH, leaves: bool = True) -> list[Message]:
        """The sent messages. `work` runs in a thread after the body, and the client disconnects meanwhile."""
        sent: list[Message] = []

        async def application(_scope: Scope, receive: Receive, send: Send) -> None:
            while (await receive()).get("more_body"):
                pass
            await asyncio.to_thread(work)
            await send({"type": "http.response.start"})

        async def request() -> None:
            messages = list(BODY)

            async def receive() -> Message:
                if messages:
                    return messages.pop(0)
                if leaves:
                    await asyncio.sleep(0.05)
                else:
                    await asyncio.Event().wait()
                return {"type": "http.disconnect"}

            async def send(message: Message) -> None:
                sent.append(message)

            await asyncio.wait_for(DisconnectionWatcher(application)({"type": "http", "path": path}, receive, send), 30)

        asyncio.run(request())
        return sent

    def wait(self) -> bool:
        for _ in range(600):
            if client_has_disconnected():
                raise Disconnected
            time.sleep(0.01)
        return True

    def test_work_for_a_disconnected_client_ends(self) -> None:
        self.assertEqual(self.run_request(self.wait), [])

    def test_work_for_a_connected_client_is_answered(self) -> None:
        def work() -> bool:
            time.sleep(0.1)
            self.assertFalse(client_has_disconnected())
            return True

        self.assertEqual(len(self.run_request(work, leaves=False)), 1)

    def test_other_routes_are_left_alone(self) -> None:
        def work() -> bool:
            time.sleep(0.2)
            return not client_has_disconnected()

        self.assertEqual(len(self.run_request(work, path="/v1/audio/speech")), 1)
        self.assertFalse(client_has_disconnected())

    def test_other_errors_are_not_swallowed(self) -> None:
        def work() -> bool:
            raise KeyError("x")

        with self.assertRaises(KeyError):
            self.run_request(work)


if __name__ == "__main__":
    unittest.main()
