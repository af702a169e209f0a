"""Triggers: what starts the active workflows."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from gateway.gate import UserRoute
from gateway.parts import ClientsPart
from gateway.replies import reply, returns
from gateway.shapes import Body, Input, Page, Text
from gateway.wire import to_pb
from shared.pb.flowloom.engine.v1 import run_pb2, trigger_pb2, trigger_service_pb2

router = APIRouter(prefix="/v1/triggers", tags=["triggers"], route_class=UserRoute)


class ListTriggers(Page):
    """Which triggers."""

    workflow_id: Text = ""


class TestTrigger(Body):
    """What is to set it off."""

    __test__ = False

    event: Input | None = None


@router.get("", **returns(trigger_service_pb2.ListTriggersResponse))
async def list_triggers(query: Annotated[ListTriggers, Query()], clients: ClientsPart) -> Response:
    request = to_pb(trigger_service_pb2.ListTriggersRequest, query)
    return reply(await clients.triggers.ListTriggers(request))


@router.get("/{trigger_id:id}", **returns(trigger_pb2.Trigger))
async def get_trigger(trigger_id: str, clients: ClientsPart) -> Response:
    request = trigger_service_pb2.GetTriggerRequest(trigger_id=trigger_id)
    return reply((await clients.triggers.GetTrigger(request)).trigger)


@router.post("/{trigger_id:id}:test", **returns(run_pb2.Run, 202))
async def test_trigger(
    trigger_id: str,
    clients: ClientsPart,
    body: TestTrigger | None = None,  # noqa: PT028 - an operation by this name, no test
) -> Response:
    """Start a test run as if something had set the trigger off."""
    request = to_pb(trigger_service_pb2.TestTriggerRequest, body, trigger_id=trigger_id)
    return reply((await clients.triggers.TestTrigger(request)).run, 202)
