"""Anthropic's messages wire.

A request becomes the call's parameters. The SDK folds the stream's events into the final message;
here they become deltas, and that message the reply. What the vendor wants back unaltered in the
next turn (signed thinking) travels in `Reply.native`.
"""

import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import anthropic
import httpx2
from anthropic.lib.streaming import AsyncMessageStream, ParsedMessageStreamEvent
from anthropic.types import Message as VendorMessage

from shared.llm import (
    Delta,
    Done,
    Finish,
    Message,
    Native,
    OutputSchema,
    ReasoningDelta,
    Reply,
    Request,
    Role,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from shared.llm_errors import ModelUnavailable, StreamBroken, TimedOut
from shared.llm_wire import (
    ANSWER_TOOL,
    AnswerUnwrapper,
    Endpoint,
    OutputMode,
    Refusal,
    answers_by_tool,
    count_at,
    error_for,
    has_free_objects,
    next_mode,
    patience,
    tools_for,
)

OFFICIAL_URL = "https://api.anthropic.com"
PROVIDER = "anthropic"

T = TypeVar("T")

_FINISH = {
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "tool_use": Finish.TOOL_CALLS,
    "refusal": Finish.REFUSAL,
}
_TOOL_CHOICE = {"auto": "auto", "required": "any", "none": "none"}


def connect(name: str, model: str, endpoint: Endpoint) -> "AnthropicModel":
    """A model of this endpoint; `name` is how errors and replies call it."""
    return AnthropicModel(name, model, endpoint)


@cache
def _tls() -> ssl.SSLContext:
    """One for all clients: reading the certificates takes 60 ms, and no client changes it."""
    return httpx2.create_ssl_context()


class AnthropicModel:
    """A model behind a messages endpoint."""

    def __init__(self, name: str, model: str, endpoint: Endpoint) -> None:
        self._name = name
        self._model = model
        self._key = endpoint.api_key
        options: dict[str, Any] = {"transport": endpoint.transport} if endpoint.transport else {}
        self._client = anthropic.AsyncAnthropic(
            # Never empty: without a key the SDK goes looking for credentials on disk.
            api_key=endpoint.api_key or "unused",
            base_url=endpoint.base_url or OFFICIAL_URL,
            max_retries=endpoint.max_retries,
            http_client=anthropic.DefaultAsyncHttpxClient(
                verify=_tls(),
                event_hooks={"response": [patience(endpoint.max_retry_after_seconds)]},
                **options,
            ),
        )

    @property
    def name(self) -> str:
        return self._name

    async def complete(self, request: Request) -> Reply:
        async def ask(mode: OutputMode) -> VendorMessage:
            return await self._client.messages.create(
                **_parameters(self._model, request, mode), stream=False
            )

        with self._errors():
            mode, answer = await _in_best_mode(request, ask)
        reply = _reply(self._name, _parsed(answer, self._name), {})
        return AnswerUnwrapper(request, mode).unwrap_reply(reply)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        async def ask(mode: OutputMode) -> AsyncMessageStream[Any]:
            # Entered by hand, as only opening the stream may be asked again in another mode.
            manager = self._client.messages.stream(**_parameters(self._model, request, mode))
            return await manager.__aenter__()

        fold = MessagesFold(self._name)
        with self._errors():
            mode, events = await _in_best_mode(request, ask)
            unwrapper = AnswerUnwrapper(request, mode)
            async with events:
                while (event := await self._next(events)) is not None:
                    for delta in unwrapper.unwrap(fold.add(event)):
                        yield delta
            message = events.current_message_snapshot if fold.has_begun else None
        for delta in unwrapper.unwrap([Done(fold.reply(message))]):
            yield delta

    async def close(self) -> None:
        await self._client.close()

    async def _next(
        self, events: AsyncMessageStream[Any]
    ) -> "ParsedMessageStreamEvent[Any] | None":
        try:
            return await anext(events, None)
        except (ValueError, RuntimeError, IndexError, TypeError) as error:
            # Events in an order, or tool arguments of a form, that the SDK cannot fold.
            raise StreamBroken(
                f"{self._name}: the stream made no sense", metadata={"model": self._name}
            ) from error

    @contextmanager
    def _errors(self) -> Generator[None]:
        """Raise what the SDK raises inside this block as our own errors."""
        try:
            yield
        except anthropic.APIStatusError as error:
            raise error_for(
                Refusal(
                    model=self._name,
                    status=error.status_code,
                    code=error.type or "",
                    message=error.api_message or "",
                    headers=error.response.headers,
                    secret=self._key,
                )
            ) from error
        except anthropic.APITimeoutError as error:
            raise TimedOut(
                f"{self._name}: no answer in time", metadata={"model": self._name}
            ) from error
        except anthropic.APIConnectionError as error:
            raise ModelUnavailable(
                f"{self._name}: the connection failed", metadata={"model": self._name}
            ) from error
        except httpx2.HTTPError as error:
            raise StreamBroken(
                f"{self._name}: the stream broke off", metadata={"model": self._name}
            ) from error


async def _in_best_mode(
    request: Request, ask: Callable[[OutputMode], Awaitable[T]]
) -> tuple[OutputMode, T]:
    """Ask for JSON natively; by a tool where the schema is too free or the model too old."""
    output = request.output
    if output is not None and _native_schema(output) is None:
        return OutputMode.TOOL, await ask(OutputMode.TOOL)
    try:
        return OutputMode.NATIVE, await ask(OutputMode.NATIVE)
    except anthropic.BadRequestError as error:
        complaint = error.api_message or ""
        if output is None or next_mode(OutputMode.NATIVE, complaint) is None:
            raise
    return OutputMode.TOOL, await ask(OutputMode.TOOL)


def _native_schema(output: OutputSchema) -> dict[str, Any] | None:
    """The schema in the vendor's dialect; None when the dialect cannot express it."""
    if has_free_objects(output.schema):
        return None
    try:
        return anthropic.transform_schema(dict(output.schema))
    except (ValueError, AssertionError, TypeError):
        return None


def _parsed(answer: object, model: str) -> VendorMessage:
    if not isinstance(answer, VendorMessage):
        raise ModelUnavailable(
            f"{model}: the server answered something else than JSON", metadata={"model": model}
        )
    return answer


def _parameters(model: str, request: Request, mode: OutputMode) -> dict[str, Any]:
    system = [message.text for message in request.messages if message.role is Role.SYSTEM]
    parameters: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_output_tokens,
        "messages": _turns(request),
        "timeout": httpx2.Timeout(request.timeout_seconds, connect=5.0),
    }
    if system:
        parameters["system"] = "\n\n".join(system)
    if request.temperature is not None:
        # The SDK has dropped the argument, as new models refuse it; older ones still take it.
        parameters["extra_body"] = {"temperature": request.temperature}
    if request.idempotency_key:
        parameters["extra_headers"] = {"Idempotency-Key": request.idempotency_key}
    if request.output is not None and mode is OutputMode.NATIVE:
        schema = {"type": "json_schema", "schema": _native_schema(request.output)}
        parameters["output_config"] = {"format": schema}
    _add_tools(parameters, request, mode)
    return parameters


