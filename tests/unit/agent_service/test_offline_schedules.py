"""Rhythms, times and zones as people say them."""

from typing import Any

import pytest

from agent_service.authors.offline.clock_times import find_times
from agent_service.authors.offline.schedules import find_schedule
from agent_service.authors.offline.zones import find_zone

WORKING_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday"]


def _weekly(*days: str, at: str, **more: Any) -> dict[str, Any]:
    return {"unit": "weeks", "weekdays": list(days), "at": at, **more}


@pytest.mark.parametrize(
    ("said", "rules"),
    [
        ("every weekday at 9", [_weekly(*WORKING_DAYS, at="09:00")]),
        ("Mon-Fri at 8", [_weekly(*WORKING_DAYS, at="08:00")]),
        ("each Monday 08:30", [_weekly("monday", at="08:30")]),
        ("on Mondays and Fridays at 10:15", [_weekly("monday", "friday", at="10:15")]),
        ("every weekend at noon", [_weekly("saturday", "sunday", at="12:00")]),
        ("every other week on Tuesday at noon", [_weekly("tuesday", at="12:00", every=2)]),
        ("every second Tuesday at 9", [_weekly("tuesday", at="09:00", every=2)]),
        ("weekly on Friday at 4pm", [_weekly("friday", at="16:00")]),
        ("daily at 17:30", [{"unit": "days", "at": "17:30"}]),
        ("every day at 9 and 17", [{"unit": "days", "at": t} for t in ("09:00", "17:00")]),
        ("every day at half past nine", [{"unit": "days", "at": "09:30"}]),
        ("every day at 6 in the evening", [{"unit": "days", "at": "18:00"}]),
        ("nightly at 2", [{"unit": "days", "at": "02:00"}]),
        ("every 15 minutes", [{"every": 15, "unit": "minutes"}]),
        ("every half hour", [{"every": 30, "unit": "minutes"}]),
        ("hourly", [{"every": 1, "unit": "hours"}]),
        ("every 2 hours", [{"every": 2, "unit": "hours"}]),
        ("every 15 minutes during business hours", [{"cron": "*/15 9-17 * * 1-5"}]),
        ("every 10 minutes between 8am and 6pm", [{"cron": "*/10 8-18 * * *"}]),
        ("first day of the month at 7", [{"unit": "months", "day_of_month": 1, "at": "07:00"}]),
        ("on the last day of each month at 18:00",
         [{"unit": "months", "day_of_month": 31, "at": "18:00"}]),
        ("on the 15th of each month at 6 pm",
         [{"unit": "months", "day_of_month": 15, "at": "18:00"}]),
        ("the first Monday of each month at 8", [{"cron": "0 8 * * 1#1"}]),
        ("last Friday of every month at 17:00", [{"cron": "0 17 * * L5"}]),
        ("every year on January 1 at 9", [{"cron": "0 9 1 1 *"}]),
        ("cron 0 9 * * 1-5", [{"cron": "0 9 * * 1-5"}]),
        ("run */5 * * * *", [{"cron": "*/5 * * * *"}]),
        ("每个工作日早上九点", [_weekly(*WORKING_DAYS, at="09:00")]),
        ("每周一三五下午3点", [_weekly("monday", "wednesday", "friday", at="15:00")]),
        ("每两周周一早上9点", [_weekly("monday", at="09:00", every=2)]),
        ("每天晚上8点半", [{"unit": "days", "at": "20:30"}]),
        ("每隔30分钟", [{"every": 30, "unit": "minutes"}]),
        ("每小时", [{"every": 1, "unit": "hours"}]),
        ("每月1号上午10点", [{"unit": "months", "day_of_month": 1, "at": "10:00"}]),
    ],
)  # fmt: skip
def test_a_rhythm_is_read(said: str, rules: list[dict[str, Any]]) -> None:
    found = find_schedule(said)
    assert found is not None
    assert list(found.start.rules) == rules
    assert not found.start.open_time


@pytest.mark.parametrize("said", ["every day", "weekly", "每周", "first day of the month"])
def test_a_rhythm_without_a_time_of_day_leaves_it_open(said: str) -> None:
    found = find_schedule(said)
    assert found is not None
    assert found.start.open_time


@pytest.mark.parametrize("said", ["every morning", "each evening", "每天早上"])
def test_a_part_of_the_day_is_time_enough_and_said_to_be_assumed(said: str) -> None:
    found = find_schedule(said)
    assert found is not None
    assert not found.start.open_time
    assert found.start.assumed


@pytest.mark.parametrize(
    "said",
    [
        "send it to everyone",
        "the second item",
        "On a manual trigger",
        "monitor 3 cities",
        "收到订单",
    ],
)
def test_what_is_no_rhythm_is_not_read_as_one(said: str) -> None:
    assert find_schedule(said) is None


@pytest.mark.parametrize(
    ("said", "zone"),
    [
        ("each Monday 08:30 Europe/Berlin", "Europe/Berlin"),
        ("use Berlin time", "Europe/Berlin"),
        ("daily at 9 New York time", "America/New_York"),
        ("at 9 UTC", "UTC"),
        ("10:00 PST", "America/Los_Angeles"),
        ("set the timezone to Paris", "Europe/Paris"),
        ("每天晚上8点北京时间", "Asia/Shanghai"),
    ],
)
def test_a_time_zone_is_read(said: str, zone: str) -> None:
    found = find_zone(said)
    assert found is not None
    assert found.zone == zone


@pytest.mark.parametrize("said", ["at that time", "the first time", "this time", "in real time"])
def test_the_word_time_alone_is_no_zone(said: str) -> None:
    assert find_zone(said) is None


@pytest.mark.parametrize("said", ["if over 100, send 5 mails", "wait 10 minutes", "at most 20%"])
def test_a_number_is_not_a_time(said: str) -> None:
    assert find_times(said) == []
