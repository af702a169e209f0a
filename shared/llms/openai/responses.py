"""The responses wire: OpenAI's newer one, which a few other vendors speak too.

A request becomes the call's parameters; each event becomes a delta, and the terminal event
carries the whole answer, which becomes the reply. Nothing is stored at the vendor: the
conversation is ours and is sent whole.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any

import openai
from openai.types.responses import (
    Response,
    ResponseFunctionToolCall,
    ResponseOutputItem,
    ResponseStreamEvent,
)

from shared.llm import (
    Delta,
    Done,
    Finish,
    Message,
    ReasoningDelta,
    Reply,
    Request,
    Role,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from shared.llm_errors import ModelUnavailable, StreamBroken
from shared.llm_wire import (
    ANSWER_TOOL,
    AnswerUnwrapper,
    Endpoint,
    OutputMode,
    Refusal,
    answers_by_tool,
    count_at,
    error_for,
    is_strict,
    tools_for,
)
from shared.llms.openai.account import Account, in_best_mode, parsed_as, request_options

MODES = frozenset({OutputMode.NATIVE, OutputMode.TOOL})


def connect(name: str, model: str, endpoint: Endpoint) -> "ResponsesModel":
    """A model of this endpoint; `name` is how errors and replies call it."""
    return ResponsesModel(name, model, Account(endpoint))


class ResponsesModel:
    """A model behind a responses endpoint."""

    def __init__(self, name: str, model: str, account: Account) -> None:
        self._name = name
        self._model = model
        self._account = account

    @property
    def name(self) -> str:
        return self._name

    async def complete(self, request: Request) -> Reply:
        async def ask(mode: OutputMode) -> Response:
            return await self._account.client.responses.create(
                **self._parameters(request, mode), stream=False
            )

        with self._account.errors(self._name):
            mode, response = await in_best_mode(request, MODES, ask)
        reply = reply_of(self._name, parsed_as(Response, response, self._name))
        return AnswerUnwrapper(request, mode).unwrap_reply(reply)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        async def ask(mode: OutputMode) -> openai.AsyncStream[ResponseStreamEvent]:
            return await self._account.client.responses.create(
                **self._parameters(request, mode), stream=True
            )

        fold = ResponsesFold(self._name)
        with self._account.errors(self._name):
            mode, events = await in_best_mode(request, MODES, ask)
            unwrapper = AnswerUnwrapper(request, mode)
            async with events:
                async for event in events:
                    for delta in unwrapper.unwrap(fold.add(event)):
                        yield delta
        for delta in unwrapper.unwrap([Done(fold.reply())]):
            yield delta

    async def close(self) -> None:
        await self._account.close()

    def _parameters(self, request: Request, mode: OutputMode) -> dict[str, Any]:
        instructions = [item.text for item in request.messages if item.role is Role.SYSTEM]
        parameters: dict[str, Any] = {
            "model": self._model,
            "input": [item for message in request.messages for item in _items(message)],
            "max_output_tokens": request.max_output_tokens,
            "store": False,
            **request_options(request.timeout_seconds, request.idempotency_key),
        }
        if instructions:
            parameters["instructions"] = "\n\n".join(instructions)
        if request.temperature is not None:
            parameters["temperature"] = request.temperature
        _add_tools(parameters, request, mode)
        if request.output is not None and mode is OutputMode.NATIVE:
            schema = {
                "type": "json_schema",
                "name": request.output.name,
                "schema": dict(request.output.schema),
                "strict": is_strict(request.output.schema),
            }
            parameters["text"] = {"format": schema}
        return parameters


def _items(message: Message) -> Iterator[dict[str, Any]]:
    match message.role:
        case Role.SYSTEM:
            return
        case Role.TOOL:
            yield {
                "type": "function_call_output",
                "call_id": message.tool_call_id,
                "output": message.text,
            }
        case role:
            if message.text or not message.tool_calls:
                yield {"role": role.value, "content": message.text}
            for call in message.tool_calls:
                yield {
                    "type": "function_call",
                    "call_id": call.call_id,
                    "name": call.name,
                    "arguments": call.arguments,
                }


def _add_tools(parameters: dict[str, Any], request: Request, mode: OutputMode) -> None:
    tools = tools_for(request, mode)
    if not tools:
        return
    parameters["tools"] = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
            # Left out, it is taken for true, and schemas that are not strict are refused.
            "strict": is_strict(tool.parameters),
        }
        for tool in tools
    ]
    if not answers_by_tool(request, mode):
        parameters["tool_choice"] = request.tool_choice
    elif request.tools:
        parameters["tool_choice"] = "required"
    else:
        parameters["tool_choice"] = {"type": "function", "name": ANSWER_TOOL}


class ResponsesFold:
    """Events in, deltas out; in the end, the reply."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._response: Response | None = None
        # Items are known by their place: some vendors change an item's id from event to event.
        self._calls: list[int] = []
        self._items: list[ResponseOutputItem] = []

    def add(self, event: ResponseStreamEvent) -> Iterator[Delta]:
        match event.type:
            case "response.output_text.delta":
                yield TextDelta(event.delta)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                yield ReasoningDelta(event.delta)
            case "response.output_item.added":
                item = event.item
                if isinstance(item, ResponseFunctionToolCall):
                    self._calls.append(event.output_index)
                    yield ToolCallDelta(len(self._calls) - 1, "", item.call_id, item.name)
            case "response.function_call_arguments.delta" if event.output_index in self._calls:
                yield ToolCallDelta(self._calls.index(event.output_index), event.delta)
            case "response.output_item.done":
                self._items.append(event.item)
            case "response.completed" | "response.incomplete" | "response.failed":
                self._response = event.response
            case _:
                pass

    def reply(self) -> Reply:
        """The finished answer.

        Raises:
            StreamBroken: The stream ended before the model did.
        """
        if self._response is None:
            raise StreamBroken(
                f"{self._name}: the answer broke off", metadata={"model": self._name}
            )
        # Some servers leave the output out of the terminal event.
        self._response.output = self._response.output or self._items
        return reply_of(self._name, self._response)


