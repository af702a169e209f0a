"""The chat completions wire: OpenAI's older one, and what nearly every other server speaks.

A request becomes the call's parameters; each chunk becomes deltas and is folded into the reply.
Servers differ in small things (where reasoning stands, which index a tool call has, what counts
as output), so the fold takes what the SDK's own accumulator would refuse.
"""

from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk

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
from shared.llm_errors import Overloaded, StreamBroken
from shared.llm_wire import (
    ANSWER_TOOL,
    AnswerUnwrapper,
    Endpoint,
    OutputMode,
    answers_by_tool,
    count_at,
    is_strict,
    schema_in_words,
    tools_for,
)
from shared.llms.openai.account import Account, in_best_mode, parsed_as, request_options

MODES = frozenset(OutputMode)


def connect(name: str, model: str, endpoint: Endpoint) -> "ChatModel":
    """A model of this endpoint; `name` is how errors and replies call it."""
    return ChatModel(name, model, Account(endpoint))


class ChatModel:
    """A model behind a chat completions endpoint."""

    def __init__(self, name: str, model: str, account: Account) -> None:
        self._name = name
        self._model = model
        self._account = account

    @property
    def name(self) -> str:
        return self._name

    async def complete(self, request: Request) -> Reply:
        async def ask(mode: OutputMode) -> ChatCompletion:
            return await self._account.client.chat.completions.create(
                **self._parameters(request, mode), stream=False
            )

        with self._account.errors(self._name):
            mode, completion = await in_best_mode(request, MODES, ask)
        fold = ChatFold(self._name)
        fold.add_completion(parsed_as(ChatCompletion, completion, self._name))
        return AnswerUnwrapper(request, mode).unwrap_reply(fold.reply())

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        async def ask(mode: OutputMode) -> openai.AsyncStream[ChatCompletionChunk]:
            return await self._account.client.chat.completions.create(
                **self._parameters(request, mode),
                stream=True,
                stream_options={"include_usage": True},
            )

        fold = ChatFold(self._name)
        with self._account.errors(self._name):
            mode, chunks = await in_best_mode(request, MODES, ask)
            unwrapper = AnswerUnwrapper(request, mode)
            async with chunks:
                async for chunk in chunks:
                    for delta in unwrapper.unwrap(fold.add_chunk(chunk)):
                        yield delta
        for delta in unwrapper.unwrap([Done(fold.reply())]):
            yield delta

    async def close(self) -> None:
        await self._account.close()

    def _parameters(self, request: Request, mode: OutputMode) -> dict[str, Any]:
        # Other servers mostly know only the older name, and OpenAI's newer models only the newer.
        limit = "max_completion_tokens" if self._account.is_official else "max_tokens"
        parameters: dict[str, Any] = {
            "model": self._model,
            "messages": [_message(message) for message in request.messages],
            limit: request.max_output_tokens,
            **request_options(request.timeout_seconds, request.idempotency_key),
        }
        if request.temperature is not None:
            parameters["temperature"] = request.temperature
        _add_tools(parameters, request, mode)
        _add_output(parameters, request, mode)
        return parameters


def _message(message: Message) -> dict[str, Any]:
    match message.role:
        case Role.TOOL:
            return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text}
        case Role.ASSISTANT if message.tool_calls:
            calls = [
                {
                    "type": "function",
                    "id": call.call_id,
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in message.tool_calls
            ]
            return {"role": "assistant", "content": message.text or None, "tool_calls": calls}
        case role:
            return {"role": role.value, "content": message.text}


def _add_tools(parameters: dict[str, Any], request: Request, mode: OutputMode) -> None:
    tools = tools_for(request, mode)
    if not tools:
        return
    parameters["tools"] = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
            },
        }
        for tool in tools
    ]
    if not answers_by_tool(request, mode):
        parameters["tool_choice"] = request.tool_choice
    elif request.tools:
        parameters["tool_choice"] = "required"
    else:
        parameters["tool_choice"] = {"type": "function", "function": {"name": ANSWER_TOOL}}


