"""`/health/ready`: whether the default models answer. `/health` stays upstream's, which says that the port does."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from speaches_service.state import State


def mount(application: FastAPI, state: State) -> None:
    """Add the route before upstream's: its page answers everything that nobody else does."""

    async def answer(_request: Request) -> JSONResponse:
        models = [{"task": task, **model._asdict()} for task, model in state.models.items()]
        reasons = [f"{task}: {model.reason}" for task, model in state.models.items() if model.reason is not None]
        if state.phase != "ready" and not reasons:
            reasons = [f"the service is {state.phase}"]
        content = {"status": state.phase, "models": models, "reasons": reasons}
        return JSONResponse(content, status_code=200 if state.phase == "ready" else 503)

    application.router.routes.insert(0, Route("/health/ready", answer, include_in_schema=False))
