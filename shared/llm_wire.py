"""What every LLM provider module stands on: where to call, how to ask for JSON, what errors mean.

An `Endpoint` comes in from `shared.llms.connect`. A provider reports failures as a `Refusal` in
the vendor's words, and `error_for` turns it into one of the classes of `shared.llm_errors`.
"""

import json
import math
from collections.abc import (
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Protocol, cast

from shared.errors import AppError
from shared.llm import (
    Delta,
    Done,
    Finish,
    OutputSchema,
    ReasoningDelta,
    Reply,
    Request,
    TextDelta,
    ToolCallDelta,
    ToolSpec,
)
from shared.llm_errors import (
    ContextTooLong,
    KeyRefused,
    ModelNotFound,
    ModelUnavailable,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    RequestRefused,
    TimedOut,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider's calls go, and how patient they are.

    Attributes:
        base_url: Empty means the vendor's own.
        max_retry_after_seconds: A vendor that asks to wait longer is not waited for.
        transport: An httpx2 transport to call through, such as one that refuses private
            addresses; None is the SDK's own. Untyped here, so that this module loads without it.
    """

    api_key: str
    base_url: str = ""
    max_retries: int = 2
    max_retry_after_seconds: float = 30.0
    transport: Any = None


class _Response(Protocol):
    @property
    def headers(self) -> MutableMapping[str, str]: ...


def patience(limit_seconds: float) -> Callable[[_Response], Awaitable[None]]:
    """A response hook: where Retry-After asks for more than the limit, do not retry at all.

    Both SDKs obey `x-should-retry`. Left alone, one waits up to two minutes and the other as
    long as it is told to, while the person (or the chain's next model) is waiting too.
    """

    async def stop_long_waits(response: _Response) -> None:
        wait = retry_after_seconds(response.headers)
        if wait is not None and wait > limit_seconds:
            response.headers["x-should-retry"] = "false"

    return stop_long_waits


class OutputMode(StrEnum):
    """A way of asking for JSON by schema, best first."""

    NATIVE = "native"
    TOOL = "tool"
    JSON = "json"


# What a server that does not know a mode complains about, in its 400.
_COMPLAINTS = {
    OutputMode.NATIVE: (
        "response_format",
        "json_schema",
        "text.format",
        "output_config",
        "output_format",
        "structured output",
    ),
    OutputMode.TOOL: ("tool",),
    OutputMode.JSON: (),
}


def next_mode(mode: OutputMode, complaint: str) -> OutputMode | None:
    """The mode to try after a server refused this one; None when it complained of other things."""
    if not any(word in complaint.lower() for word in _COMPLAINTS[mode]):
        return None
    return OutputMode.TOOL if mode is OutputMode.NATIVE else OutputMode.JSON


ANSWER_TOOL = "answer"


def answers_by_tool(request: Request, mode: OutputMode) -> bool:
    """Whether the answer will come as a call of the answer tool."""
    return request.output is not None and mode is OutputMode.TOOL


def tools_for(request: Request, mode: OutputMode) -> Sequence[ToolSpec]:
    """The request's tools, and in tool mode the one through which the model answers."""
    if request.output is None or mode is not OutputMode.TOOL:
        return request.tools
    answer = ToolSpec(
        ANSWER_TOOL,
        request.output.description or "Give the final answer.",
        request.output.schema,
    )
    return (*request.tools, answer)


def schema_in_words(output: OutputSchema) -> str:
    """The instruction that stands in for a schema where a server takes none."""
    schema = json.dumps(output.schema, ensure_ascii=False, separators=(",", ":"))
    return (
        f"Answer with one JSON value and nothing else. It must satisfy this JSON Schema: {schema}"
    )


class AnswerUnwrapper:
    """Makes calls of the answer tool look as if the model had written their arguments as text.

    Callers then see structured output arrive in one way, whatever the server can do. In the other
    modes everything passes through as it is.
    """

    def __init__(self, request: Request, mode: OutputMode) -> None:
        self._active = answers_by_tool(request, mode)
        self._position: int | None = None

    def unwrap(self, deltas: Iterable[Delta]) -> Iterator[Delta]:
        for delta in deltas:
            seen = self._unwrap_one(delta) if self._active else delta
            if seen is not None:
                yield seen

    def unwrap_reply(self, reply: Reply) -> Reply:
        if not self._active:
            return reply
        answers = [call.arguments for call in reply.tool_calls if call.name == ANSWER_TOOL]
        others = tuple(call for call in reply.tool_calls if call.name != ANSWER_TOOL)
        finish = reply.finish
        if finish is Finish.TOOL_CALLS and not others:
            finish = Finish.STOP
        text = answers[0] if answers else ""
        return replace(reply, text=text, tool_calls=others, finish=finish, native=None)

    def _unwrap_one(self, delta: Delta) -> Delta | None:
        match delta:
            case ToolCallDelta(position=position, name=name, arguments=arguments):
                if name == ANSWER_TOOL and self._position is None:
                    self._position = position
                if position != self._position:
                    return delta
                return TextDelta(arguments) if arguments else None
            case TextDelta():
                return None  # chatter beside the answer
            case Done(reply=reply):
                return Done(self.unwrap_reply(reply))
            case ReasoningDelta():
                return delta


def count_at(document: Mapping[str, Any], *path: str) -> int:
    """The number at this path of a usage report, 0 where a vendor leaves it out."""
    *folders, name = path
    for folder in folders:
        document = document.get(folder) or {}
    return int(document.get(name) or 0)


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether every object in the schema is closed and requires all of its properties."""
    return all(
        part.get("additionalProperties") is False
        and set(part.get("required", ())) == set(part.get("properties", ()))
        for part in _parts(schema)
        if part.get("type") == "object" or "properties" in part
    )


def has_free_objects(schema: Mapping[str, Any]) -> bool:
    """Whether some object in the schema may have properties that it does not name."""
    return any(
        "patternProperties" in part
        or part.get("additionalProperties") not in (None, False)
        or (part.get("type") == "object" and not part.get("properties"))
        for part in _parts(schema)
    )


def _parts(schema: object) -> Iterator[Mapping[str, Any]]:
    """Every JSON object in a schema, from the whole down."""
    if isinstance(schema, Mapping):
        part = cast("Mapping[str, Any]", schema)
        yield part
        for value in part.values():
            yield from _parts(value)
    elif isinstance(schema, list | tuple):
        for value in cast("Sequence[object]", schema):
            yield from _parts(value)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A vendor's error in its own words.

    Attributes:
        status: HTTP status; 200 when the error came inside a stream, where `code` must tell.
        code: The vendor's code or type, whichever is narrower.
        secret: The key in use, so that no error ever repeats it.
    """

    model: str
    status: int
    code: str = ""
    message: str = ""
    headers: Mapping[str, str] | None = None
    secret: str = ""


_STATUS_OF_CODE = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "timeout_error": 504,
    "api_error": 500,
    "server_error": 500,
    "overloaded_error": 529,
}
_QUOTA_CODES = {"insufficient_quota", "billing_error", "billing_hard_limit_reached"}
_CONTEXT_CODES = {"context_length_exceeded", "request_too_large", "string_above_max_length"}
# Anthropic has no code for it, only this sentence.
_CONTEXT_SENTENCE = "prompt is too long"

_CLASS_OF_STATUS: dict[int, type[AppError]] = {
    400: RequestRefused,
    401: KeyRefused,
    402: QuotaExhausted,
    403: KeyRefused,
    404: ModelNotFound,
    408: TimedOut,
    409: ModelUnavailable,
    413: ContextTooLong,
    422: RequestRefused,
    429: RateLimited,
    503: Overloaded,
    504: TimedOut,
    529: Overloaded,
}


def error_for(refusal: Refusal) -> AppError:
    """The error that a vendor's refusal means."""
    kind = _class_for(refusal)
    metadata = {"model": refusal.model}
    if refusal.status != 200:
        metadata["status"] = str(refusal.status)
    if refusal.code:
        metadata["vendor_code"] = refusal.code[:100]
    wait = retry_after_seconds(refusal.headers or {})
    if wait is not None:
        metadata["retry_after"] = f"{wait:g}"
    return kind(_sentence(kind, refusal), metadata=metadata)


def _class_for(refusal: Refusal) -> type[AppError]:
    if refusal.code in _QUOTA_CODES:
        return QuotaExhausted
    if refusal.code in _CONTEXT_CODES or _CONTEXT_SENTENCE in refusal.message.lower():
        return ContextTooLong
    status = refusal.status
    if status < 400:
        # Inside a stream; some servers then put the status where others put a name.
        code = refusal.code
        status = int(code) if code.isdigit() else _STATUS_OF_CODE.get(code, 500)
    return _CLASS_OF_STATUS.get(status, RequestRefused if status < 500 else ModelUnavailable)


def _sentence(kind: type[AppError], refusal: Refusal) -> str:
    if kind is KeyRefused:
        # Vendors quote parts of the key here.
        return f"{refusal.model}: the vendor does not accept the API key"
    said = refusal.message.strip()
    if refusal.secret:
        said = said.replace(refusal.secret, "[key]")
    return f"{refusal.model}: {said[:500] or (kind.__doc__ or '').strip()}"


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """How long a Retry-After header (seconds or a date) asks to wait; None when it does not."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
