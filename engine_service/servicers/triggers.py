"""Triggers: which ones are live, and what arrives from outside.

A webhook's delivery is verified, stored as the beginning of a run, and only then answered. Its
sender gets the run's id at once (202), what the last node gave, or what a node responds, as the
trigger says. A run that takes longer than its sender can wait goes on by itself: 202 then as well,
so that nobody sends again what is being done.
"""

from collections.abc import Iterable
from typing import Any

from engine_service import hooks
from engine_service import wire_workflows as wire
from engine_service.blobs.showing import Results
from engine_service.encoding import NotJson, encode
from engine_service.feed import Feed, Ticket
from engine_service.hooks import Answer, Listener, Listeners
from engine_service.journal import Journal
from engine_service.store import triggers
from engine_service.store.runs import InsertedRun, NewRun
from engine_service.trigger import Accepted, Answered, IncomingRequest, Refused
from shared.clock import Clock
from shared.database import Database
from shared.errors import NotFound
from shared.ids import is_id, new_id
from shared.pages import read_page
from shared.pb.flowloom.engine.v1 import trigger_service_pb2, trigger_service_pb2_grpc
from shared.rpc import call

AT_ONCE, RESPOND_NODE = "at_once", "respond_node"
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
        return trigger_service_pb2.GetTriggerResponse(trigger=wire.to_trigger(trigger))

    async def FireWebhook(
        self, request: trigger_service_pb2.FireWebhookRequest, context: Any
    ) -> trigger_service_pb2.FireWebhookResponse:
        incoming = _incoming(request)
        listener, fresh = await self._listeners.get(request.path)
        verdict = self._receive(listener, incoming)
        if isinstance(verdict, Refused) and not fresh:
            listener = await self._listeners.look_up(request.path)
            verdict = self._receive(listener, incoming)
        if isinstance(verdict, Refused):
            return _response("", hooks.refused(verdict.status, verdict.message))
        if isinstance(verdict, Answered):
            return _response("", hooks.answered(verdict.body))
        try:
            run = self._run(listener, verdict)
        except NotJson as error:
            return _response("", hooks.refused(400, str(error)))
        with self._feed.ticket(run.tenant_id, run.id) as ticket:
            begun = await self._journal.start(run)
            if begun is not None and begun.created:
                return await self._answer(begun, ticket, verdict)
        if begun is None:
            # What was kept in memory is live no more; something else may be, under this path.
            current = await self._listeners.look_up(request.path)
            if current.row.id != listener.row.id:
                return await self.FireWebhook(request, context)
            raise NotFound("No webhook listens here.", reason="HOOK_NOT_FOUND")
        with self._feed.ticket(run.tenant_id, begun.id) as ticket:
            ticket.changed.set()  # it began earlier, so look at once
            return await self._answer(begun, ticket, verdict)

    def _receive(
        self, listener: Listener, incoming: IncomingRequest
    ) -> Accepted | Answered | Refused:
        row, now = listener.row, self._clock.now()
        return listener.trigger.receive(listener.parameters, incoming, row.secret, now)

    def _run(self, listener: Listener, accepted: Accepted) -> NewRun:
        row = listener.row
        return NewRun(
            id=new_id("run"),
            tenant_id=row.tenant_id,
            workflow_id=row.workflow_id,
            version=row.version,
            mode="live",
            trigger=row.type,
            trigger_node_id=row.node_id,
            input=encode([accepted.item]),
            created_at=self._clock.now(),
            trigger_id=row.id,
            idempotency_key=listener.key(accepted.delivery_id),
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
    headers: dict[str, str] = {}
    for header in request.headers:
        name = header.name.lower()
        headers[name] = f"{headers[name]}, {header.value}" if name in headers else header.value
    return IncomingRequest(
        method=request.method,
        path=request.path,
        headers=headers,
        query=request.query,
        body=request.body,
        remote_address=request.remote_address,
    )


def _headers(headers: Iterable[tuple[str, str]]) -> list[trigger_service_pb2.Header]:
    return [trigger_service_pb2.Header(name=name, value=value) for name, value in headers]


def _response(run_id: str, answer: Answer) -> trigger_service_pb2.FireWebhookResponse:
    return trigger_service_pb2.FireWebhookResponse(
        run_id=run_id,
        status=answer.status,
        headers=_headers(answer.headers.items()),
        body=answer.body,
    )
