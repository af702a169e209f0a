"""Which ticks run: on time, late, missed a little, missed for months."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine_service.triggering.scheduler import Rhythm
from engine_service.triggers.schedule import Schedule, ScheduleParameters

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def rhythm(catch_up: str = "latest", **rule: Any) -> Rhythm:
    parameters = ScheduleParameters.model_validate(
        {"rules": [rule or {"every": 1, "unit": "minutes"}], "catch_up": catch_up}
    )
    return Rhythm(Schedule(), parameters, "UTC")


@pytest.mark.parametrize("catch_up", ["none", "latest", "all"])
@pytest.mark.parametrize("late", [0, 1, 59])
def test_a_tick_that_is_merely_late_runs_whatever_the_policy(catch_up: str, late: int) -> None:
    ticks, upcoming = rhythm(catch_up).due(NOON, NOON + late * SECOND)
    assert (ticks, upcoming) == ([NOON], NOON + MINUTE)


def test_ticks_that_are_late_together_all_run() -> None:
    ticks, upcoming = rhythm(every=10, unit="seconds").due(NOON, NOON + 25 * SECOND)
    assert ticks == [NOON, NOON + 10 * SECOND, NOON + 20 * SECOND]
    assert upcoming == NOON + 30 * SECOND


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("none", [NOON + 9 * MINUTE, NOON + 10 * MINUTE]),
        ("latest", [NOON + 8 * MINUTE, NOON + 9 * MINUTE, NOON + 10 * MINUTE]),
        ("all", [NOON + n * MINUTE for n in range(11)]),
    ],
)
def test_the_policy_says_which_missed_ticks_run(catch_up: str, expected: list[datetime]) -> None:
    ticks, upcoming = rhythm(catch_up).due(NOON, NOON + 10 * MINUTE)
    assert (ticks, upcoming) == (expected, NOON + 11 * MINUTE)


def test_a_single_missed_tick_is_the_latest_one() -> None:
    daily = rhythm("latest", every=1, unit="days", at="12:00")
    assert daily.due(NOON, NOON + timedelta(hours=5)) == ([NOON], NOON + timedelta(days=1))
    skipping = rhythm("none", every=1, unit="days", at="12:00")
    assert skipping.due(NOON, NOON + timedelta(hours=5)) == ([], NOON + timedelta(days=1))


def test_the_latest_of_millions_of_missed_ticks_is_found_at_once() -> None:
    now = NOON + timedelta(days=90, seconds=0.5)
    ticks, upcoming = rhythm("latest", every=1, unit="seconds").due(NOON, now)
    assert ticks[0] == now - timedelta(seconds=61 - 0.5)
    assert len(ticks) == 61
    assert upcoming == now + timedelta(seconds=0.5)


def test_very_many_ticks_to_catch_up_come_in_portions() -> None:
    every_second = rhythm("all", every=1, unit="seconds")
    now = NOON + timedelta(seconds=250)
    seen: list[datetime] = []
    upcoming: datetime | None = NOON
    while upcoming is not None and upcoming <= now:
        ticks, upcoming = every_second.due(upcoming, now)
        assert 0 < len(ticks) <= 100
        seen += ticks
    assert seen == [NOON + n * SECOND for n in range(251)]
