"""Turns what happens in an activation into what is written: journal rows and events, in order.

The recorder holds the entry that is being filled and counts the run's events, whose sequence nobody
else continues while the run is claimed. It decides nothing and awaits nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import orjson

from engine_service.core.decide import Complete, Fail
from engine_service.core.events import Key, NodeFailed, NodeFinished, NodeWaited, iteration_text
from engine_service.core.flow import DONE
from engine_service.core.state import Execution, RunState
from engine_service.encoding import encode
from engine_service.metrics import ACTIVATION_LATENCY, NODE_DURATION, RUNS, count_usage
from engine_service.running.attempt import Call
from engine_service.running.calls import awaited
from engine_service.running.entry import End, Entry
from engine_service.running.execute import Result
from engine_service.running.keeping import Kept
from engine_service.running.spending import NOTHING, shown
from engine_service.sdk.question import Question
from engine_service.store.journal import ClaimedRun
from engine_service.store.runs import NewRun
from shared.clock import Clock
from shared.ids import new_id
from shared.llm import Usage
from shared.workflow import JsonObject

_duration_of = cache(NODE_DURATION.labels)  # types are few, and looking a label up takes long


class Recorder:
    """Fills the entries of one activation."""

    def __init__(self, run: ClaimedRun, clock: Clock) -> None:
        self._run = run
        self._clock = clock
        self._sequence = self._stored = run.last_sequence
        self._entry = Entry(run, run.last_sequence + 1)
        self._started_at = run.started_at
        self._has_waited = run.status == "waiting" or run.last_sequence > 1
        self._used: dict[Key, Usage] = {}
        self._calls: dict[Key, int] = {}

    @property
    def run_id(self) -> str:
        """Whose history it is."""
        return self._run.id

    def is_empty(self) -> bool:
        """Whether nothing has happened since the last entry was taken."""
        return self._entry.is_empty()

    def take(self) -> Entry:
        """What has happened so far; what follows goes into another entry."""
        entry = self._entry
        self._sequence += len(entry.events)
        self._entry = Entry(self._run, self._sequence + 1)
        return entry

    def stored(self, entry: Entry) -> None:
        """An entry is in the journal."""
        self._stored = max(self._stored, entry.last_sequence)

    def rewind(self) -> None:
        """Drop what was not stored; the history goes on behind what was."""
        self._sequence = self._stored
        self._entry = Entry(self._run, self._sequence + 1)

    # --- the run

    def began(self) -> datetime:
        """The activation begins; when the run began."""
        now = self._clock.now()
        self._entry.status = "running"
        if self._started_at is None:
            self._started_at = self._entry.started_at = now
            self._tell("run.started", now, {})
            ACTIVATION_LATENCY.observe(max((now - self._run.created_at).total_seconds(), 0.0))
        else:
            reason = "woken" if self._run.status == "waiting" else "takeover"
            self._tell("run.resumed", now, {"reason": reason})
        return self._started_at

    def resumed(self) -> None:
        """The run was to sleep and does not."""
        self._entry.status = "running"
        self._tell("run.resumed", self._clock.now(), {"reason": "woken"})

    def parks(self, waiting: Sequence[Execution], until: datetime | None) -> Entry:
        """Everything left waits."""
        self._entry.status = "waiting"
        node_ids = list(dict.fromkeys(one.step.id for one in waiting))
        self._tell("run.waiting", self._clock.now(), {"until": until, "node_ids": node_ids})
        return self.take()

    def ends(
        self, how: Complete | Fail, kept: Kept | None = None, starts: Sequence[NewRun] = ()
    ) -> Entry:
        """The run has ended; a complete one's output is kept already. Others may begin with it."""
        now = self._clock.now()
        match how:
            case Complete(_, response):
                assert kept is not None
                self._tell("run.completed", now, {})
                answer = None if response is None else encode(response)
                self._entry.end = End("completed", now, kept.text, answer, output_blob=kept.blob)
            case Fail(code, message, node_id):
                self._tell("run.failed", now, {})
                error = {"code": code, "message": message, "node_id": node_id}
                self._entry.end = End("failed", now, error=error)
        self._entry.starts += starts
        self._entry.stops_children = isinstance(how, Fail) and self._has_waited
        self._entry.started_at = self._started_at
        self._entry.has_waited = self._has_waited
        RUNS.labels(self._entry.end.status).inc()
        return self.take()

    # --- its nodes

    def started(self, call: Call) -> None:
        """A node is about to touch the world, or to wait for it."""
        execution = call.execution
        self._tell("node.started", call.now, self._attempt(execution))
        if call.node.announces:
            self._note(execution, "started", call.now, call.now)

    def happened(self, call: Call, result: Result) -> None:
        """An attempt has come to something."""
        fact, execution = result.fact, call.execution
        match fact:
            case NodeFinished():
                self._finished(call, fact, result.outputs)
            case NodeFailed():
                detail = {"code": fact.code, "message": fact.message, "retry_at": fact.retry_at}
                detail |= self._usage(execution)
                self._note(execution, "failed", call.now, fact.at, detail=detail)
                error = {"code": fact.code, "message": fact.message}
                about = {**self._attempt(execution), "error": error}
                if fact.retry_at is None:
                    self._tell("node.failed", fact.at, about)
                else:
                    self._tell("node.retrying", fact.at, {**about, "retry_time": fact.retry_at})
            case NodeWaited():
                self._waits(call, fact, result)

    def passed(self, state: RunState) -> None:
        """What followed in the flow: executions that were skipped, loops that are through."""
        now = self._clock.now() if state.skipped or state.looped else None
        if now is None:
            return
        for node_id, iteration in state.skipped:
            about = {"node_id": node_id, "iteration": iteration_text(iteration)}
            self._tell("node.skipped", now, about)
        for execution in state.looped:
            fact = execution.finished
            if fact is not None:
                items = {DONE: len(fact.outputs.get(DONE, ()))}
                spent = (now - fact.at).total_seconds()
                self._completed(execution, now, items, 0, spent)
        state.skipped.clear()
        state.looped.clear()

    def delta(self, execution: Execution, data: JsonObject) -> None:
        """A node tells of its progress."""
        self._tell("node.delta", self._clock.now(), {**self._attempt(execution), "delta": data})

    def spent(self, execution: Execution, usage: Usage) -> None:
        """A node has called a model."""
        count_usage(usage)
        key = execution.key
        self._used[key] = self._used.get(key, NOTHING) + usage
        self._calls[key] = self._calls.get(key, 0) + 1
        self._entry.used.append(
            {
                "day": self._clock.now().astimezone(UTC).date(),
                "model_calls": 1,
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "cost_usd": str(usage.cost_usd or 0),
                "unpriced": int(usage.cost_usd is None),
            }
        )

    def progress(self, execution: Execution, number: int, step: JsonObject) -> None:
        """An action has come a step further."""
        self._entry.progress.append(
            {
                "run_id": self._run.id,
                "node_id": execution.step.id,
                "iteration": iteration_text(execution.iteration),
                "number": number,
                "tenant_id": self._run.tenant_id,
                "step": encode(step),
            }
        )

    def line(self, execution: Execution, level: str, message: str) -> None:
        """A node writes to the run's log."""
        about = {"node_id": execution.step.id, "iteration": iteration_text(execution.iteration)}
        about |= {"level": level, "message": message}
        self._tell("log", self._clock.now(), about)

    def remark(self, level: str, message: str) -> None:
        """Something about the run as a whole, for its log."""
        about = {"node_id": "", "iteration": "", "level": level, "message": message}
        self._tell("log", self._clock.now(), about)

    def _finished(self, call: Call, fact: NodeFinished, outputs: str | None) -> None:
        used = self._usage(call.execution)
        detail: JsonObject = {**used}
        if fact.failures:
            detail["failures"] = fact.failures
        if fact.response is not None:
            detail["response"] = fact.response
            if self._entry.responded is None:
                self._entry.responded = fact.response
                self._entry.response = encode(fact.response)
        self._note(call.execution, "finished", call.now, fact.at, detail=detail)
        self._entry.facts[-1] |= {"outputs": outputs, "outputs_blob": fact.blob}
        if call.execution.step.is_loop:
            return  # told when all its batches are through
        items = {port: len(given) for port, given in fact.outputs.items() if given}
        spent = (fact.at - call.now).total_seconds()
        self._completed(call.execution, fact.at, items, len(fact.failures), spent, used)

    def _completed(
        self,
        execution: Execution,
        at: datetime,
        items: dict[str, int],
        failures: int,
        seconds: float,
        used: JsonObject | None = None,
    ) -> None:
        about = {**self._attempt(execution), **(used or {})}
        about |= {"items": items, "failures": failures}
        _duration_of(execution.step.node.type).observe(max(seconds, 0.0))
        about["duration_ms"] = round(max(seconds, 0.0) * 1000, 3)
        self._tell("node.completed", at, about)

    def _waits(self, call: Call, fact: NodeWaited, result: Result) -> None:
        execution, run = call.execution, self._run
        detail = {
            "until": fact.until,
            "answerable": fact.answerable,
            "outcome_unknown": fact.outcome_unknown,
            "children": fact.children,
        }
        self._note(execution, "waiting", call.now, fact.at, detail=detail)
        key = {
            "run_id": run.id,
            "node_id": execution.step.id,
            "iteration": iteration_text(execution.iteration),
            "tenant_id": run.tenant_id,
        }
        approval_id = ""
        if fact.answerable:
            self._has_waited = True
            waits = {**key, "attempt": fact.attempt, "children": bool(fact.children)}
            self._entry.waits.append(waits)
        children = awaited(call.run, fact, result.children, self._clock)
        if result.trail is not None:
            children = [replace(child, trail=result.trail) for child in children]
        self._entry.starts += children
        if question := result.question:
            approval_id = new_id("apr")
            schema = question.form_schema
            self._entry.approvals.append(
                {
                    **key,
                    "id": approval_id,
                    "workflow_id": run.workflow_id,
                    "title": question.title,
                    "message": question.message,
                    "approvers": list(question.approvers),
                    "form_schema": None if schema is None else encode(schema),
                    "created_at": fact.at,
                    "expires_at": fact.until,
                    "kind": question.kind,
                    "quorum": question.quorum,
                    "first_rejection_decides": question.first_rejection_decides,
                    "notices": _notices(question, execution),
                }
            )
        about = {**self._attempt(execution), "until": fact.until, "approval_id": approval_id}
        about |= {"callback": result.callback, "outcome_unknown": fact.outcome_unknown}
        about["run_ids"] = [child.id for child in children]
        self._tell("node.waiting", fact.at, about)

    # --- rows

    def _usage(self, execution: Execution) -> JsonObject:
        """What an execution's models used in this activation; nothing if it called none."""
        used = self._used.pop(execution.key, None)
        if used is None:
            return {}
        told = {"model_calls": self._calls.pop(execution.key), **shown(used)}
        return {"usage": told}

    def _attempt(self, execution: Execution) -> JsonObject:
        return {
            "node_id": execution.step.id,
            "iteration": iteration_text(execution.iteration),
            "attempt": max(execution.attempt, 1),
        }

    def _tell(self, kind: str, at: datetime, data: JsonObject) -> None:
        self._entry.events.append({"type": kind, "at": at, "data": data})

    def _note(
        self,
        execution: Execution,
        kind: str,
        began_at: datetime,
        at: datetime,
        *,
        detail: JsonObject | None = None,
    ) -> None:
        self._entry.facts.append(
            {
                "run_id": self._run.id,
                "node_id": execution.step.id,
                "iteration": iteration_text(execution.iteration),
                "attempt": execution.attempt,
                "kind": kind,
                "tenant_id": self._run.tenant_id,
                "started_at": began_at,
                "at": at,
                "detail": orjson.dumps(detail).decode() if detail else None,
            }
        )


def _notices(question: Question, execution: Execution) -> list[JsonObject]:
    """Who is told of a question, on the accounts that the asking node refers to."""
    return [
        {
            "id": new_id("ntc"),
            "approver": notice.approver,
            "channel": notice.channel,
            "recipient": notice.recipient,
            "credentials": execution.step.node.credentials,
            "every_seconds": notice.every,
            "reminders": notice.reminders,
        }
        for notice in question.notices
    ]
