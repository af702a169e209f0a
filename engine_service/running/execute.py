"""Runs one attempt of one node: fill its parameters, run it, judge what came of it.

An execution that is to run comes in; the fact for the journal goes out, with results as JSON text.
Pure nodes whose expressions are plain paths are done on the spot (`attempt_now`); everything else
awaits a worker process or the world (`attempt`). Nothing here knows the database or the run's
other nodes, except through what expressions can see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from engine_service.core.events import (
    NodeFailed,
    NodeFinished,
    NodeWaited,
    iteration_text,
)
from engine_service.core.flow import DONE
from engine_service.core.state import Execution
from engine_service.encoding import NotJson, encode
from engine_service.expressions import Evaluator
from engine_service.running.attached import (
    Bench,
    CredentialSource,
    attached_to,
    compute,
    let_act,
    unexpected,
)
from engine_service.running.attempt import MANY, Call, Filled, RunFacts, fill, fill_now
from engine_service.running.judgement import retry_at, with_failures
from engine_service.running.keeping import BlobSource, Kept, Limits, Outputs
from engine_service.running.spending import NodePurse, Spending
from engine_service.sdk.blob import Blobs, NoBlobs
from engine_service.sdk.memory import NO_MEMORY, Memory
from engine_service.sdk.node import (
    ERROR,
    ChildRun,
    Credentials,
    Done,
    Failed,
    HttpClient,
    ItemFailure,
    Network,
    NoCredentials,
    NodeError,
    NoNetwork,
    NoWorkflows,
    Outcome,
    Response,
    Services,
    Waiting,
    Workflows,
)
from engine_service.sdk.progress import InMind, Progress
from engine_service.sdk.question import Question
from engine_service.sdk.tenant_data import NoTenantData, TenantData
from engine_service.vault.veil import Hide, hidden, veil_of, veiled
from shared.clock import Clock
from shared.errors import Unavailable
from shared.llm import Usage
from shared.tracing.trail import Trail
from shared.workflow import Item, JsonObject


class CallSource(Protocol):
    """Where other workflows are called from; engine_service/running/calls.py is the real one."""

    def of(self, run: RunFacts, execution: Execution) -> Workflows:
        """What one execution of a node may call."""
        ...


class MemorySource(Protocol):
    """Where what tenants remember is; engine_service/running/remembering.py is the real one."""

    def of(self, tenant_id: str) -> Memory:
        """What a tenant's nodes remember."""
        ...


class DataSource(Protocol):
    """Where tenants' data come from; engine_service/running/tables.py is the real one."""

    def of(self, tenant_id: str) -> TenantData:
        """What a tenant keeps between runs."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """What actions touch the world with: HTTP, code, models, credentials, files, tables, memory.

    Attributes:
        spending: What tenants may use of language models; None where nobody pays.
    """

    http: HttpClient
    sandbox: Any
    models: Any
    keychain: CredentialSource | None = None
    network: Network = field(default_factory=NoNetwork)
    files: BlobSource | None = None
    spending: Spending | None = None
    calls: CallSource | None = None
    tables: DataSource | None = None
    memories: MemorySource | None = None


class Outlet(Protocol):
    """Where a node's progress goes while it runs."""

    async def delta(self, execution: Execution, data: JsonObject) -> None:
        """Something for whoever watches."""
        ...

    async def line(self, execution: Execution, level: str, message: str) -> None:
        """A line for the run's log."""
        ...

    def spent(self, execution: Execution, usage: Usage) -> None:
        """A call of a model was paid."""
        ...

    def progress(self, execution: Execution) -> Progress:
        """Where it writes its steps down."""
        ...


class Silence:
    """An outlet that nobody listens to."""

    async def delta(self, execution: Execution, data: JsonObject) -> None:
        """Drop it."""

    async def line(self, execution: Execution, level: str, message: str) -> None:
        """Drop it."""

    def spent(self, execution: Execution, usage: Usage) -> None:
        """Drop it."""

    def progress(self, execution: Execution) -> Progress:
        """Keep it nowhere."""
        del execution
        return InMind()


