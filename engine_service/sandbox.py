"""Runs an author's JavaScript in a worker process: data in, items and a log out.

The code is the body of a function. It sees what expressions see ($json, $input, $('Node'), the
helper methods, Luxon) and may `await`; there is no file, network or process to reach. Each run has
a V8 of its own, made ahead while the worker is idle, so no run leaves anything behind for another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from engine_service.expressions.assets import code_realm
from engine_service.expressions.evaluator import payload
from engine_service.expressions.facts import Facts
from engine_service.expressions.javascript import write_code
from engine_service.expressions.scope import Scope
from engine_service.expressions.syntax import line_of_trouble
from engine_service.expressions.wire import from_json, to_json
from engine_service.v8.pool import EvaluationStopped, Limits, Stop, WorkerPool
from shared.errors import InvalidInput
from shared.workflow import Item

MAX_CODE = 100_000
SYNTAX = "CODE_SYNTAX"
DEFAULT_LIMITS = Limits(seconds=10.0, megabytes=128)
_ITEM_FIELDS = frozenset({"json", "binary", "paired_item", "pairedItem"})


class Mode(StrEnum):
    """How often the code runs."""

    ALL_ITEMS = "all_items"
    EACH_ITEM = "each_item"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line the code wrote to the console. `level` is debug, info, warning or error."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """What a run returned, as items, and what it logged."""

    items: list[Item]
    logs: list[LogLine]


class CodeError(InvalidInput):
    """The author's code is malformed, failed, went over a limit, or returned no items.

    Attributes:
        line: The line of the code, when V8 says it; 1 is the first.
        logs: What it had logged until then.
    """

    reason = "CODE_FAILED"

    def __init__(
        self,
        message: str,
        *,
        code: str = "CODE_FAILED",
        line: int | None = None,
        logs: Sequence[LogLine] = (),
    ) -> None:
        super().__init__(message, reason=code, metadata={} if line is None else {"line": str(line)})
        self.line = line
        self.logs = tuple(logs)


class Sandbox:
    """The workers that run code in an engine process. Must be closed."""

    def __init__(self, *, workers: int = 2, idle_seconds: float = 60.0) -> None:
        self._pool = WorkerPool(code_realm, size=workers, fresh=True, idle_seconds=idle_seconds)

    async def run(
        self, code: str, mode: Mode, scope: Scope, limits: Limits = DEFAULT_LIMITS
    ) -> SandboxResult:
        """Run the code once for all items of the scope, or once for each.

        Cancelling kills the run.

        Raises:
            CodeError: The code's fault, its limits included.
            Unavailable: No worker could be started.
        """
        if len(code) > MAX_CODE:
            raise CodeError(f"The code is longer than {MAX_CODE} characters", code="CODE_TOO_LONG")
        source, facts = write_code(code)
        script = b"flowloom(" + to_json(_request(source, facts, mode, scope)) + b")"
        try:
            written = await self._pool.evaluate(script, limits)
        except EvaluationStopped as stopped:
            raise _stopped(stopped, limits) from stopped
        try:
            answer = from_json(written)
        except (ValueError, RecursionError) as error:
            message = "What the code returned is nested too deeply"
            raise CodeError(message, code="CODE_RESULT_INVALID") from error
        if isinstance(answer, dict) and "error" in answer:
            raise _failure(cast("dict[str, Any]", answer), code)
        return _result(answer, mode)

    async def close(self) -> None:
        """End the workers, also those at work."""
        await self._pool.close()


def _request(source: str, facts: Facts, mode: Mode, scope: Scope) -> str:
    each = mode is Mode.EACH_ITEM
    data = payload([facts], scope)
    if each:
        data["items"] = scope.items
    return to_json({"source": source, "each": each, "scope": data}).decode()


def _result(answer: Any, mode: Mode) -> SandboxResult:
    if not isinstance(answer, dict):
        raise CodeError("The code tampered with its own result", code="CODE_RESULT_INVALID")
    found = cast("dict[str, Any]", answer)
    logs = _logs(found)
    try:
        items = _each(found["result"]) if mode is Mode.EACH_ITEM else _all(found["result"])
    except CodeError as error:
        raise CodeError(error.message, code=error.code, logs=logs) from None
    return SandboxResult(items, logs)


def _all(result: Any) -> list[Item]:
    """Items of what was returned for all: a list of items or objects, or a single one."""
    if isinstance(result, dict):
        return [_item(cast("dict[str, Any]", result))]
    if not isinstance(result, list):
        raise _invalid("an array of objects", result)
    return [_item(element) for element in cast("list[Any]", result)]


def _each(results: Sequence[Any]) -> list[Item]:
    """Items of what was returned for each; nothing drops the item, its position pairs it."""
    return [
        {"paired_item": index, **_item(result)}
        for index, result in enumerate(results)
        if result is not None
    ]


def _item(value: Any) -> Item:
    """An item as returned, or an object that becomes one."""
    if not isinstance(value, Mapping):
        raise _invalid("objects", value)
    fields = cast("Mapping[str, Any]", value)
    if "json" not in fields or not fields.keys() <= _ITEM_FIELDS:
        return {"json": dict(fields)}
    if not isinstance(fields["json"], Mapping):
        raise _invalid("items whose `json` is an object", fields["json"])
    item: Item = {"json": dict(cast("Mapping[str, Any]", fields["json"]))}
    if isinstance(fields.get("binary"), Mapping):
        item["binary"] = fields["binary"]
    pair = fields.get("paired_item", fields.get("pairedItem"))
    return item if pair is None else item | {"paired_item": pair}


def _invalid(wanted: str, value: Any) -> CodeError:
    kind = "nothing" if value is None else type(value).__name__
    return CodeError(f"The code must return {wanted}, not {kind}", code="CODE_RESULT_INVALID")


def _logs(answer: Mapping[str, Any]) -> list[LogLine]:
    return [LogLine(line["level"], line["text"]) for line in answer["logs"]]


def _failure(answer: Mapping[str, Any], source: str) -> CodeError:
    error = cast("Mapping[str, Any]", answer["error"])
    code, name, message = str(error["code"]), str(error["name"]), str(error["message"])
    line = line_of_trouble(source) if code == SYNTAX else error.get("line")
    text = message if name == "Error" else f"{name}: {message}"
    text = text if line is None else f"{text} (line {line})"
    return CodeError(text, code=code, line=line, logs=_logs(answer))


def _stopped(stopped: EvaluationStopped, limits: Limits) -> CodeError:
    match stopped.why:
        case Stop.TIMEOUT:
            return CodeError(f"The code ran longer than {limits.seconds:g} s", code="CODE_TIMEOUT")
        case Stop.MEMORY | Stop.DEATH:
            return CodeError(f"The code used more than {limits.megabytes} MB", code="CODE_MEMORY")
        case Stop.SCRIPT:
            return CodeError(stopped.message.splitlines()[0], code="CODE_FAILED")
