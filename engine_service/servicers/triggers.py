"""Triggers: which ones are live, and what arrives from outside.

A webhook's delivery is verified, stored as the beginning of a run, and only then answered. Its
sender gets the run's id at once (202), what the last node gave, or what a node responds, as the
trigger says. A run that takes longer than its sender can wait goes on by itself: 202 then as well,
so that nobody sends again what is being done.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson

from engine_service.blobs.showing import Results
from engine_service.encoding import NotJson, encode
from engine_service.running.feed import Feed, Ticket
from engine_service.running.journal import Journal
from engine_service.sdk.run_input import items_of
from engine_service.sdk.trigger import (
    Accepted,
    Answered,
    HostedTrigger,
    IncomingRequest,
    Refused,
    Trigger,
)
from engine_service.store import triggers
from engine_service.store.run_rows import get_run
from engine_service.store.runs import InsertedRun, NewRun
from engine_service.store.triggers import LiveTrigger
from engine_service.triggering import hooks
from engine_service.triggering.hooks import Answer, Listener, Listeners
from engine_service.triggering.scheduler import upcoming
from engine_service.wire import workflows as wire
from engine_service.wire.runs import to_run
from shared.clock import Clock
from shared.database import Database
from shared.errors import InvalidInput, NotFound, Violation
from shared.identity import Role
from shared.ids import is_id, new_id
from shared.pages import read_page
from shared.pb.flowloom.engine.v1 import trigger_service_pb2, trigger_service_pb2_grpc
from shared.rpc import call

AT_ONCE, RESPOND_NODE = "at_once", "respond_node"
_UPCOMING = 10
_DOORS = {trigger_service_pb2.DOOR_FORM: "form", trigger_service_pb2.DOOR_CHAT: "chat"}
_LONGEST_WAIT = 60.0
_MARGIN = 0.5  # what is left of the deadline to answer in


class TriggerServicer(trigger_service_pb2_grpc.TriggerServiceServicer):
    """flowloom.engine.v1.TriggerService.

    Args:
        database: Acts as flowloom_app.
        listeners: The live webhooks.
        journal: Stores the runs that deliveries begin.
        feed: Tells what became of them.
        results: Reads what they gave.
    """

    def __init__(
        self,
        database: Database,
        listeners: Listeners,
        journal: Journal,
        feed: Feed,
        results: Results,
        clock: Clock,
    ) -> None:
        self._results = results
        self._database = database
        self._listeners = listeners
        self._journal = journal
        self._feed = feed
        self._clock = clock

    async def ListTriggers(
        self, request: trigger_service_pb2.ListTriggersRequest, context: Any
    ) -> trigger_service_pb2.ListTriggersResponse:
        caller = call.caller()
        page = read_page(request.page_size, request.page_token, request.workflow_id)
        if request.workflow_id and not is_id("wf", request.workflow_id):
            return trigger_service_pb2.ListTriggersResponse()
        async with self._database.transaction(caller.tenant_id) as connection:
            rows = await triggers.list_triggers(connection, page, request.workflow_id)
        kept, token = page.cut(rows, lambda trigger: trigger.id)
        return trigger_service_pb2.ListTriggersResponse(
            triggers=[wire.to_trigger(trigger) for trigger in kept], next_page_token=token
        )

    async def GetTrigger(
        self, request: trigger_service_pb2.GetTriggerRequest, context: Any
    ) -> trigger_service_pb2.GetTriggerResponse:
        async with self._database.transaction(call.caller().tenant_id) as connection:
            trigger = await triggers.get_trigger(connection, request.trigger_id)
        times = upcoming(trigger, self._listeners.catalogue, _UPCOMING)
        return trigger_service_pb2.GetTriggerResponse(trigger=wire.to_trigger(trigger, times))

    async def TestTrigger(
        self, request: trigger_service_pb2.TestTriggerRequest, context: Any
    ) -> trigger_service_pb2.TestTriggerResponse:
        caller = call.caller(Role.OPERATOR)
        async with self._database.transaction(caller.tenant_id) as connection:
            row = await triggers.get_trigger(connection, request.trigger_id)
        run = replace(
            self._run_of(row, self._event(row, request.event.json)),
            mode="test",
        )
        if await self._journal.start(run) is None:
            raise NotFound("There is no such live trigger.", reason="TRIGGER_NOT_FOUND")
        async with self._database.transaction(caller.tenant_id) as connection:
            return trigger_service_pb2.TestTriggerResponse(
                run=to_run(await get_run(connection, run.id))
            )

    def _event(self, row: LiveTrigger, document: bytes) -> str:
        """What a test run gets, as JSON: what the caller says, or what such a trigger might give.

        Raises:
            InvalidInput: It is not JSON.
        """
        trigger = self._listeners.catalogue.get(row.type)
        assert isinstance(trigger, Trigger), "what is live is a trigger"
        if not document:
            parameters = trigger.Parameters.model_validate(row.parameters)
            return encode([trigger.example(parameters, self._clock.now(), row.timezone)])
        try:
            return encode(items_of(orjson.loads(document)))
        except ValueError as error:
            violation = Violation("/event", "not_json", "The event is not JSON.")
            raise InvalidInput("The event is not JSON.", violations=[violation]) from error

    async def FireWebhook(
        self, request: trigger_service_pb2.FireWebhookRequest, context: Any
    ) -> trigger_service_pb2.FireWebhookResponse:
        incoming, place = _incoming(request), _place(request.door, request.path)
        listener, fresh = await self._listeners.get(place)
        verdict = self._receive(listener, incoming)
        if isinstance(verdict, Refused) and not fresh:
            listener = await self._listeners.look_up(place)
            verdict = self._receive(listener, incoming)
        if isinstance(verdict, Refused):
            return _response("", hooks.refused(verdict))
        if isinstance(verdict, Answered):
            return _response("", hooks.answered(verdict.body))
        try:
            run = self._run(listener, verdict)
        except NotJson as error:
            return _response("", hooks.refused(Refused(400, str(error))))
        with self._feed.ticket(run.tenant_id, run.id) as ticket:
            begun = await self._journal.start(run)
            if begun is not None and begun.created:
                return await self._answer(begun, ticket, verdict)
        if begun is None:
            # What was kept in memory is live no more; something else may be, under this path.
            current = await self._listeners.look_up(place)
            if current.row.id != listener.row.id:
                return await self.FireWebhook(request, context)
            raise NotFound("No webhook listens here.", reason="HOOK_NOT_FOUND")
        with self._feed.ticket(run.tenant_id, begun.id) as ticket:
            ticket.changed.set()  # it began earlier, so look at once
            return await self._answer(begun, ticket, verdict)

    async def OpenPage(
        self, request: trigger_service_pb2.OpenPageRequest, context: Any
    ) -> trigger_service_pb2.OpenPageResponse:
        place = _place(request.door, request.path)
        listener = await self._listeners.look_up(place)
        if not isinstance(listener.trigger, HostedTrigger):
            raise NotFound("There is no page here.", reason="HOOK_NOT_FOUND")
        incoming = IncomingRequest(
            "GET", request.path, _merged(request.headers), "", b"", request.remote_address
        )
        page = listener.trigger.page(
            listener.parameters, incoming, listener.row.secret, self._clock.now()
        )
        if isinstance(page, Refused):
            return trigger_service_pb2.OpenPageResponse(status=page.status)
        return trigger_service_pb2.OpenPageResponse(page=wire.document(page), status=200)

    def _receive(
        self, listener: Listener, incoming: IncomingRequest
    ) -> Accepted | Answered | Refused:
        row, now = listener.row, self._clock.now()
        return listener.trigger.receive(listener.parameters, incoming, row.secret, now)

    def _run(self, listener: Listener, accepted: Accepted) -> NewRun:
        run = self._run_of(listener.row, encode([accepted.item]))
        return replace(run, idempotency_key=listener.key(accepted.delivery_id))

    def _run_of(self, row: LiveTrigger, given: str) -> NewRun:
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

    async def _answer(
        self, begun: InsertedRun, ticket: Ticket, accepted: Accepted
    ) -> trigger_service_pb2.FireWebhookResponse:
        """Answer as the trigger says, when there is something to say or the time is over."""
        if accepted.response_mode == AT_ONCE:
            return _response(begun.id, hooks.taken(begun.id))
        remaining = call.remaining_seconds()
        patience = _LONGEST_WAIT if remaining is None else max(0.0, remaining - _MARGIN)
        for_response = accepted.response_mode == RESPOND_NODE
        if not await self._feed.wait(ticket, patience, for_response=for_response):
            return _response(begun.id, hooks.taken(begun.id))
        if ticket.run is not None:
            return _response(begun.id, hooks.of_run(await self._results.whole(ticket.run)))
        return _response(begun.id, hooks.of_response(ticket.response or {}))


def _incoming(request: trigger_service_pb2.FireWebhookRequest) -> IncomingRequest:
    return IncomingRequest(
        method=request.method,
        path=request.path,
        headers=_merged(request.headers),
        query=request.query,
        body=request.body,
        remote_address=request.remote_address,
    )


def _merged(given: Iterable[trigger_service_pb2.Header]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for header in given:
        name = header.name.lower()
        headers[name] = f"{headers[name]}, {header.value}" if name in headers else header.value
    return headers


def _place(door: trigger_service_pb2.Door.ValueType, path: str) -> str:
    """Where a trigger is looked for; no tenant has the mark of a door in its name."""
    if ":" in path.partition("/")[0]:
        raise NotFound("No webhook listens here.", reason="HOOK_NOT_FOUND")
    return hooks.place(_DOORS.get(door, hooks.HOOK), path)


def _headers(headers: Iterable[tuple[str, str]]) -> list[trigger_service_pb2.Header]:
    return [trigger_service_pb2.Header(name=name, value=value) for name, value in headers]


def _response(run_id: str, answer: Answer) -> trigger_service_pb2.FireWebhookResponse:
    return trigger_service_pb2.FireWebhookResponse(
        run_id=run_id,
        status=answer.status,
        headers=_headers(answer.headers.items()),
        body=answer.body,
    )
