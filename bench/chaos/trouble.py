"""What is done to engines and their database, and how it is counted."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from bench.chaos.storm import LEASE_SECONDS, Field

_PERIOD_SECONDS = 10.0
_SETTLE_SECONDS = 2.0
_MOST = 3
"""Replicas that there are at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much trouble.

    Attributes:
        kills: How often an engine is killed in all; `pause` seconds pass between two on average.
        freezes: Every so manieth time it is frozen beyond its lease instead; 0 for never.
        restarts: Every so manieth time PostgreSQL is restarted in addition; 0 for never.
    """

    engines: int = 2
    kills: int = 100
    pause: float = 0.7
    freezes: int = 50
    restarts: int = 200


@dataclass(slots=True)
class Damage:
    """What was done, and how the load fared meanwhile.

    Attributes:
        periods: How many replicas there were, and how many runs ended each second.
        steady: The same, while nothing was done to them.
    """

    done: Counter[str] = field(default_factory=Counter[str])
    periods: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    steady: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])


async def kill_again_and_again(scene: Field, plan: Plan, damage: Damage) -> None:
    """Kill an engine, start another, so many times."""
    for _ in range(plan.engines):
        await scene.engines.start()
    while damage.done["kills"] < plan.kills:
        await asyncio.sleep(scene.chance.uniform(0.0, 2 * plan.pause))
        victim = scene.chance.choice(scene.engines.alive)
        damage.done["kills"] += 1
        if plan.freezes and damage.done["kills"] % plan.freezes == 0:
            await scene.engines.freeze(victim, LEASE_SECONDS + 1.5)
            damage.done["freezes"] += 1
        if plan.restarts and damage.done["kills"] % plan.restarts == 0:
            await scene.postgres.stop(immediately=damage.done["restarts"] % 2 == 1)
            await scene.postgres.start()
            damage.done["restarts"] += 1
        scene.engines.kill(victim)
        await scene.engines.start()


async def grow(scene: Field, seconds: float, damage: Damage) -> None:
    """Have one replica, two and three, for so long each, and leave them in peace."""
    for replicas in range(1, _MOST + 1):
        await scene.engines.start()
        await scene.engines.serving()
        await asyncio.sleep(_SETTLE_SECONDS)
        damage.steady.append((replicas, await _rate(scene, seconds)))


async def scale(scene: Field, seconds: float, damage: Damage) -> None:
    """Let replicas join, leave and die every ten seconds; one to three are always there."""
    if not scene.engines.alive:
        await scene.engines.start()
    begun_at = time.monotonic()
    while time.monotonic() - begun_at < seconds:
        rate = await _rate(scene, _PERIOD_SECONDS)
        damage.periods.append((len(scene.engines.alive), rate))
        await _change(scene, damage)


async def _change(scene: Field, damage: Damage) -> None:
    alive = scene.engines.alive
    choices = ["kill", "join", "leave"] if 1 < len(alive) < _MOST else ["kill"]
    choices += ["join"] if len(alive) == 1 else ["leave"] if len(alive) == _MOST else []
    what = scene.chance.choice(choices)
    damage.done[what] += 1
    if what == "join":
        await scene.engines.start()
    elif what == "leave":
        await scene.engines.leave(alive[0])
    else:
        scene.engines.kill(scene.chance.choice(alive))
        await scene.engines.start()


async def _rate(scene: Field, seconds: float) -> float:
    """How many runs end each second."""
    before, at = await _ended(scene), time.monotonic()
    await asyncio.sleep(seconds)
    return (await _ended(scene) - before) / (time.monotonic() - at)


async def _ended(scene: Field) -> int:
    ((count,),) = await scene.rows("SELECT count(*) FROM engine.runs WHERE ended_at IS NOT NULL")
    return count
