"""Recorded runs: what was decided when, and what happened then; as JSON that outlives the code."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from engine_service.core.decide import (
    AskOutcome,
    Command,
    Complete,
    Expire,
    Fail,
    GiveUp,
    Run,
    decide,
)
from engine_service.core.events import (
    AnyFact,
    Key,
    NodeAnswered,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    NodeWaited,
    iteration_text,
    parse_iteration,
)
from engine_service.core.flow import Flow
from engine_service.core.state import RunState
from engine_service.definitions.program import Program
from engine_service.sdk.run_input import items_of
from shared.workflow import JsonObject, Workflow
from tests.support.nodes import catalogue

_FACTS: Mapping[str, type[AnyFact]] = {
    kind.__name__: kind
    for kind in (NodeStarted, NodeFinished, NodeFailed, NodeWaited, NodeAnswered)
}
_MOMENTS = ("at", "until", "retry_at")


@dataclass(frozen=True, slots=True)
class Step:
    """One turn: when, what was decided, and what happened before the next."""

    at: datetime
    decided: list[str]
    then: list[AnyFact]


@dataclass(frozen=True, slots=True)
class Tape:
    """A recorded run."""

    definition: JsonObject
    given: Any
    steps: Sequence[Step]

    def flow(self) -> Flow:
        """The flow of its definition, from the node `start`."""
        return Program(Workflow.model_validate(self.definition), "start", catalogue()).flow

    def to_json(self) -> JsonObject:
        """The tape as a JSON document."""
        steps = [
            {
                "at": step.at.isoformat(),
                "decided": step.decided,
                "then": [_to_json(fact) for fact in step.then],
            }
            for step in self.steps
        ]
        return {"definition": self.definition, "given": self.given, "steps": steps}

    @classmethod
    def from_json(cls, document: JsonObject) -> "Tape":
        """The tape that a JSON document holds."""
        steps = [
            Step(
                datetime.fromisoformat(step["at"]),
                step["decided"],
                [_from_json(fact) for fact in step["then"]],
            )
            for step in document["steps"]
        ]
        return cls(document["definition"], document["given"], steps)


def replay(tape: Tape) -> list[list[str]]:
    """What today's code decides at each step of a tape."""
    state = RunState(tape.flow(), items_of(tape.given), {})
    decided: list[list[str]] = []
    for step in tape.steps:
        decided.append([describe(command) for command in decide(state, step.at)])
        for fact in step.then:
            state.apply(fact)
    return decided


def take_over(tape: Tape, after: int) -> list[str]:
    """What today's code decides last, when it takes the run over behind some step."""
    journal: dict[Key, list[AnyFact]] = {}
    for step in tape.steps[:after]:
        for fact in step.then:
            journal.setdefault(fact.key, []).append(fact)
    state = RunState(tape.flow(), items_of(tape.given), journal)
    decided: list[str] = []
    for step in tape.steps[after:]:
        decided = [describe(command) for command in decide(state, step.at)]
        for fact in step.then:
            if fact.key in state.executions:
                state.apply(fact)
    return decided


def describe(command: Command) -> str:
    """A command in a line that depends on nothing but what it says."""
    match command:
        case Run(execution):
            return f"run {_name(execution.key)} attempt {execution.attempt}"
        case Expire(execution):
            return f"expire {_name(execution.key)}"
        case AskOutcome(execution):
            return f"ask about {_name(execution.key)}"
        case GiveUp(execution, code):
            return f"give up {_name(execution.key)}: {code}"
        case Fail(code, message, node_id):
            return f"fail {node_id}: {code}: {message}"
        case Complete(output, response):
            return f"complete {output!r} {response!r}"


def _name(key: Key) -> str:
    node_id, iteration = key
    return f"{node_id}[{iteration_text(iteration)}]" if iteration else node_id


def _to_json(fact: AnyFact) -> JsonObject:
    said = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(fact).items()
    }
    return {"fact": type(fact).__name__, **said, "iteration": iteration_text(fact.iteration)}


def _from_json(document: JsonObject) -> AnyFact:
    said = dict(document)
    kind = _FACTS[said.pop("fact")]
    said["iteration"] = parse_iteration(said["iteration"])
    for name in _MOMENTS:
        if said.get(name):
            said[name] = datetime.fromisoformat(said[name])
    if "failures" in said:
        said["failures"] = tuple(said["failures"])
    return kind(**said)
