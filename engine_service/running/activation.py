"""One claim of a run, from taking it up to its end or its parking: decide, execute, append, again.

An activation holds the run alone: the claim says so, and the journal checks it with every write.
It keeps the run's state in memory, writes whatever happens, and lets go as soon as there is nothing
that it could do now. If it is taken away (cancelled, lost, drained) it stops what it does at once
and writes nothing more; what is in the journal is enough for whoever comes next.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from structlog.contextvars import bind_contextvars

from engine_service.core.decide import (
    AskOutcome,
    Command,
    Complete,
    Expire,
    Fail,
    GiveUp,
    Run,
    decide,
    next_due,
)
from engine_service.core.events import (
    AnyFact,
    Key,
    NodeAnswered,
    NodeFinished,
    NodeWaited,
    iteration_text,
)
from engine_service.core.state import Execution, Phase, RunState
from engine_service.definitions.program import Program, Programs
from engine_service.dispatch import Claims
from engine_service.encoding import decode
from engine_service.running import traces
from engine_service.running.attempt import Call, RunFacts
from engine_service.running.calls import Calls
from engine_service.running.entry import Entry, Sleep, Written
from engine_service.running.error_runs import error_run, handler_of, with_handler
from engine_service.running.execute import Executor, Result
from engine_service.running.journal import Journal
from engine_service.running.keeping import Kept
from engine_service.running.outlet import RunOutlet, budget_of
from engine_service.running.record import Recorder
from engine_service.running.surroundings import Surroundings
from engine_service.sdk.node import Failed, NodeError
from engine_service.sdk.question import Question
from engine_service.sdk.run_input import items_of
from engine_service.store.journal import (
    ClaimedRun,
    expire,
    read_answers,
    read_facts,
)
from engine_service.store.runs import NewRun, driver_of
from shared.clock import Clock
from shared.database import Database
from shared.errors import AppError, Unavailable
from shared.rpc import call as rpc_call

log = structlog.get_logger()

_SHORT = timedelta(seconds=1)
"""Waits shorter than this stay in memory."""
_TURN = timedelta(milliseconds=5)
"""How long a run may compute before others get their turn."""
_MOST_TAKEOVERS = 30
_LONGEST_SLEEP = timedelta(days=30)
"""The queue counts seconds in 32 bits; who sleeps longer wakes in between."""
_LONGEST_RUN = timedelta(days=36_525)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all activations of a process share.

    Attributes:
        database: Acts as flowloom_worker.
        effects: Bounds how many effects are under way in the process.
        effects_per_run: Likewise in one run.
        surroundings: What expressions see besides the run's own data.
    """

    database: Database
    programs: Programs
    executor: Executor
    journal: Journal
    calls: Calls
    claims: Claims
    clock: Clock
    surroundings: Surroundings
    effects: asyncio.Semaphore
    effects_per_run: int = 16


class _Gone(Exception):
    """The run is not ours to work on any more."""


