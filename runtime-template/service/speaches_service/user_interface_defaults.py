"""Makes upstream's web page work at the first click and without a network.

Upstream's page preselects no model, sends an empty sample rate as 0, which upstream's server rejects, shows the events
of a stream as JSON, and loads fonts and a script from other servers.
"""

import importlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from speaches_service.rebinding import rebind
from speaches_service.settings import Settings

_MODULES = ("speaches.ui.app", "speaches.ui.tabs.tts", "speaches.ui.tabs.stt")
_EXTERNAL_ELEMENTS = re.compile(r"<script[^>]*\ssrc=\"https?://[^>]*>\s*</script>|<link[^>]*\shref=\"https?://[^>]*>")
"""Elements that a browser loads from other servers."""


def apply(settings: Settings) -> None:
    """Replace parts of the page before upstream builds it."""
    chosen = (settings.stt_model, settings.tts_model, settings.voice)
    gradio = _Gradio(importlib.import_module("gradio"), [name for name in chosen if name is not None])
    for module in _MODULES:
        rebind(module, "gr", gradio)
    rebind("speaches.ui.tabs.stt", "aconnect_sse", _texts_of(importlib.import_module("httpx_sse").aconnect_sse))
    environment = importlib.import_module("gradio.routes").templates.env
    environment.loader = _filtering_loader(environment.loader)


class _Gradio:
    """gradio with three changed components."""

    def __init__(self, gradio: Any, preferred: Sequence[str]) -> None:
        self._gradio = gradio
        self._preferred = preferred

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gradio, name)

    def Blocks(self, **options: Any) -> Any:  # noqa: N802 - gradio's name
        """The page, with fonts of the system."""
        fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
        return self._gradio.Blocks(theme=self._gradio.themes.Default(**fonts), **options)

    def Dropdown(self, choices: Sequence[str] = (), **options: Any) -> Any:  # noqa: N802 - gradio's name
        """Preselect the configured choice, else the first one."""
        if choices and "value" not in options:
            options["value"] = next((name for name in self._preferred if name in choices), choices[0])
        return self._gradio.Dropdown(choices=list(choices), **options)

    def Number(self, **options: Any) -> Any:  # noqa: N802 - gradio's name
        """Allow an empty number: gradio sends 0 for it, and would reject 0 as too small."""
        bounds = ("minimum", "maximum")
        return self._gradio.Number(**{name: value for name, value in options.items() if name not in bounds})


def _texts_of(connect: Any) -> Any:
    """Convert the events of a transcription into pieces of text."""

    @asynccontextmanager
    async def connect_to_texts(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
        async with connect(*arguments, **options) as source:

            async def texts() -> AsyncIterator[Any]:
                async for event in source.aiter_sse():
                    text = text_of(event.data)
                    if text:
                        yield SimpleNamespace(data=text)

            # Otherwise the page would show an error as an empty text.
            if source.response.is_error:
                await source.response.aread()
                source.response.raise_for_status()
            yield SimpleNamespace(aiter_sse=texts)

    return connect_to_texts


def text_of(data: str) -> str:
    """The text that an event adds."""
    event = json.loads(data)
    if event["type"] == "transcript.text.delta":
        return str(event["delta"])
    return str(event["error"]["message"]) if event["type"] == "error" else ""


def _filtering_loader(loader: Any) -> Any:
    """A loader of the same templates without external elements."""
    jinja = importlib.import_module("jinja2")

    def load(name: str) -> str | None:
        source: str = loader.get_source(None, name)[0]
        return without_external_elements(source)

    return jinja.FunctionLoader(load)


def without_external_elements(page: str) -> str:
    return _EXTERNAL_ELEMENTS.sub("", page)