@dataclass(slots=True)
class Result:
    """What an attempt came to. It never changes; not frozen, as that costs every node.

    Attributes:
        outputs: The outputs as JSON text, when it finished and they are small.
        heavy: They are not, and still have to be kept.
        question: What a person is asked, when it waits for one.
        callback: An outside call may be the answer.
        children: The runs that are to begin, when it waits for them.
        trail: What they belong to, where that is traced.
    """

    fact: NodeFinished | NodeFailed | NodeWaited
    outputs: str | None = None
    question: Question | None = None
    callback: bool = False
    heavy: bool = False
    children: Sequence[ChildRun] = ()
    trail: Trail | None = None


class Executor:
    """Makes attempts. One for the whole process; it keeps nothing of them."""

    def __init__(
        self, world: World, evaluator: Evaluator, clock: Clock, limits: Limits | None = None
    ) -> None:
        self._world = world
        self._evaluator = evaluator
        self._clock = clock
        self._limits = limits or Limits()
        self._outputs = Outputs(world.files, self._limits)

    def attempt_now(self, call: Call) -> Result | None:
        """Make the attempt if that takes a moment: no world, no V8, no masses; otherwise None."""
        node = call.node
        if call.is_large or (not node.definition.disabled and (not node.is_pure or node.needs_v8)):
            return None
        try:
            result = self._compute_all(call)
        except Exception as error:  # as in `attempt`
            return self._failed(call, unexpected(node, error), final=True)
        return None if result.heavy else result

    async def attempt(self, call: Call, outlet: Outlet) -> Result:
        """Make the attempt, however long it takes. Cancelling it stops what it does.

        Raises:
            Unavailable: Something of the engine's own is away; the attempt can be made elsewhere.
        """
        try:
            return await self._attempt(call, outlet)
        except Unavailable:
            raise
        except Exception as error:  # it would end every engine's work on the run
            return self._failed(call, unexpected(call.node, error), final=True)

    async def _attempt(self, call: Call, outlet: Outlet) -> Result:
        node = call.node
        if node.definition.disabled or (node.is_pure and not node.needs_v8):
            result = await self._outputs.work(lambda: self._compute_all(call))
            return await self._kept(call, result)
        filled = await fill(call, self._evaluator) if node.needs_v8 else fill_now(call)
        if isinstance(filled, Failed):
            return await self._kept(call, self._judge(call, filled, None))
        if node.is_pure:
            return await self._kept(call, await self._computed_in_turn(call, filled))
        outcome = await self._act(call, filled, outlet)
        if call.is_large or _is_large(outcome):
            result = await self._outputs.work(lambda: self._judge(call, outcome, filled))
        else:
            result = self._judge(call, outcome, filled)
        return await self._kept(call, result)

    async def _computed_in_turn(self, call: Call, filled: Filled) -> Result:
        """Compute at once what takes a moment, and the rest beside the event loop."""
        if call.is_large:
            return await self._outputs.work(lambda: self._computed(call, filled))
        return self._computed(call, filled)

    def _compute_all(self, call: Call) -> Result:
        """The attempt of a node that needs nothing but its input."""
        if call.node.definition.disabled:
            return self._judge(call, _passed_on(call), None)
        filled = fill_now(call)
        if isinstance(filled, Failed):
            return self._judge(call, filled, None)
        return self._computed(call, filled)

    def _computed(self, call: Call, filled: Filled) -> Result:
        return self._judge(call, compute(call.node, filled.given), filled)

    async def _kept(self, call: Call, result: Result) -> Result:
        """A result whose outputs are kept, wherever they belong."""
        if not result.heavy or not isinstance(result.fact, NodeFinished):
            return result
        try:
            kept = await self._outputs.keep(call.run, call.node.definition.id, result.fact.outputs)
        except NodeError as error:
            return self._failed(call, error.failure, final=True)
        return Result(replace(result.fact, blob=kept.blob), kept.text)

    async def keep_output(self, run: RunFacts, output: Any, *, called: bool) -> Kept:
        """Keep what a run gives; one that another run has called gives it to that as text.

        Raises:
            Unavailable: The place for files is away.
            NodeError: There is no room for it.
        """
        return await self._outputs.keep_whole(run, output, as_text=called)

    async def read_outputs(self, run: RunFacts, fact: NodeFinished) -> NodeFinished:
        """What the journal knows, with its outputs read from the file that holds them.

        Raises:
            Unavailable: The place for files is away.
            Internal: The file is gone.
        """
        if fact.blob is None:
            return fact
        return replace(fact, outputs=await self._outputs.read(run, fact.blob))

    def give_up(self, call: Call, failed: Failed) -> Result:
        """Judge a failure that the node itself did not have."""
        result = self._judge(call, failed, None)
        if result.heavy and isinstance(result.fact, NodeFinished):
            return Result(result.fact, encode(result.fact.outputs))
        return result

    # --- touching the world

    async def _act(self, call: Call, filled: Filled, outlet: Outlet) -> Outcome:
        """Let an action do its work; what it opened for that does not leave with the outcome."""
        credentials = self._credentials(call)
        node = call.node
        hide = veil_of(credentials, filled.given.parameters if node.secretive else ())
        services = self._services(call, outlet, credentials, hide)
        bench = Bench(self._evaluator, self._world.keychain, self._limits.seconds)
        services = replace(services, attached=attached_to(call, filled, bench, services))
        outcome = await let_act(node, filled.given, services, self._limits.seconds)
        return veiled(outcome, hide) if node.secretive or node.definition.credentials else outcome

    def _credentials(self, call: Call) -> Credentials:
        keychain, references = self._world.keychain, call.node.definition.credentials
        if keychain is None or not references:
            return NoCredentials()
        return keychain.of(call.run.tenant_id, references)

    def _blobs(self, call: Call) -> Blobs:
        files = self._world.files
        return NoBlobs() if files is None else files.of(call.run.tenant_id, call.run.id)

    def _data(self, call: Call) -> TenantData:
        tables = self._world.tables
        return NoTenantData() if tables is None else tables.of(call.run.tenant_id)

    def _memory(self, call: Call) -> Memory:
        memories = self._world.memories
        return NO_MEMORY if memories is None else memories.of(call.run.tenant_id)

    def _services(
        self, call: Call, outlet: Outlet, credentials: Credentials, hide: Hide
    ) -> Services:
        execution, calls = call.execution, self._world.calls

        async def emit(data: JsonObject) -> None:
            await outlet.delta(execution, hidden(data, hide))

        async def write(level: str, message: str) -> None:
            await outlet.line(execution, level, hide(message))

        return Services(
            http=self._world.http,
            sandbox=self._world.sandbox,
            models=self._world.models,
            idempotency_key=idempotency_key(call.run.id, execution),
            emit=emit,
            log=write,
            credentials=credentials,
            network=self._world.network,
            blobs=self._blobs(call),
            data=self._data(call),
            memory=self._memory(call),
            most_bytes=self._limits.output_bytes,
            purse=NodePurse(
                self._world.spending,
                call.run.tenant_id,
                call.run.budget,
                lambda usage: outlet.spent(execution, usage),
            ),
            progress=outlet.progress(execution),
            workflows=calls.of(call.run, execution) if calls is not None else NoWorkflows(),
        )

    # --- judging

    def _judge(self, call: Call, outcome: Outcome, filled: Filled | None) -> Result:
        match outcome:
            case Done():
                return self._finished(call, outcome, filled)
            case Failed():
                return self._failed(call, outcome)
            case Waiting():
                return self._waits(call, outcome)

    def _finished(self, call: Call, done: Done, filled: Filled | None) -> Result:
        settings = call.node.definition.settings
        failures = list(done.failures)
        outputs = dict(done.outputs)
        if filled is not None and filled.kept is not None:
            outputs, failures = _renumbered(outputs, failures, filled.kept)
            failures = sorted([*failures, *filled.failures], key=lambda failure: failure.index)
        if failures and settings.on_error == "stop":
            first = failures[0]
            return self._failed(call, Failed(first.code, f"Item {first.index}: {first.message}"))
        given = call.items
        if call.execution.step is not call.program.flow.trigger:
            outputs = {port: _paired(items, given) for port, items in outputs.items()}
        if failures:
            outputs = with_failures(outputs, given, failures, settings.on_error, _main_port(call))
        if settings.always_output and not any(outputs.values()):
            outputs[_main_port(call)] = [{"json": {}}]
        return self._result(call, outputs, failures, done.response)

    def _result(
        self,
        call: Call,
        outputs: dict[str, list[Item]],
        failures: Sequence[ItemFailure],
        response: Response | None,
    ) -> Result:
        answer = _response(response)
        try:
            text = self._outputs.if_small(outputs)
            if answer is not None:
                encode([[[answer]]])  # as deep as it will stand in what is stored and told
        except NotJson as error:
            return self._failed(call, Failed("output_not_json", str(error)), final=True)
        node_id, iteration = call.execution.key
        fact = NodeFinished(
            node_id,
            iteration,
            call.execution.attempt,
            self._clock.now(),
            outputs,
            tuple({"index": f.index, "code": f.code, "message": f.message} for f in failures),
            answer,
        )
        return Result(fact, text, heavy=text is None)

    def _failed(self, call: Call, failed: Failed, *, final: bool = False) -> Result:
        execution, now = call.execution, self._clock.now()
        again = None if final else retry_at(call.node, failed, execution.failures + 1, now)
        settings = call.node.definition.settings
        if again is None and settings.on_error != "stop" and not final:
            given = call.items
            failures = [ItemFailure(n, failed.code, failed.message) for n in range(len(given))]
            outputs = with_failures({}, given, failures, settings.on_error, _main_port(call))
            return self._result(call, outputs, failures, None)
        node_id, iteration = execution.key
        return Result(
            NodeFailed(
                node_id, iteration, execution.attempt, now, failed.code, failed.message, again
            )
        )

    def _waits(self, call: Call, waiting: Waiting) -> Result:
        children = waiting.children
        answerable = waiting.question is not None or waiting.callback or bool(children)
        if not answerable and waiting.until is None:
            return self._failed(call, Failed("waits_for_nothing", "The node waits for nothing."))
        node_id, iteration = call.execution.key
        fact = NodeWaited(
            node_id,
            iteration,
            call.execution.attempt,
            self._clock.now(),
            waiting.until,
            answerable=answerable,
            children=len(children),
        )
        return Result(fact, question=waiting.question, callback=waiting.callback, children=children)


