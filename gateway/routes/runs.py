"""Runs: started, read, followed, ended, repeated."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Query
from grpc.aio import UnaryStreamCall
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.gate import RunRoute, UserRoute
from gateway.parts import ClientsPart, StreamsPart
from gateway.replies import reply, returns, streams
from gateway.shapes import Body, Count, Input, Page, Sequence, Text, Wait
from gateway.sse import read_after
from gateway.wire import WireEnum, to_pb
from shared.pb.flowloom.engine.v1 import run_pb2, run_service_pb2

router = APIRouter(tags=["runs"], route_class=UserRoute)
starting = APIRouter(tags=["runs"], route_class=RunRoute)

IdempotencyKey = Annotated[
    str, Header(description="The same key starts the same run only once", pattern="^[!-~]{0,255}$")
]
_ENDED = (run_pb2.RUN_STATUS_COMPLETED, run_pb2.RUN_STATUS_FAILED, run_pb2.RUN_STATUS_CANCELLED)
_GRACE_SECONDS = 10.0
_DOWNLOAD_SECONDS = 3600.0
# Enough for the first events to arrive; a run that says nothing is followed all the same.
_PATIENCE_SECONDS = 1.5


class RunStatus(WireEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunMode(WireEnum):
    """What a run is for."""

    LIVE = "live"
    TEST = "test"


class RunView(WireEnum):
    """How much of a run to tell."""

    BASIC = "basic"
    FULL = "full"


class StartRun(Body):
    """A run to start."""

    version: Count = Field(default=0, description="The latest when 0")
    input: Input | None = None
    mode: Annotated[RunMode, Field(strict=False)] = RunMode.LIVE
    trigger_node_id: Text = Field(default="", description="The only or first one when empty")
    priority: int | None = Field(
        default=None, ge=0, le=9, description="The highest goes first when runs wait; 5 is normal"
    )


class RerunDefinition(WireEnum):
    """With which definition a run is repeated."""

    SAME = "same"
    LATEST = "latest"


class RerunFrom(Body):
    """From where a run is repeated."""

    from_node: Text = Field(description="Everything from this node on runs again")
    iteration: Text = Field(
        default="", description="In loops, from which iteration on, such as `2`; the first if empty"
    )
    definition: Annotated[RerunDefinition, Field(strict=False)] = RerunDefinition.SAME


class ListRuns(Page):
    """Which runs."""

    workflow_id: Text = ""
    status: RunStatus | None = None
    mode: RunMode | None = None


class CancelRun(Body):
    """Why a run is ended."""

    reason: Text = ""


@starting.post(
    "/v1/workflows/{workflow_id:id}:run",
    **returns(run_pb2.Run, 202, _200="The run has ended within `wait`"),
)
async def start_run(
    workflow_id: str,
    clients: ClientsPart,
    body: StartRun | None = None,
    wait: Annotated[Wait | None, Query(description="Hold the answer until the run ends")] = None,
    idempotency_key: IdempotencyKey = "",
) -> Response:
    """Store a run; engines do the work whether or not the caller stays."""
    request = to_pb(
        run_service_pb2.StartRunRequest,
        body,
        workflow_id=workflow_id,
        idempotency_key=idempotency_key,
        wait=wait,
    )
    deadline = (wait or timedelta()).total_seconds() + _GRACE_SECONDS
    run = (await clients.runs.StartRun(request, timeout=deadline)).run
    return reply(run, 200 if wait and run.status in _ENDED else 202)


@router.get("/v1/runs", **returns(run_service_pb2.ListRunsResponse))
async def list_runs(query: Annotated[ListRuns, Query()], clients: ClientsPart) -> Response:
    request = to_pb(run_service_pb2.ListRunsRequest, query)
    return reply(await clients.runs.ListRuns(request))


@router.get("/v1/runs/{run_id:id}", **returns(run_pb2.Run))
async def get_run(
    run_id: str, clients: ClientsPart, view: Annotated[RunView, Query()] = RunView.BASIC
) -> Response:
    request = to_pb(run_service_pb2.GetRunRequest, run_id=run_id, view=view)
    return reply((await clients.runs.GetRun(request)).run)


@router.post("/v1/runs/{run_id:id}:cancel", **returns(run_pb2.Run))
async def cancel_run(run_id: str, clients: ClientsPart, body: CancelRun | None = None) -> Response:
    """End a run; one that has ended already is answered as it is."""
    request = to_pb(run_service_pb2.CancelRunRequest, body, run_id=run_id)
    return reply((await clients.runs.CancelRun(request)).run)


@starting.post("/v1/runs/{run_id:id}:retry", **returns(run_pb2.Run, 202))
async def retry_run(
    run_id: str, clients: ClientsPart, idempotency_key: IdempotencyKey = ""
) -> Response:
    """Start a new run with the same version and input."""
    request = run_service_pb2.RetryRunRequest(run_id=run_id, idempotency_key=idempotency_key)
    return reply((await clients.runs.RetryRun(request)).run, 202)


@starting.post("/v1/runs/{run_id:id}:rerun", **returns(run_pb2.Run, 202))
async def rerun_from(
    run_id: str, clients: ClientsPart, body: RerunFrom, idempotency_key: IdempotencyKey = ""
) -> Response:
    """Start a new run that keeps what came before a node, and runs from there on."""
    request = to_pb(
        run_service_pb2.RerunFromRequest, body, run_id=run_id, idempotency_key=idempotency_key
    )
    return reply((await clients.runs.RerunFrom(request)).run, 202)


@router.get(
    "/v1/runs/{run_id:id}/files/{blob_id:id}",
    responses={200: {"description": "The file", "content": {"application/octet-stream": {}}}},
    response_class=StreamingResponse,
)
async def download_file(run_id: str, blob_id: str, clients: ClientsPart) -> Response:
    """A file that a run uses, as it is; browsers keep it instead of showing it."""
    request = run_service_pb2.DownloadFileRequest(run_id=run_id, blob_id=blob_id)
    pieces = clients.runs.DownloadFile(request, timeout=_DOWNLOAD_SECONDS)
    told = await anext(aiter(pieces))
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(told.file_name, safe='')}",
        "content-length": str(told.size),
    }

    async def body() -> AsyncIterator[bytes]:
        async for piece in pieces:
            yield piece.data

    return StreamingResponse(body(), headers=headers, media_type=told.media_type)


@router.get("/v1/runs/{run_id:id}/events", **streams(run_pb2.RunEvent))
async def watch_run(
    run_id: str,
    request: Request,
    clients: ClientsPart,
    events: StreamsPart,
    after: Annotated[Sequence, Query(description="Start behind this event")] = 0,
) -> Response:
    """Follow a run's history to its end. Last-Event-ID resumes without gap or repeat."""

    def follow(sequence: int) -> UnaryStreamCall[Any, Any]:
        return clients.runs.WatchRun(
            run_service_pb2.WatchRunRequest(run_id=run_id, after_sequence=sequence)
        )

    return await events.respond(request, follow, read_after(request, after), _PATIENCE_SECONDS)
