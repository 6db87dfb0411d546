"""Formats server-sent events as OpenAI's API does."""

import json
from typing import Any


def event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, separators=(',', ':'))}\n\n"


def failure(what: str) -> str:
    """The event that ends a failed stream: after a response has begun, its status can no longer report an error."""
    message = f"the server failed to produce the rest of the {what}; see its log"
    return event({"type": "error", "error": {"type": "server_error", "message": message}})
