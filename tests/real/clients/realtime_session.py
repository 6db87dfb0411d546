"""A realtime session as clients of OpenAI's interface hold one, step by step with the faults of public reports.

Arguments: the address of the server, a model that transcribes, and a wav of 24 000 samples a second in which a fox is
mentioned.
"""

import base64
import contextlib
import json
import sys
import time
import wave
from collections.abc import Iterator
from typing import Any

from steps import Steps
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

TIMEOUT = 60.0  # seconds
PART = 9600  # bytes: 0.2 s
STOPPED = "input_audio_buffer.speech_stopped"
HEARD = "conversation.item.input_audio_transcription.completed"
with wave.open(sys.argv[3]) as recording:
    SPEECH = recording.readframes(recording.getnframes())
SILENCE = bytes(4 * 48_000)


class Session:
    """An open session, and all events that came."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: list[dict[str, Any]] = []

    def send(self, kind: str, **fields: Any) -> None:
        """An event."""
        self.connection.send(json.dumps({"type": kind, **fields}))

    def say(self, pcm: bytes, part: int = PART) -> None:
        """Sound, in parts, faster than it was spoken."""
        for at in range(0, len(pcm), part):
            self.send("input_audio_buffer.append", audio=base64.b64encode(pcm[at : at + part]).decode())

    def wait(self, *kinds: str, timeout: float = TIMEOUT) -> dict[str, Any]:
        """The next event of these kinds."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            event = json.loads(self.connection.recv(timeout=until - time.monotonic()))
            self.events.append(event)
            if event["type"] in kinds:
                return event
        raise TimeoutError(kinds)

    def error(self) -> str:
        """The message of the next error."""
        return str(self.wait("error")["error"]["message"])

    def update(self, **fields: Any) -> dict[str, Any]:
        """Change the session: as it then is."""
        self.send("session.update", session=fields)
        return dict(self.wait("session.updated")["session"])

    def hears(self) -> None:
        """The sentence is understood, and the session still does all of it."""
        self.say(SPEECH + SILENCE)
        text = self.wait(HEARD)["transcript"]
        assert "fox" in text, text


@contextlib.contextmanager
def session(query: str = "intent=transcription", **options: Any) -> Iterator[Session]:
    """A new one."""
    url = f"{sys.argv[1].replace('http', 'ws', 1)}/v1/realtime?model={sys.argv[2]}&{query}"
    with connect(url, max_size=None, **options) as connection:
        opened = Session(connection)
        opened.wait("session.created")
        yield opened


def main() -> None:
    """Each step has a session of its own."""
    steps = Steps("realtime")
    with steps("a commit during speech"), session() as one:
        one.say(SPEECH)
        one.send("input_audio_buffer.commit")
        assert "fox" in one.wait(HEARD)["transcript"]
        one.hears()
    with steps("a commit of nothing, twice"), session() as one:
        for _ in range(2):
            one.send("input_audio_buffer.commit")
            assert "buffer too small" in one.error()
        one.hears()
    with steps("an update that changes nothing"), session() as one:
        assert one.update()["turn_detection"]["type"] == "server_vad"
        one.hears()
    with steps("a part of `turn_detection`"), session() as one:
        before = one.update()["turn_detection"]
        after = one.update(turn_detection={"threshold": 0.8})["turn_detection"]
        assert after == before | {"threshold": 0.8}, after
        one.hears()
    with steps("`turn_detection` is null"), session() as one:
        before = one.update()["turn_detection"]
        assert one.update(turn_detection=None)["turn_detection"] is None
        one.say(SPEECH + SILENCE)
        one.send("input_audio_buffer.commit")
        assert "fox" in one.wait(HEARD)["transcript"]
        assert not any(event["type"] == STOPPED for event in one.events)
        assert one.update(turn_detection={"type": "server_vad"})["turn_detection"] == before
        one.hears()
    with steps("`semantic_vad`"), session() as one:
        one.send("session.update", session={"turn_detection": {"type": "semantic_vad", "eagerness": "medium"}})
        assert "semantic_vad" in one.error()
        one.hears()
    with steps("the form of the newer interface"), session() as one:
        sound = {"transcription": {"language": "en"}, "turn_detection": {"silence_duration_ms": 700}}
        sound["format"] = {"type": "audio/pcm", "rate": 24000}
        updated = one.update(type="transcription", audio={"input": sound})
        assert updated["turn_detection"]["silence_duration_ms"] == 700, updated
        assert updated["input_audio_transcription"] == {"model": sys.argv[2], "language": "en"}, updated
        one.hears()
    with steps("the older event for transcription"), session() as one:
        one.send("transcription_session.update", session={"input_audio_format": "pcm16"})
        one.wait("error", "session.updated", "transcription_session.updated")
        one.hears()
    with steps("unknown fields, null, and default values"), session() as one:
        fields = {"input_audio_transcription": {"enabled": True}, "input_audio_format": "pcm16", "instructions": None}
        one.update(**fields, foo=[1], modalities=["text"])
        assert not any(event["type"] == "error" for event in one.events), one.events
        one.hears()
    with steps("`g711_ulaw`"), session() as one:
        one.send("session.update", session={"input_audio_format": "g711_ulaw"})
        assert "input_audio_format" in one.error()
        one.hears()
    with steps("values of wrong types"), session() as one:
        for wrong in ({"turn_detection": {"threshold": 7}}, {"turn_detection": []}, {"voice": 5}, 5, None):
            one.send("session.update", session=wrong)
            assert one.error()
        one.hears()
    with steps("invalid audio"), session() as one:
        for audio in ("%%%", "AAA", 5, None):
            one.send("input_audio_buffer.append", audio=audio)
            assert one.error()
        one.send("input_audio_buffer.append", audio="")
        one.hears()
    with steps("audio cut inside samples"), session() as one:
        one.say(SPEECH + SILENCE, 4801)
        assert "fox" in one.wait(HEARD)["transcript"]
    with steps("a frame of bytes, no JSON, unknown types"), session() as one:
        one.connection.send(json.dumps({"type": "input_audio_buffer.clear"}).encode())
        one.wait("input_audio_buffer.cleared")
        for text in (b"\xff\x00", "no JSON", "[]", '{"type": "no.such"}', "{}"):
            one.connection.send(text)
            assert one.error()
        one.hears()
    with steps("items and responses that do not exist"), session() as one:
        one.send("conversation.item.delete", item_id="none")
        assert "none" in one.error()
        one.send("conversation.item.truncate", item_id="none", content_index=0, audio_end_ms=0)
        assert one.error()
        one.send("response.cancel")
        assert one.error()
        one.hears()
    with steps("a response where no chat is configured"), session("intent=conversation") as one:
        one.hears()
        assert one.error()
        one.hears()
    with steps("twenty sessions, half of them left in the middle"):
        _many()


def _many() -> None:
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(session()) for _ in range(20)]
        for one in sessions[::2]:
            one.say(SPEECH[:48_000])
            with contextlib.suppress(ConnectionClosed):
                one.connection.socket.close()
        for one in sessions[1::10]:
            one.hears()


main()
