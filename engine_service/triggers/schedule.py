"""`trigger.schedule`: the clock starts the run."""

import calendar
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from engine_service.sdk.node import NodeParameters
from engine_service.sdk.shape import Shape
from engine_service.sdk.trigger import ClockTrigger, TickPolicy
from engine_service.values.ticks import (
    BadCron,
    CronReading,
    cron_after,
    daily_after,
    elapsed_after,
    parse_cron,
)
from shared.workflow import Item, JsonObject

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip
_SHAPE = Shape(
    {
        "timestamp": "string", "date": "string", "time": "string", "weekday": "string",
        "year": "number", "month": "number", "day": "number", "hour": "number",
        "minute": "number", "second": "number", "timezone": "string",
    }
)  # fmt: skip
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
_EPOCH = date(1970, 1, 1)
_FIRST_MONDAY = date(1970, 1, 5)
_LONGEST_SEARCH_DAYS = 3_700
_LEAST_SECONDS = 1


class Rule(BaseModel):
    """One rhythm: a cron expression, or every so many units."""

    model_config = ConfigDict(extra="forbid")

    cron: str = Field(
        default="",
        max_length=200,
        description="A cron expression of 5 fields, or 6 with seconds in front; nothing else of "
        "the rule counts then",
    )
    days: Literal["either", "both"] = Field(
        default="either",
        description="For cron, where both a day of the month and a weekday are named: whether "
        "`either` will do, as in cron, or `both` must fit",
    )
    every: int = Field(default=1, ge=1, le=3_600, description="How many units from one to the next")
    unit: Literal["seconds", "minutes", "hours", "days", "weeks", "months"] = Field(
        default="days", description="The unit of `every`"
    )
    at: str = Field(
        default="00:00",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$",
        description="For days, weeks and months: the time of day, `HH:MM` or `HH:MM:SS`",
    )
    minute: int = Field(default=0, ge=0, le=59, description="For hours: the minute of the hour")
    weekdays: list[Weekday] = Field(
        default_factory=list[Weekday],
        max_length=7,
        description="For weeks: on which days; Monday when none is named",
    )
    day_of_month: int = Field(
        default=1,
        ge=1,
        le=31,
        description="For months: on which day; 31 is the last day of a shorter month too",
    )
    starting: date | None = Field(
        default=None, description="The day from which units are counted, and before which none come"
    )

    @field_validator("weekdays", mode="before")
    @classmethod
    def _full_names(cls, names: object) -> object:
        """Take `Mon` and `MON` for `monday`."""
        if not isinstance(names, list):
            return names
        full = {day[:3]: day for day in WEEKDAYS}
        texts = [str(name).lower() for name in names]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - the field's own validation follows
        return [full.get(text, text) for text in texts]


class ScheduleParameters(NodeParameters):
    """When it fires."""

    rules: list[Rule] = Field(
        min_length=1, max_length=50, description="The rhythms; it fires whenever one of them says"
    )
    timezone: str = Field(
        default="",
        max_length=64,
        description="IANA zone of all times, such as `Europe/Berlin`; the workflow's when empty",
    )
    catch_up: Literal["none", "latest", "all"] = Field(
        default="latest",
        description="Which of the ticks missed while the engine was down run afterwards",
    )
    overlap: Literal["allow", "skip"] = Field(
        default="allow",
        description="Whether a tick starts a run while an earlier one of the workflow goes on",
    )


class Schedule(ClockTrigger[ScheduleParameters]):
    """Starts a run by the clock: by cron expressions or plain intervals, in a time zone.

    Each rule is one rhythm; with several, it fires whenever one of them says (once, if several say
    the same moment):

    - `{"cron": "0 9 * * 1-5"}`: five fields (minute, hour, day, month, weekday), or six with
      seconds in front. Names, lists, steps, `L` and `#` work; where both day and weekday are
      named, either will do, or `"days": "both"` must. With `starting`, steps such as `*/5` are
      counted from that day.
    - `{"every": 15, "unit": "minutes"}`, also seconds and hours: on the clock's even marks where
      they divide the hour or the day, else evenly counted.
    - `{"unit": "days", "at": "09:00"}`, `{"unit": "weeks", "weekdays": ["monday", "friday"],
      "at": "08:30"}`, `{"unit": "months", "day_of_month": 31, "at": "18:00"}`.
    - `every` above 1 counts from `starting`, or else from 1 January 1970 (weeks from its first
      Monday).

    **Daylight saving.** A time of day that the clock leaps over in spring happens when the leap
    ends: 02:30 at 03:00. A time of day that happens twice in autumn: rules with `at` fire the
    first time only; cron expressions fire both times. Intervals of elapsed time do not notice.

    **Missed ticks** (the engine was down for more than a minute): `catch_up` runs none, the
    latest or all of them. However many engines run, a tick starts one run.

    The item holds the tick: `{timestamp, date, time, weekday, year, month, day, hour, minute,
    second, timezone}`.
    """

    Parameters = ScheduleParameters
    type = "trigger.schedule"
    title = "Schedule"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"rules": [{"cron": "0 9 * * 1-5"}], "timezone": "Europe/Berlin"},
        {"rules": [{"every": 15, "unit": "minutes"}]},
        {
            "rules": [
                {"unit": "weeks", "weekdays": ["monday"], "at": "08:30"},
                {"unit": "months", "day_of_month": 31, "at": "18:00"},
            ],
            "catch_up": "none",
            "overlap": "skip",
        },
    )
    keywords = (
        "schedule", "cron", "every day", "every hour", "every week", "every month", "weekday",
        "daily", "hourly", "weekly", "monthly", "each morning", "at 9", "periodically", "timer",
        "interval", "定时", "每天", "每小时", "每周", "每月", "工作日", "早上", "周期", "计划",
    )  # fmt: skip

    def next_fire_at(
        self, parameters: ScheduleParameters, after: datetime, timezone: str
    ) -> datetime | None:
        zone = ZoneInfo(parameters.timezone or timezone)
        moments = [_next_of(rule, after, zone) for rule in parameters.rules]
        return min((moment for moment in moments if moment is not None), default=None)

    def policy(self, parameters: ScheduleParameters) -> TickPolicy:
        return TickPolicy(catch_up=parameters.catch_up, overlap=parameters.overlap)

    def tick_item(self, parameters: ScheduleParameters, fire_at: datetime, timezone: str) -> Item:
        name = parameters.timezone or timezone
        local = fire_at.astimezone(ZoneInfo(name))
        return {
            "json": {
                "timestamp": local.isoformat(timespec="milliseconds"),
                "date": local.strftime("%Y-%m-%d"),
                "time": local.strftime("%H:%M:%S"),
                "weekday": WEEKDAYS[local.weekday()],
                "year": local.year,
                "month": local.month,
                "day": local.day,
                "hour": local.hour,
                "minute": local.minute,
                "second": local.second,
                "timezone": name,
            }
        }

    @classmethod
    def gives(cls, parameters: JsonObject, given: Shape) -> Shape:
        del parameters, given
        return _SHAPE

    @classmethod
    def check(cls, parameters: ScheduleParameters) -> Sequence[tuple[str, str, str]]:
        findings: list[tuple[str, str, str]] = []
        if parameters.timezone and not _is_zone(parameters.timezone):
            findings.append(
                ("/timezone", "unknown_timezone", f"There is no zone {parameters.timezone!r}.")
            )
        for index, rule in enumerate(parameters.rules):
            findings.extend(
                (f"/rules/{index}{pointer}", code, message)
                for pointer, code, message in _check_rule(rule)
            )
        return findings


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError):  # malformed names; unknown ones are KeyErrors
        return False
    except KeyError:
        return False
    return True


