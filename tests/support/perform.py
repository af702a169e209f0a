"""Runs a definition in this process: deciding and executing are the engine's, nothing is kept.

No database and no queue: what the journal would be told is applied at once. Waits pass at once.
Where several executions are ready, one goes after another: what has just become ready first, and
of that what stands first in the definition.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from engine_service.catalogue import Catalogue
from engine_service.core.decide import Complete, Fail, Run, decide, next_due
from engine_service.core.state import Execution, RunState
from engine_service.definitions.program import Program
from engine_service.expressions import Evaluator
from engine_service.running.attempt import Call, RunFacts
from engine_service.running.execute import Executor, Silence, World
from shared.clock import ManualClock
from shared.workflow import Item, JsonObject, Workflow
from tests.support.engine import NoHttp

_MOST_STEPS = 2_000


class Performance:
    """A run on its way.

    Attributes:
        order: What ran.
        failed: Why the run failed, if it did.
    """

    def __init__(
        self, workflow: Workflow, trigger: str, items: Sequence[Item], catalogue: Catalogue
    ) -> None:
        self.program = Program(workflow, trigger, catalogue)
        self.state = RunState(self.program.flow, list(items), {})
        self.order: list[Execution] = []
        self.failed: Fail | None = None

    async def run(self, evaluator: Evaluator, sandbox: Any = None) -> None:
        """Go on to the end."""
        clock = ManualClock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
        executor = Executor(World(NoHttp(), sandbox, None), evaluator, clock)
        facts = RunFacts("run_test", "ten_test", "wf_test", 1, "test", "manual")
        ready: list[Execution] = []  # the next one first
        late: list[Execution] = []
        for _ in range(_MOST_STEPS):
            fresh: list[Execution] = []
            for command in decide(self.state, clock.now()):
                match command:
                    case Complete():
                        return
                    case Fail():
                        self.failed = command
                        return
                    case Run(execution):
                        fresh.append(execution)
                    case _:
                        raise AssertionError(f"unexpected: {command}")
            ready = [*sorted(filter(_is_complete, fresh), key=self._rank), *ready]
            late += [one for one in fresh if not _is_complete(one)]
            if not ready and late:
                late.sort(key=lambda one: one.step.place)
                ready = [late.pop(0)]
            if ready:
                execution = ready.pop(0)
                self.order.append(execution)
                call = Call(self.program, self.state, execution, facts, clock.now())
                result = executor.attempt_now(call)
                if result is None:
                    result = await executor.attempt(call, Silence())
                self.state.apply(result.fact)
            else:
                due = next_due(self.state)
                assert due is not None, "the run waits for ever"
                clock.advance(due - clock.now())
        raise AssertionError("the run does not end")

    def _rank(self, execution: Execution) -> int:
        """Which of several executions that have just become ready comes first."""
        return self.program.workflow.nodes.index(execution.step.node)

    def items(self, name: str, port: str) -> list[Item]:
        """What a node gave by a port, in all its executions."""
        step = self.program.steps_by_name.get(name)
        executions = self.state.of_step.get(step.id, []) if step is not None else []
        return [
            item
            for one in executions
            if one.finished is not None
            for item in one.finished.outputs.get(port, [])
        ]

    def jsons(self, name: str, port: str) -> list[JsonObject]:
        """The objects among them."""
        return [item["json"] for item in self.items(name, port)]


def _is_complete(execution: Execution) -> bool:
    """Whether something came by each of its inputs; where not, others go first."""
    arrived = {arrival.edge.input for arrival in execution.arrivals}
    return arrived >= {edge.input for edge in execution.step.sources}
