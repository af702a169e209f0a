"""`trigger.schedule`: intervals, days, several rules, and daylight saving as it is documented."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from engine_service.triggers.schedule import Schedule, ScheduleParameters
from shared.workflow import JsonObject

BERLIN = "Europe/Berlin"


def firings(
    rules: JsonObject | list[JsonObject], start: str, count: int = 3, zone: str = BERLIN
) -> list[str]:
    """The next times, as local ISO texts."""
    each = rules if isinstance(rules, list) else [rules]
    parameters = ScheduleParameters.model_validate({"rules": each})
    moment = datetime.fromisoformat(start)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    found: list[str] = []
    for _ in range(count):
        following = Schedule().next_fire_at(parameters, moment, zone)
        assert following is not None
        moment = following
        found.append(moment.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes"))
    return found


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"every": 15, "unit": "minutes"}, ["11:15", "11:30", "11:45"]),
        ({"every": 45, "unit": "minutes"}, ["11:30", "12:15", "13:00"]),
        ({"every": 1, "unit": "hours", "minute": 20}, ["11:20", "12:20", "13:20"]),
        ({"every": 6, "unit": "hours"}, ["12:00", "18:00", "00:00"]),
        ({"cron": "*/20 11 * * *"}, ["11:20", "11:40", "11:00"]),
        ({"cron": "0 0 12 * * *"}, ["12:00", "12:00", "12:00"]),
    ],
)
def test_intervals_keep_to_the_clock(rule: JsonObject, expected: list[str]) -> None:
    assert [text[11:16] for text in firings(rule, "2026-01-05T11:05")] == expected


def test_seconds_are_counted() -> None:
    parameters = ScheduleParameters.model_validate({"rules": [{"every": 1, "unit": "seconds"}]})
    after = datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    following = Schedule().next_fire_at(parameters, after, "UTC")
    assert following == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"unit": "days", "at": "09:00"}, ["01-06T09:00", "01-07T09:00", "01-08T09:00"]),
        ({"unit": "weeks", "weekdays": ["Mon", "friday"], "at": "08:30"},
         ["01-09T08:30", "01-12T08:30", "01-16T08:30"]),
        ({"unit": "weeks", "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"],
          "at": "09:00"}, ["01-06T09:00", "01-07T09:00", "01-08T09:00"]),
        ({"unit": "months", "day_of_month": 31, "at": "18:00"},
         ["01-31T18:00", "02-28T18:00", "03-31T18:00"]),
        ({"unit": "days", "every": 3, "at": "00:00", "starting": "2026-01-05"},
         ["01-08T00:00", "01-11T00:00", "01-14T00:00"]),
        ({"unit": "weeks", "every": 2, "weekdays": ["monday"], "starting": "2026-01-05"},
         ["01-19T00:00", "02-02T00:00", "02-16T00:00"]),
        ({"unit": "months", "every": 3, "starting": "2026-01-01", "at": "12:00"},
         ["04-01T12:00", "07-01T12:00", "10-01T12:00"]),
    ],
)  # fmt: skip
def test_days_weeks_and_months(rule: JsonObject, expected: list[str]) -> None:
    assert [text[5:16] for text in firings(rule, "2026-01-05T11:05")] == expected


def test_several_rules_are_one_rhythm() -> None:
    rules: list[JsonObject] = [{"unit": "days", "at": "09:00"}, {"cron": "0 9,12 * * *"}]
    assert [text[11:16] for text in firings(rules, "2026-01-05T08:00", 4)] == [
        "09:00", "12:00", "09:00", "12:00",
    ]  # fmt: skip


def test_nothing_comes_before_the_start() -> None:
    rule: JsonObject = {"every": 30, "unit": "minutes", "starting": "2027-01-01"}
    assert firings(rule, "2026-01-05T08:00", 2) == [
        "2027-01-01T00:00+01:00", "2027-01-01T00:30+01:00",
    ]  # fmt: skip


# --- daylight saving: 29 March 2026 02:00 to 03:00, 25 October 2026 03:00 to 02:00


def test_a_time_that_is_leapt_over_happens_when_the_leap_ends() -> None:
    expected = ["2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]
    assert firings({"unit": "days", "at": "02:30"}, "2026-03-27T12:00") == expected
    assert firings({"cron": "30 2 * * *"}, "2026-03-27T12:00") == expected


def test_a_time_that_happens_twice_is_taken_once_by_rules_with_at() -> None:
    assert firings({"unit": "days", "at": "02:30"}, "2026-10-24T12:00") == [
        "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00", "2026-10-27T02:30+01:00",
    ]  # fmt: skip


def test_a_time_that_happens_twice_is_taken_twice_by_cron() -> None:
    assert firings({"cron": "30 2 * * *"}, "2026-10-24T12:00") == [
        "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00", "2026-10-26T02:30+01:00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-03-29T00:30", ["01:00+01:00", "03:00+02:00", "04:00+02:00"]),
        ("2026-10-25T01:30", ["02:00+02:00", "02:00+01:00", "03:00+01:00"]),
    ],
)
def test_every_hour_is_every_hour(start: str, expected: list[str]) -> None:
    found = firings({"every": 1, "unit": "hours"}, start)
    assert [text[11:] for text in found] == expected


def test_elapsed_time_does_not_notice() -> None:
    found = firings({"every": 90, "unit": "minutes"}, "2026-03-28T23:00", 6)
    moments = [datetime.fromisoformat(text) for text in found]
    steps = {later - earlier for earlier, later in pairwise(moments)}
    assert steps == {timedelta(minutes=90)}


def test_the_zone_of_the_schedule_comes_first() -> None:
    parameters = ScheduleParameters.model_validate(
        {"rules": [{"unit": "days", "at": "09:00"}], "timezone": "Asia/Tokyo"}
    )
    following = Schedule().next_fire_at(parameters, datetime(2026, 1, 1, tzinfo=UTC), BERLIN)
    assert following is not None
    assert following == datetime(2026, 1, 2, 0, 0, tzinfo=UTC)
    item = Schedule().tick_item(parameters, following, BERLIN)["json"]
    assert (item["time"], item["weekday"], item["timezone"]) == ("09:00:00", "friday", "Asia/Tokyo")


def test_what_never_comes_is_nothing() -> None:
    parameters = ScheduleParameters.model_validate({"rules": [{"cron": "0 0 30 2 *"}]})
    assert Schedule().next_fire_at(parameters, datetime(2026, 1, 1, tzinfo=UTC), "UTC") is None


MISTAKES: list[tuple[JsonObject, str, str]] = [
    ({"rules": [{"cron": "61 * * * *"}]}, "/rules/0/cron", "malformed_cron"),
    ({"rules": [{"cron": "R * * * *"}]}, "/rules/0/cron", "malformed_cron"),
    ({"rules": [{"cron": "@reboot"}]}, "/rules/0/cron", "malformed_cron"),
    ({"rules": [{}], "timezone": "Mars/Base"}, "/timezone", "unknown_timezone"),
    ({"rules": [{}], "timezone": "../etc/passwd"}, "/timezone", "unknown_timezone"),
    ({"rules": [{"unit": "days", "weekdays": ["monday"]}]}, "/rules/0/weekdays", "not_used"),
    ({"rules": [{"unit": "months", "every": 200}]}, "/rules/0/every", "too_long"),
]


@pytest.mark.parametrize(("parameters", "pointer", "code"), MISTAKES)
def test_mistakes_are_found_before_it_goes_live(
    parameters: JsonObject, pointer: str, code: str
) -> None:
    found = Schedule.check(ScheduleParameters.model_validate(parameters))
    assert [(where, what) for where, what, _ in found] == [(pointer, code)]


rules_of_days = st.fixed_dictionaries(
    {
        "unit": st.sampled_from(["days", "weeks", "months"]),
        "every": st.integers(1, 5),
        "at": st.times().map(lambda each: each.strftime("%H:%M:%S")),
    }
)


@forall(
    rule=rules_of_days,
    after=st.datetimes(
        datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        datetime(2030, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        timezones=st.just(UTC),
    ),
    zone=st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe"]),
)
def test_a_rule_of_days_fires_once_a_day_at_most(
    rule: JsonObject, after: datetime, zone: str
) -> None:
    parameters = ScheduleParameters.model_validate({"rules": [rule]})
    first = Schedule().next_fire_at(parameters, after, zone)
    assert first is not None
    assert first > after
    second = Schedule().next_fire_at(parameters, first, zone)
    assert second is not None
    days = [moment.astimezone(ZoneInfo(zone)).date() for moment in (first, second)]
    assert days[0] < days[1]


def test_day_and_weekday_may_both_be_asked_for() -> None:
    rule: JsonObject = {"cron": "0 9 13 * 5"}
    either = firings(rule, "2026-02-12T12:00", 3)
    both = firings({**rule, "days": "both"}, "2026-02-12T12:00", 2)
    assert [text[:10] for text in either] == ["2026-02-13", "2026-02-20", "2026-02-27"]
    assert [text[:10] for text in both] == ["2026-02-13", "2026-03-13"]


def test_steps_of_cron_may_count_from_a_day() -> None:
    rule: JsonObject = {"cron": "0 9 */10 * *", "starting": "2026-03-05"}
    found = firings(rule, "2026-01-01T00:00", 3)
    assert [text[:10] for text in found] == ["2026-03-05", "2026-03-15", "2026-03-25"]
