"""What schemathesis adds to the requests that it makes from the OpenAPI document, and what it checks of the answers.

Nearly all made-up requests would end at an unknown model. So most of them get one that is here, and files get sound:
whole, cut, or with bytes changed. Whatever else is in a request stays as it was made.
"""

import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any

import schemathesis

_MODELS = json.loads(os.environ["PROPERTIES_MODELS"])
"""Models by path of the request."""
_VOICES = (
    "af_bella",
    "am_michael",
    "zf_xiaobei",
    "jf_alpha",
    "alloy",
    "joe",
    "af_bella+af_sky",
    "bm_lewis(2)+af_sky(1)",
)
_RECORDINGS = [path.read_bytes() for path in sorted(Path(os.environ["PROPERTIES_RECORDINGS"]).iterdir())]
_MOST_CHARACTERS = 400
"""Of a text, so that many are spoken in the time that there is."""
_FILES = ("file", "audio")


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """A request of which more arrives at a model."""
    if not isinstance(body, dict):
        return body
    # The same request has to become the same one again, or schemathesis cannot shrink it.
    chance = random.Random(  # noqa: S311 - nothing is secret here
        hashlib.sha256(repr(sorted(body.items(), key=repr)).encode(errors="replace")).digest()
    )
    path = context.operation.path
    changed = dict(body)
    if chance.random() < 0.9:
        changed["model"] = chance.choice(_MODELS[path])
    if "speech" in path:
        if chance.random() < 0.8:
            changed["voice"] = chance.choice(_VOICES)
        if isinstance(changed.get("input"), str):
            changed["input"] = changed["input"][:_MOST_CHARACTERS]
    for name in _FILES:
        if name in changed and chance.random() < 0.9:
            changed[name] = _disturbed(chance.choice(_RECORDINGS), chance)
    return changed


def _disturbed(recording: bytes, chance: random.Random) -> bytes:
    kind = chance.choice(("whole", "cut", "changed", "changed", "begun late"))
    if kind == "cut":
        return recording[: chance.randrange(len(recording))]
    if kind == "begun late":
        return recording[chance.randrange(len(recording)) :]
    content = bytearray(recording)
    for _ in range(chance.randrange(1, 40) if kind == "changed" else 0):
        # Heads are short, and what is wrong in them does the most.
        end = chance.choice((64, 512, len(content)))
        content[chance.randrange(min(end, len(content)))] = chance.randrange(256)
    return bytes(content)


@schemathesis.check
def is_whole(_context: Any, response: Any, case: Any) -> None:
    """What is answered with 200 is what its type says, and what is refused says why."""
    kind = response.headers.get("content-type", [""])[0]
    content = response.content or b""
    if response.status_code == 200:
        if case.operation.path.endswith("speech"):
            assert content, "200 without a byte"
        if kind.startswith("application/json"):
            json.loads(content)
        if kind.startswith("text/event-stream"):
            last = [line for line in content.decode().splitlines() if line.startswith("data: ")][-1]
            assert json.loads(last.removeprefix("data: "))["type"].endswith(".done"), f"the last event is {last}"
    elif response.status_code >= 400 and case.operation.path.startswith("/v1/audio"):
        assert json.loads(content)["detail"], f"{response.status_code} without a reason"