class Activation:
    """The work on one claimed run."""

    def __init__(self, run: ClaimedRun, shop: Workshop) -> None:
        self.run = run
        self._shop = shop
        self._recorder = Recorder(run, shop.clock)
        self._news = asyncio.Event()
        self._happened: deque[tuple[Call, Result] | NodeAnswered] = deque()
        self._launching: list[Call | Execution] = []
        self._running: set[asyncio.Task[None]] = set()
        self._effects = asyncio.Semaphore(shop.effects_per_run)
        self._signalled = False
        self._written: Written | None = None
        self._handler = ""  # its error workflow, once that is known
        self._traced = run.trail.leads()
        self._pen = _Pen(shop.journal, self._recorder, traced=self._traced)
        self._outlet = RunOutlet(self._recorder, self._send, shop.database)

    def signal(self) -> None:
        """An answer came for one of the run's nodes."""
        self._signalled = True
        self._news.set()

    async def go(self) -> None:
        """Work on the run until it has ended, sleeps, or is not ours any more.

        Raises:
            Unavailable: The database is away; the claim will lapse.
        """
        bind_contextvars(run_id=self.run.id)  # the activation's task ends with it
        try:
            with rpc_call.use(self.run.trail.call(self.run.id)):
                async with asyncio.TaskGroup() as self._group:
                    await self._go()
                    for task in self._running:
                        task.cancel()
        except* _Gone:
            log.info("run_let_go", run_id=self.run.id, because=str(self._written))
        finally:
            self._shop.claims.let_go(self.run.claim)

    async def hand_over(self) -> None:
        """Write what is still to be written and let anybody take the run. Nothing may run now."""
        entry = self._recorder.take()
        entry.release = True
        await self._pen.write(entry)

    async def _go(self) -> None:
        if self.run.attempt >= _MOST_TAKEOVERS:
            self._recorder.began()
            message = f"{self.run.attempt - 1} engines ended while they worked on this run."
            await self._conclude(Fail("crashed_repeatedly", message))
            return
        try:
            await self._begin()
        except Unavailable:
            raise
        except AppError as error:
            self._recorder.began()
            await self._conclude(Fail(error.code.lower(), error.message))
            return
        await self._work()

    async def _begin(self) -> None:
        run, programs = self.run, self._shop.programs
        key = run.workflow_id, run.version, run.trigger_node_id
        if run.definition is not None:
            program = programs.compose(run.definition, run.trigger_node_id)
        else:
            program = programs.find(*key) or await programs.get(*key)
        self._program: Program = program
        known = run.id, run.tenant_id, run.workflow_id, run.version, run.mode, run.trigger
        around = await self._shop.surroundings.of(run.tenant_id, self._program.uses_variables)
        limits = program.workflow.settings.budget
        budget = await budget_of(self._shop.database, run.id, limits)
        self._facts = RunFacts(*known, *around, budget, run.depth, run.error_of)
        self._handler = handler_of(self._facts, program)
        is_new = run.last_sequence == 1 and run.rerun_from is None
        facts = {} if is_new else await _read_facts(self._shop, self._facts)
        self._state = RunState(self._program.flow, items_of(decode(run.input)), facts)
        started_at = self._recorder.began()
        self._deadline = _deadline(started_at, self._program.workflow.settings.timeout)

    async def _work(self) -> None:
        """Turn in the circle until nothing is left to do."""
        rested_at = self._shop.clock.now()
        while True:
            now = self._shop.clock.now()
            commands = decide(self._state, now, self._deadline)
            for command in commands:
                if isinstance(command, Complete | Fail):
                    await self._conclude(command)
                    return
                self._do(command, now)
            self._recorder.passed(self._state)
            if commands and now - rested_at < _TURN:
                continue
            if commands:
                await asyncio.sleep(0)
            elif not await self._rest():
                return
            rested_at = self._shop.clock.now()

    # --- doing what is commanded

    def _do(self, command: Command, now: datetime) -> None:
        match command:
            case Run(execution):
                self._run(self._call(execution, now))
            case Expire(execution):
                self._launching.append(execution)
            case AskOutcome(execution):
                self._ask(execution, now)
            case GiveUp(execution, code, message):
                call = self._call(execution, now)
                self._took(call, self._shop.executor.give_up(call, Failed(code, message)))
            case Complete() | Fail():
                pass  # `_work` concludes

    def _run(self, call: Call) -> None:
        result = self._shop.executor.attempt_now(call)
        if result is not None:
            if self._traced:
                traces.done_at_once(call, result)
            self._took(call, result)
            return
        if not call.node.is_pure:
            self._recorder.started(call)
        self._launching.append(call)

    def _call(self, execution: Execution, now: datetime) -> Call:
        return Call(self._program, self._state, execution, self._facts, now)

    def _took(self, call: Call, result: Result) -> None:
        self._recorder.happened(call, result)
        self._state.apply(result.fact)
        self._recorder.passed(self._state)

    def _ask(self, execution: Execution, now: datetime) -> None:
        """Ask a person whether to repeat an effect that may have happened."""
        self._took(self._call(execution, now), _whether_to_repeat(execution, now))

    # --- what takes time

    def _launch(self, written: "asyncio.Future[Written] | None") -> None:
        """Begin what was put off until its announcement is on its way to the journal."""
        for one in self._launching:
            work = self._act(one, written) if isinstance(one, Call) else self._expire(one)
            task = self._group.create_task(work)
            self._running.add(task)
            task.add_done_callback(self._done)
        self._launching.clear()

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._news.set()

    async def _act(self, call: Call, written: "asyncio.Future[Written] | None") -> None:
        if written is not None and call.node.announces and await written is not Written.DONE:
            return  # the main task hears of it as well
        bind_contextvars(node_id=call.execution.step.id)
        async with self._effects, self._shop.effects:
            if call.node.announces and not self._shop.claims.are_fresh():
                raise _Gone
            attempt = self._shop.executor.attempt(call, self._outlet)
            result = await (traces.traced(call, attempt) if self._traced else attempt)
        self._happened.append((call, result))

    async def _expire(self, execution: Execution) -> None:
        """Close a wait whose time is over, unless an answer came first."""
        node_id, iteration = execution.key
        async with self._shop.database.transaction() as connection:
            driver = await driver_of(connection)
            now = self._shop.clock.now()
            await expire(driver, self.run.id, node_id, iteration_text(iteration), now)
            answers = await read_answers(driver, self.run.id)
        key = execution.key, execution.attempt
        answer = next((one for one in answers if (one.key, one.attempt) == key), None)
        nobody = NodeAnswered(node_id, iteration, execution.attempt, now, None)
        self._happened.append(answer or nobody)

    # --- waiting

    async def _rest(self) -> bool:
        """Wait for whatever comes next; False when the run sleeps and is none of ours now."""
        written = None if self._recorder.is_empty() else self._send()
        if self._launching:
            self._launch(written)
        due = next_due(self._state, self._deadline)
        now = self._shop.clock.now()
        if not self._running and not self._news.is_set() and (due is None or due - now > _SHORT):
            return await self._park(due, now)
        await _hear_until(due, self._news, self._shop.clock)
        if self._written in (Written.LOST, Written.UNKNOWN):
            raise _Gone
        if self._written is Written.REFUSED:
            await self._conclude_refused()
            return False
        while self._happened:
            happened = self._happened.popleft()
            if isinstance(happened, NodeAnswered):
                self._state.apply(happened)
            else:
                self._took(*happened)
        if self._signalled:
            await self._hear_answers()
        return True

    async def _hear_answers(self) -> None:
        self._signalled = False
        async with self._shop.database.transaction() as connection:
            answers = await read_answers(await driver_of(connection), self.run.id)
        for answer in answers:
            execution = self._state.executions.get(answer.key)
            if (
                execution is not None
                and execution.phase is Phase.WAITING
                and execution.attempt == answer.attempt
            ):
                self._state.apply(answer)

    async def _park(self, due: datetime | None, now: datetime) -> bool:
        """Let the run sleep; True when it does not, because an answer has come meanwhile."""
        waiting = [
            one
            for one in self._state.executions.values()
            if one.phase in (Phase.WAITING, Phase.RETRYING)
        ]
        entry = self._recorder.parks(waiting, due)
        open_waits = sum(
            one.phase is Phase.WAITING and one.waited is not None and one.waited.answerable
            for one in waiting
        )
        seconds = None if due is None else int(min(due - now, _LONGEST_SLEEP).total_seconds())
        entry.sleep = Sleep(f"{self.run.id}:{entry.last_sequence}", seconds, open_waits)
        written = await self._pen.write(entry)
        if written is Written.AWAKE:
            self._recorder.resumed()
            await self._hear_answers()
            return True
        if written is Written.REFUSED:
            await self._conclude_refused()
            return False
        if written is not Written.DONE:
            self._written = written
            raise _Gone
        return False

    # --- writing

    def _send(self) -> "asyncio.Future[Written]":
        """Write what has happened so far, without waiting for it."""
        written = self._pen.write(self._recorder.take())
        written.add_done_callback(self._heard_back)
        return written

    def _heard_back(self, written: "asyncio.Future[Written]") -> None:
        if not written.cancelled() and written.result() is not Written.DONE:
            self._written = written.result()
            self._news.set()

    async def _conclude(self, how: Complete | Fail) -> None:
        """End the run; what is under way is stopped first."""
        for task in self._running:
            task.cancel()
        kept = None
        if isinstance(how, Complete):
            called = self.run.parent_run_id is not None
            how, kept = await _kept(self._shop, self._facts, how, called=called)
        starts = await self._starts(how)
        written = await self._pen.write(self._recorder.ends(how, kept, starts))
        if written is Written.REFUSED:
            await self._conclude_refused()
        elif written is not Written.DONE:
            self._written = written
            raise _Gone

    async def _starts(self, how: Complete | Fail) -> list[NewRun]:
        """The run of the error workflow, if the run fails and there is one."""
        if not isinstance(how, Fail) or not self._handler:
            return []
        begun = error_run(self._facts, self._program, how, self._shop.clock.now())
        return await with_handler(self._shop.calls, self._handler, begun, self._recorder.remark)

    async def _conclude_refused(self) -> None:
        """End a run whose data PostgreSQL does not take; its history ends behind what is stored."""
        for task in self._running:
            task.cancel()
        await self._pen.rewind()
        refused = Fail("not_storable", "The database refused the run's data.")
        starts = await self._starts(refused)
        self._written = await self._pen.write(self._recorder.ends(refused, None, starts))
        if self._written is not Written.DONE:
            raise _Gone


