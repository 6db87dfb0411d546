import http.server
import json
import threading
import unittest
from collections.abc import Callable
from unittest import mock

from speaches_service.state import State
from speaches_service.warm_up import WarmUp

from . import example

Answer = Callable[[str, str, bytes], tuple[int, bytes]]


class Upstream:
    """A server that gives a test's answers and records the requests."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self.keys: set[str | None] = set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.asked.append((self.command, self.path, body))
                outer.keys.add(self.headers.get("Authorization"))
                status, content = answer(self.command, self.path, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the name is http.server's

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class WarmUpTest(unittest.TestCase):
    def warm(self, answer: Answer, **settings: object) -> tuple[State, Upstream]:
        upstream = Upstream(answer)
        self.addCleanup(upstream.close)
        fields = {"tts_model": "a/speaks", "stt_model": "b/listens", "voice": "v", **settings}
        chosen = example.settings(host=("0.0.0.0",), **fields)
        port = upstream.server.server_address[1]
        state = State(chosen, port, 0)
        state.record_phase("serving")
        with mock.patch("speaches_service.warm_up.log_event"):
            WarmUp(chosen, port, state, 0)._run()
        return state, upstream

    def test_both_models_are_used_as_a_client_uses_them(self) -> None:
        def answer(_method: str, path: str, _body: bytes) -> tuple[int, bytes]:
            return 200, b"RIFF spoken" if path.endswith("speech") else b"{}"

        with mock.patch.dict("os.environ", {"API_KEY": "secret"}):
            state, upstream = self.warm(answer)
        self.assertEqual(state.phase, "ready")
        self.assertEqual({model.phase for model in state.models.values()}, {"ready"})
        self.assertEqual(upstream.keys, {"Bearer secret"})
        speech = next(body for _, path, body in upstream.asked if path == "/v1/audio/speech")
        self.assertEqual((json.loads(speech)["model"], json.loads(speech)["voice"]), ("a/speaks", "v"))
        heard = next(body for _, path, body in upstream.asked if path == "/v1/audio/transcriptions")
        self.assertIn(b"RIFF spoken", heard, "it listens to what was spoken")
        self.assertIn(b"b/listens", heard)

    def test_a_failing_model_does_not_affect_the_other(self) -> None:
        def answer(_method: str, path: str, body: bytes) -> tuple[int, bytes]:
            if path.endswith("speech"):
                return 500, b'{"detail": "no voice"}'
            return (200, b"{}") if b"RIFF" in body or not path.endswith("transcriptions") else (500, b"")

        state, _ = self.warm(answer)
        self.assertEqual(state.phase, "degraded")
        self.assertEqual(state.models["text-to-speech"].reason, "no voice (status 500)")
        self.assertEqual(state.models["automatic-speech-recognition"].phase, "ready", "it listens to noise instead")

    def test_a_missing_model_is_fetched_unless_that_is_forbidden(self) -> None:
        here = {"/v1/models/b/listens"}

        def answer(method: str, path: str, _body: bytes) -> tuple[int, bytes]:
            if path.startswith("/v1/models/"):
                if method == "POST":
                    here.add(path)
                    return 201, b""
                return (200, b"{}") if path in here else (404, b"{}")
            return 200, b"RIFF"

        state, upstream = self.warm(answer, offline=True)
        self.assertEqual(state.phase, "degraded")
        self.assertIn("forbids requests to the hub", state.models["text-to-speech"].reason or "")
        state, upstream = self.warm(answer)
        self.assertEqual(state.phase, "ready")
        self.assertIn(("POST", "/v1/models/a/speaks", b""), upstream.asked)

    def test_no_request_is_sent_without_preload(self) -> None:
        state, upstream = self.warm(lambda *_: (500, b""), preload=False)
        self.assertEqual((state.phase, upstream.asked), ("ready", []))
        state, upstream = self.warm(lambda *_: (500, b""), tts_model=None, stt_model=None)
        self.assertEqual((state.phase, upstream.asked), ("ready", []))

    def test_the_next_step_starts_when_the_service_is_ready(self) -> None:
        chosen = example.settings(preload=False)
        state = State(chosen, 1, 0)
        phases: list[str] = []
        with mock.patch("speaches_service.warm_up.log_event"):
            WarmUp(chosen, 1, state, 0, lambda: phases.append(state.phase))._run()
        self.assertEqual(phases, ["ready"])

    def test_a_service_that_is_stopping_does_not_become_ready(self) -> None:
        chosen = example.settings(preload=False)
        state = State(chosen, 1, 0)
        state.record_phase("draining")
        on_ready = mock.Mock()
        with mock.patch("speaches_service.warm_up.log_event") as log_event:
            WarmUp(chosen, 1, state, 0, on_ready)._run()
        self.assertEqual(state.phase, "draining")
        log_event.assert_not_called()
        on_ready.assert_not_called()
