"""`/health/ready` reports whether the default models answer. `/health` remains upstream's and reports only the port.

Neither route waits for a thread. A monitor restarts a service that does not answer, so it must get an answer even
while all threads are busy.
"""

from collections.abc import Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from speaches_service.state import State


def mount(application: FastAPI, state: State) -> None:
    """Add the routes before upstream's, whose page answers every path without an earlier route."""
    upstream_health = _find_endpoint(application, "/health")

    async def answer_health(_request: Request) -> Response:
        return upstream_health()

    async def answer(_request: Request) -> JSONResponse:
        models = [{"task": task, **model._asdict()} for task, model in state.models.items()]
        reasons = [f"{task}: {model.reason}" for task, model in state.models.items() if model.reason is not None]
        if state.phase != "ready" and not reasons:
            reasons = [f"the service is {state.phase}"]
        content = {"status": state.phase, "models": models, "reasons": reasons}
        return JSONResponse(content, status_code=200 if state.phase == "ready" else 503)

    application.router.routes[:0] = [
        Route("/health/ready", answer, include_in_schema=False),
        Route("/health", answer_health, include_in_schema=False),
    ]


def _find_endpoint(application: FastAPI, path: str) -> Callable[[], Response]:
    for route in application.router.routes:
        if isinstance(route, Route) and route.path == path:
            endpoint: Callable[[], Response] = route.endpoint
            return endpoint
    raise LookupError(f"speaches has no `{path}`")
