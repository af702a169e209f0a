"""`data.datetime`: each operation, across changes of clocks, and dates that are none."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine_service.nodes.data_datetime import DataDatetime
from engine_service.sdk.node import Done
from shared.workflow import JsonObject
from tests.support.run_node import NOW, given, items, run_pure

ZONE = ZoneInfo("America/New_York")


def outcome_of(parameters: JsonObject) -> Done:
    what = given(DataDatetime, parameters, items({"old": 1}), now=NOW.astimezone(ZONE))
    outcome = run_pure(DataDatetime, what)
    assert isinstance(outcome, Done)
    return outcome


def computed(operation: str, **more: Any) -> Any:
    outcome = outcome_of({"operation": operation, **more, "to": "x"})
    assert not outcome.failures
    return outcome.outputs["main"][0]["json"]["x"]


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2026-03-07", "2026-03-07T00:00:00.000-05:00"),
        ("2026-03-07T12:00:00Z", "2026-03-07T07:00:00.000-05:00"),
        (1_772_884_800_000, "2026-03-07T07:00:00.000-05:00"),
        ("1772884800000", "2026-03-07T07:00:00.000-05:00"),
        (1_772_884_800, "2026-03-07T07:00:00.000-05:00"),
        ("-86400", "1969-12-30T19:00:00.000-05:00"),
        (1_772_884_800.5, "2026-03-07T07:00:00.500-05:00"),
        ("Sat, 07 Mar 2026 12:00:00 GMT", "2026-03-07T07:00:00.000-05:00"),
    ],
)
def test_dates_are_read_in_many_spellings(date: Any, expected: str) -> None:
    assert computed("add", date=date, amount=0) == expected


@pytest.mark.parametrize(
    ("date", "more", "expected"),
    [
        ("2026-03-07", {"read_timezone": "UTC"}, "2026-03-06 19:00 -0500"),
        ("2026-03-07", {"timezone": "Asia/Tokyo"}, "2026-03-07 00:00 +0900"),
        ("2026-03-07", {"timezone": "Asia/Tokyo", "read_timezone": "workflow"},
         "2026-03-07 14:00 +0900"),
        ("2026-03-07T12:00+02:00", {"keep_offset": True}, "2026-03-07 12:00 +0200"),
        ("2026-03-07T12:00Z", {"keep_offset": True}, "2026-03-07 07:00 -0500"),
        ("2026-03-07T12:00", {"keep_offset": True, "timezone": "UTC"}, "2026-03-07 12:00 +0000"),
    ],
)  # fmt: skip
def test_dates_are_read_in_one_zone_and_seen_in_another(
    date: str, more: JsonObject, expected: str
) -> None:
    assert computed("format", date=date, format="yyyy-MM-dd HH:mm ZZZ", **more) == expected


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("07.03.2026 1:05 PM", "dd.MM.yyyy h:mm a", "2026-03-07T13:05:00.000-05:00"),
        ("7 march 26", "d MMMM yy", "2026-03-07T00:00:00.000-05:00"),
        ("1772884800", "X", "2026-03-07T07:00:00.000-05:00"),
        ("2026-066 +0100", "yyyy-ooo ZZZ", "2026-03-06T18:00:00.000-05:00"),
        ("at 9", "'at' H", "1970-01-01T09:00:00.000-05:00"),
    ],
)
def test_a_format_says_how_a_date_is_written(text: str, pattern: str, expected: str) -> None:
    assert computed("add", date=text, amount=0, read_format=pattern) == expected


def test_a_date_is_written_in_a_format() -> None:
    pattern = (
        "yyyy yy M MM MMM MMMM d dd EEE EEEE H HH h hh mm ss SSS a q o W kkkk Z ZZ ZZZ z X 'at'"
    )
    assert computed("format", date="2026-03-07T15:04:05.678", format=pattern) == (
        "2026 26 3 03 Mar March 7 07 Sat Saturday 15 15 3 03 04 05 678 PM 1 66 10 2026 -5 -05:00 "
        "-0500 America/New_York 1772913845 at"
    )
    assert computed("format", date="2026-03-07", format="DDDD") == "Saturday, March 7, 2026"


def test_a_day_later_is_the_same_time_although_clocks_change() -> None:
    before = "2026-03-07T12:00:00"
    assert computed("add", date=before, amount=1, unit="days") == "2026-03-08T12:00:00.000-04:00"
    assert computed("add", date=before, amount=24, unit="hours") == "2026-03-08T13:00:00.000-04:00"
    skipped = computed("add", date="2026-03-07T02:30:00", amount=1, unit="days")
    assert skipped == "2026-03-08T03:30:00.000-04:00"


def test_months_end_where_they_must() -> None:
    added = computed("add", date="2026-01-31", amount=1, unit="months")
    assert added == "2026-02-28T00:00:00.000-05:00"
    taken = computed("subtract", date="2026-05-31", amount=1, unit="quarters")
    assert taken == "2026-02-28T00:00:00.000-05:00"
    half = computed("add", date="2026-05-01", amount=1.5, unit="days")
    assert half == "2026-05-02T12:00:00.000-04:00"


def test_parts_and_rounding() -> None:
    date = "2026-05-13T10:20:30.400"
    parts = {"year": 2026, "quarter": 2, "month": 5, "week": 20, "day": 13, "minute": 20}
    assert {part: computed("extract", date=date, part=part) for part in parts} == parts
    starts = {
        "years": "2026-01-01T00:00", "quarters": "2026-04-01T00:00", "months": "2026-05-01T00:00",
        "weeks": "2026-05-11T00:00", "days": "2026-05-13T00:00", "hours": "2026-05-13T10:00",
        "minutes": "2026-05-13T10:20",
    }  # fmt: skip
    assert {unit: computed("round", date=date, unit=unit)[:16] for unit in starts} == starts
    up = computed("round", date=date, unit="months", direction="up")
    assert up == "2026-06-01T00:00:00.000-04:00"


@pytest.mark.parametrize(
    ("end", "units", "expected"),
    [
        ("2026-03-01T12:00", ["months", "days"], {"months": 1, "days": 1.5}),
        ("2026-02-01T01:30", ["hours", "minutes"], {"hours": 25, "minutes": 30}),
        ("2026-01-30", ["days"], {"days": -1}),
        ("2027-01-31", ["years", "weeks"], {"years": 1, "weeks": 0}),
    ],
)
def test_time_between_dates(end: str, units: list[str], expected: dict[str, float]) -> None:
    assert computed("between", date="2026-01-31", end=end, units=units) == expected


def test_time_between_dates_can_be_a_duration() -> None:
    units = ["months", "days", "hours"]
    found = computed(
        "between", date="2026-01-31", end="2026-03-01T12:00", units=units, as_duration=True
    )
    assert found == "P1M1DT12H"


def test_the_present_is_that_of_the_run() -> None:
    assert computed("now") == "2026-03-02T04:00:00.000-05:00"
    assert computed("now", timezone="UTC") == "2026-03-02T09:00:00.000Z"
    assert computed("now", include_time=False) == "2026-03-02T00:00:00.000-05:00"


def test_other_fields_stay_when_asked_to() -> None:
    fields = outcome_of({"operation": "now", "include": "all"}).outputs["main"][0]["json"]
    assert list(fields) == ["old", "currentDate"]


@pytest.mark.parametrize("date", ["soon", "", None, {"a": 1}, True, 10**18, "2026-13-01"])
def test_what_is_no_date_fails_its_item(date: Any) -> None:
    failures = outcome_of({"operation": "format", "date": date}).failures
    assert [failure.code for failure in failures] == ["no_date"]


def test_dates_can_leave_the_calendar() -> None:
    failures = outcome_of({"operation": "add", "date": "2026-01-01", "amount": 1e9}).failures
    assert [failure.code for failure in failures] == ["no_date"]
