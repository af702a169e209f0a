"""`data.datetime`: computes with dates and writes them in other formats."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator

from engine_service.sdk.node import (
    MAIN,
    Done,
    ItemFailure,
    NodeInput,
    NodeParameters,
    Outcome,
    PureNode,
)
from engine_service.sdk.shape import UNKNOWN, Kind, Shape
from engine_service.values import moments
from engine_service.values.date_formats import BadFormat, format_moment, to_iso
from engine_service.values.fields import FieldNames
from engine_service.values.moments import NoMoment, Unit
from shared.workflow import Item, JsonObject

Operation = Literal["now", "format", "add", "subtract", "extract", "between", "round"]
Part = Literal["year", "quarter", "month", "week", "day", "hour", "minute", "second"]
_KINDS: Mapping[str, Kind] = {"extract": "number", "between": "any"}
_OF_WORKFLOW = "workflow"
_FIELDS: Mapping[Operation, str] = {
    "now": "currentDate",
    "format": "formattedDate",
    "add": "newDate",
    "subtract": "newDate",
    "extract": "datePart",
    "between": "timeDifference",
    "round": "roundedDate",
}


class DateTimeParameters(NodeParameters):
    """What to compute from which date."""

    operation: Operation = Field(
        default="format",
        description="`now` gives the current date, `format` writes one in another format, `add` "
        "and `subtract` move it, `extract` takes a part, `between` measures the time up to `end`, "
        "`round` goes to the start of a unit",
    )
    date: Any = Field(
        default=None,
        description="The date; most spellings are understood, numbers are seconds since 1970, "
        "whole ones from twelve digits on milliseconds",
    )
    end: Any = Field(default=None, description="For between: the later date")
    read_format: str = Field(
        default="",
        max_length=200,
        description="How `date` and `end` are written, when they are not understood by themselves: "
        "`dd.MM.yyyy`, `X` for seconds",
    )
    format: str = Field(
        default="yyyy-MM-dd",
        max_length=200,
        description="For format: such as `dd/MM/yyyy HH:mm`, `EEEE, MMMM d`, `X` for seconds",
    )
    amount: float = Field(default=1, description="For add and subtract: how much")
    unit: Unit = Field(default="days", description="For add, subtract and round: the unit")
    part: Part = Field(default="month", description="For extract: the part, as a number")
    units: list[Unit] = Field(
        default_factory=lambda: ["days"],
        min_length=1,
        max_length=9,
        description="For between: the units to measure in",
    )
    as_duration: bool = Field(
        default=False, description="For between: whether to write ISO 8601 (`P2DT3H`) instead"
    )
    direction: Literal["down", "up"] = Field(
        default="down",
        description="For round: to the start of the unit, or to that of the next one",
    )
    include_time: bool = Field(
        default=True, description="For now: whether with the time, or the day's beginning"
    )
    timezone: str = Field(
        default="",
        description="An IANA zone such as `Europe/Berlin`; when empty, the workflow's. Dates "
        "without an offset are in it, and so are results",
    )
    read_timezone: str = Field(
        default="",
        description="The zone of dates without an offset: when empty, that of `timezone`; "
        "`workflow` for the workflow's",
    )
    keep_offset: bool = Field(
        default=False,
        description="Whether a date that bears an offset, such as `+02:00`, is seen there and not "
        "in `timezone`",
    )
    to: str = Field(
        default="",
        description="The field for the result; when empty, `formattedDate`, `newDate`, "
        "`currentDate`, `datePart`, `timeDifference` or `roundedDate`",
    )
    include: Literal["none", "all"] = Field(
        default="none", description="Whether the item's other fields stay"
    )

    @field_validator("timezone", "read_timezone")
    @classmethod
    def _is_known(cls, value: str, info: ValidationInfo) -> str:
        if info.field_name == "read_timezone" and value == _OF_WORKFLOW:
            return value
        try:
            ZoneInfo(value or "UTC")
        except (ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone") from error
        return value


class DataDatetime(PureNode[DateTimeParameters]):
    """Computes with dates: format, add, subtract, extract, round, measure, or take the present.

    Dates may be ISO 8601, e-mail dates and most other spellings that name a day of a year;
    `read_format` reads the rest. Formats are those of Luxon, as in expressions: `yyyy` `MM` `dd`
    `HH` `mm` `ss`, `MMM` and `MMMM` for names of months, `ccc` for days, quotes around words.

    A day, month or year later is the same time on the clock, whatever the clocks do meanwhile;
    hours and less are exact. Results are ISO 8601 in the zone, except for `format`, `extract` and
    `between`.
    """

    Parameters = DateTimeParameters
    type = "data.datetime"
    title = "Date and time"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"date": "{{ $json.due_at }}", "format": "dd.MM.yyyy", "to": "due", "include": "all"},
        {"operation": "add", "date": "2026-03-02", "amount": 2, "unit": "weeks"},
        {"operation": "now", "include_time": False, "timezone": "Asia/Shanghai"},
        {
            "operation": "between",
            "date": "2026-01-01",
            "end": "{{ $json.due_at }}",
            "units": ["months", "days"],
        },
        {"operation": "extract", "date": "{{ $json.due_at }}", "part": "week"},
        {"operation": "round", "date": "{{ $json.due_at }}", "unit": "months", "direction": "up"},
    )
    keywords = (
        "date", "time", "format date", "add days", "subtract days", "date difference", "now",
        "today", "time zone", "日期", "时间", "日期格式", "加天数", "时区",
    )  # fmt: skip

    def run(self, given: NodeInput[DateTimeParameters]) -> Outcome:
        made: list[Item] = []
        failures: list[ItemFailure] = []
        for index, item in enumerate(given.items):
            parameters = given.parameters_for(index)
            try:
                fields = dict(item["json"]) if parameters.include == "all" else {}
                value = _WORK[parameters.operation](parameters, given.now)
                FieldNames().put(fields, parameters.to or _FIELDS[parameters.operation], value)
            except (NoMoment, BadFormat) as error:
                failures.append(ItemFailure(index, "no_date", str(error)))
                continue
            one: Item = {"json": fields, "paired_item": index}
            if parameters.include == "all" and item.get("binary"):
                one["binary"] = item["binary"]
            made.append(one)
        return Done({MAIN: made}, failures)

    @classmethod
    def gives(cls, parameters: JsonObject, given: Shape) -> Shape:
        operation = parameters.get("operation", "format")
        name = parameters.get("to") or _FIELDS.get(operation)
        if not isinstance(name, str) or "{{" in name or "." in name:
            return UNKNOWN
        kept = given if parameters.get("include") == "all" else Shape()
        return kept.extended({name: _KINDS.get(operation, "string")})

    @classmethod
    def check(cls, parameters: DateTimeParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.operation != "now" and parameters.date in (None, ""):
            message = f"Say of which date; the operation is {parameters.operation}."
            return [("/date", "missing", message)]
        if parameters.operation == "between" and parameters.end in (None, ""):
            return [("/end", "missing", "Say up to which date to measure.")]
        return []


def _date(parameters: DateTimeParameters, now: datetime, value: Any) -> datetime:
    own = now.tzinfo or ZoneInfo("UTC")
    source = parameters.read_timezone
    reading = moments.Reading(
        ZoneInfo(parameters.timezone) if parameters.timezone else own,
        own if source == _OF_WORKFLOW else ZoneInfo(source) if source else None,
        parameters.read_format,
        parameters.keep_offset,
    )
    return reading.read(value)


def _now(parameters: DateTimeParameters, now: datetime) -> str:
    moment = now.astimezone(ZoneInfo(parameters.timezone)) if parameters.timezone else now
    return to_iso(moment if parameters.include_time else moments.start_of(moment, "days"))


def _format(parameters: DateTimeParameters, now: datetime) -> str:
    return format_moment(_date(parameters, now, parameters.date), parameters.format)


def _move(parameters: DateTimeParameters, now: datetime) -> str:
    amount = -parameters.amount if parameters.operation == "subtract" else parameters.amount
    return to_iso(moments.add(_date(parameters, now, parameters.date), amount, parameters.unit))


def _extract(parameters: DateTimeParameters, now: datetime) -> int:
    moment = _date(parameters, now, parameters.date)
    if parameters.part == "week":
        return moment.isocalendar().week
    if parameters.part == "quarter":
        return (moment.month + 2) // 3
    return getattr(moment, parameters.part)


def _between(parameters: DateTimeParameters, now: datetime) -> Any:
    start, end = (_date(parameters, now, each) for each in (parameters.date, parameters.end))
    counts = moments.between(start, end, parameters.units)
    return moments.duration_iso(counts) if parameters.as_duration else dict(counts)


def _round(parameters: DateTimeParameters, now: datetime) -> str:
    moment = _date(parameters, now, parameters.date)
    if parameters.direction == "up":
        moment = moments.add(moment, 1, parameters.unit)
    return to_iso(moments.start_of(moment, parameters.unit))


_WORK: Mapping[Operation, Callable[[DateTimeParameters, datetime], Any]] = {
    "now": _now,
    "format": _format,
    "add": _move,
    "subtract": _move,
    "extract": _extract,
    "between": _between,
    "round": _round,
}