def _add_tools(parameters: dict[str, Any], request: Request, mode: OutputMode) -> None:
    tools = tools_for(request, mode)
    if not tools:
        return
    parameters["tools"] = [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": dict(tool.parameters),
        }
        for tool in tools
    ]
    if not answers_by_tool(request, mode):
        parameters["tool_choice"] = {"type": _TOOL_CHOICE[request.tool_choice]}
    elif request.tools:
        parameters["tool_choice"] = {"type": "any"}
    else:
        parameters["tool_choice"] = {"type": "tool", "name": ANSWER_TOOL}


def _turns(request: Request) -> list[dict[str, Any]]:
    """The conversation in alternating turns, as all answers to a turn's calls stand in one."""
    turns: list[dict[str, Any]] = []
    for message in request.messages:
        if message.role is Role.SYSTEM:
            continue
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"].extend(_blocks(message))
    return turns


def _blocks(message: Message) -> Iterator[Mapping[str, Any]]:
    if message.native is not None and message.native.provider == PROVIDER:
        yield from message.native.content
        return
    if message.role is Role.TOOL:
        yield {
            "type": "tool_result",
            "tool_use_id": message.tool_call_id,
            "content": message.text,
            "is_error": message.is_error,
        }
        return
    if message.text:
        yield {"type": "text", "text": message.text}
    for call in message.tool_calls:
        yield {"type": "tool_use", "id": call.call_id, "name": call.name, "input": call.parse()}


