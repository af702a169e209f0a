"""What holds for every model alike, put around whatever a provider made.

A call passes here on its way out and its reply on its way back: may it leave this machine, does it
fit the budget, is it in time; then it is priced, charged, and structured output is checked.
"""

import asyncio
import ipaddress
import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from shared.errors import InvalidInput
from shared.llm import (
    Budget,
    Delta,
    Done,
    Embedder,
    Embeddings,
    Finish,
    Message,
    Model,
    OutputSchema,
    ReasoningDelta,
    Reply,
    Request,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from shared.llm_errors import ModelDeclined, OutputInvalid, RequestsNotAllowed, TimedOut
from shared.llms.metering.prices import Price

# What vendors wrap around a message, around a tool, and around having tools or a schema at all.
_TOKENS_PER_MESSAGE = 16
_TOKENS_PER_TOOL = 32
_TOKENS_OF_TOOL_USE = 600


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms a model may be called.

    Attributes:
        price: None when it is not known.
        base_url: Where the calls go.
        local_only: Refuse to call anything that is not on this machine.
    """

    price: Price | None
    base_url: str
    local_only: bool = False

    def check(self, name: str) -> None:
        if self.local_only and not _is_loopback(self.base_url):
            raise RequestsNotAllowed(
                f"{name}: model requests are switched off (ALLOW_MODEL_REQUESTS=false), and "
                "its address is not on this machine"
            )

    def highest(self, input_tokens: int, output_tokens: int) -> Usage:
        """The most that a call of this size uses."""
        cost = self.price.highest_cost(input_tokens, output_tokens) if self.price else None
        return Usage(input_tokens, output_tokens, cost_usd=cost)

    def priced(self, usage: Usage) -> Usage:
        return replace(usage, cost_usd=self.price.cost(usage) if self.price else None)


class MeteredModel:
    """A model whose calls are allowed, bounded, priced, charged and checked."""

    def __init__(self, model: Model, terms: Terms) -> None:
        self._model = model
        self._terms = terms

    @property
    def name(self) -> str:
        return self._model.name

    async def complete(self, request: Request) -> Reply:
        validator = self._admit(request)
        bound = input_bound(request)
        highest = self._terms.highest(bound, request.max_output_tokens)
        with (request.budget or Budget()).reserve(highest) as reservation:
            try:
                async with asyncio.timeout(request.timeout_seconds):
                    reply = await self._model.complete(request)
            except TimeoutError as error:
                raise self._timed_out() from error
            reply = replace(reply, usage=self._terms.priced(reply.usage))
            reservation.settle(self._charge(reply.usage, bound, len(reply.text.encode())))
        return _checked(validator, reply)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        validator = self._admit(request)
        bound = input_bound(request)
        highest = self._terms.highest(bound, request.max_output_tokens)
        deadline = asyncio.get_running_loop().time() + request.timeout_seconds
        written = 0
        with (request.budget or Budget()).reserve(highest) as reservation:
            async with aclosing(self._model.stream(request)) as deltas:
                while not isinstance(delta := await self._next(deltas, deadline), Done):
                    written += _length(delta)
                    reservation.at_least = self._terms.highest(bound, written)
                    yield delta
            reply = replace(delta.reply, usage=self._terms.priced(delta.reply.usage))
            reservation.settle(self._charge(reply.usage, bound, written))
        yield Done(_checked(validator, reply))

    async def close(self) -> None:
        await self._model.close()

    def _admit(self, request: Request) -> Draft202012Validator | None:
        self._terms.check(self.name)
        return _validator(request.output) if request.output else None

    async def _next(self, deltas: AsyncGenerator[Delta, None], deadline: float) -> Delta:
        """The next delta. Bounded one by one: a time-out must not fire in the consumer's code."""
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(deltas)
        except TimeoutError as error:
            raise self._timed_out() from error

    def _timed_out(self) -> TimedOut:
        return TimedOut(f"{self.name}: no answer in time", metadata={"model": self.name})

    def _charge(self, usage: Usage, bound: int, written: int) -> Usage:
        """What a budget is charged: the usage, or where the server reports none, its bound."""
        return usage if usage.total_tokens else self._terms.highest(bound, written)


class MeteredEmbedder:
    """An embedder whose calls are allowed, bounded, priced and charged."""

    def __init__(self, embedder: Embedder, terms: Terms) -> None:
        self._embedder = embedder
        self._terms = terms

    @property
    def name(self) -> str:
        return self._embedder.name

    async def embed(self, texts: Sequence[str], *, budget: Budget | None = None) -> Embeddings:
        self._terms.check(self.name)
        highest = self._terms.highest(sum(len(text.encode()) for text in texts), 0)
        with (budget or Budget()).reserve(highest) as reservation:
            found = await self._embedder.embed(texts)
            usage = self._terms.priced(found.usage)
            reservation.settle(usage if usage.total_tokens else highest)
        return replace(found, usage=usage)

    async def close(self) -> None:
        await self._embedder.close()


def input_bound(request: Request) -> int:
    """An upper bound of the tokens a request is: no vendor's token is shorter than a byte."""
    tokens = sum(_message_bound(message) for message in request.messages)
    for tool in request.tools:
        written = len(_as_json(tool.parameters)) + len(f"{tool.name}{tool.description}".encode())
        tokens += written + _TOKENS_PER_TOOL
    if request.output is not None:
        tokens += len(_as_json(request.output.schema))
    if request.tools or request.output is not None:
        tokens += _TOKENS_OF_TOOL_USE
    return tokens


def _message_bound(message: Message) -> int:
    if message.native is not None:
        return len(_as_json(message.native.content)) + _TOKENS_PER_MESSAGE
    calls = sum(len(f"{call.name}{call.arguments}".encode()) for call in message.tool_calls)
    return len(message.text.encode()) + calls + _TOKENS_PER_MESSAGE


def _as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=dict).encode()