def _add_output(parameters: dict[str, Any], request: Request, mode: OutputMode) -> None:
    output = request.output
    if output is None:
        return
    if mode is OutputMode.NATIVE:
        schema = {
            "name": output.name,
            "schema": dict(output.schema),
            "strict": is_strict(output.schema),
        }
        parameters["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif mode is OutputMode.JSON:
        parameters["response_format"] = {"type": "json_object"}
        wish = {"role": "system", "content": schema_in_words(output)}
        parameters["messages"] = [wish, *parameters["messages"]]


class _Call:
    """A tool call that is still being written."""

    def __init__(self) -> None:
        self.call_id = ""
        self.name = ""
        self.arguments: list[str] = []

    def finished(self) -> ToolCall:
        return ToolCall(self.call_id, self.name, "".join(self.arguments))


class ChatFold:
    """Chunks in, deltas out; in the end, the reply."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[_Call] = []
        self._finish_reason: str | None = None
        self._usage: dict[str, Any] | None = None
        self._head: dict[str, Any] = {}
        self._chunks = 0

    def add_chunk(self, chunk: ChatCompletionChunk) -> Iterator[Delta]:
        self._take_head(chunk)
        for choice in _first(chunk.choices):
            self._finish_reason = choice.finish_reason or self._finish_reason
            if choice.delta is not None:
                yield from self._add_part(choice.delta)

    def add_completion(self, completion: ChatCompletion) -> None:
        """Fold an unstreamed answer, as if it were one chunk."""
        self._take_head(completion)
        for choice in _first(completion.choices):
            self._finish_reason = choice.finish_reason or "stop"
            deque(self._add_part(choice.message), maxlen=0)

    def _take_head(self, message: ChatCompletionChunk | ChatCompletion) -> None:
        self._chunks += 1
        if not self._head:
            self._head = {"id": message.id, "model": message.model}
        if message.usage:
            self._usage = message.usage.to_dict(mode="json")

    def _add_part(self, part: Any) -> Iterator[Delta]:
        extra: dict[str, Any] = part.model_extra or {}
        reasoning = extra.get("reasoning_content") or extra.get("reasoning")
        if isinstance(reasoning, str) and reasoning:
            self._reasoning.append(reasoning)
            yield ReasoningDelta(reasoning)
        if part.content:
            self._text.append(part.content)
            yield TextDelta(part.content)
        if part.refusal:
            self._refusal.append(part.refusal)
        for piece in part.tool_calls or ():
            yield from self._add_call(piece)

    def _add_call(self, piece: Any) -> Iterator[Delta]:
        call = self._call_of(getattr(piece, "index", None), piece.id or "")
        named = not call.name
        call.call_id = call.call_id or piece.id or ""
        call.name = call.name or (piece.function.name if piece.function else None) or ""
        arguments = (piece.function.arguments if piece.function else None) or ""
        call.arguments.append(arguments)
        if named and call.name:
            yield ToolCallDelta(self._calls.index(call), arguments, call.call_id, call.name)
        elif arguments:
            yield ToolCallDelta(self._calls.index(call), arguments)

    def _call_of(self, index: int | None, call_id: str) -> _Call:
        """The call that a piece belongs to.

        A new id means a new call even under an old index, since some servers give all parallel
        calls the index 0. Others give none at all: a piece without id then continues the last.
        """
        for call in self._calls:
            if call_id and call.call_id == call_id:
                return call
        at_place = self._calls[-1:] if index is None else self._calls[index : index + 1]
        for call in at_place:
            if not (call_id and call.call_id):
                return call
        self._calls.append(_Call())
        return self._calls[-1]

    def reply(self) -> Reply:
        """The finished answer.

        Raises:
            StreamBroken: The stream ended before the model did.
        """
        reason = self._finish_reason
        if reason == "insufficient_system_resource":
            raise Overloaded(f"{self._name}: the vendor ran out of resources")
        if reason is None or reason == "error":
            raise StreamBroken(
                f"{self._name}: the answer broke off", metadata={"model": self._name}
            )
        calls = tuple(call.finished() for call in self._calls)
        text = "".join(self._text)
        return Reply(
            model=self._name,
            text=text,
            finish=self._finish(reason),
            usage=_usage(self._usage),
            tool_calls=calls,
            reasoning="".join(self._reasoning),
            refusal="".join(self._refusal),
            raw=self._raw(text, calls),
        )

    def _finish(self, reason: str) -> Finish:
        if self._refusal or reason == "content_filter":
            return Finish.REFUSAL
        if reason == "length":
            return Finish.LENGTH
        # Some servers say "stop" although they call tools.
        return Finish.TOOL_CALLS if self._calls else Finish.STOP

    def _raw(self, text: str, calls: tuple[ToolCall, ...]) -> dict[str, Any]:
        return {
            **self._head,
            "role": "assistant",
            "content": text,
            "reasoning": "".join(self._reasoning) or None,
            "refusal": "".join(self._refusal) or None,
            "tool_calls": [
                {"id": call.call_id, "name": call.name, "arguments": call.arguments}
                for call in calls
            ],
            "finish_reason": self._finish_reason,
            "usage": self._usage,
            "chunks": self._chunks,
        }


def _first(choices: Sequence[Any] | None) -> list[Any]:
    """The first choice, if it is in this list; we ask for one, but some servers send more.

    The list itself is typed as always there, which not every server knows.
    """
    return [choice for choice in choices or () if not choice.index][:1]


def _usage(usage: Mapping[str, Any] | None) -> Usage:
    report = usage or {}
    read = count_at(report, "prompt_tokens")
    return Usage(
        input_tokens=read,
        # xAI does not count reasoning as completion, but does in the total.
        output_tokens=max(
            count_at(report, "completion_tokens"), count_at(report, "total_tokens") - read
        ),
        cached_tokens=count_at(report, "prompt_tokens_details", "cached_tokens"),
        reasoning_tokens=count_at(report, "completion_tokens_details", "reasoning_tokens"),
        cost_usd=None,
    )
