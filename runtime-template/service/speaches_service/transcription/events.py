"""Writes answers and events of transcriptions. Upstream's last event lacks the text, whose segments are consumed."""

import itertools
import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name
from speaches_service.server_sent_events import event, failure
from speaches_service.transcription import decoding

_ROUTER = "speaches.routers.stt"
_ANSWER = "transcription_response_to_http_response"

_logger = logging.getLogger(__name__)


def rebind() -> None:
    """Replace upstream's conversion of results into answers."""
    # The sample does not stream.
    if not hasattr(imported(_ROUTER), _ANSWER):
        return
    rebind_name(_ROUTER, _ANSWER, answer)


def answer(result: Any) -> Response:
    """The answer for a result: a text with its media type, an object, or events."""
    if isinstance(result, tuple):
        text, media_type = result
        return Response(text, media_type=media_type)
    if hasattr(result, "model_dump"):
        content = result.model_dump(mode="json")
        if "segments" in content:
            # OpenAI's answers contain the task, too.
            content.setdefault("task", decoding.task())
            if decoding.warnings():
                content["warnings"] = decoding.warnings()
        return Response(json.dumps(content, ensure_ascii=False, separators=(",", ":")), media_type="application/json")
    # Compute the first event now, so that an error in it still gets an error status.
    events = iter(result)
    first = list(itertools.islice(events, 1))
    return StreamingResponse(_events(itertools.chain(first, events)), media_type="text/event-stream")


def _events(events: Iterable[Any]) -> Iterator[str]:
    texts: list[str] = []
    try:
        for each in events:
            content = each.model_dump(mode="json")
            if content["type"] == "transcript.text.delta":
                texts.append(content["delta"])
            elif content["type"] == "transcript.text.done":
                content["text"] = "".join(texts).strip()
            yield event(content)
    except Exception:
        _logger.exception("transcription failed after the answer had begun")
        yield failure("transcription")