def _length(delta: TextDelta | ReasoningDelta | ToolCallDelta) -> int:
    return len((delta.arguments if isinstance(delta, ToolCallDelta) else delta.text).encode())


def _validator(output: OutputSchema) -> Draft202012Validator:
    """What checks an answer; with an empty registry, as a schema must not make us fetch others."""
    try:
        Draft202012Validator.check_schema(output.schema)
    except SchemaError as error:
        raise InvalidInput(
            f"The schema of the answer is not a JSON Schema: {error.message[:300]}",
            reason="OUTPUT_SCHEMA_INVALID",
        ) from error
    return Draft202012Validator(output.schema, registry=Registry())


def _checked(validator: Draft202012Validator | None, reply: Reply) -> Reply:
    """The reply with its data, if structured output was asked for and no tool is called first.

    Raises:
        ModelDeclined: The model would not answer.
        OutputInvalid: What it answered does not satisfy the schema.
    """
    if validator is None or reply.tool_calls:
        return reply
    if reply.finish is Finish.REFUSAL:
        raise ModelDeclined(
            f"{reply.model} would not answer: {reply.refusal or 'it gave no reason'}",
            metadata={"model": reply.model},
        )
    facts = {"model": reply.model, "finish": reply.finish.value}
    try:
        data: Any = json.loads(_without_fence(reply.text))
    except json.JSONDecodeError as error:
        cut = ", as its output limit was reached" if reply.finish is Finish.LENGTH else ""
        raise OutputInvalid(
            f"{reply.model} answered something that is not JSON{cut}", metadata=facts
        ) from error
    violation = _first_violation(validator, data)
    if violation is not None:
        raise OutputInvalid(
            f"{reply.model} answered JSON that does not satisfy the schema, at "
            f"{violation.json_path}: {violation.message[:300]}",
            metadata=facts,
        )
    return replace(reply, data=data)


def _first_violation(validator: Draft202012Validator, data: Any) -> ValidationError | None:
    violations: Iterator[ValidationError] = cast("Any", validator).iter_errors(data)
    try:
        return next(violations, None)
    except Unresolvable as error:
        raise InvalidInput(
            f"The schema of the answer refers to something outside of it: {error.ref}",
            reason="OUTPUT_SCHEMA_INVALID",
        ) from error


def _without_fence(text: str) -> str:
    """The text inside a Markdown code fence, which small models like to put around JSON."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        return text.partition("\n")[2].removesuffix("```")
    return text


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
