"""What the nodes of a run tell while they are at work: progress, lines, steps, what models used.

It all goes through the run's recorder into its history and its journal.
"""

import asyncio
from collections.abc import Callable, Sequence

from engine_service.core.events import iteration_text
from engine_service.core.state import Execution
from engine_service.running.entry import Written
from engine_service.running.record import Recorder
from engine_service.store.journal import read_progress
from engine_service.store.runs import driver_of
from engine_service.store.usage import read_run_spent
from shared.database import Database
from shared.llm import Budget, Usage
from shared.workflow import BudgetLimits, JsonObject


class RunOutlet:
    """What the nodes of a run tell while they are at work."""

    def __init__(
        self, recorder: Recorder, send: "Callable[[], asyncio.Future[Written]]", database: Database
    ) -> None:
        self.recorder = recorder
        self.send = send
        self.database = database

    async def delta(self, execution: Execution, data: JsonObject) -> None:
        """Tell watchers of a node's progress."""
        self.recorder.delta(execution, data)
        self.send()

    async def line(self, execution: Execution, level: str, message: str) -> None:
        """Write a line to the run's log."""
        self.recorder.line(execution, level, message)
        self.send()

    def spent(self, execution: Execution, usage: Usage) -> None:
        """Count what a node's model has used; it is written with whatever comes next."""
        self.recorder.spent(execution, usage)

    def progress(self, execution: Execution) -> "_Progress":
        """Where a node writes its steps down."""
        return _Progress(self, execution)


class _Progress:
    """The steps of one execution of a node."""

    def __init__(self, outlet: RunOutlet, execution: Execution) -> None:
        self._outlet = outlet
        self._execution = execution
        self._number: int | None = None

    async def recall(self) -> Sequence[JsonObject]:
        node_id, iteration = self._execution.key
        key = self._outlet.recorder.run_id, node_id, iteration_text(iteration)
        async with self._outlet.database.transaction() as connection:
            steps = await read_progress(await driver_of(connection), *key)
        self._number = len(steps)
        return steps

    async def note(self, step: JsonObject) -> None:
        if self._number is None:
            await self.recall()
        number, self._number = self._number or 0, (self._number or 0) + 1
        self._outlet.recorder.progress(self._execution, number, step)
        if await self._outlet.send() is not Written.DONE:
            raise asyncio.CancelledError  # the run is not ours any more; the main task hears of it


async def budget_of(database: Database, run_id: str, limits: BudgetLimits | None) -> Budget | None:
    """What a run's models may still use, if its workflow limits it."""
    if limits is None:
        return None
    async with database.transaction() as connection:
        spent = await read_run_spent(connection, run_id)
    return Budget(
        max_tokens=limits.max_tokens, max_cost_usd=limits.max_cost_usd, spent=spent, name="run"
    )
