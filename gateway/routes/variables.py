"""Variables: values that expressions see as `$vars`."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import Field
from starlette.responses import Response

from gateway.gate import UserRoute
from gateway.parts import ClientsPart
from gateway.replies import NO_CONTENT, reply, returns
from gateway.shapes import Body, Page, Text
from gateway.wire import to_pb
from shared.pb.flowloom.engine.v1 import variable_pb2
from shared.pb.flowloom.engine.v1 import variable_service_pb2 as pb

router = APIRouter(prefix="/v1/variables", tags=["variables"], route_class=UserRoute)

IfMatch = Annotated[
    str, Header(description="The etag the variable must still have; else the answer is 412")
]


class CreateVariable(Body):
    """A new variable; no place for secrets."""

    name: Text = Field(description="As expressions say it: `$vars.name`")
    value: Any = Field(description="Any JSON but null")
    description: Text = ""


class UpdateVariable(Body):
    """What to change."""

    name: Text | None = None
    value: Any = Field(default=None, description="Any JSON but null, which leaves it as it is")
    description: Text | None = None
    etag: Text = Field(default="", description="The same as If-Match")


class ListVariables(Page):
    """Which variables."""


@router.post("", **returns(variable_pb2.Variable, 201))
async def create_variable(body: CreateVariable, clients: ClientsPart) -> Response:
    request = to_pb(pb.CreateVariableRequest, body)
    return reply((await clients.variables.CreateVariable(request)).variable, 201)


@router.get("", **returns(pb.ListVariablesResponse))
async def list_variables(
    query: Annotated[ListVariables, Query()], clients: ClientsPart
) -> Response:
    request = to_pb(pb.ListVariablesRequest, query)
    return reply(await clients.variables.ListVariables(request))


@router.get("/{variable_id:id}", **returns(variable_pb2.Variable))
async def get_variable(variable_id: str, clients: ClientsPart) -> Response:
    request = pb.GetVariableRequest(variable_id=variable_id)
    return reply((await clients.variables.GetVariable(request)).variable)


@router.patch("/{variable_id:id}", **returns(variable_pb2.Variable))
async def update_variable(
    variable_id: str, body: UpdateVariable, clients: ClientsPart, if_match: IfMatch = ""
) -> Response:
    said = body.model_fields_set
    request = to_pb(
        pb.UpdateVariableRequest,
        variable_id=variable_id,
        name=body.name,
        value=body.value,
        description=(body.description or "") if "description" in said else None,
        etag=_read_etag(if_match) or body.etag,
    )
    return reply((await clients.variables.UpdateVariable(request)).variable)


@router.delete("/{variable_id:id}", **NO_CONTENT)
async def delete_variable(
    variable_id: str, clients: ClientsPart, if_match: IfMatch = ""
) -> Response:
    request = pb.DeleteVariableRequest(variable_id=variable_id, etag=_read_etag(if_match))
    await clients.variables.DeleteVariable(request)
    return Response(status_code=204)


def _read_etag(if_match: str) -> str:
    """The etag in an If-Match header; `*` asks for nothing in particular."""
    tag = if_match.strip().removeprefix("W/").strip('"')
    return "" if tag == "*" else tag
