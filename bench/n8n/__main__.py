"""`python -m bench.n8n`: the same shapes there and here, and how many times faster we are."""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from bench import memory, workflows
from bench import mesh as flowloom
from bench.load import send
from bench.n8n import install, server
from bench.n8n import workflows as theirs
from bench.runs import answering
from bench.table import Figure, show

_ROUNDS = 3
_IN_FLIGHT = 50
_SETTLE_SECONDS = 3
_JSON = {"content-type": "application/json"}
_AMOUNT = b'{"amount": 250}'
_ITEMS = orjson.dumps({"items": [{"n": number} for number in range(1000)]})
_SHAPES = ("trivial", "pure", "one", "items")
_TITLES = {
    "trivial": "webhook → set → respond",
    "pure": "10 pure nodes",
    "one": "1 HTTP effect",
    "items": "1,000 items through split → set → filter → aggregate",
}
_OLDER_ENGINE = "legacy"
Rates = Mapping[str, float]


async def main(home: Path, requests: int) -> None:
    """Measure all three, one after the other."""
    installed = await install.install(home)
    async with answering() as effects_url, _folder() as folder:
        ours, our_memory = await _ours(folder / "ours", effects_url, requests)
        shipped, their_memory = await _theirs(installed, folder / "a", effects_url, requests, None)
        older, _ = await _theirs(installed, folder / "b", effects_url, requests, _OLDER_ENGINE)
    figures = [
        Figure(
            _TITLES[shape],
            f"{ours[shape]:.1f} runs/s",
            f"n8n as shipped {shipped[shape]:.1f}, ratio {ours[shape] / shipped[shape]:.1f}; "
            f"its older engine {older[shape]:.1f}, ratio {ours[shape] / older[shape]:.1f}",
        )
        for shape in _SHAPES
    ]
    idle = f"n8n {their_memory / 2**20:.0f} MiB, its database apart"
    figures.append(Figure("idle memory, database included (PSS)", our_memory, idle))
    show(f"Flowloom beside n8n, {_IN_FLIGHT} in flight, lists fewer", figures)


async def _ours(folder: Path, effects_url: str, requests: int) -> tuple[Rates, str]:
    hosts = urlsplit(effects_url).netloc
    async with flowloom.running(folder, allowed_hosts=hosts) as mesh:
        await asyncio.sleep(_SETTLE_SECONDS)
        idle = memory.measure(mesh)[0].value
        definitions = {
            "trivial": workflows.webhook_set_respond("trivial"),
            "pure": workflows.pure_nodes("pure", 10),
            "one": workflows.http_effects("one", 1, effects_url),
            "items": workflows.many_items("items"),
        }
        urls = {
            name: await mesh.hook_url(await mesh.create_workflow(definition, activate=True))
            for name, definition in definitions.items()
        }
        return await _measure(lambda shape: urls[shape], requests), idle


async def _theirs(
    installed: install.Installed,
    folder: Path,
    effects_url: str,
    requests: int,
    engine: str | None,
) -> tuple[Rates, int]:
    folder.mkdir()
    definitions = {
        "trivial": theirs.webhook_set_respond("trivial"),
        "pure": theirs.pure_nodes("pure", 10),
        "one": theirs.http_effects("one", 1, effects_url),
        "items": theirs.many_items("items"),
    }
    async with server.running(installed, folder, definitions, engine) as n8n:
        await asyncio.sleep(_SETTLE_SECONDS)
        idle = n8n.idle_bytes()
        return await _measure(n8n.hook_url, requests), idle


async def _measure(url_of: Callable[[str], str], requests: int) -> Rates:
    """Runs a second of each shape that came to an answer: the median of several rounds.

    Lists are so few at a time that nobody's round takes minutes.
    """

    async def one(shape: str, count: int) -> float:
        load = await send(
            url_of(shape),
            requests=count,
            in_flight=min(_IN_FLIGHT, count),
            method="POST",
            headers=_JSON,
            body=_ITEMS if shape == "items" else _AMOUNT,
        )
        answered = load.statuses.get(200, 0)
        if answered < load.requests:
            sys.stderr.write(f"{url_of(shape)}: {load.statuses}\n")
        return answered / load.seconds

    rates: dict[str, float] = {}
    for shape in _SHAPES:
        count = max(requests // 25, 8) if shape == "items" else requests
        await one(shape, count // 4)
        rates[shape] = statistics.median([await one(shape, count) for _ in range(_ROUNDS)])
    return rates


@asynccontextmanager
async def _folder() -> AsyncGenerator[Path]:
    with tempfile.TemporaryDirectory(prefix="flowloom-n8n-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        folder.chmod(0o755)  # PostgreSQL does not run as root
        yield folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.n8n")
    parser.add_argument("--home", type=Path, default=Path(".flowloom") / "n8n", help="where n8n is")
    parser.add_argument("--requests", type=int, default=1000, help="in a round (default 1000)")
    chosen = parser.parse_args()
    asyncio.run(main(chosen.home.resolve(), chosen.requests))
