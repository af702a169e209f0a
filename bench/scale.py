"""`python -m bench.scale`: the mixed workload on one, two and three engines, then on ever others.

First the throughput of each number of replicas on one PostgreSQL, undisturbed; then replicas join,
leave and are killed every ten seconds, under the same load. It is a storm of `bench.chaos`: the
verdict at its end is the same, and the exit code is 1 when anything was lost, doubled or left over.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from bench.chaos.__main__ import storm
from bench.chaos.storm import Field
from bench.chaos.trouble import Damage, grow, scale


def main() -> int:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale")
    parser.add_argument("--seconds", type=float, default=300.0, help="of joining and leaving")
    parser.add_argument("--steady", type=float, default=20.0, help="seconds of each number before")
    parser.add_argument("--in-flight", type=int, default=120, help="runs under way")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    asked = parser.parse_args()

    async def trouble(scene: Field, damage: Damage) -> None:
        await grow(scene, asked.steady, damage)
        await scale(scene, asked.seconds, damage)

    with tempfile.TemporaryDirectory(prefix="flowloom-scale-", ignore_cleanup_errors=True) as made:
        return 1 if asyncio.run(storm(Path(made), trouble, asked.in_flight, asked.seed)) else 0


if __name__ == "__main__":
    sys.exit(main())
