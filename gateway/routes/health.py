"""Health: alive, ready, which version, how much of what."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Literal, cast

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.errors import AppError

router = APIRouter(tags=["health"])

Check = Callable[[], Awaitable[None]]
_CHECK_SECONDS = 3.0


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class DependencyHealth(BaseModel):
    """How one dependency answers."""

    status: Literal["ok", "unavailable"]
    milliseconds: float
    detail: str = ""


class Readiness(BaseModel):
    """Whether requests should be sent here."""

    status: Literal["ready", "not_ready", "draining"]
    dependencies: dict[str, DependencyHealth]


class Release(BaseModel):
    """What runs."""

    name: str
    version: str


class ReadinessChecks:
    """What the gateway needs, each with a way to ask whether it is there.

    Args:
        checks: By the dependency's name; each returns if it is there, and raises AppError if not.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._draining = False

    def drain(self) -> None:
        """Be ready never again."""
        self._draining = True

    async def run(self) -> Readiness:
        """Ask all dependencies at once."""
        answers = await asyncio.gather(*(_run(check) for check in self._checks.values()))
        ready = all(answer.status == "ok" for answer in answers)
        status = "draining" if self._draining else "ready" if ready else "not_ready"
        return Readiness(status=status, dependencies=dict(zip(self._checks, answers, strict=True)))


async def _run(check: Check) -> DependencyHealth:
    started_at = time.perf_counter()
    detail = ""
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except AppError as error:
        detail = error.message
    except TimeoutError:
        detail = "No answer in time."
    milliseconds = round((time.perf_counter() - started_at) * 1000, 1)
    status = "unavailable" if detail else "ok"
    return DependencyHealth(status=status, milliseconds=milliseconds, detail=detail)


@router.get("/health")
async def get_health() -> Health:
    """Whether the process is alive; asks nobody."""
    return Health()


@router.get(
    "/ready",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not ready"}},
)
async def get_readiness(request: Request) -> Response:
    """Whether everything the gateway needs is there, and how quickly it answers."""
    checks = cast("ReadinessChecks", request.app.state.readiness)
    readiness = await checks.run()
    status = 200 if readiness.status == "ready" else 503
    return JSONResponse(readiness.model_dump(), status)


@router.get("/version")
async def get_release() -> Release:
    """What runs here."""
    return Release(name="flowloom", version=version("flowloom"))


@router.get("/metrics", response_class=Response)
async def get_metrics() -> Response:
    """Figures in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
