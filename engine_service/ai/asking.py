"""Asks a language model for a node, on the right account, and once more if need be.

A request goes in, a reply comes out. What is written meanwhile goes to whoever watches the run. An
answer that does not satisfy its schema gets one corrective round, with what is wrong about it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol

from pydantic import Field

from engine_service.sdk.node import (
    MAIN,
    Credential,
    Done,
    Failed,
    ItemFailure,
    NodeError,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from shared.errors import AppError
from shared.llm import (
    Budget,
    Finish,
    Message,
    Model,
    OutputSchema,
    Reply,
    Request,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from shared.llm import Done as Finished
from shared.llm_errors import OutputInvalid
from shared.workflow import Item, JsonObject

KEYS = ("openai.key", "anthropic.key")
_NOT_CONFIGURED = frozenset({"MODEL_KEY_MISSING", "MODEL_NAME_INVALID"})
DEFAULT_MODEL = "openai:gpt-4o-mini"


class ModelParameters(NodeParameters):
    """Which model, and how it writes."""

    model: str = Field(
        default=DEFAULT_MODEL,
        min_length=1,
        max_length=400,
        description="`provider:model`; several with commas between them are tried in turn",
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="How freely it writes; the model's own when not given"
    )
    max_tokens: int = Field(
        default=4_096, ge=1, le=200_000, description="How long an answer may be"
    )
    timeout: float = Field(default=120.0, gt=0, le=600, description="Seconds an answer may take")


class EachItemParameters(ModelParameters):
    """The same, for nodes that ask about each item."""

    concurrency: int = Field(default=3, ge=1, le=20, description="How many items at once")


class ModelSource(Protocol):
    """Where connected models come from; engine_service/vault/tenant_models.py is the real one."""

    async def get(self, names: str) -> Model:
        """The model of this name, on the operator's accounts."""
        ...

    def borrow(
        self, names: str, credentials: Sequence[Credential]
    ) -> AbstractAsyncContextManager[Model]:
        """The model of this name, on the accounts of credentials."""
        ...


@asynccontextmanager
async def open_model(names: str, services: Services) -> AsyncGenerator[Model]:
    """The model, on the account of the node's credentials if it has any.

    Raises:
        NodeError: No models are configured, or a credential cannot be opened.
        AppError: The name is no model's, or its key is missing.
    """
    source: ModelSource | None = services.models
    if source is None:
        raise NodeError(Failed("model_not_configured", "No language model is configured."))
    own = [one for kind in KEYS if (one := await services.credentials.find(kind)) is not None]
    if not own:
        yield await source.get(names)
        return
    async with source.borrow(names, own) as model:
        yield model


Emit = Callable[[JsonObject], Awaitable[None]]


async def ask(model: Model, request: Request, emit: Emit) -> tuple[Reply, Usage]:
    """The reply, and what it took in all.

    Raises:
        AppError: The model failed, or its answer did not satisfy the schema twice.
        NodeError: It would not answer.
    """
    spoken: list[str] = []
    before = request.budget.spent if request.budget else Usage()
    try:
        reply = await _listen(model, request, emit, spoken)
        used = reply.usage
    except OutputInvalid as error:
        lost = _since(before, request.budget)
        corrected = _corrected(request, "".join(spoken), error)
        reply = await _listen(model, corrected, emit, [])
        used = lost + reply.usage
    if reply.finish is Finish.REFUSAL:
        raise NodeError(Failed("model_refused", reply.refusal or "The model would not answer."))
    return reply, used


def _since(before: Usage, budget: Budget | None) -> Usage:
    """What a budget was charged since it stood at `before`."""
    now = budget.spent if budget else before
    known = now.cost_usd is not None and before.cost_usd is not None
    return Usage(
        now.input_tokens - before.input_tokens,
        now.output_tokens - before.output_tokens,
        cost_usd=(now.cost_usd or Decimal(0)) - (before.cost_usd or Decimal(0)) if known else None,
    )