def reply_of(name: str, response: Response) -> Reply:
    """The reply that a finished response is; its failure is raised."""
    if response.status == "failed" or response.error is not None:
        raise _failure(name, response)
    if response.status not in ("completed", "incomplete"):
        raise ModelUnavailable(
            f"{name}: the response ended as {response.status!r}", metadata={"model": name}
        )
    calls = tuple(
        ToolCall(item.call_id, item.name, item.arguments)
        for item in response.output
        if isinstance(item, ResponseFunctionToolCall)
    )
    refusal = "".join(_refusals(response))
    raw: dict[str, Any] = response.to_dict(mode="json", warnings=False)
    return Reply(
        model=name,
        text=response.output_text,
        finish=_finish(response, calls, refusal),
        usage=_usage(raw.get("usage")),
        tool_calls=calls,
        reasoning="".join(_reasoning(response)),
        refusal=refusal,
        raw=raw,
    )


def _failure(name: str, response: Response) -> Exception:
    error = response.error
    return error_for(
        Refusal(
            model=name,
            status=200,
            code=error.code if error else "",
            message=error.message if error else "",
        )
    )


def _refusals(response: Response) -> Iterator[str]:
    for item in response.output:
        if item.type == "message":
            for part in item.content:
                if part.type == "refusal":
                    yield part.refusal


def _reasoning(response: Response) -> Iterator[str]:
    for item in response.output:
        if item.type == "reasoning":
            for part in (*item.summary, *(item.content or ())):
                yield part.text


def _finish(response: Response, calls: tuple[ToolCall, ...], refusal: str) -> Finish:
    details = response.incomplete_details
    if refusal or (details and details.reason == "content_filter"):
        return Finish.REFUSAL
    if response.status == "incomplete":
        return Finish.LENGTH
    return Finish.TOOL_CALLS if calls else Finish.STOP


def _usage(usage: Mapping[str, Any] | None) -> Usage:
    report = usage or {}
    return Usage(
        input_tokens=count_at(report, "input_tokens"),
        output_tokens=count_at(report, "output_tokens"),
        cached_tokens=count_at(report, "input_tokens_details", "cached_tokens"),
        cache_write_tokens=count_at(report, "input_tokens_details", "cache_write_tokens"),
        reasoning_tokens=count_at(report, "output_tokens_details", "reasoning_tokens"),
        cost_usd=None,
    )
