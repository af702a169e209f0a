"""What code gives back: items, a log, or a failure that says where.

Whatever a language's runner got out of its process comes in, as JSON has it; items come out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from shared.errors import InvalidInput
from shared.workflow import Item

MAX_CODE = 100_000
SYNTAX = "CODE_SYNTAX"
RESULT_INVALID = "CODE_RESULT_INVALID"
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
        line: The line of the code, when it is known; 1 is the first.
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


def refuse_long(code: str) -> None:
    """Let no code be endlessly long.

    Raises:
        CodeError: It is.
    """
    if len(code) > MAX_CODE:
        raise CodeError(f"The code is longer than {MAX_CODE} characters", code="CODE_TOO_LONG")


def result_of(result: Any, mode: Mode, logs: list[LogLine]) -> SandboxResult:
    """What was returned, once or by item, as items.

    Raises:
        CodeError: It is no items.
    """
    try:
        items = _each(result) if mode is Mode.EACH_ITEM else _all(result)
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
    return CodeError(f"The code must return {wanted}, not {kind}", code=RESULT_INVALID)
