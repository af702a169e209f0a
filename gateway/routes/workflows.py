"""Workflows: kept, changed, checked, tried out, switched on and off."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query
from pydantic import Field
from starlette.responses import Response

from gateway.gate import UserRoute
from gateway.merge_patch import merge
from gateway.parts import ClientsPart
from gateway.replies import NO_CONTENT, reply, returns
from gateway.shapes import Body, Count, Definition, Document, Input, Page, Text
from gateway.wire import to_pb
from shared.errors import Conflict, InvalidInput, Violation
from shared.pb.flowloom.engine.v1 import (
    simulation_service_pb2,
    workflow_pb2,
    workflow_service_pb2,
)

router = APIRouter(prefix="/v1/workflows", tags=["workflows"], route_class=UserRoute)

IfMatch = Annotated[
    str, Header(description="The etag the workflow must still have; else the answer is 412")
]
ValidateOnly = Annotated[
    bool, Query(description="Check the request and answer as if it had been done, storing nothing")
]
_MERGE_ATTEMPTS = 3


class CreateWorkflow(Body):
    """A new workflow."""

    name: Text = Field(default="", description="Taken from the definition when empty")
    description: Text = ""
    definition: Definition = Field(description="It may be incomplete, but not malformed")


class ImportWorkflow(Body):
    """A workflow to read: a definition as it is exported, or n8n's JSON."""

    document: Document = Field(
        description="As it lies in the file; whose format it is shows from what is in it"
    )
    name: Text = Field(default="", description="Taken from the document when empty")


class UpdateWorkflow(Body):
    """A JSON Merge Patch; a changed definition makes a new version."""

    name: Text | None = None
    description: Text | None = None
    definition: Document | None = Field(
        default=None, description="Merged into the latest definition; lists are replaced"
    )
    etag: Text = Field(default="", description="The same as If-Match")
    note: Text = Field(default="", description="Why, kept with the new version")


class ListWorkflows(Page):
    """Which workflows."""

    name_contains: Text = ""


class ValidateWorkflow(Body):
    """A definition to check."""

    definition: Definition


class SimulateWorkflow(Body):
    """A definition to try out."""

    definition: Definition
    input: Input | None = None
    pinned: Document | None = Field(
        default=None, description="Data to answer with, from node id to list of items"
    )
    trigger_node_id: Text = ""
    ports: dict[Text, Text] = Field(
        default_factory=dict[str, str],
        description="By which port nodes answer that do not really run, by node id",
    )


class SimulateStoredWorkflow(Body):
    """What to try a stored workflow out with."""

    input: Input | None = None
    pinned: Document | None = None
    trigger_node_id: Text = ""
    ports: dict[Text, Text] = Field(
        default_factory=dict[str, str],
        description="By which port nodes answer that do not really run, by node id",
    )


class ActivateWorkflow(Body):
    """Which version to switch on."""

    version: Count = Field(default=0, description="The latest when 0")


@router.post(
    "", **returns(workflow_pb2.Workflow, 201, _200="It could be done; nothing was, as asked")
)
async def create_workflow(
    body: CreateWorkflow, clients: ClientsPart, validate_only: ValidateOnly = False
) -> Response:
    request = to_pb(workflow_service_pb2.CreateWorkflowRequest, body, validate_only=validate_only)
    answer = await clients.workflows.CreateWorkflow(request)
    return reply(answer.workflow, 200 if validate_only else 201)


@router.post(
    ":import",
    **returns(
        workflow_service_pb2.ImportWorkflowResponse,
        201,
        _200="It could be done; nothing was, as asked",
    ),
)
async def import_workflow(
    body: ImportWorkflow, clients: ClientsPart, validate_only: ValidateOnly = False
) -> Response:
    """Create a workflow from a document, with a report of what became of every node.

    A node without counterpart is kept as a placeholder, which blocks activation and says why.
    """
    request = to_pb(workflow_service_pb2.ImportWorkflowRequest, body, validate_only=validate_only)
    answer = await clients.workflows.ImportWorkflow(request)
    return reply(answer, 200 if validate_only else 201)


@router.get("", **returns(workflow_service_pb2.ListWorkflowsResponse))
async def list_workflows(
    query: Annotated[ListWorkflows, Query()], clients: ClientsPart
) -> Response:
    request = to_pb(workflow_service_pb2.ListWorkflowsRequest, query)
    return reply(await clients.workflows.ListWorkflows(request))


@router.get("/{workflow_id:id}", **returns(workflow_pb2.Workflow))
async def get_workflow(workflow_id: str, clients: ClientsPart) -> Response:
    return reply(await _get(clients, workflow_id))


@router.patch("/{workflow_id:id}", **returns(workflow_pb2.Workflow))
async def update_workflow(
    workflow_id: str,
    body: UpdateWorkflow,
    clients: ClientsPart,
    if_match: IfMatch = "",
    validate_only: ValidateOnly = False,
) -> Response:
    """Change what the patch names; in the definition too, members merge and lists are replaced."""
    etag = _read_etag(if_match) or body.etag
    if body.definition is None:
        request = _update(workflow_id, body, etag, validate_only, None)
        return reply((await clients.workflows.UpdateWorkflow(request)).workflow)
    # A patch of the definition holds for what was read, so it is written only if that still stands.
    for attempt in range(_MERGE_ATTEMPTS):
        current = await _get(clients, workflow_id)
        definition = _merged(current.definition.json or b"{}", body.definition)
        request = _update(workflow_id, body, etag or current.etag, validate_only, definition)
        try:
            return reply((await clients.workflows.UpdateWorkflow(request)).workflow)
        except Conflict as conflict:
            if etag or conflict.code != "ETAG_MISMATCH" or attempt == _MERGE_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


