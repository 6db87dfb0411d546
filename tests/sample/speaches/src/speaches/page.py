"""The sample's web page, where upstream has one made with gradio: one file, which asks the API as any client does."""

from html import escape
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from speaches.installed import SAMPLE_NOTICE

PAGE = Path(__file__).with_name("page.html")


def mount(app: FastAPI) -> None:
    """Answer `/` with the page. It holds no secret, so that it needs no API key; what it asks for may need one."""
    content = PAGE.read_text(encoding="utf-8").replace("{notice}", escape(SAMPLE_NOTICE))

    @app.get("/", include_in_schema=False)
    async def show() -> HTMLResponse:
        # Another version may have another page.
        return HTMLResponse(content, headers={"Cache-Control": "no-cache"})
