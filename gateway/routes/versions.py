"""Versions of a workflow: read, compared, brought back."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from gateway.gate import UserRoute
from gateway.parts import ClientsPart
from gateway.replies import reply, returns
from gateway.shapes import Count, Page
from gateway.wire import to_pb
from shared.pb.flowloom.engine.v1 import version_service_pb2, workflow_pb2

router = APIRouter(
    prefix="/v1/workflows/{workflow_id:id}/versions", tags=["versions"], route_class=UserRoute
)

Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The version, counted from 1")]


class ListVersions(Page):
    """Which versions."""


@router.get("", **returns(version_service_pb2.ListVersionsResponse))
async def list_versions(
    workflow_id: str, query: Annotated[ListVersions, Query()], clients: ClientsPart
) -> Response:
    request = to_pb(version_service_pb2.ListVersionsRequest, query, workflow_id=workflow_id)
    return reply(await clients.versions.ListVersions(request))


@router.get("/{number:id}", **returns(workflow_pb2.Version))
async def get_version(workflow_id: str, number: Number, clients: ClientsPart) -> Response:
    request = version_service_pb2.GetVersionRequest(workflow_id=workflow_id, number=number)
    return reply((await clients.versions.GetVersion(request)).version)


@router.get("/{number:id}:diff", **returns(version_service_pb2.DiffVersionsResponse))
async def diff_versions(
    workflow_id: str,
    number: Number,
    clients: ClientsPart,
    against: Annotated[Count, Query(description="The version before it when 0")] = 0,
) -> Response:
    """The JSON Patch that makes this version out of another."""
    request = version_service_pb2.DiffVersionsRequest(
        workflow_id=workflow_id, number=number, against=against
    )
    return reply(await clients.versions.DiffVersions(request))


@router.post("/{number:id}:restore", **returns(workflow_pb2.Workflow))
async def restore_version(workflow_id: str, number: Number, clients: ClientsPart) -> Response:
    """Make an old version the latest again, as a new version."""
    request = version_service_pb2.RestoreVersionRequest(workflow_id=workflow_id, number=number)
    return reply((await clients.versions.RestoreVersion(request)).workflow)
