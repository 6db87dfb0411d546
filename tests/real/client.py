"""Requests as clients send them, with the arrival time of each part of the answer."""

import base64
import http.client
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

TIMEOUT = 1800.0  # seconds without a byte


@dataclass
class Answer:
    """An answer, whole or up to where it broke. The status is 0 where none came; times are seconds from the request."""

    status: int
    body: bytes = b""
    content_type: str = ""
    broken: str | None = None
    first: float = 0.0
    last: float = 0.0
    end: float = 0.0
    arrivals: list[tuple[float, int]] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether it is a 200 with a whole body."""
        return self.status == 200 and self.broken is None

    def fault(self) -> str:
        """Why it is not good, in a few words."""
        if self.status not in (0, 200):
            return f"{self.status} {self.body[:80].decode(errors='replace')}"
        return self.broken or ""


@dataclass(frozen=True)
class Part:
    """A field of a form, or a file of one where the further words of its header say so."""

    name: str
    content: bytes
    words: str = ""
    content_type: str = ""

    def encoded(self, boundary: str) -> bytes:
        """The part as it is sent."""
        words = f"; {self.words}" if self.words else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{self.name}"{words}\r\n'
        head += f"Content-Type: {self.content_type}\r\n" if self.content_type else ""
        return f"{head}\r\n".encode() + self.content + b"\r\n"


class Client:
    """Sends requests to a port of this machine, each over a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str) -> Answer:
        """A page."""
        return self.send("GET", path, None, {}, timeout=30.0)

    def speech(
        self,
        model: str,
        voice: str,
        text: str,
        response_format: str = "pcm",
        stream_format: str | None = None,
        normalize: bool | None = None,
    ) -> Answer:
        """Speech."""
        fields: dict[str, object] = {
            "model": model,
            "voice": voice,
            "input": text,
            "response_format": response_format,
            "normalize": normalize,
        }
        if stream_format is not None:
            fields["stream_format"] = stream_format
        body = json.dumps(fields).encode()
        return self.send("POST", "/v1/audio/speech", body, {"Content-Type": "application/json"})

    def transcription(
        self,
        model: str,
        audio: bytes,
        name: str = "speech.wav",
        language: str | None = "en",
        fields: Mapping[str, str] | None = None,
    ) -> Answer:
        """A recording's text, as plain text unless the further `fields` of the form say otherwise."""
        own = {"model": model, "response_format": "text"} | ({"language": language} if language else {})
        parts: list[Part] = [Part(name, value.encode()) for name, value in (own | dict(fields or {})).items()]
        return self.form([*parts, Part("file", audio, f'filename="{name}"')])

    def form(self, parts: Sequence["Part"], path: str = "/v1/audio/transcriptions") -> Answer:
        """An answer to a form, part by part."""
        boundary = uuid.uuid4().hex
        body = b"".join(part.encoded(boundary) for part in parts) + f"--{boundary}--\r\n".encode()
        return self.send("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    def send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: float = TIMEOUT
    ) -> Answer:
        """An answer to any request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        begun = time.monotonic()
        answer = Answer(0)
        received = bytearray()
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            answer.status = response.status
            answer.content_type = response.headers.get("Content-Type", "")
            while part := response.read1(65536):
                received += part
                answer.last = time.monotonic() - begun
                answer.arrivals.append((answer.last, len(part)))
            # N.B. `read1` does not say when a body with a stated length ends early.
            if response.length:
                answer.broken = f"{response.length} bytes are missing"
        except (OSError, http.client.HTTPException) as error:
            answer.broken = f"broken after {len(received)} bytes: {error!r}"
        finally:
            connection.close()
        answer.end = time.monotonic() - begun
        answer.body = bytes(received)
        answer.first = answer.arrivals[0][0] if answer.arrivals else answer.end
        return answer


def events(body: bytes) -> Iterator[dict[str, str]]:
    """The events of an answer with `stream_format: sse`."""
    for line in body.decode().splitlines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def sound(body: bytes) -> bytes:
    """The sound in those events, joined."""
    return b"".join(base64.b64decode(event["audio"]) for event in events(body) if "audio" in event)
