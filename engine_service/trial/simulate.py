"""Runs a definition to its end without touching the world.

Deciding, filling parameters and judging are the engine's own; only what touches the world is
different. Logic, transforms and an author's code run for real, retries included; every other node
answers from pinned data or a sample of its own, and says what it would have done. Waits are passed
over, approvals assumed given, and the clock of the trial jumps over pauses. Steps, time and data
are limited, so every trial ends.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from engine_service.catalogue import Catalogue
from engine_service.core.decide import Complete, Fail, Run, decide, next_due
from engine_service.core.events import Key, NodeAnswered
from engine_service.core.state import Execution, RunState
from engine_service.definitions.checks.diagnostic import Diagnostic, Severity
from engine_service.definitions.program import Program
from engine_service.definitions.startable import startable_of
from engine_service.definitions.validate import is_valid, validate
from engine_service.encoding import encode
from engine_service.expressions import Evaluator
from engine_service.running.attempt import Call, RunFacts
from engine_service.running.calls import Calls
from engine_service.running.execute import Executor, Limits, Result, Silence, World
from engine_service.sdk.node import ChildEnd, ChildRun
from engine_service.sdk.run_input import items_of
from engine_service.trial.invent import invent_items
from engine_service.trial.rehearsal import Answers, PlannedEffect, Refusal, Rehearsal, rehearse
from shared.clock import Clock, ManualClock
from shared.errors import InvalidInput, Violation
from shared.workflow import Item, Workflow, pointer


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a trial may take."""

    steps: int = 1_000
    seconds: float = 20.0
    node_bytes: int = 1024 * 1024
    all_bytes: int = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Trial:
    """What to try.

    Attributes:
        input: What the run is given, as JSON; made up when None.
        pinned: Items to answer with, by node id.
        ports: By which way out a node that does not really run answers, by node id; else its first.
        variables: What expressions see as `$vars`.
        trigger_node_id: Where to begin; the first enabled trigger when empty.
        tenant_id: Whose workflows it may call.
        depth: How many trials there are above it.
    """

    workflow: Workflow
    input: bytes | None = None
    pinned: Mapping[str, list[Item]] = field(default_factory=dict[str, list[Item]])
    trigger_node_id: str = ""
    tenant_id: str = ""
    depth: int = 0
    ports: Mapping[str, str] = field(default_factory=dict[str, str])
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def answers(self) -> Mapping[str, list[Item]]:
        """Items to answer with: what the definition keeps, unless the trial says otherwise."""
        return {**self.workflow.pinned, **self.pinned}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a trial's run ended: well when there is no code, else with an error.

    Attributes:
        node_id: The node that failed; empty when the run failed as a whole.
    """

    code: str = ""
    message: str = ""
    node_id: str = ""


@dataclass(frozen=True, slots=True)
class Branch:
    """A way out of a node that ran, and whether any of its items went there."""

    node_id: str
    port: str
    taken: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What would have happened.

    Attributes:
        ending: None when the trial could not begin, because of the diagnostics.
        diagnostics: What is wrong with the definition, and what the trial warns of.
        executions: Each execution that ran, in order, as it ended.
        skipped: Executions on branches that were not taken.
        effects: What would have been done to the world, in order.
        unreached: Ids of nodes that did not run at all.
        computed: Ids of nodes that really ran; the others answered with pinned data or a sample.
        output: What the run would have given.
        branches: The connected ways out of every node that ran.
    """

    ending: Ending | None
    diagnostics: Sequence[Diagnostic] = ()
    executions: Sequence[Execution] = ()
    skipped: Sequence[Key] = ()
    effects: Sequence[PlannedEffect] = ()
    unreached: Sequence[str] = ()
    computed: Sequence[str] = ()
    output: Any = None
    branches: Sequence[Branch] = ()


