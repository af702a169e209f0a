"""Calls from one workflow to another: finds the callee, checks what it is given, begins its run.

A node sees this room as `Services.workflows`. What it returns as `Waiting(children=...)` is begun
together with its wait (`record.py`, `journal.py`); what it begins itself carries a key, so that an
attempt after a crash finds the same run again. The tenant is the calling run's, always.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from engine_service.catalogue import Catalogue
from engine_service.core.events import Iteration, NodeWaited, iteration_text
from engine_service.core.state import Execution
from engine_service.definitions.startable import Startable, Startables, startable_of
from engine_service.definitions.validate import require_valid, validate
from engine_service.encoding import NotJson, decode, encode
from engine_service.running.attempt import RunFacts
from engine_service.running.feed import Feed
from engine_service.sdk.node import Callee, ChildEnd, ChildRun, Failed, NodeError, Workflows
from engine_service.store.run_rows import StoredRun, get_run
from engine_service.store.runs import InsertedRun, NewRun, Origin
from engine_service.store.versions import get_version
from engine_service.store.workflows import StoredWorkflow, find_by_name, get_workflow
from shared.clock import Clock
from shared.database import Database
from shared.errors import AppError, InvalidInput, NotFound, Unavailable
from shared.ids import is_id, new_id
from shared.workflow import Item, JsonObject, Workflow, parse

CALLED = "trigger.workflow"
BY_HAND = "trigger.manual"
ON_ERROR = "trigger.error"
MOST_DEEP = 16
"""How many runs may stand above one another."""
ATTENDED = -1
"""Stands for the attempt of a parent that stays awake while its child runs."""
_STAY_SECONDS = 3_600.0


class Begin(Protocol):
    """What begins a run: `Journal.start`."""

    async def __call__(self, run: NewRun) -> InsertedRun | None: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """What calls: an execution of a node in a run."""

    run: RunFacts
    node_id: str
    iteration: Iteration

    def child(self, child: ChildRun, place: str, clock: Clock, **origin: int) -> NewRun:
        """The run that it wants begun; `place` sets it apart among those of the same execution."""
        iteration, run, callee = iteration_text(self.iteration), self.run, child.callee
        return NewRun(
            id=new_id("run"),
            tenant_id=run.tenant_id,
            workflow_id=callee.workflow_id,
            version=callee.version,
            mode=run.mode,
            trigger=CALLED,
            trigger_node_id=callee.trigger_node_id,
            input=encode(child.items),
            created_at=clock.now(),
            idempotency_key=f"child:{run.id}:{self.node_id}:{iteration}:{place}",
            origin=Origin(
                parent_run_id=run.id,
                parent_node_id=self.node_id,
                parent_iteration=iteration,
                parent_attempt=origin.get("attempt", 0),
                parent_index=origin.get("index", 0),
                depth=run.depth + 1,
                error_of=run.error_of,
                definition=callee.definition,
            ),
        )


def awaited(
    run: RunFacts, fact: NodeWaited, children: Sequence[ChildRun], clock: Clock
) -> list[NewRun]:
    """The runs that an attempt waits for, to begin with its wait."""
    caller = Caller(run, fact.node_id, fact.iteration)
    return [
        caller.child(child, f"{fact.attempt}:{index}", clock, attempt=fact.attempt, index=index)
        for index, child in enumerate(children)
    ]


class Calls:
    """Gives every execution its `Services.workflows`.

    Args:
        database: Acts as flowloom_app.
        begin: Begins a run.
    """

    def __init__(
        self, database: Database, catalogue: Catalogue, begin: Begin, feed: Feed, clock: Clock
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._startables = Startables(catalogue)
        self._begin = begin
        self._feed = feed
        self._clock = clock

    def of(self, run: RunFacts, execution: Execution) -> Workflows:
        """What one execution of a node may call."""
        return _NodeCalls(self, Caller(run, *execution.key))

    async def find(self, tenant_id: str, wanted: str, *kinds: str) -> tuple[Callee, Startable]:
        """A workflow of a tenant that has an enabled trigger of one of these kinds.

        The version that is active counts, or the latest one if none is.

        Raises:
            NotFound: There is none of this id or name.
            InvalidInput: Several have the name, it is not valid, or it has no such trigger.
            Unavailable: The database is away.
        """
        async with self._database.transaction(tenant_id) as connection:
            if is_id("wf", wanted):
                workflow = await get_workflow(connection, wanted)
            else:
                workflow = _only(await find_by_name(connection, wanted), wanted)
            version = workflow.active_version or workflow.latest_version
            startable = await self._startables.get(connection, workflow.id, version)
        trigger = _begins_at(startable, workflow.name, kinds)
        return Callee(workflow.id, workflow.name, version, trigger), startable

    def compose(self, caller: Caller, definition: JsonObject) -> tuple[Callee, Startable]:
        """A workflow that its caller wrote out.

        Raises:
            InvalidInput: It is not valid.
        """
        text = orjson.dumps(definition).decode()
        workflow = parse(text)
        require_valid(validate(workflow, self._catalogue), "called")
        startable = startable_of(workflow, self._catalogue)
        trigger = _begins_at(startable, workflow.name, (CALLED, BY_HAND))
        return Callee(caller.run.workflow_id, workflow.name, 0, trigger, text), startable

    async def read(self, tenant_id: str, callee: Callee) -> Workflow:
        """The definition of a callee."""
        if callee.definition is not None:
            return parse(callee.definition)
        async with self._database.transaction(tenant_id) as connection:
            stored = await get_version(connection, callee.workflow_id, callee.version)
        return parse(stored.definition)

    async def start(self, run: NewRun) -> str:
        """Begin a run, or find the one that its key has begun; its id."""
        begun = await self._begin(run)
        assert begun is not None  # no live trigger is asked for
        return begun.id

    async def start_for(self, caller: Caller, child: ChildRun, key: str, attempt: int = 0) -> str:
        """Begin a run for a node."""
        return await self.start(caller.child(child, f"key:{key}", self._clock, attempt=attempt))

    async def end_of(self, tenant_id: str, run_id: str) -> StoredRun:
        """Stay until a run has ended."""
        with self._feed.ticket(tenant_id, run_id) as ticket:
            ticket.changed.set()  # it may have ended already
            while not await self._feed.wait(ticket, _STAY_SECONDS):
                pass
        if ticket.run is not None:
            return ticket.run
        async with self._database.transaction(tenant_id) as connection:
            return await get_run(connection, run_id)


class _NodeCalls:
    """What one execution of a node may call."""

    def __init__(self, calls: Calls, caller: Caller) -> None:
        self._calls = calls
        self._caller = caller
        self._known: dict[Callee, Startable] = {}

    async def find(self, wanted: str) -> Callee:
        tenant_id = self._caller.run.tenant_id
        with _as_failure():
            return self._remember(await self._calls.find(tenant_id, wanted, CALLED, BY_HAND))

    async def compose(self, definition: JsonObject) -> Callee:
        with _as_failure():
            return self._remember(self._calls.compose(self._caller, definition))

    def form(self, callee: Callee) -> JsonObject | None:
        return self._known[callee].form(callee.trigger_node_id)

    def child(self, callee: Callee, items: list[Item]) -> ChildRun:
        if self._caller.run.depth + 1 >= MOST_DEEP:
            message = f"Workflows call each other more than {MOST_DEEP} deep."
            raise NodeError(Failed("too_deep", message))
        with _as_failure():
            self._known[callee].check_input(callee.trigger_node_id, encode(items).encode())
        return ChildRun(callee, items)

    async def start(self, child: ChildRun, key: str = "") -> str:
        return await self._calls.start_for(self._caller, child, key)

    async def run(self, child: ChildRun, key: str = "") -> ChildEnd:
        run_id = await self._calls.start_for(self._caller, child, key, ATTENDED)
        ended = await self._calls.end_of(self._caller.run.tenant_id, run_id)
        output = None if ended.output is None else decode(ended.output)
        return ChildEnd(ended.id, ended.status, output, ended.error)

    def _remember(self, found: tuple[Callee, Startable]) -> Callee:
        callee, self._known[callee] = found[0], found[1]
        return callee


class _as_failure:  # noqa: N801 (used like a function)
    """Turns what the caller's workflow cannot have into the failure of its node."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, NotJson):
            raise NodeError(Failed("input_not_json", str(error))) from error
        if isinstance(error, AppError):
            places = [f"{one.pointer}: {one.message}" for one in error.violations[:3]]
            message = " ".join([error.message, *places])
            away = isinstance(error, Unavailable)
            raise NodeError(Failed(error.code.lower(), message, retryable=away)) from error


def _only(found: Sequence[StoredWorkflow], name: str) -> StoredWorkflow:
    if not found:
        raise NotFound(f"There is no workflow {name[:200]!r}.", reason="WORKFLOW_NOT_FOUND")
    if len(found) > 1:
        message = f"Several workflows are called {name[:200]!r}: name its id."
        raise InvalidInput(message, reason="WORKFLOW_AMBIGUOUS")
    return found[0]


def _begins_at(startable: Startable, name: str, kinds: Sequence[str]) -> str:
    for kind in kinds:
        if found := startable.of_kind(kind):
            return found
    message = f"The workflow {name!r} has no trigger of the type {kinds[0]}, so it cannot be used."
    raise InvalidInput(message, reason="NOT_CALLABLE")
