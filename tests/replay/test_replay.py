"""Today's code takes yesterday's decisions: runs outlive the engine that began them.

The tapes beside this file were recorded once (`record.py`) and are never recorded again. If one of
these tests fails, runs that are parked now would go another way after the next release.
"""

import json
from pathlib import Path

import pytest

from tests.support.replay import Tape, replay, take_over

TAPES = sorted(Path(__file__).parent.glob("*.json"))


@pytest.fixture(params=TAPES, ids=lambda path: path.stem)
def tape(request: pytest.FixtureRequest) -> Tape:
    return Tape.from_json(json.loads(request.param.read_text()))


def test_the_same_is_decided_at_every_step(tape: Tape) -> None:
    assert replay(tape) == [step.decided for step in tape.steps]


def test_whoever_takes_over_comes_to_the_same_end(tape: Tape) -> None:
    for after in range(len(tape.steps)):
        assert take_over(tape, after) == tape.steps[-1].decided


def test_there_are_tapes() -> None:
    assert len(TAPES) >= 5