def _corrected(request: Request, answer: str, error: OutputInvalid) -> Request:
    """The same request, with the answer that was no good and what is wrong about it."""
    wrong = Message.user(
        f"Your answer cannot be used: {error.message}. Answer again, with nothing but a JSON "
        "object that satisfies the schema."
    )
    said = [Message.assistant(answer), wrong] if answer else [wrong]
    key = f"{request.idempotency_key}:again" if request.idempotency_key else ""
    return replace(request, messages=[*request.messages, *said], idempotency_key=key)


async def _listen(model: Model, request: Request, emit: Emit, spoken: list[str]) -> Reply:
    """The whole reply; what is written meanwhile goes to whoever watches."""
    async with aclosing(model.stream(request)) as deltas:
        async for delta in deltas:
            if isinstance(delta, TextDelta):
                spoken.append(delta.text)
                await emit({"text": delta.text})
            elif isinstance(delta, ToolCallDelta):
                told = {"position": delta.position, "arguments": delta.arguments}
                await emit({"tool_call": {**told, "name": delta.name} if delta.name else told})
            elif isinstance(delta, Finished):
                return delta.reply
    raise AssertionError("a stream that does not fail ends with its reply")


def failed(error: AppError) -> Failed:
    """How a node fails whose model did."""
    code = "model_not_configured" if error.code in _NOT_CONFIGURED else error.code.lower()
    return Failed(code, error.message, error.retryable, error.retry_after)


def shown(usage: Usage) -> JsonObject:
    """A usage as people see it; the cost is null when a price is unknown."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cost_usd": None if usage.cost_usd is None else float(usage.cost_usd),
    }


def sample_usage(text: str) -> JsonObject:
    """A usage such as asking about a text might have."""
    return shown(Usage(len(text) // 4 + 1, 8))


async def ask_for_object(
    parameters: ModelParameters,
    messages: Sequence[Message],
    output: OutputSchema,
    about: tuple[int, Services],
) -> tuple[Reply, Usage]:
    """An object that satisfies a schema, for one item; raises what `ask` does."""
    index, services = about
    budget = await services.purse.open()
    request = Request(
        messages,
        output=output,
        max_output_tokens=parameters.max_tokens,
        temperature=parameters.temperature,
        timeout_seconds=parameters.timeout,
        idempotency_key=f"{services.idempotency_key}:{index}",
        budget=budget,
    )
    async with open_model(parameters.model, services) as model:
        return await ask(model, request, _telling(index, services))


def _telling(index: int, services: Services) -> Emit:
    async def emit(data: JsonObject) -> None:
        await services.emit({"item": index, **data})

    return emit


async def each_item(
    given: NodeInput[Any], answer: Callable[[int], Awaitable[Item]], concurrency: int
) -> list[Item | Failed]:
    """What is answered for each item, some at a time; failures stand in their places."""
    slots = asyncio.Semaphore(concurrency)

    async def in_turn(index: int) -> Item | Failed:
        async with slots:
            try:
                return await answer(index)
            except AppError as error:
                return failed(error)
            except NodeError as error:
                return error.failure

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(in_turn(index)) for index in range(len(given.items))]
    return [task.result() for task in tasks]


def outcome_of(
    answers: Sequence[Item | Failed], port: Callable[[Item], str] = lambda _: MAIN
) -> Outcome:
    """The outcome of a node that asked about each item; `port` says where an item leaves."""
    lost = [answer for answer in answers if isinstance(answer, Failed)]
    if lost and len(lost) == len(answers):
        return lost[0]
    outputs: dict[str, list[Item]] = {}
    for one in answers:
        if not isinstance(one, Failed):
            outputs.setdefault(port(one), []).append(one)
    failures = [
        ItemFailure(index, answer.code, answer.message)
        for index, answer in enumerate(answers)
        if isinstance(answer, Failed)
    ]
    return Done(outputs or {MAIN: []}, failures)
