"""Server-sent events in the form in which OpenAI's API sends them."""

import json
from typing import Any


def event(content: dict[str, Any]) -> str:
    """One event."""
    return f"data: {json.dumps(content, separators=(',', ':'))}\n\n"


def failure(what: str) -> str:
    """The event that ends a stream whose rest could not be made. Once a response has begun, no status can tell it."""
    message = f"the server failed to produce the rest of the {what}; see its log"
    return event({"type": "error", "error": {"type": "server_error", "message": message}})