@router.delete("/{workflow_id:id}", **NO_CONTENT)
async def delete_workflow(
    workflow_id: str, clients: ClientsPart, if_match: IfMatch = ""
) -> Response:
    request = workflow_service_pb2.DeleteWorkflowRequest(
        workflow_id=workflow_id, etag=_read_etag(if_match)
    )
    await clients.workflows.DeleteWorkflow(request)
    return Response(status_code=204)


@router.post(":validate", **returns(workflow_service_pb2.ValidateWorkflowResponse))
async def validate_workflow(body: ValidateWorkflow, clients: ClientsPart) -> Response:
    request = to_pb(workflow_service_pb2.ValidateWorkflowRequest, body)
    return reply(await clients.workflows.ValidateWorkflow(request))


@router.post(":simulate", **returns(simulation_service_pb2.SimulateWorkflowResponse))
async def simulate_workflow(body: SimulateWorkflow, clients: ClientsPart) -> Response:
    request = to_pb(simulation_service_pb2.SimulateWorkflowRequest, body)
    return reply(await clients.simulation.SimulateWorkflow(request))


@router.post("/{workflow_id:id}:validate", **returns(workflow_service_pb2.ValidateWorkflowResponse))
async def validate_stored_workflow(workflow_id: str, clients: ClientsPart) -> Response:
    """Check the latest version."""
    workflow = await _get(clients, workflow_id)
    request = workflow_service_pb2.ValidateWorkflowRequest(definition=workflow.definition)
    return reply(await clients.workflows.ValidateWorkflow(request))


@router.post(
    "/{workflow_id:id}:simulate", **returns(simulation_service_pb2.SimulateWorkflowResponse)
)
async def simulate_stored_workflow(
    workflow_id: str, clients: ClientsPart, body: SimulateStoredWorkflow | None = None
) -> Response:
    """Try the latest version out."""
    workflow = await _get(clients, workflow_id)
    request = to_pb(simulation_service_pb2.SimulateWorkflowRequest, body)
    request.definition.CopyFrom(workflow.definition)
    return reply(await clients.simulation.SimulateWorkflow(request))


@router.get("/{workflow_id:id}/readiness", **returns(workflow_service_pb2.CheckReadinessResponse))
async def check_readiness(
    workflow_id: str, clients: ClientsPart, version: Annotated[Count, Query()] = 0
) -> Response:
    """What is missing before a version (the latest when 0) can be activated."""
    request = workflow_service_pb2.CheckReadinessRequest(workflow_id=workflow_id, version=version)
    return reply(await clients.workflows.CheckReadiness(request))


@router.post("/{workflow_id:id}:activate", **returns(workflow_pb2.Workflow))
async def activate_workflow(
    workflow_id: str, clients: ClientsPart, body: ActivateWorkflow | None = None
) -> Response:
    """Pin a version and switch its triggers on."""
    request = to_pb(workflow_service_pb2.ActivateWorkflowRequest, body, workflow_id=workflow_id)
    return reply((await clients.workflows.ActivateWorkflow(request)).workflow)


@router.post("/{workflow_id:id}:deactivate", **returns(workflow_pb2.Workflow))
async def deactivate_workflow(workflow_id: str, clients: ClientsPart) -> Response:
    """Switch the triggers off, at once."""
    request = workflow_service_pb2.DeactivateWorkflowRequest(workflow_id=workflow_id)
    return reply((await clients.workflows.DeactivateWorkflow(request)).workflow)


async def _get(clients: ClientsPart, workflow_id: str) -> workflow_pb2.Workflow:
    request = workflow_service_pb2.GetWorkflowRequest(workflow_id=workflow_id)
    return (await clients.workflows.GetWorkflow(request)).workflow


def _merged(definition: bytes, patch: Document) -> Any:
    try:
        return merge(orjson.loads(definition), patch)
    except RecursionError as error:
        violation = Violation("/definition", "invalid_value", "It is nested too deeply.")
        raise InvalidInput("A value does not fit.", violations=[violation]) from error


def _update(
    workflow_id: str, body: UpdateWorkflow, etag: str, validate_only: bool, definition: Any
) -> workflow_service_pb2.UpdateWorkflowRequest:
    """The change a patch asks for; a null empties what may be empty."""
    said = body.model_fields_set
    return to_pb(
        workflow_service_pb2.UpdateWorkflowRequest,
        workflow_id=workflow_id,
        name=(body.name or "") if "name" in said else None,
        description=(body.description or "") if "description" in said else None,
        definition=definition,
        etag=etag,
        note=body.note,
        validate_only=validate_only,
    )


def _read_etag(if_match: str) -> str:
    """The etag in an If-Match header; `*` asks for nothing in particular."""
    tag = if_match.strip().removeprefix("W/").strip('"')
    return "" if tag == "*" else tag
