"""PURE. What is to be done next in a run. Read this first: it is the heart of the engine.

The story of a run in one breath. A run is stored, and a task with its id is queued (`store/runs`).
Some engine claims the task for a few seconds at a time (`dispatch`) and begins an *activation*: it
loads what the run's journal holds, and from then on turns in a circle until there is nothing left
that it can do (`activation`):

    decide    what is to be done, from where the run stands            (here; no I/O, no clock)
    execute   do it: fill parameters, run the node, judge the outcome  (`execute`)
    append    write what happened to the journal                       (`journal`)
    apply     take what happened into the run's state                  (`state`, pure as well)

The activation ends when the run does, or when everything left must wait for a moment or an answer:
then the run is parked and no process knows of it until the moment or the answer comes. If the
engine dies instead, its claim lapses, another engine claims the task, loads the same journal,
decides the same, and goes on. That is why deciding is kept apart: the same state and the same `now`
give the same commands, whoever asks, as often as he asks, in whatever order branches finished.

What makes a command:
- An execution that became ready runs. Whether it did become ready is the flow's affair: `state`.
- A failed attempt is repeated when its pause is over. Whether it may be is `execute`'s affair: it
  wrote `retry_at` into the journal or did not.
- A wait that was answered, or whose time is over, lets its node run again, with the answer.
- An attempt that began and of which nobody knows how it ended (a crash) is repeated if the node's
  type says that this is safe or its author allowed it. Otherwise a person is asked.
- When an execution has failed for good the run fails; when nothing is open the run is complete.

Deciding costs what has changed since the last time, not what the run holds.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine_service.core.state import Execution, Phase, RunState
from shared.workflow import Item, JsonObject

OUTCOME_UNKNOWN = "outcome_unknown"
RUN_TIMEOUT = "run_timeout"
TOO_MANY_PASSES = "too_many_passes"


@dataclass(frozen=True, slots=True)
class Run:
    """Run the node; the execution holds the attempt, the inputs, and the answer if it waited."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class Expire:
    """The time of a wait that somebody may answer is over: close it if no answer came first."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class AskOutcome:
    """A crash left open whether the effect happened: ask a person."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A person decided that the effect is not to be repeated: the node fails with this."""

    execution: Execution
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Fail:
    """End the run with an error; `node_id` is empty when it failed as a whole."""

    code: str
    message: str
    node_id: str = ""


@dataclass(frozen=True, slots=True)
class Complete:
    """End the run well."""

    output: Any
    response: JsonObject | None


Command = Run | Expire | AskOutcome | GiveUp | Fail | Complete


def decide(state: RunState, now: datetime, deadline: datetime | None = None) -> list[Command]:
    """What is to be done next; nothing, when the run has to wait for what is under way.

    Each command is given once; the state remembers what it has begun.

    Args:
        state: Where the run stands.
        now: The present moment.
        deadline: When the run must have ended.
    """
    if state.failed is None and not state.endless and not state.open and not state.fresh:
        return [_complete(state)]
    if state.failed is not None:
        return [_failure(state.failed)]
    if state.endless:
        most = state.flow.most_passes
        message = f"The run went round more than {most} times: see the setting 'most_passes'."
        return [Fail(TOO_MANY_PASSES, message, state.endless)]
    if deadline is not None and now >= deadline:
        return [Fail(RUN_TIMEOUT, "The run took longer than its workflow allows.")]
    commands: list[Command] = []
    while state.fresh:
        commands.extend(_step(state, state.fresh.popleft()))
    commands.extend(_due(state, now))
    return commands


def next_due(state: RunState, deadline: datetime | None = None) -> datetime | None:
    """When something happens by itself, if nothing else happens before."""
    while state.timers and not _is_current(state.timers[0][0], state.timers[0][-1]):
        heapq.heappop(state.timers)
    moments = [state.timers[0][0]] if state.timers else []
    if deadline is not None:
        moments.append(deadline)
    return min(moments, default=None)


def _step(state: RunState, execution: Execution) -> Iterator[Command]:
    match execution.phase:
        case Phase.READY:
            yield _run(state, execution)
        case Phase.INTERRUPTED:
            if execution.step.shape.repeatable:
                yield _run(state, execution)
            else:
                yield AskOutcome(execution)
        case Phase.RETRYING | Phase.WAITING:
            if execution.due is not None:
                heapq.heappush(state.timers, (execution.due, *_place(execution), execution))
        case Phase.ANSWERED:
            yield _after_answer(state, execution)
        case Phase.RUNNING | Phase.FINISHED | Phase.FAILED:
            pass


def _due(state: RunState, now: datetime) -> Iterator[Command]:
    while state.timers and state.timers[0][0] <= now:
        moment, _, _, execution = heapq.heappop(state.timers)
        if not _is_current(moment, execution):
            continue
        waits = execution.phase is Phase.WAITING and execution.waited
        execution.due = None
        if waits and waits.answerable:
            yield Expire(execution)
        else:
            yield _run(state, execution)


def _is_current(moment: datetime, execution: Execution) -> bool:
    return execution.due == moment and execution.phase in (Phase.RETRYING, Phase.WAITING)


def _run(state: RunState, execution: Execution) -> Run:
    state.launch(execution)
    return Run(execution)


def _after_answer(state: RunState, execution: Execution) -> Command:
    if execution.waited is None or not execution.waited.outcome_unknown:
        return _run(state, execution)
    answer = execution.answer.answer if execution.answer else None
    execution.waited = execution.answer = None  # the node itself did not ask
    if answer is not None and answer.get("decision") == "approve":
        return _run(state, execution)
    state.launch(execution)
    message = "A crash left open whether this node had its effect, and nobody wants it repeated."
    return GiveUp(execution, OUTCOME_UNKNOWN, message)


def _failure(execution: Execution) -> Fail:
    failed = execution.failed
    return Fail(failed.code, failed.message, execution.step.id) if failed else Fail("failed", "")


def _complete(state: RunState) -> Complete:
    """A run's output is what its responding node answers, or else the last node's items.

    First and last are meant in the order of the definition's edges, not of time.
    """
    finished = [one for one in state.executions.values() if one.finished is not None]
    responding = [one for one in finished if one.finished and one.finished.response is not None]
    if responding:
        first = min(responding, key=_place)
        response = first.finished.response if first.finished else None
        return Complete((response or {}).get("body"), response)
    last = max(finished, key=_place, default=None)
    return Complete(_items(last) if last is not None else [], None)


def _place(execution: Execution) -> tuple[int, tuple[int, ...]]:
    return execution.step.place, execution.iteration


def _items(execution: Execution) -> list[Item]:
    outputs = execution.finished.outputs if execution.finished else {}
    for port in execution.step.shape.ports:
        if items := outputs.get(port):
            return [{name: item[name] for name in item if name != "paired_item"} for item in items]
    return []
