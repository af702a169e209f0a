"""Waits until addresses answer as ready: `python -m cli.embedded.readiness SECONDS ADDRESS…`.

An address is `grpc:host:port` (grpc.health.v1 says SERVING) or `http://…` (answers 200). Each is
printed when it is ready; the exit code is 1 when the time is up first. A program of its own because
gRPC's memory is wanted for these seconds only, not as long as the mesh runs.
"""

import asyncio
import sys
import urllib.request

from cli.health_probe import Probe, Verdict

_ASK_EVERY_SECONDS = 0.05
_ANSWER_SECONDS = 2.0


async def main(seconds: float, addresses: list[str]) -> int:
    """Wait for all addresses; return the exit code."""
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
            for address in addresses:
                tasks.create_task(_announce(address))
    except TimeoutError:
        return 1
    return 0


async def _announce(address: str) -> None:
    while not await is_ready(address):  # noqa: ASYNC110 (another process has no event for us)
        await asyncio.sleep(_ASK_EVERY_SECONDS)
    print(address, flush=True)


async def is_ready(address: str) -> bool:
    """Ask once."""
    if address.startswith("grpc:"):
        probe = Probe(
            address.removeprefix("grpc:"),
            connect_seconds=_ANSWER_SECONDS,
            rpc_seconds=_ANSWER_SECONDS,
        )
        verdict, _ = await probe.ask()
        return verdict is Verdict.SERVING
    return await asyncio.to_thread(_answers, address)


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            url, timeout=_ANSWER_SECONDS
        ) as answer:
            return answer.status == 200
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]), sys.argv[2:])))
