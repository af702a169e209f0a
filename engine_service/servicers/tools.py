"""Tools: the tenant's active workflows as its MCP server offers them, and calls of them.

A call is stored as the beginning of a run before anything else happens. Whoever called waits for
what a node responds, or for the run's end, and is told where the run stands if that takes longer.
"""

from dataclasses import dataclass
from typing import Any, cast

import orjson
import structlog
from pydantic import ValidationError

from engine_service.blobs.showing import Results
from engine_service.catalogue import Catalogue
from engine_service.encoding import NotJson, encode
from engine_service.running.feed import Feed, Ticket
from engine_service.running.journal import Journal
from engine_service.sdk.node import Offer
from engine_service.sdk.trigger import ToolTrigger
from engine_service.store import triggers
from engine_service.store.run_rows import StoredRun
from engine_service.store.runs import NewRun
from engine_service.store.triggers import LiveTrigger
from engine_service.triggering.hooks import tool_place
from engine_service.values.forms import form_validator, misfits
from engine_service.wire import workflows as wire
from shared.clock import Clock
from shared.database import Database
from shared.errors import InvalidInput, NotFound, Violation
from shared.identity import Role
from shared.ids import new_id
from shared.pages import read_page
from shared.pb.flowloom.engine.v1 import run_pb2, tool_service_pb2_grpc
from shared.pb.flowloom.engine.v1 import tool_service_pb2 as pb
from shared.rpc import call
from shared.workflow import JsonObject

log = structlog.get_logger()

_LONGEST_WAIT = 60.0
_MARGIN = 0.5  # what is left of the deadline to answer in
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Desk:
    """What begins runs and tells what became of them."""

    journal: Journal
    feed: Feed
    results: Results


class ToolServicer(tool_service_pb2_grpc.ToolServiceServicer):
    """flowloom.engine.v1.ToolService.

    Args:
        database: Acts as flowloom_app.
    """

    def __init__(self, database: Database, catalogue: Catalogue, desk: Desk, clock: Clock) -> None:
        self._database = database
        self._catalogue = catalogue
        self._desk = desk
        self._clock = clock
        self._kinds = [one.type for one in catalogue if isinstance(one, ToolTrigger)]

    async def ListTools(self, request: pb.ListToolsRequest, context: Any) -> pb.ListToolsResponse:
        caller = call.caller()
        page = read_page(request.page_size, request.page_token, "tools")
        async with self._database.transaction(caller.tenant_id) as connection:
            rows = await triggers.list_triggers(connection, page, kinds=self._kinds)
        kept, token = page.cut(rows, lambda row: row.id)
        offers = [(row, self._offer(row)) for row in kept]
        tools = [
            pb.Tool(
                name=offer.name,
                description=offer.description,
                input_schema=wire.document(offer.arguments),
                read_only=offer.repeatable,
                workflow_id=row.workflow_id,
            )
            for row, offer in offers
            if offer is not None
        ]
        return pb.ListToolsResponse(tools=tools, next_page_token=token)

    async def CallTool(self, request: pb.CallToolRequest, context: Any) -> pb.CallToolResponse:
        caller = call.caller(Role.OPERATOR)
        row, offer = await self._find(caller.tenant_id, request.name)
        run = self._run(row, _arguments(request.arguments.json, offer.arguments))
        desk = self._desk
        with desk.feed.ticket(run.tenant_id, run.id) as ticket:
            if await desk.journal.start(run) is None:
                raise _no_tool()  # it has been turned off meanwhile
            await desk.feed.wait(ticket, _patience(request), for_response=True)
            return await self._told(run.id, ticket)

    async def _find(self, tenant_id: str, name: str) -> tuple[LiveTrigger, Offer]:
        row = None
        if 0 < len(name) <= _LONGEST_NAME:
            async with self._database.transaction(tenant_id) as connection:
                row = await triggers.find_by_path(connection, tool_place(tenant_id, name))
        offer = None if row is None else self._offer(row)
        if row is None or offer is None:
            raise _no_tool()
        return row, offer

    def _offer(self, row: LiveTrigger) -> Offer | None:
        """What a live trigger offers; None if this engine cannot tell."""
        trigger = self._catalogue.find(row.type)
        try:
            assert isinstance(trigger, ToolTrigger), "only such are looked for"
            return trigger.tool(trigger.Parameters.model_validate(row.parameters))
        except ValidationError as error:
            log.error("trigger_unreadable", trigger_id=row.id, error=str(error))
            return None

    def _run(self, row: LiveTrigger, given: str) -> NewRun:
        return NewRun(
            id=new_id("run"),
            tenant_id=row.tenant_id,
            workflow_id=row.workflow_id,
            version=row.version,
            mode="live",
            trigger=row.type,
            trigger_node_id=row.node_id,
            input=given,
            created_at=self._clock.now(),
            trigger_id=row.id,
        )

    async def _told(self, run_id: str, ticket: Ticket) -> pb.CallToolResponse:
        """Where the run stands, with what it gave or why it failed."""
        if ticket.run is None:
            told = pb.CallToolResponse(run_id=run_id, status=run_pb2.RUN_STATUS_RUNNING)
            if ticket.response is not None:
                told.result.CopyFrom(wire.document(ticket.response["body"]))
            return told
        run = await self._desk.results.whole(ticket.run)
        error = run_pb2.RunError(**run.error) if run.error else None
        status = run_pb2.RunStatus.Value(f"RUN_STATUS_{run.status.upper()}")
        told = pb.CallToolResponse(run_id=run_id, status=status, error=error)
        if run.response is not None or run.status == "completed":
            told.result.CopyFrom(wire.document(_result(run)))
        return told


def _patience(request: pb.CallToolRequest) -> float:
    """How long to wait: as long as is asked for and the call itself may take."""
    wished = request.wait.ToTimedelta().total_seconds() if request.HasField("wait") else 0.0
    remaining = call.remaining_seconds()
    most = _LONGEST_WAIT if remaining is None else max(0.0, remaining - _MARGIN)
    return max(0.0, min(wished, most, _LONGEST_WAIT))


def _result(run: StoredRun) -> Any:
    """What a run gave: the response of a node, or the data of its items, one alone as it is."""
    if run.response is not None:
        return orjson.loads(run.response)["body"]
    if run.output is None:
        return {"message": "What the run gave is too large for an answer.", "run_id": run.id}
    objects = [item["json"] for item in orjson.loads(run.output)]
    return objects[0] if len(objects) == 1 else objects


def _arguments(document: bytes, schema: JsonObject) -> str:
    """A call's arguments as a run's input.

    Raises:
        InvalidInput: They are no object, or do not fit what the tool takes.
    """
    try:
        value: Any = orjson.loads(document or b"{}")
        if not isinstance(value, dict):
            raise ValueError("not an object")
        given = cast("JsonObject", value)
        text = encode([{"json": given}])
    except (ValueError, NotJson) as error:
        violation = Violation("/arguments", "not_an_object", "The arguments are no JSON object.")
        raise InvalidInput("The arguments are no object.", violations=[violation]) from error
    if found := misfits(form_validator(schema), given, ["arguments"]):
        message = "The arguments do not fit what the tool takes."
        raise InvalidInput(message, reason="INPUT_INVALID", violations=found)
    return text


def _no_tool() -> NotFound:
    return NotFound("There is no such tool.", reason="TOOL_NOT_FOUND")
