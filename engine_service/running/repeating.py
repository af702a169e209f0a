"""Runs that repeat other runs: from the beginning, or from one of their nodes on."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.core.events import Iteration, Key, parse_iteration
from engine_service.core.rerun import plan
from engine_service.definitions.program import Program, Programs
from engine_service.definitions.startable import Startables
from engine_service.running.worker import Databases
from engine_service.store.blobs import share_blobs
from engine_service.store.reruns import copy_journal, ended_executions, own_definition
from engine_service.store.run_rows import StoredRun, get_run
from engine_service.store.runs import InsertedRun, NewRun, Origin, insert_runs
from engine_service.store.workflows import get_workflow
from shared.errors import Conflict, InvalidInput, Violation
from shared.ids import new_id
from shared.workflow import pointer


@dataclass(frozen=True, slots=True)
class From:
    """From where a run is repeated: a node, an iteration as text; with which version."""

    node_id: str
    iteration: str = ""
    latest: bool = False


class Repeating:
    """Makes runs that repeat others.

    Attributes:
        startables: The versions that were found to be startable.
    """

    def __init__(self, databases: Databases, startables: Startables, programs: Programs) -> None:
        self._databases = databases
        self.startables = startables
        self._programs = programs

    async def whole(self, tenant_id: str, run_id: str, key: str | None, now: datetime) -> NewRun:
        """A run with an old one's input and version, not begun.

        Raises:
            NotFound: There is no such run.
        """
        async with self._databases.app.transaction(tenant_id) as connection:
            return await self._like(connection, await get_run(connection, run_id), key, now)

    async def begin_from(
        self, tenant_id: str, run_id: str, start: From, key: str | None, now: datetime
    ) -> tuple[NewRun, InsertedRun]:
        """Begin a run that keeps what an old one had before a node; what became of it.

        Raises:
            NotFound: There is no such run, or version.
            Conflict: It has not ended.
            InvalidInput: It has no such node or iteration, or what would be kept has changed.
        """
        async with self._databases.app.transaction(tenant_id) as connection:
            old = await get_run(connection, run_id)
            if old.ended_at is None:
                raise Conflict("The run has not ended yet: cancel it first.", reason="RUN_OPEN")
            run = await self._like(connection, old, key, now)
            if start.latest and old.version:
                version = (await get_workflow(connection, old.workflow_id)).latest_version
                await self.startables.get(connection, old.workflow_id, version)
                run = replace(run, version=version)
            ended = await ended_executions(connection, old.id)
        program = await self._program(run)
        before = program if run.version == old.version else await self._program(_at(run, old))
        kept = _kept(before, program, ended, start)
        run = replace(run, origin=replace(run.origin, rerun_from=start.node_id))
        async with self._databases.worker.transaction() as connection:
            [begun] = await insert_runs(connection, [run])
            assert begun is not None  # no live trigger is asked for
            if begun.created:
                await copy_journal(connection, old.id, run.id, kept)
        return run, begun

    async def _like(
        self, connection: AsyncConnection, old: StoredRun, key: str | None, now: datetime
    ) -> NewRun:
        run_id = new_id("run")
        # What the old run was given, or had made, may speak of files.
        await share_blobs(connection, old.id, run_id, now)
        definition = None if old.version else await own_definition(connection, old.id)
        return NewRun(
            id=run_id,
            tenant_id=old.tenant_id,
            workflow_id=old.workflow_id,
            version=old.version,
            mode=old.mode,
            trigger=old.trigger,
            trigger_node_id=old.trigger_node_id,
            input=old.input,
            created_at=now,
            idempotency_key=key,
            retry_of=old.id,
            origin=Origin(definition=definition),
        )

    async def _program(self, run: NewRun) -> Program:
        if run.origin.definition is not None:
            return self._programs.compose(run.origin.definition, run.trigger_node_id)
        return await self._programs.get(run.workflow_id, run.version, run.trigger_node_id)


def _at(run: NewRun, old: StoredRun) -> NewRun:
    return replace(run, version=old.version)


def _kept(old: Program, new: Program, ended: list[Key], start: From) -> list[Key]:
    """The executions that are kept.

    Raises:
        InvalidInput: There is no such node or iteration, or something before it has changed.
    """
    step = new.flow.steps.get(start.node_id)
    if step is None:
        violation = Violation("/from_node", "unknown_node", "The run never comes to such a node.")
        raise InvalidInput("There is no such node in the run.", violations=[violation])
    found = plan(old.flow, new.flow, ended, step.id, _iteration(start, len(step.nest)))
    if found.changed:
        places = {node.id: place for place, node in enumerate(new.workflow.nodes)}
        violations = [
            Violation(
                pointer(["definition", "nodes", places[node_id]]),
                "changed_before",
                f"{node_id!r} has changed, and what {start.node_id!r} gets depends on it.",
                f"Run again from {node_id!r}.",
            )
            for node_id in found.changed
        ]
        message = "What the run would keep has changed in the latest version."
        raise InvalidInput(message, reason="CHANGED_BEFORE", violations=violations)
    return list(found.kept)


def _iteration(start: From, depth: int) -> Iteration:
    try:
        iteration = parse_iteration(start.iteration)
    except ValueError:
        iteration = (-1,)
    if len(iteration) > depth or any(number < 0 for number in iteration):
        message = f"The node lies in {depth} loops: give as many numbers, joined by dots."
        violation = Violation("/iteration", "no_such_iteration", message)
        raise InvalidInput("There is no such iteration.", violations=[violation])
    return iteration