async def _hear_until(due: datetime | None, news: asyncio.Event, clock: Clock) -> None:
    """Wait for news, or for a moment."""
    if due is None:
        await news.wait()
    elif not news.is_set():
        timer = asyncio.create_task(clock.sleep_until(due))
        timer.add_done_callback(lambda done: None if done.cancelled() else news.set())
        try:
            await news.wait()
        finally:
            timer.cancel()
    news.clear()


def _whether_to_repeat(execution: Execution, now: datetime) -> Result:
    node_id, iteration = execution.key
    fact = NodeWaited(
        node_id, iteration, execution.attempt, now, None, answerable=True, outcome_unknown=True
    )
    question = Question(
        f"Repeat “{execution.step.node.name}”?",
        "The engine stopped while this step was under way, and nobody knows whether it had its "
        "effect. **Approve** to run it again; **reject** to count it as failed.",
    )
    return Result(fact, question=question)


class _Pen:
    """Writes a run's entries, and keeps in mind how far its history is stored."""

    def __init__(self, journal: Journal, recorder: Recorder, *, traced: bool) -> None:
        self._journal = journal
        self._recorder = recorder
        self._traced = traced
        self._unsettled: set[asyncio.Future[Written]] = set()

    def write(self, entry: Entry) -> "asyncio.Future[Written]":
        """Write an entry."""
        written = self._journal.write(entry)
        self._unsettled.add(written)

        def settle(written: "asyncio.Future[Written]") -> None:
            self._unsettled.discard(written)
            if not written.cancelled() and written.result() in (Written.DONE, Written.AWAKE):
                self._recorder.stored(entry)
                if entry.end is not None and self._traced:
                    traces.run_ended(entry)

        written.add_done_callback(settle)
        return written

    async def rewind(self) -> None:
        """Go on behind what is stored, once that is known."""
        if self._unsettled:
            await asyncio.wait(self._unsettled)
        self._recorder.rewind()


def _deadline(started_at: datetime, seconds: float | None) -> datetime | None:
    longest = _LONGEST_RUN.total_seconds()
    return started_at + timedelta(seconds=min(seconds, longest)) if seconds else None


async def _read_facts(shop: Workshop, run: RunFacts) -> dict[Key, list[AnyFact]]:
    """All that is known of a run's nodes, large outputs included."""
    async with shop.database.transaction() as connection:
        facts = await read_facts(await driver_of(connection), run.id)
    for known in facts.values():
        for place, fact in enumerate(known):
            if isinstance(fact, NodeFinished):
                known[place] = await shop.executor.read_outputs(run, fact)
    return facts


async def _kept(
    shop: Workshop, run: RunFacts, how: Complete, *, called: bool
) -> tuple[Complete | Fail, Kept | None]:
    """The output of a run that is complete, kept; without room for it, the run has failed."""
    try:
        return how, await shop.executor.keep_output(run, how.output, called=called)
    except NodeError as error:
        return Fail(error.failure.code, error.failure.message), None
