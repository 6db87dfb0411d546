"""Open WebUI's own interface, as its page uses it."""

import json
import re
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP, good or not."""

    status: int
    body: bytes

    def __str__(self) -> str:
        return f"{self.status}: {self.body[:2000]!r}"

    @property
    def text(self) -> str:
        """The body."""
        return self.body.decode(errors="replace")

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


def ask(url: str, body: bytes | None = None, seconds: float = 120, **headers: str) -> Answer:
    """GET, or POST with a body; status 0 without an answer."""
    request = urllib.request.Request(url, body, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return Answer(answer.status, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read())
    except OSError as error:
        return Answer(0, str(error).encode())


def multipart(name: str, content: bytes, kind: str) -> tuple[bytes, str]:
    """A body with one file, and its type."""
    boundary = uuid.uuid4().hex
    disposition = f'form-data; name="file"; filename="{name}"'
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {kind}\r\n\r\n"
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def words(text: str) -> list[str]:
    """A text without marks and capitals."""
    return re.findall(r"[a-z0-9']+", text.lower())


class WebUI:
    """An administrator of an Open WebUI."""

    EMAIL, PASSWORD = "alice@stack.test", "a password of the test"

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.token = ""

    def sign_up(self) -> Answer:
        """The first account; it is the administrator. Signs in where it is there already."""
        body = {"name": "Alice", "email": self.EMAIL, "password": self.PASSWORD}
        answer = self.post("/api/v1/auths/signup", body)
        if answer.status != 200:
            answer = self.post("/api/v1/auths/signin", body)
        if answer.status == 200:
            self.token = answer.json["token"]
        return answer

    def get(self, path: str) -> Answer:
        """GET."""
        return ask(self.url + path, Authorization=f"Bearer {self.token}")

    def post(self, path: str, body: object) -> Answer:
        """POST of JSON."""
        return ask(
            self.url + path,
            json.dumps(body).encode(),
            Authorization=f"Bearer {self.token}",
            Content_Type="application/json",
        )

    def speech(self, text: str) -> Answer:
        """What *read aloud* plays."""
        return self.post("/api/v1/audio/speech", {"input": text})

    def transcription(self, sound: bytes, name: str = "speech.mp3", kind: str = "audio/mpeg") -> Answer:
        """What the microphone sends."""
        body, content_type = multipart(name, sound, kind)
        return ask(
            self.url + "/api/v1/audio/transcriptions",
            body,
            Authorization=f"Bearer {self.token}",
            Content_Type=content_type,
        )
