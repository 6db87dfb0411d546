"""The application."""

from __future__ import annotations

from contextlib import asynccontextmanager
import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

from speaches import page
from speaches.dependencies import ApiKeyDependency, get_config
from speaches.installed import SAMPLE_NOTICE
from speaches.logger import setup_logger
from speaches.routers.diarization import router as diarization_router
from speaches.routers.misc import public_router as misc_public_router
from speaches.routers.misc import router as misc_router
from speaches.routers.models import router as models_router
from speaches.routers.speech import router as speech_router
from speaches.routers.speech_embedding import router as speech_embedding_router
from speaches.routers.stt import router as stt_router
from speaches.routers.vad import router as vad_router

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

logger = logging.getLogger(__name__)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    logger.warning(SAMPLE_NOTICE)
    yield


def create_app() -> FastAPI:
    """Build the application. The working directory must hold `realtime-console/dist`, as it must for upstream's."""
    config = get_config()
    setup_logger(config.log_level)

    app = FastAPI(
        title="Speaches (sample)",
        description=SAMPLE_NOTICE,
        version="0.0.0",
        lifespan=lifespan,
    )

    app.include_router(misc_public_router)
    guards = [ApiKeyDependency] if config.api_key is not None else []
    for router in (
        stt_router,
        models_router,
        misc_router,
        speech_router,
        speech_embedding_router,
        vad_router,
        diarization_router,
    ):
        app.include_router(router, dependencies=guards)

    app.get("/v1/realtime", include_in_schema=False)(lambda: RedirectResponse(url="/v1/realtime/"))
    app.mount("/v1/realtime", StaticFiles(directory="realtime-console/dist", html=True))

    if config.allow_origins is not None:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=config.allow_origins,
            allow_credentials=True,
            allow_methods=["*"],
            allow_headers=["*"],
        )

    if config.enable_ui:
        page.mount(app)

    return app