def idempotency_key(run_id: str, execution: Execution) -> str:
    """`run:node`, and the iteration inside loops: the same for every attempt."""
    node_id, iteration = execution.key
    return f"{run_id}:{node_id}:{iteration_text(iteration)}".rstrip(":")


def _is_large(outcome: Outcome) -> bool:
    """Whether there is so much to say that others would notice."""
    return isinstance(outcome, Done) and sum(map(len, outcome.outputs.values())) > MANY


def _passed_on(call: Call) -> Done:
    """What a disabled node gives: its first input, as it came."""
    shape = call.execution.step.shape
    return Done({DONE if shape.loops else shape.ports[0]: call.items})


def _main_port(call: Call) -> str:
    return next((port for port in call.execution.step.shape.ports if port != ERROR), ERROR)


def _renumbered(
    outputs: Mapping[str, list[Item]], failures: Sequence[ItemFailure], kept: Sequence[int]
) -> tuple[dict[str, list[Item]], list[ItemFailure]]:
    """Say positions in terms of all input items instead of those that could be filled for."""

    def place(item: Item) -> Item:
        paired = item.get("paired_item")
        if isinstance(paired, int) and paired < len(kept):
            return {**item, "paired_item": kept[paired]}
        return item

    return (
        {port: [place(item) for item in items] for port, items in outputs.items()},
        [replace(failure, index=kept[failure.index]) for failure in failures],
    )


def _paired(items: list[Item], given: list[Item]) -> list[Item]:
    """Say which input item each output item was made from, where the node did not."""
    if items is given:
        return [{**item, "paired_item": index} for index, item in enumerate(items)]
    if all("paired_item" in item for item in items):
        return items
    if len(items) == len(given):
        return [{"paired_item": index, **item} for index, item in enumerate(items)]
    if len(given) == 1:
        return [{"paired_item": 0, **item} for item in items]
    return items


def _response(response: Response | None) -> JsonObject | None:
    if response is None:
        return None
    return {"status": response.status, "headers": dict(response.headers), "body": response.body}