def _check_rule(rule: Rule) -> list[tuple[str, str, str]]:
    if rule.cron:
        try:
            parse_cron(rule.cron)
        except BadCron as error:
            return [("/cron", "malformed_cron", f"The cron expression is malformed: {error}")]
        return []
    findings: list[tuple[str, str, str]] = []
    if rule.weekdays and rule.unit != "weeks":
        findings.append(("/weekdays", "not_used", "Weekdays count with the unit weeks only."))
    if rule.unit in ("days", "weeks", "months") and _span_days(rule) > _LONGEST_SEARCH_DAYS:
        findings.append(("/every", "too_long", "That is more than ten years."))
    return findings


def _span_days(rule: Rule) -> int:
    return rule.every * {"days": 1, "weeks": 7, "months": 31}.get(rule.unit, 0)


def _next_of(rule: Rule, after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment after `after` that a rule names, in UTC."""
    start = None
    if rule.starting is not None:
        # One second earlier, so that the very start of that day can be a tick.
        start = datetime.combine(rule.starting, time(), zone).astimezone(UTC)
        after = max(after, start - timedelta(seconds=_LEAST_SECONDS))
    if rule.cron:
        return cron_after(rule.cron, after, zone, CronReading(rule.days == "both", start))
    if rule.unit in _SECONDS:
        return _next_elapsed(rule, after, zone)
    falls_on = _DAYS[rule.unit](rule)
    return daily_after(
        falls_on, time.fromisoformat(rule.at), after, zone, days=_LONGEST_SEARCH_DAYS
    )


def _next_elapsed(rule: Rule, after: datetime, zone: ZoneInfo) -> datetime | None:
    if rule.starting is None:
        even = rule.unit == "minutes" and 60 % rule.every == 0
        if even and rule.every < 60:
            return cron_after(f"*/{rule.every} * * * *", after, zone)
        if rule.unit == "hours" and 24 % rule.every == 0:
            hours = f"*/{rule.every}" if rule.every < 24 else "0"
            return cron_after(f"{rule.minute} {hours} * * *", after, zone)
    anchor = datetime.combine(rule.starting or _EPOCH, time(), zone if rule.starting else UTC)
    if rule.unit == "hours":
        anchor += timedelta(minutes=rule.minute)
    step = timedelta(seconds=rule.every * _SECONDS[rule.unit])
    return elapsed_after(step, anchor.astimezone(UTC), after)


def _on_days(rule: Rule) -> Callable[[date], bool]:
    first = rule.starting or _EPOCH
    return lambda day: (day - first).days % rule.every == 0


def _on_weekdays(rule: Rule) -> Callable[[date], bool]:
    first = rule.starting or _FIRST_MONDAY
    monday = first - timedelta(days=first.weekday())
    wanted = {WEEKDAYS.index(name) for name in rule.weekdays} or {first.weekday()}
    return lambda day: day.weekday() in wanted and ((day - monday).days // 7) % rule.every == 0


def _on_day_of_month(rule: Rule) -> Callable[[date], bool]:
    first = rule.starting or _EPOCH

    def falls_on(day: date) -> bool:
        last = calendar.monthrange(day.year, day.month)[1]
        months = (day.year - first.year) * 12 + day.month - first.month
        return day.day == min(rule.day_of_month, last) and months % rule.every == 0

    return falls_on


_DAYS: dict[str, Callable[[Rule], Callable[[date], bool]]] = {
    "days": _on_days,
    "weeks": _on_weekdays,
    "months": _on_day_of_month,
}