class Simulator:
    """Makes trials.

    Args:
        world: Only its sandbox is used, for code without effects, and workflows to call.
        refusal: Says why a request to a URL would be refused, without sending anything.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        world: World,
        evaluator: Evaluator,
        clock: Clock,
        *,
        refusal: Refusal,
        bounds: Bounds | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._refusal = refusal
        self._world = world
        self._evaluator = evaluator
        self._clock = clock
        self._bounds = bounds or Bounds()
        self._calls = world.calls if isinstance(world.calls, Calls) else None

    async def simulate(self, trial: Trial) -> Report:
        """Try a definition out.

        Raises:
            InvalidInput: The trial names a node that is not there, or its input does not fit.
        """
        diagnostics = validate(trial.workflow, self._catalogue)
        if not is_valid(diagnostics):
            return Report(None, diagnostics)
        self._check_pinned(trial)
        startable = startable_of(trial.workflow, self._catalogue)
        trigger = startable.begin_at(trial.trigger_node_id)
        program = Program(trial.workflow, trigger, self._catalogue)
        clock = ManualClock(self._clock.now())
        if trial.input is None:
            items = self._made_up(trial, program)
        else:
            items = items_of(orjson.loads(startable.check_input(trigger, trial.input)))
        _check_ports(trial, program)
        rehearsal = self._rehearsal(trial)
        rehearse(program, Answers(trial.answers(), trial.ports), self._refusal, rehearsal)
        limits = Limits(self._bounds.node_bytes, self._bounds.seconds)
        executor = Executor(self._world, self._evaluator, clock, limits)
        performance = _Performance(program, items, executor, clock, self._bounds)
        performance.belongs_to(trial, rehearsal)
        ending = await performance.end()
        ran = {execution.step.id for execution in performance.ran}
        ids = [node.id for node in trial.workflow.nodes if node.id not in program.used]
        return Report(
            ending,
            [*diagnostics, *_warnings(rehearsal, trial.workflow)],
            performance.ran,
            performance.state.skipped,
            rehearsal.effects,
            [node_id for node_id in ids if node_id not in ran],
            [node_id for node_id in ids if node_id in ran - rehearsal.stood_in],
            performance.output,
            _branches(program, performance.ran),
        )

    def _rehearsal(self, trial: Trial) -> Rehearsal:
        """Takes down what the trial would do, trials of what it calls included."""
        rehearsal, calls = Rehearsal(), self._calls
        if calls is None:
            return rehearsal

        async def call(node_id: str, child: ChildRun) -> ChildEnd:
            callee = child.callee
            inner = Trial(
                await calls.read(trial.tenant_id, callee),
                encode(child.items).encode(),
                trigger_node_id=callee.trigger_node_id,
                tenant_id=trial.tenant_id,
                depth=trial.depth + 1,
                variables=trial.variables,
            )
            report = await self.simulate(inner)
            rehearsal.effects += [replace(one, node_id=node_id) for one in report.effects]
            return _end(report)

        rehearsal.calls = call
        return rehearsal

    def _made_up(self, trial: Trial, program: Program) -> list[Item]:
        pinned = trial.answers().get(program.flow.trigger.id)
        return invent_items(program, self._clock.now()) if pinned is None else pinned

    def _check_pinned(self, trial: Trial) -> None:
        violations = [
            Violation(pointer(["pinned", node_id]), "unknown_node", "No node has this id.")
            for node_id in trial.pinned
            if trial.workflow.node(node_id) is None
        ]
        if violations:
            raise InvalidInput("Data is pinned to nodes that are not there.", violations=violations)


class _Performance:
    """One trial on its way; everything happens in turn, so it is the same every time."""

    def __init__(
        self,
        program: Program,
        items: list[Item],
        executor: Executor,
        clock: ManualClock,
        bounds: Bounds,
    ) -> None:
        self.state = RunState(program.flow, items, {})
        self.ran: list[Execution] = []
        self._program = program
        self._executor = executor
        self._clock = clock
        self._bounds = bounds
        self._bytes = 0
        self._steps = 0
        trigger = program.flow.trigger.node.type
        self._run = RunFacts("run_simulation", "", "", 0, "simulated", trigger)
        self._rehearsal = Rehearsal()
        self.output: Any = None

    def belongs_to(self, trial: Trial, rehearsal: Rehearsal) -> None:
        """Say whose trial it is, and where what it calls is tried."""
        self._run = replace(
            self._run, tenant_id=trial.tenant_id, depth=trial.depth, variables=trial.variables
        )
        self._rehearsal = rehearsal

    async def end(self) -> Ending:
        """Go on to the end, or to where a limit is reached."""
        try:
            async with asyncio.timeout(self._bounds.seconds):
                while True:
                    ending = await self._turn()
                    if ending is not None:
                        return ending
                    await asyncio.sleep(0)  # others have their turn, and so has the time limit
        except TimeoutError:
            seconds = self._bounds.seconds
            return Ending("time_limit", f"The trial did not end within {seconds:g} seconds.")

    async def _turn(self) -> Ending | None:
        """Do what is to be done next; an ending, if that was the end."""
        commands = decide(self.state, self._clock.now())
        if not commands:
            return self._pass_time()
        for command in commands:
            match command:
                case Complete():
                    self.output = command.output
                    return Ending()
                case Fail():
                    return Ending(command.code, command.message, command.node_id)
                case Run():
                    ending = await self._perform(command.execution)
                    if ending is not None:
                        return ending
                case _:
                    return Ending("waits_for_ever", "The run would wait for ever.")
        return None

    def _pass_time(self) -> Ending | None:
        due = next_due(self.state)
        if due is None:
            return Ending("waits_for_ever", "The run would wait for ever.")
        self._clock.advance(due - self._clock.now())
        return None

    async def _perform(self, execution: Execution) -> Ending | None:
        self._steps += 1
        if self._steps > self._bounds.steps:
            return Ending("step_limit", f"The trial took more than {self._bounds.steps} steps.")
        if execution.attempt == 1:
            self.ran.append(execution)
        call = Call(self._program, self.state, execution, self._run, self._clock.now())
        result: Result | None = self._executor.attempt_now(call)
        if result is None:
            result = await self._executor.attempt(call, Silence())
        self._bytes += len(result.outputs or "")
        if self._bytes > self._bounds.all_bytes:
            most = self._bounds.all_bytes // 1024
            return Ending("size_limit", f"The trial's data came to more than {most} KiB.")
        self.state.apply(result.fact)
        if result.children and self._rehearsal.calls is not None:
            await self._answer(execution, result)
        return None

    async def _answer(self, execution: Execution, result: Result) -> None:
        """Try what a node has called, and let it go on."""
        assert self._rehearsal.calls is not None
        ends = [await self._rehearsal.calls(execution.step.id, one) for one in result.children]
        node_id, iteration = execution.key
        now = self._clock.now()
        answer = {"children": [end.as_json() for end in ends]}
        self.state.apply(NodeAnswered(node_id, iteration, execution.attempt, now, answer))


def _check_ports(trial: Trial, program: Program) -> None:
    """See that every node that is told its way has it.

    Raises:
        InvalidInput: Some node is not there, or has no such port.
    """
    steps = program.flow.steps
    violations = [
        Violation(pointer(["ports", node_id]), "unknown_port", "No node has this port.")
        for node_id, port in sorted(trial.ports.items())
        if node_id not in steps or port not in steps[node_id].shape.ports
    ]
    if violations:
        raise InvalidInput("The trial names ways that are not there.", violations=violations)


def _branches(program: Program, ran: Sequence[Execution]) -> list[Branch]:
    """Which connected ways were taken, in the order in which their nodes first ran."""
    taken: dict[str, set[str]] = {}
    for execution in ran:
        outputs = execution.finished.outputs if execution.finished is not None else {}
        ways = {
            port.partition(":")[0] if execution.step.is_loop else port
            for port, items in outputs.items()
            if items
        }
        taken.setdefault(execution.step.id, set()).update(ways)
    return [
        Branch(node_id, port, port in ways)
        for node_id, ways in taken.items()
        for port in dict.fromkeys(edge.port for edge in program.flow.steps[node_id].edges)
    ]


def _end(report: Report) -> ChildEnd:
    """How a trial ended, as whoever called it is told."""
    ending = report.ending
    if ending is None:
        first = next(one for one in report.diagnostics if one.severity is Severity.ERROR)
        error = {"code": "invalid_definition", "message": first.message, "node_id": ""}
        return ChildEnd("run_simulation", "failed", None, error)
    if not ending.code:
        return ChildEnd("run_simulation", "completed", report.output)
    error = {"code": ending.code, "message": ending.message, "node_id": ending.node_id}
    return ChildEnd("run_simulation", "failed", None, error)


def _warnings(rehearsal: Rehearsal, workflow: Workflow) -> list[Diagnostic]:
    """What would go wrong if the run were real."""
    return [
        Diagnostic(pointer(["nodes", place]), "address_refused", reason, severity=Severity.WARNING)
        for place, node in enumerate(workflow.nodes)
        for reason in rehearsal.refusals.get(node.id, ())
    ]
