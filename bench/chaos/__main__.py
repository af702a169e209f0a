"""`python -m bench.chaos`: make a storm, print what it came to, and exit with 1 if it did harm."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.chaos.storm import Field, calm_down, keep_answering, keep_running, prepared
from bench.chaos.trouble import Damage, Plan, kill_again_and_again, scale
from bench.chaos.verdict import verdict
from bench.table import Figure, show

_SHOWN = 20
Trouble = Callable[[Field, Damage], Awaitable[None]]


async def storm(home: Path, trouble: Trouble, in_flight: int, seed: int) -> list[str]:
    """Make a storm; what is wrong afterwards."""
    damage, begun_at = Damage(), time.monotonic()
    async with prepared(home, seed) as scene:
        over = asyncio.Event()
        # Told to end rather than cancelled: what is not accepted must not be counted as lost.
        async with asyncio.TaskGroup() as load:
            load.create_task(keep_running(scene, in_flight, over))
            load.create_task(keep_answering(scene, over))
            try:
                await trouble(scene, damage)
            finally:
                over.set()
        lasted = time.monotonic() - begun_at
        calm = await calm_down(scene)
        wrong = await verdict(scene)
        show(f"A storm of {lasted:.0f} s (seed {seed})", await _figures(scene, damage, calm, wrong))
    return wrong


async def _figures(scene: Field, damage: Damage, calm: float, wrong: list[str]) -> list[Figure]:
    ((taken_over,),) = await scene.rows(
        "SELECT count(*) FROM engine.run_events e,"
        " json_array_elements(e.events) one WHERE one->>'type' = 'run.resumed'"
        " AND one->'data'->>'reason' = 'takeover'"
    )
    requests = scene.effects.requests
    figures = [Figure(what, str(count)) for what, count in sorted(damage.done.items())]
    figures += _rates("undisturbed", damage.steady) + _rates("coming and going", damage.periods)
    return [
        *figures,
        Figure("runs", str(len(scene.begun)), "effects, loops, waits, approvals, calls, a limit"),
        Figure("taken over", str(taken_over)),
        Figure("effects", str(len(requests))),
        Figure("requests repeated under their key", str(requests.total() - len(requests))),
        Figure("until the last run had ended", f"{calm:.1f} s"),
        Figure("wrong", str(len(wrong)), "; ".join(wrong[:_SHOWN])),
    ]


def _rates(how: str, periods: list[tuple[int, float]]) -> list[Figure]:
    by_replicas: dict[int, list[float]] = {}
    for replicas, rate in periods:
        by_replicas.setdefault(replicas, []).append(rate)
    return [
        Figure(f"engines: {replicas}, {how}", f"{sum(rates) / len(rates):.0f} runs/s")
        for replicas, rates in sorted(by_replicas.items())
    ]


def main() -> int:
    """Read the command line and make the storm."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--engines", type=int, default=2)
    parser.add_argument(
        "--pause", type=float, default=0.7, help="seconds between kills, on average"
    )
    parser.add_argument("--in-flight", type=int, default=40)
    parser.add_argument("--scale-out", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    asked = parser.parse_args()
    plan = Plan(asked.engines, asked.kills, asked.pause)

    async def trouble(scene: Field, damage: Damage) -> None:
        if asked.scale_out:
            await scale(scene, asked.scale_out, damage)
        else:
            await kill_again_and_again(scene, plan, damage)

    with tempfile.TemporaryDirectory(prefix="flowloom-chaos-", ignore_cleanup_errors=True) as made:
        return 1 if asyncio.run(storm(Path(made), trouble, asked.in_flight, asked.seed)) else 0


if __name__ == "__main__":
    sys.exit(main())