class MessagesFold:
    """Events in, deltas out; in the end, the reply."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.has_begun = False
        self._blocks = 0
        # The place of a tool call's block in the message, and what was written of its arguments.
        self._calls: dict[int, list[str]] = {}

    def add(self, event: "ParsedMessageStreamEvent[Any]") -> Iterator[Delta]:
        match event.type:
            case "content_block_start":
                # Its place is where the SDK puts it: after the others, whatever its index says.
                yield from self._start(self._blocks, event.content_block)
                self._blocks += 1
            # The SDK's own events: they come only for text that it puts into the message.
            case "text":
                yield TextDelta(event.text)
            case "thinking":
                yield ReasoningDelta(event.thinking)
            case "content_block_delta" if event.delta.type == "input_json_delta":
                yield from self._continue(event.index, event.delta.partial_json)
            case "message_start":
                self.has_begun = True
            case _:
                pass

    def _start(self, place: int, block: Any) -> Iterator[Delta]:
        match block.type:
            case "text" if block.text:
                yield TextDelta(block.text)
            case "thinking" if block.thinking:
                yield ReasoningDelta(block.thinking)
            case "tool_use":
                given = [json.dumps(block.input)] if block.input else []
                self._calls[place] = given
                yield ToolCallDelta(len(self._calls) - 1, "".join(given), block.id, block.name)
            case _:
                pass

    def _continue(self, place: int, piece: str) -> Iterator[Delta]:
        if place in self._calls and piece:
            self._calls[place].append(piece)
            yield ToolCallDelta(list(self._calls).index(place), piece)

    def reply(self, message: VendorMessage | None) -> Reply:
        """The finished answer; `message` is what the SDK made of the stream.

        Raises:
            StreamBroken: The stream ended before the model did.
        """
        if message is None or message.stop_reason is None:
            raise StreamBroken(
                f"{self._name}: the answer broke off", metadata={"model": self._name}
            )
        written = {index: "".join(pieces) for index, pieces in self._calls.items()}
        return _reply(self._name, message, written)


def _reply(name: str, message: VendorMessage, written: Mapping[int, str]) -> Reply:
    """The reply that a finished message is.

    `written` holds tool arguments as the model wrote them, by block. The message has them parsed,
    with a cut-off end mended, which must not pass for what the model meant.
    """
    raw: dict[str, Any] = message.model_dump(mode="json", exclude_none=True, warnings=False)
    blocks = list(enumerate(message.content))
    calls = tuple(
        ToolCall(block.id, block.name, written.get(index, json.dumps(block.input)))
        for index, block in blocks
        if block.type == "tool_use"
    )
    details = message.stop_details
    return Reply(
        model=name,
        text="".join(block.text for _, block in blocks if block.type == "text"),
        finish=_FINISH.get(message.stop_reason or "", Finish.STOP),
        usage=_usage(raw.get("usage", {})),
        tool_calls=calls,
        reasoning="".join(block.thinking for _, block in blocks if block.type == "thinking"),
        refusal=(details.explanation or "") if details else "",
        raw=raw,
        # The vendor writes empty text blocks, but does not take them back.
        native=Native(PROVIDER, [b for b in raw["content"] if b.get("text", " ")]),
    )


def _usage(report: Mapping[str, Any]) -> Usage:
    """The vendor counts plain, cached and cache-writing input apart; here input is all of it."""
    cached = count_at(report, "cache_read_input_tokens")
    cache_write = count_at(report, "cache_creation_input_tokens")
    return Usage(
        input_tokens=count_at(report, "input_tokens") + cached + cache_write,
        output_tokens=count_at(report, "output_tokens"),
        cached_tokens=cached,
        cache_write_tokens=cache_write,
        reasoning_tokens=count_at(report, "output_tokens_details", "thinking_tokens"),
        cost_usd=None,
    )
