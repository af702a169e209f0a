"""Arithmetic with moments as people mean it: a day later is the same time of the next day.

Units up to days follow the calendar of the moment's zone, smaller ones pass as time does, also
when clocks change.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal

from dateutil.relativedelta import relativedelta

from engine_service.values.date_formats import read_moment
from engine_service.values.field_types import NotOfType, convert, describe

Unit = Literal[
    "years", "quarters", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds"
]
UNITS: tuple[Unit, ...] = (
    "years", "quarters", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds",
)  # fmt: skip
_CALENDAR = UNITS[:5]
_SECONDS: dict[Unit, float] = {
    "years": 365 * 86400, "quarters": 91 * 86400, "months": 30 * 86400, "weeks": 7 * 86400,
    "days": 86400, "hours": 3600, "minutes": 60, "seconds": 1, "milliseconds": 0.001,
}  # fmt: skip
_FIRST_MILLISECONDS = 10**11
"""The first number of twelve digits; as seconds it would be in the year 5138."""
_STEPS: dict[Unit, relativedelta] = {
    "years": relativedelta(years=1),
    "quarters": relativedelta(months=3),
    "months": relativedelta(months=1),
    "weeks": relativedelta(weeks=1),
    "days": relativedelta(days=1),
}
_AVERAGE_DAYS: dict[Unit, float] = {
    "years": 365.2425, "quarters": 91.310625, "months": 30.436875, "weeks": 7, "days": 1,
}  # fmt: skip


class NoMoment(ValueError):
    """A value names no moment, or a computed one is out of range."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How dates are read.

    Attributes:
        zone: Where they are seen.
        without_offset: The zone of those that bear no offset; `zone` when it is not said.
        pattern: How they are written, when that is not to be found out.
        keeps_offset: One that bears an offset is seen there.
    """

    zone: tzinfo
    without_offset: tzinfo | None = None
    pattern: str = ""
    keeps_offset: bool = False

    def read(self, value: Any) -> datetime:
        """The moment that a value names.

        Numbers, also as text, are seconds since 1970; whole ones of many digits milliseconds.

        Raises:
            NoMoment: It names none.
            BadFormat: It does not have the format that `pattern` says.
        """
        if value in (None, ""):
            raise NoMoment("there is no date")
        source = self.without_offset or self.zone
        if self.pattern and isinstance(value, str | int):
            return read_moment(str(value), self.pattern, source).astimezone(self.zone)
        number = _as_number(value)
        try:
            if number is not None:
                return datetime.fromtimestamp(_seconds(number), UTC).astimezone(self.zone)
            moment = convert(value, "date_time", zone=source)
        except (NotOfType, OverflowError, ValueError, OSError) as error:
            raise NoMoment(f"{describe(value)} is no date") from error
        stays = self.keeps_offset and moment.tzinfo is not source and bool(moment.utcoffset())
        return moment if stays else moment.astimezone(self.zone)


def _seconds(number: float) -> float:
    """The number as seconds, as people count: a whole one of many digits is in milliseconds."""
    is_short = abs(number) < _FIRST_MILLISECONDS or number != int(number)
    return number if is_short else number / 1000


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def add(moment: datetime, amount: float, unit: Unit) -> datetime:
    """The moment so much later; earlier when the amount is negative.

    Raises:
        NoMoment: There is no such year.
    """
    try:
        whole = math.trunc(amount) if unit in _CALENDAR else 0
        if whole:
            moment = _on_calendar(moment, whole, unit)
        rest = timedelta(seconds=(amount - whole) * _SECONDS[unit])
        return (moment.astimezone(UTC) + rest).astimezone(moment.tzinfo)
    except (OverflowError, ValueError) as error:
        raise NoMoment(f"{amount:g} {unit} lead out of the calendar") from error


def _on_calendar(moment: datetime, amount: int, unit: Unit) -> datetime:
    wall = moment.replace(tzinfo=None) + _STEPS[unit] * amount
    # By way of UTC, so that a time that clocks skip becomes one that exists.
    return wall.replace(tzinfo=moment.tzinfo).astimezone(UTC).astimezone(moment.tzinfo)


def start_of(moment: datetime, unit: Unit) -> datetime:
    """The first moment of the unit that the moment lies in; weeks begin on Mondays."""
    start = moment
    if unit == "quarters":
        start = start.replace(month=(moment.month - 1) // 3 * 3 + 1, day=1)
    elif unit == "weeks":
        start = _on_calendar(start, -start.weekday(), "days") if start.weekday() else start
    elif unit == "years":
        start = start.replace(month=1, day=1)
    elif unit == "months":
        start = start.replace(day=1)
    if unit in _CALENDAR:
        return start.replace(hour=0, minute=0, second=0, microsecond=0)
    zeros = {"hours": 3, "minutes": 2, "seconds": 1, "milliseconds": 0}[unit]
    names = ("microsecond", "second", "minute")[:zeros]
    if not names:
        return start.replace(microsecond=start.microsecond // 1000 * 1000)
    return start.replace(**dict.fromkeys(names, 0))


def between(start: datetime, end: datetime, units: Sequence[Unit]) -> dict[Unit, float]:
    """How much lies between two moments, in whole larger units and a rest in the smallest.

    Negative when the end is before the start.
    """
    if end < start:
        return {unit: -count or 0 for unit, count in between(end, start, units).items()}
    counts: dict[Unit, float] = {}
    ordered: list[Unit] = [unit for unit in UNITS if unit in units]
    cursor = start
    for unit in ordered:
        if unit in _CALENDAR:
            count = _most(cursor, end, unit)
            cursor = add(cursor, count, unit) if count else cursor
        else:
            count = int((end - cursor).total_seconds() / _SECONDS[unit] + 1e-9)
            cursor = cursor + timedelta(seconds=count * _SECONDS[unit])
        counts[unit] = count
    smallest = ordered[-1]
    length = add(cursor, 1, smallest) - cursor
    rest = (end - cursor) / length
    counts[smallest] += 0 if abs(rest) < 1e-9 else rest
    return counts


def _most(cursor: datetime, end: datetime, unit: Unit) -> int:
    """How many whole units fit."""
    count = max(0, int((end - cursor) / timedelta(days=_AVERAGE_DAYS[unit])) - 2)
    while add(cursor, count + 1, unit) <= end:
        count += 1
    return count


def duration_iso(counts: dict[Unit, float]) -> str:
    """An amount of time in ISO 8601: `P1Y2M10DT2H30M`."""
    months = counts.get("months", 0) + counts.get("quarters", 0) * 3
    seconds = counts.get("seconds", 0) + counts.get("milliseconds", 0) / 1000
    days = [(counts.get("years", 0), "Y"), (months, "M")]
    days += [(counts.get("weeks", 0), "W"), (counts.get("days", 0), "D")]
    times = [(counts.get("hours", 0), "H"), (counts.get("minutes", 0), "M"), (seconds, "S")]
    date = "".join(f"{_plain(count)}{sign}" for count, sign in days if count)
    time = "".join(f"{_plain(count)}{sign}" for count, sign in times if count)
    return f"P{date}{f'T{time}' if time else ''}" if date or time else "PT0S"


def _plain(number: float) -> str:
    return f"{round(number, 9):.15g}"
