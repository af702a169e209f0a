"""PURE. Where a run stands: what flows along its edges, and what each execution came to.

Facts come in one by one (`apply`), in any order in which they can happen; each costs what it
changes and no more. What a journal already holds is given at the beginning and takes effect as the
flow reaches it, so that a run that is taken over stands where it stood.

An edge is settled once it is known what it carries: items, or nothing, because the port was not
taken or the branch is skipped. When all edges into a step are settled, the step runs if any carries
items, and is skipped if none does; that is all there is to merging. What arrives is put together
in the edges' order, never in the order of arrival, so results do not depend on who was quicker.

Where circles are (`circles.py`), what leads into one waits in streams (`streams.py`); what leads
back in it begins its next pass when everything in the present one is settled.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto

from engine_service.core.circles import BEHIND, is_loop_level
from engine_service.core.events import (
    AnyFact,
    Iteration,
    Key,
    NodeAnswered,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    NodeWaited,
)
from engine_service.core.flow import DONE, LOOP, Circle, Edge, Flow, Step, unit_at
from engine_service.core.streams import Stage, streams_of
from shared.workflow import Item


class Phase(Enum):
    """Where one execution of a node stands."""

    READY = auto()
    """Its inputs are there."""
    RUNNING = auto()
    """An attempt is under way in this process."""
    INTERRUPTED = auto()
    """An attempt began somewhere and nobody says how it ended."""
    RETRYING = auto()
    """An attempt failed; the next begins at `due`."""
    WAITING = auto()
    """It waits for an answer, or until `due`."""
    ANSWERED = auto()
    """Its wait is over; it runs again."""
    FINISHED = auto()
    """It has its results."""
    FAILED = auto()
    """It has failed for good, and the run with it."""


_SETTLED = (Phase.FINISHED, Phase.FAILED)


@dataclass(slots=True)
class Arrival:
    """Items that came along an edge from one execution of its source; never none."""

    edge: Edge
    iteration: Iteration
    items: list[Item]


@dataclass(slots=True, eq=False)
class Execution:
    """One execution of one node.

    Attributes:
        attempt: The latest attempt; 0 when there was none.
        failures: How many attempts failed.
        due: When something is to happen by itself, in the phases that say so.
        waited: The latest wait, if there was one.
        answer: What ended it.
        finished: The results; a loop's have the port `done` once it is through.
        failed: The latest failed attempt.
    """

    step: Step
    iteration: Iteration
    arrivals: list[Arrival]
    phase: Phase = Phase.READY
    attempt: int = 0
    failures: int = 0
    due: datetime | None = None
    waited: NodeWaited | None = None
    answer: NodeAnswered | None = None
    finished: NodeFinished | None = None
    failed: NodeFailed | None = None

    @property
    def key(self) -> Key:
        """Which execution it is."""
        return self.step.id, self.iteration

    def inputs(self) -> dict[str, list[Item]]:
        """Items by input; every declared input is there, maybe empty."""
        gathered: dict[str, list[Item]] = {name: [] for name in self.step.shape.inputs}
        for arrival in self.arrivals:
            items = gathered.get(arrival.edge.input)
            if items is None:
                continue
            # Nothing is copied in the usual case of one edge into an input.
            gathered[arrival.edge.input] = items + arrival.items if items else arrival.items
        return gathered


@dataclass(slots=True, eq=False)
class _Loop:
    """One execution of a loop on its way through its batches."""

    step: Step
    iteration: Iteration
    batches: list[list[Item]]
    done: list[Item]
    current: int = -1
    open_steps: int = 0
    feedback: list[tuple[Iteration, int, list[Item]]] = field(
        default_factory=list[tuple[Iteration, int, list[Item]]]
    )

    def collected(self) -> list[Item]:
        """What came back from the body, in order; what was given, when there was no batch."""
        if not self.batches:
            return self.done
        self.feedback.sort(key=lambda entry: entry[:2])
        return [item for _, _, items in self.feedback for item in items]


@dataclass(slots=True, eq=False)
class _Turns:
    """One execution of a circle on its way through its passes."""

    circle: Circle
    base: Iteration
    number: int = -1
    open_steps: int = 0
    again: dict[Edge, list[Arrival]] = field(default_factory=dict[Edge, list[Arrival]])


class RunState:
    """Where a run of a flow stands.

    Attributes:
        executions: All that were reached with items, by key.
        of_step: The same by node id, iterations in order.
        fresh: Those whose phase has changed since deciding looked at them, oldest first.
        timers: What is to happen by itself, a heap of moments; entries may be out of date.
        skipped: Executions that were newly skipped; whoever tells it empties the list.
        looped: Loops that newly went through all their batches; likewise.
        open: How many executions are neither finished nor skipped.
        failed: The execution that failed for good, if one has.
        endless: The node at which a circle begins that was gone round too often, if one was.
    """

    def __init__(
        self, flow: Flow, items: list[Item], journal: Mapping[Key, Iterable[AnyFact]]
    ) -> None:
        self.flow = flow
        self.executions: dict[Key, Execution] = {}
        self.of_step: dict[str, list[Execution]] = {}
        self.fresh: deque[Execution] = deque()
        self.timers: list[tuple[datetime, int, Iteration, Execution]] = []
        self.skipped: list[Key] = []
        self.looped: list[Execution] = []
        self.open = 0
        self.failed: Execution | None = None
        self.endless = ""
        self._journal = journal
        self._awaited: dict[Key, int] = {}
        self._arrived: dict[Key, list[Arrival]] = {}
        self._loops: dict[Key, _Loop] = {}
        self._leaving: dict[tuple[Edge, Iteration], list[Arrival]] = {}
        self._entering: dict[tuple[Edge, Iteration], list[Arrival]] = {}
        self._current: dict[str, Iteration] = {}
        self._turns: dict[tuple[str, Iteration], _Turns] = {}
        self._stages: dict[tuple[str, Iteration], Stage[Arrival]] = {}
        self._settling: deque[tuple[Step, Iteration, NodeFinished | None]] = deque()
        entrance = Arrival(flow.entrance, (), items)
        self._begin(Execution(flow.trigger, (), [entrance]))
        self._flow_on()

    def apply(self, fact: AnyFact) -> None:
        """Take in what happened to an execution that the flow has reached."""
        execution = self.executions[fact.key]
        self._note(execution, fact)
        if execution.phase not in _SETTLED:
            self.fresh.append(execution)
        self._flow_on()

    def launch(self, execution: Execution) -> None:
        """Let the next attempt of an execution begin."""
        execution.phase = Phase.RUNNING
        execution.attempt += 1

    # --- one execution

    def _begin(self, execution: Execution) -> None:
        self.executions[execution.key] = execution
        self.of_step.setdefault(execution.step.id, []).append(execution)
        self.open += 1
        if past := self._journal.get(execution.key):
            for fact in sorted(past, key=_order):
                self._note(execution, fact)
            if execution.phase is Phase.RUNNING:
                execution.phase = Phase.INTERRUPTED
        if execution.phase not in _SETTLED:
            self.fresh.append(execution)

    def _note(self, execution: Execution, fact: AnyFact) -> None:
        execution.attempt = fact.attempt
        match fact:
            case NodeStarted():
                execution.phase = Phase.RUNNING
            case NodeFinished():
                execution.phase = Phase.FINISHED
                execution.finished = fact
                self.open -= 1
                self._settling.append((execution.step, execution.iteration, fact))
            case NodeFailed():
                self._fail(execution, fact)
            case NodeWaited():
                execution.phase, execution.due = Phase.WAITING, fact.until
                execution.waited, execution.answer = fact, None
            case NodeAnswered():
                execution.phase, execution.answer = Phase.ANSWERED, fact

    def _fail(self, execution: Execution, fact: NodeFailed) -> None:
        execution.failures += 1
        execution.failed = fact
        if fact.retry_at is None:
            execution.phase = Phase.FAILED
            self.open -= 1
            self.failed = execution
        else:
            execution.phase, execution.due = Phase.RETRYING, fact.retry_at
            if execution.waited is not None and execution.waited.children:
                execution.waited = execution.answer = None  # the next attempt begins runs anew

    # --- what flows along the edges

    def _flow_on(self) -> None:
        """Settle what follows from what was settled, until nothing does."""
        while self._settling:
            step, iteration, finished = self._settling.popleft()
            if not step.is_loop:
                outputs = finished.outputs if finished else {}
                self._settle(step, iteration, outputs)
            elif finished is not None:
                self._enter(step, iteration, finished)
            else:
                self._settle_loop(step, iteration, [])

    def _settle(self, step: Step, iteration: Iteration, outputs: Mapping[str, list[Item]]) -> None:
        for edge in step.edges:
            self._carry(edge, iteration, outputs.get(edge.port) or [])
        self._leave_body(step, iteration)

    def _leave_body(self, step: Step, iteration: Iteration) -> None:
        if not step.nest:
            return
        level, base = step.nest[-1], iteration[:-1]
        if level == BEHIND:
            self._advance(self._stages[step.id, base], done=True)
        elif is_loop_level(level):
            self._unit_of_loop_done(level, base)
        else:
            turns = self._turns[level, base]
            turns.open_steps -= 1
            if turns.open_steps == 0:
                self._next_pass(turns, turns.again)

    def _unit_of_loop_done(self, loop_id: str, iteration: Iteration) -> None:
        loop = self._loops[loop_id, iteration]
        loop.open_steps -= 1
        if loop.open_steps == 0:
            self._next_batch(loop)

    def _carry(self, edge: Edge, iteration: Iteration, items: list[Item]) -> None:
        arrival = Arrival(edge, iteration, items)
        if edge.feeds_back:
            if items:
                loop = self._loops[edge.target.id, iteration[: len(edge.target.nest)]]
                loop.feedback.append((iteration, edge.order, items))
        elif edge.left is not None:
            collected = self._leaving.setdefault((edge, iteration[: edge.left]), [])
            if items:
                collected.append(arrival)
        else:
            self._arrive(edge, iteration, [arrival] if items else [])

    def _arrive(self, edge: Edge, iteration: Iteration, arrivals: list[Arrival]) -> None:
        """Settle an edge for one execution of its source, or of the loop that it leaves."""
        if edge.gate is None:
            self._inject(edge, iteration[: edge.common], arrivals)
        elif edge.again:
            if arrivals:
                self._turns[edge.unit, iteration[: edge.gate]].again[edge] = arrivals
        else:
            stage = self._stage(edge.unit, iteration[: edge.gate])
            stage.put(edge, arrivals, last=not edge.stream)
            self._advance(stage)

    def _inject(self, edge: Edge, base: Iteration, arrivals: list[Arrival]) -> None:
        """Settle an edge for whatever executions of its target there are below `base`."""
        target, start = edge.target, len(base)
        if start == len(target.nest):
            self._count(target, base, arrivals)
        elif is_loop_level(target.nest[start]):
            self._entering[edge, base] = arrivals
            last = start
            while last + 1 < len(target.nest) and is_loop_level(target.nest[last + 1]):
                last += 1
            current = self._current.get(target.nest[last])
            if current is not None and current[:start] == base:
                self._inject(edge, current, arrivals)
        else:
            stage = self._stage(unit_at(target.nest, target.id, start), base)
            stage.put(edge, arrivals, last=True)
            self._advance(stage)

    def _count(self, target: Step, iteration: Iteration, arrivals: list[Arrival]) -> None:
        key = target.id, iteration
        self._arrived.setdefault(key, []).extend(arrivals)
        left = self._awaited.get(key, target.awaited) - 1
        if left > 0:
            self._awaited[key] = left
            return
        self._awaited.pop(key, None)
        self._begin_or_skip(target, iteration, self._arrived.pop(key, None))

    def _begin_or_skip(
        self, target: Step, iteration: Iteration, gathered: list[Arrival] | None
    ) -> None:
        if not gathered:
            self.skipped.append((target.id, iteration))
            self._settling.append((target, iteration, None))
            return
        if len(gathered) > 1:
            gathered.sort(key=_place)
        self._begin(Execution(target, iteration, gathered))

    # --- loops

    def _enter(self, step: Step, iteration: Iteration, finished: NodeFinished) -> None:
        batches: list[list[Item]] = []
        while (batch := finished.outputs.get(f"{LOOP}:{len(batches)}")) is not None:
            batches.append(batch)
        loop = _Loop(step, iteration, batches, finished.outputs.get(DONE) or [])
        self._loops[step.id, iteration] = loop
        self._next_batch(loop)

    def _next_batch(self, loop: _Loop) -> None:
        """Open the next iteration; without a body they all pass at once."""
        step = loop.step
        while loop.current + 1 < len(loop.batches):
            loop.current += 1
            inside = (*loop.iteration, loop.current)
            self._current[step.id] = inside
            loop.open_steps = step.units
            for edge, start in step.entering:
                known = self._entering.get((edge, inside[:start]))
                if known is not None:
                    self._inject(edge, inside, known)
            for edge in step.edges:
                if edge.port == LOOP:
                    self._carry(edge, inside, loop.batches[loop.current])
            if step.units:
                return
        items = loop.collected()
        self._close(loop, items)
        self._settle_loop(step, loop.iteration, items)

    def _close(self, loop: _Loop, items: list[Item]) -> None:
        execution = self.executions[loop.step.id, loop.iteration]
        if execution.finished is not None:
            outputs = {**execution.finished.outputs, DONE: items}
            execution.finished = replace(execution.finished, outputs=outputs)
        self.looped.append(execution)

    def _settle_loop(self, step: Step, iteration: Iteration, items: list[Item]) -> None:
        self._current.pop(step.id, None)
        for edge in step.leaving:
            self._arrive(edge, iteration, self._leaving.pop((edge, iteration), []))
        for edge in step.edges:
            if edge.port != LOOP:
                self._carry(edge, iteration, items if edge.port == DONE else [])
        self._leave_body(step, iteration)

    # --- circles, and what is behind them

    def _stage(self, unit: str, base: Iteration) -> Stage[Arrival]:
        stage = self._stages.get((unit, base))
        if stage is None:
            edges = self.flow.gates[unit]
            inputs = [(edge.from_unit, edge.target.id, edge.input) for edge in edges]
            stage = self._stages[unit, base] = Stage(unit, base, streams_of(edges, inputs))
        return stage

    def _advance(self, stage: Stage[Arrival], *, done: bool = False) -> None:
        """Let a circle, or what is behind one, execute once more, or close it."""
        stage.busy = stage.busy and not done
        gathered = stage.next()
        if gathered is None:
            return
        if not gathered:
            self._close_stage(stage)
            return
        by_edge: dict[Edge, list[Arrival]] = {}
        for arrival in gathered:
            by_edge.setdefault(arrival.edge, []).append(arrival)
        inside = self.flow.inside(stage.unit, stage.base, stage.number - 1)
        circle = self.flow.circles.get(stage.unit)
        if circle is not None:
            turns = self._turns[stage.unit, inside] = _Turns(circle, inside)
            self._next_pass(turns, by_edge)
            return
        step = self.flow.steps[stage.unit]
        for edge in self.flow.gates[stage.unit]:
            if edge.target is not step:
                self._inject(edge, inside, by_edge.get(edge, []))
        own = [arrival for arrival in gathered if arrival.edge.target is step]
        self._begin_or_skip(step, inside, own)

    def _next_pass(self, turns: _Turns, arrivals: dict[Edge, list[Arrival]]) -> None:
        """Go round once more with what came in or led back; if nothing did, it is through."""
        circle = turns.circle
        if not arrivals:
            base = turns.base
            behind = circle.steps[0].nest[-2:-1] == (BEHIND,)
            self._advance(self._stages[circle.id, base[:-1] if behind else base], done=True)
            return
        turns.number += 1
        if turns.number >= self.flow.most_passes:
            self.endless = circle.header
            return
        turns.open_steps, turns.again = len(circle.steps), {}
        for edge in circle.ways:
            self._inject(edge, (*turns.base, turns.number), arrivals.get(edge, []))

    def _close_stage(self, stage: Stage[Arrival]) -> None:
        steps = self.flow.steps_of(stage.unit)
        if not stage.number:
            inside = self.flow.inside(stage.unit, stage.base, 0)
            first = (*inside, 0) if stage.unit in self.flow.circles else inside
            self.skipped += [(step.id, first) for step in steps]
        for edge in self.flow.outlets[stage.unit]:
            following = self._stage(edge.unit, stage.base)
            following.close(edge)
            self._advance(following)
        around = steps[0].nest[: len(stage.base)]
        if around:
            self._unit_of_loop_done(around[-1], stage.base[:-1])


_KINDS = (NodeStarted, NodeWaited, NodeAnswered, NodeFailed, NodeFinished)


def _order(fact: AnyFact) -> tuple[int, int]:
    """Attempts in turn, and within one what begins before what ends."""
    return fact.attempt, _KINDS.index(type(fact))


def _place(arrival: Arrival) -> tuple[int, Iteration]:
    return arrival.edge.order, arrival.iteration
