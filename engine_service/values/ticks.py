"""When a clock fires: cron expressions and plain intervals, in a time zone.

A rule and a moment go in, the first moment strictly later comes out. The cron dialect is
croniter's with seconds in front: 5 fields, or 6 that begin with seconds, or 7 that end with
years; names, `L`, `#`, `W` and `?`; ranges may wrap (`fri-mon`). Where day and weekday are both
named, either fits or, if asked for, both must; steps count from a field's least value or, if asked
for, from a day. Vixie cron's quirk that `*/2` counts as a star there is not part of it.

Daylight saving. A time of day that the clock leaps over happens when the leap ends. A time of day
that happens twice: `daily` takes the first only; cron takes both, as its hours are the clock's.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice

from croniter import croniter

MOST_YEARS = 50
_RANDOM = re.compile(r"(?:^|[\s,/])[hr](?=$|[\s,/(])", re.IGNORECASE)
_SECONDS_FIELDS = 6


class BadCron(ValueError):
    """The expression is not of the dialect."""


@dataclass(frozen=True, slots=True)
class CronReading:
    """How an expression is read where there is a choice.

    Attributes:
        both_days: Where both day and weekday are named, both must fit; otherwise either will do.
        counted_from: Steps such as `*/5` are counted from this moment, not from each field's least.
    """

    both_days: bool = False
    counted_from: datetime | None = None


USUAL = CronReading()


def parse_cron(expression: str) -> None:
    """Check a cron expression.

    Raises:
        BadCron: It is malformed, or leaves the time to chance.
    """
    _cron(expression, datetime(2000, 1, 1, tzinfo=UTC), USUAL)


def cron_after(
    expression: str, after: datetime, zone: tzinfo, reading: CronReading = USUAL
) -> datetime | None:
    """The first moment after `after` that a cron expression names, in UTC; None if none comes.

    Raises:
        BadCron: It is malformed, or leaves the time to chance.
    """
    local = after.astimezone(zone)
    anchor = reading.counted_from
    moments = _cron(expression, anchor.astimezone(zone) if anchor else local, reading)
    moments.set_current(local, force=True)
    try:
        return moments.get_next(datetime).astimezone(UTC)
    except ValueError:  # croniter: no such date in the next years
        return None


def _cron(expression: str, start: datetime, reading: CronReading) -> "croniter":
    if _RANDOM.search(expression):
        raise BadCron("H and R leave the time to chance; name it instead")
    try:
        return croniter(
            expression,
            start,
            max_years_between_matches=MOST_YEARS,
            day_or=not reading.both_days,
            expand_from_start_time=reading.counted_from is not None,
            second_at_beginning=len(expression.split()) >= _SECONDS_FIELDS,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadCron(str(error)) from error


def elapsed_after(step: timedelta, anchor: datetime, after: datetime) -> datetime:
    """The first moment after `after` that is whole steps from the anchor, in UTC."""
    steps = (after - anchor) // step + 1
    return (anchor + max(steps, 0) * step).astimezone(UTC)


def daily_after(
    falls_on: Callable[[date], bool], at: time, after: datetime, zone: tzinfo, *, days: int
) -> datetime | None:
    """The first `at` o'clock after `after` on a day that counts; None if none in that many days."""
    for day in islice(_days_from(after.astimezone(zone).date()), days):
        if falls_on(day):
            moment = moment_of(day, at, zone)
            if moment > after:
                return moment
    return None


def _days_from(day: date) -> Iterator[date]:
    while day < date.max:
        yield day
        day += timedelta(days=1)


def moment_of(day: date, at: time, zone: tzinfo) -> datetime:
    """The moment of a local time, in UTC: the first of two, the end of the gap if there is none."""
    local = datetime.combine(day, at, zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    return _end_of_gap(local.replace(fold=1).astimezone(UTC), moment, zone)


def _end_of_gap(before: datetime, behind: datetime, zone: tzinfo) -> datetime:
    """The moment between the two at which the zone's offset changes."""
    new_offset = behind.astimezone(zone).utcoffset()
    while behind - before > timedelta(seconds=1):
        middle = (before + (behind - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == new_offset:
            behind = middle
        else:
            before = middle
    return behind
