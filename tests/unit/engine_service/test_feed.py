"""Everybody who follows a run is looked after, and never all of them at once."""

from engine_service.running.feed import in_turn
from shared.ids import new_id

TURNS = 10


def test_everybody_has_one_turn_of_few() -> None:
    runs = [new_id("run") for _ in range(2_000)]
    turns = [in_turn(turn, runs) for turn in range(TURNS)]
    assert sorted(run for turn in turns for run in turn) == sorted(runs)
    assert max(map(len, turns)) < 2 * len(runs) / TURNS


def test_who_comes_and_goes_moves_nobody_else() -> None:
    runs = [new_id("run") for _ in range(100)]
    for turn in range(TURNS):
        assert in_turn(turn, runs[50:]) == [run for run in in_turn(turn, runs) if run in runs[50:]]
