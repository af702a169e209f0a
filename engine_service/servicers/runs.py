"""Runs: started, read, followed, cancelled and repeated."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from engine_service.blobs.showing import Results
from engine_service.running import traces
from engine_service.running.feed import Feed
from engine_service.running.journal import Journal
from engine_service.running.repeating import From, Repeating
from engine_service.running.worker import Databases
from engine_service.sdk.failure import NodeError
from engine_service.store import runs, workflows
from engine_service.store.run_rows import (
    StoredRun,
    get_run,
    get_trail,
    list_runs,
    read_events,
    read_journal,
)
from engine_service.store.runs import NewRun
from engine_service.wire import runs as wire
from shared.clock import Clock
from shared.errors import Conflict, InvalidInput, Unavailable, Violation
from shared.identity import Principal, Role
from shared.ids import is_id, new_id
from shared.pages import read_page
from shared.pb.flowloom.engine.v1 import run_pb2, run_service_pb2, run_service_pb2_grpc
from shared.rpc import call
from shared.tracing import spans

_LONGEST_KEY = 255
_LONGEST_REASON = 2_000
_MODES = {
    run_pb2.RUN_MODE_UNSPECIFIED: "live",
    run_pb2.RUN_MODE_LIVE: "live",
    run_pb2.RUN_MODE_TEST: "test",
}
_MARGIN_SECONDS = 0.25  # what is left of the deadline to answer in


class KeyReused(InvalidInput):
    """The idempotency key has started another run than the one that is asked for."""

    reason = "IDEMPOTENCY_KEY_REUSED"


class RunServicer(run_service_pb2_grpc.RunServiceServicer):
    """flowloom.engine.v1.RunService."""

    def __init__(
        self,
        databases: Databases,
        repeating: Repeating,
        journal: Journal,
        feed: Feed,
        results: Results,
        clock: Clock,
    ) -> None:
        self._results = results
        self._databases = databases
        self._startables = repeating.startables
        self._repeating = repeating
        self._journal = journal
        self._feed = feed
        self._clock = clock

    async def StartRun(
        self, request: run_service_pb2.StartRunRequest, context: Any
    ) -> run_service_pb2.StartRunResponse:
        caller = call.caller(Role.OPERATOR)
        async with self._databases.app.transaction(caller.tenant_id) as connection:
            workflow = await workflows.get_workflow(connection, request.workflow_id)
            version = request.version or workflow.latest_version
            startable = await self._startables.get(connection, workflow.id, version)
        node_id = startable.begin_at(request.trigger_node_id)
        run = NewRun(
            id=new_id("run"),
            tenant_id=caller.tenant_id,
            workflow_id=workflow.id,
            version=version,
            mode=_mode(request.mode),
            trigger="api",
            trigger_node_id=node_id,
            input=startable.check_input(node_id, request.input.json),
            created_at=self._clock.now(),
            idempotency_key=_key(caller, request.idempotency_key),
            priority=_priority(request),
        )
        seconds = request.wait.ToTimedelta().total_seconds() if request.HasField("wait") else 0.0
        started = await self._results.whole(await self._start(run, seconds))
        return run_service_pb2.StartRunResponse(run=wire.to_run(started))

    async def GetRun(
        self, request: run_service_pb2.GetRunRequest, context: Any
    ) -> run_service_pb2.GetRunResponse:
        caller = call.caller()
        full = request.view == run_service_pb2.RUN_VIEW_FULL
        async with self._databases.app.transaction(caller.tenant_id) as connection:
            run = await get_run(connection, request.run_id)
            if not full:
                journal, events = [], []
            else:
                journal = await read_journal(connection, run.id)
                events = await read_events(connection, run.id, after=0, at_most=None)
        run = await self._results.whole(run)
        journal = await self._results.outputs(run, journal)
        skipped = [event for event in events if event.type == "node.skipped"]
        nodes = wire.to_node_runs(journal, skipped, ended=run.ended_at is not None)
        return run_service_pb2.GetRunResponse(run=wire.to_run(run, nodes))

    async def ListRuns(
        self, request: run_service_pb2.ListRunsRequest, context: Any
    ) -> run_service_pb2.ListRunsResponse:
        caller = call.caller()
        status = _status(request.status)
        mode = _mode(request.mode) if request.mode else ""
        asked = f"{request.workflow_id} {status} {mode}".rstrip()
        page = read_page(request.page_size, request.page_token, asked)
        if request.workflow_id and not is_id("wf", request.workflow_id):
            return run_service_pb2.ListRunsResponse()
        async with self._databases.app.transaction(caller.tenant_id) as connection:
            rows = await list_runs(connection, page, request.workflow_id, status, mode)
        kept, token = page.cut(rows, lambda run: run.id)
        return run_service_pb2.ListRunsResponse(
            runs=[wire.to_run(run) for run in kept], next_page_token=token
        )

    async def CancelRun(
        self, request: run_service_pb2.CancelRunRequest, context: Any
    ) -> run_service_pb2.CancelRunResponse:
        caller = call.caller(Role.OPERATOR)
        reason, ended = _text(request.reason, "reason", _LONGEST_REASON), False
        if is_id("run", request.run_id):
            now = self._clock.now()
            async with self._databases.worker.transaction() as connection:
                ended = await runs.cancel(connection, caller.tenant_id, request.run_id, reason, now)
        async with self._databases.app.transaction(caller.tenant_id) as connection:
            run = await get_run(connection, request.run_id)
            if ended and spans.is_on():
                traces.tell_run(run, await get_trail(connection, run.id), run.status, run.ended_at)
        return run_service_pb2.CancelRunResponse(run=wire.to_run(run))

    async def RetryRun(
        self, request: run_service_pb2.RetryRunRequest, context: Any
    ) -> run_service_pb2.RetryRunResponse:
        caller = call.caller(Role.OPERATOR)
        key = _key(caller, request.idempotency_key)
        now = self._clock.now()
        run = await self._repeating.whole(caller.tenant_id, request.run_id, key, now)
        return run_service_pb2.RetryRunResponse(run=wire.to_run(await self._start(run, 0.0)))

    async def RerunFrom(
        self, request: run_service_pb2.RerunFromRequest, context: Any
    ) -> run_service_pb2.RerunFromResponse:
        caller = call.caller(Role.OPERATOR)
        key = _key(caller, request.idempotency_key)
        latest = request.definition == run_service_pb2.RERUN_DEFINITION_LATEST
        start = From(request.from_node, request.iteration, latest)
        run, begun = await self._repeating.begin_from(
            caller.tenant_id, request.run_id, start, key, self._clock.now()
        )
        if begun.created:
            return run_service_pb2.RerunFromResponse(run=wire.to_run(just_queued(run)))
        await self._check_same(run, begun.id)
        known = await self._as_it_stands(replace(run, id=begun.id), 1.0)
        return run_service_pb2.RerunFromResponse(run=wire.to_run(known))

    async def WatchRun(
        self, request: run_service_pb2.WatchRunRequest, context: Any
    ) -> AsyncIterator[run_service_pb2.WatchRunResponse]:
        caller = call.caller()
        if request.after_sequence < 0:
            violation = Violation("/after_sequence", "too_small", "Sequences begin at 1.")
            raise InvalidInput("The sequence is negative.", violations=[violation])
        follow = self._feed.follow(caller.tenant_id, request.run_id, request.after_sequence)
        async for events in follow:
            yield run_service_pb2.WatchRunResponse(
                events=[wire.to_event(event) for event in events]
            )

    async def DownloadFile(
        self, request: run_service_pb2.DownloadFileRequest, context: Any
    ) -> AsyncIterator[run_service_pb2.DownloadFileResponse]:
        tenant_id = call.caller().tenant_id
        blob, blobs = await self._results.file(tenant_id, request.run_id, request.blob_id)
        yield run_service_pb2.DownloadFileResponse(
            file_name=blob.file_name, media_type=blob.media_type, size=blob.size
        )
        try:
            async for piece in blobs.stream(blob.id):
                yield run_service_pb2.DownloadFileResponse(data=piece)
        except NodeError as error:
            raise Unavailable(error.failure.message) from error

    async def _start(self, run: NewRun, seconds: float) -> StoredRun:
        """Store a run, and give it its time; as it stands then."""
        remaining = call.remaining_seconds()
        if remaining is not None:
            seconds = min(seconds, max(0.0, remaining - _MARGIN_SECONDS))
        with self._feed.ticket(run.tenant_id, run.id) as ticket:
            begun = await self._journal.start(run)
            if begun is None:
                raise Conflict("The trigger is no longer live.", reason="TRIGGER_GONE")
            if begun.created:
                await self._feed.wait(ticket, seconds)
                return ticket.run or await self._as_it_stands(run, seconds)
        await self._check_same(run, begun.id)
        with self._feed.ticket(run.tenant_id, begun.id) as ticket:
            ticket.changed.set()  # it began earlier, so look at once
            await self._feed.wait(ticket, seconds)
            return ticket.run or await self._as_it_stands(replace(run, id=begun.id), 1.0)

    async def _check_same(self, run: NewRun, run_id: str) -> None:
        """See whether the run that a key has started is the one that is asked for now.

        The version is not compared: "the latest" may have become another one in between.

        Raises:
            KeyReused: It is not.
        """
        async with self._databases.app.transaction(run.tenant_id) as connection:
            known = await get_run(connection, run_id)
        origin = run.retry_of, run.origin.rerun_from
        asked = (run.workflow_id, run.mode, run.trigger_node_id, *origin, run.input)
        if asked != (
            known.workflow_id,
            known.mode,
            known.trigger_node_id,
            known.retry_of,
            known.rerun_from,
            known.input,
        ):
            raise KeyReused("This idempotency key was used for a different run.")

    async def _as_it_stands(self, run: NewRun, seconds: float) -> StoredRun:
        if not seconds:
            return just_queued(run)
        async with self._databases.app.transaction(run.tenant_id) as connection:
            return await get_run(connection, run.id)


def just_queued(run: NewRun) -> StoredRun:
    """A run at the moment it is stored."""
    return StoredRun(
        id=run.id,
        tenant_id=run.tenant_id,
        workflow_id=run.workflow_id,
        version=run.version,
        status="queued",
        mode=run.mode,
        trigger=run.trigger,
        trigger_node_id=run.trigger_node_id,
        input=run.input,
        output=None,
        response=None,
        error=None,
        created_at=run.created_at,
        started_at=None,
        ended_at=None,
        last_sequence=1,
        retry_of=run.retry_of,
        rerun_from=run.origin.rerun_from,
    )


def _mode(mode: "run_pb2.RunMode.ValueType") -> str:
    if mode not in _MODES:
        violation = Violation("/mode", "unknown", "A run is live or a test.")
        raise InvalidInput("There is no such mode.", violations=[violation])
    return _MODES[mode]


def _priority(request: run_service_pb2.StartRunRequest) -> int | None:
    if not request.HasField("priority"):
        return None
    if not 0 <= request.priority <= 9:
        violation = Violation("/priority", "out_of_range", "Priorities go from 0 to 9.")
        raise InvalidInput("There is no such priority.", violations=[violation])
    return request.priority


def _status(status: "run_pb2.RunStatus.ValueType") -> str:
    if status == run_pb2.RUN_STATUS_UNSPECIFIED:
        return ""
    if status not in run_pb2.RunStatus.values():
        violation = Violation("/status", "unknown", "There is no such status.")
        raise InvalidInput("There is no such status.", violations=[violation])
    return run_pb2.RunStatus.Name(status).removeprefix("RUN_STATUS_").lower()


def _key(caller: Principal, key: str) -> str | None:
    """The caller's idempotency key, kept apart from those of others and of triggers."""
    checked = _text(key, "idempotency_key", _LONGEST_KEY)
    return f"api:{caller.subject}:{checked}" if key else None


def _text(text: str, field: str, longest: int) -> str:
    if len(text) > longest or "\0" in text:
        violation = Violation(f"/{field}", "invalid_text", f"At most {longest} characters.")
        raise InvalidInput(f"The {field} cannot be kept.", violations=[violation])
    return text
