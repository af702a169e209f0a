"""A bounded storm; `python -m bench.chaos` makes longer ones."""

from pathlib import Path

import pytest

from bench.chaos.__main__ import storm
from bench.chaos.storm import Field
from bench.chaos.trouble import Damage, Plan, grow, kill_again_and_again, scale


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_kills_freezes_and_a_restart_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    plan = Plan(engines=2, kills=60, pause=1.0, freezes=20, restarts=30)

    async def trouble(scene: Field, damage: Damage) -> None:
        await kill_again_and_again(scene, plan, damage)

    assert await storm(tmp_path, trouble, in_flight=40, seed=11) == []


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_replicas_that_come_and_go_lose_nothing(tmp_path: Path) -> None:
    async def trouble(scene: Field, damage: Damage) -> None:
        await grow(scene, 3.0, damage)
        await scale(scene, 60.0, damage)

    assert await storm(tmp_path, trouble, in_flight=40, seed=12) == []
