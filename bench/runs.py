"""Runs a second and how long one takes: REST in, durable run, response out."""

import asyncio
import statistics
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import orjson

from bench import workflows
from bench.load import Load, send
from bench.mesh import Mesh
from bench.table import Figure

_ROUNDS = 3
_WARM_UP = 200
_IN_FLIGHT = 50
_BODY = b'{"amount": 250}'
_JSON = {"content-type": "application/json"}


async def measure(mesh: Mesh, effects_url: str, requests: int) -> list[Figure]:
    """Every shape of run, at 50 in flight; the smallest one alone, too.

    Args:
        mesh: Where they run.
        effects_url: A local server that answers POST at once; `answering` starts one.
        requests: How many in a round.
    """
    trivial = await _hook(mesh, workflows.webhook_set_respond("trivial"))
    pure = await _hook(mesh, workflows.pure_nodes("pure", 10))
    one = await _hook(mesh, workflows.http_effects("one", 1, effects_url))
    five = await _hook(mesh, workflows.http_effects("five", 5, effects_url))
    figures = [
        _throughput("webhook → set → respond", await _rounds(trivial, requests, _IN_FLIGHT)),
        _latency("the same, one at a time", await _rounds(trivial, requests // 5, 1)),
        _throughput("10 pure nodes", await _rounds(pure, requests, _IN_FLIGHT)),
        _throughput("1 HTTP effect", await _rounds(one, requests // 2, _IN_FLIGHT)),
        _throughput("5 HTTP effects", await _rounds(five, requests // 4, _IN_FLIGHT)),
    ]
    many = await _hook(mesh, workflows.many_items("many"))
    figures.append(
        _throughput("1,000 items through four nodes", await _items(many, requests // 10))
    )
    return [
        *figures,
        await _to_first_node(mesh, requests // 10),
        await _per_pure_node(mesh, requests),
    ]


@asynccontextmanager
async def answering() -> AsyncGenerator[str]:
    """A local HTTP server that answers every request with `{}` at once; its URL."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = [
                    int(line.partition(b":")[2])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                ]
                await reader.readexactly(length[0] if length else 0)
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/effects"


async def _hook(mesh: Mesh, definition: dict[str, Any]) -> str:
    return await mesh.hook_url(await mesh.create_workflow(definition, activate=True))


async def _rounds(url: str, requests: int, in_flight: int) -> list[Load]:
    async def one(count: int) -> Load:
        return await send(
            url, requests=count, in_flight=in_flight, method="POST", headers=_JSON, body=_BODY
        )

    await one(_WARM_UP)
    return [await one(requests) for _ in range(_ROUNDS)]


async def _items(url: str, requests: int) -> list[Load]:
    body = orjson.dumps({"items": [{"n": number} for number in range(1000)]})
    return [
        await send(
            url, requests=requests, in_flight=_IN_FLIGHT, method="POST", headers=_JSON, body=body
        )
        for _ in range(_ROUNDS)
    ]


async def _to_first_node(mesh: Mesh, requests: int) -> Figure:
    """From the moment a run is stored to that in which its first node begins, one at a time."""
    workflow_id = await mesh.create_workflow(workflows.pure_nodes("first", 1))
    waits: list[float] = []
    for _ in range(requests):
        answer = await mesh.client.post(
            f"/v1/workflows/{workflow_id}:run",
            params={"wait": "10s"},
            json={"input": {"body": {"amount": 1}}},
        )
        answer.raise_for_status()
        run = answer.json()
        waits.append(_moment(run["start_time"]) - _moment(run["create_time"]))
    waits.sort()
    p50, p99 = waits[len(waits) // 2] * 1000, waits[int(len(waits) * 0.99)] * 1000
    return Figure("run stored → first node", f"{p50:.1f} ms", f"p99 {p99:.1f} ms, of {requests}")


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def _per_pure_node(mesh: Mesh, requests: int) -> Figure:
    """What a node adds, from the difference between chains of 2 and 42."""
    short = await _hook(mesh, workflows.pure_nodes("short", 2))
    long = await _hook(mesh, workflows.pure_nodes("long", 42))
    seconds = [
        statistics.median(1 / load.per_second for load in await _rounds(url, requests // 4, 8))
        for url in (short, long)
    ]
    added = (seconds[1] - seconds[0]) / 40 * 1000
    return Figure(
        "added by one pure node", f"{added:.3f} ms", "chains of 2 and 42 nodes, 8 in flight"
    )


def _throughput(what: str, loads: list[Load]) -> Figure:
    rate = statistics.median(load.per_second for load in loads)
    return Figure(f"{what}, {_IN_FLIGHT} in flight", f"{rate:.0f} runs/s", _times(loads))


def _latency(what: str, loads: list[Load]) -> Figure:
    middle = statistics.median(load.percentile(0.5) for load in loads)
    return Figure(what, f"{middle * 1000:.1f} ms", _times(loads))


def _times(loads: list[Load]) -> str:
    p50, p99 = (
        statistics.median(load.percentile(share) for load in loads) * 1000 for share in (0.5, 0.99)
    )
    refused = sum(
        count for load in loads for status, count in load.statuses.items() if status >= 400
    )
    sent = f"{loads[0].requests} × {len(loads)}"
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, {refused} refused, of {sent}"
