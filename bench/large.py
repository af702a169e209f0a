"""Large data: what 10,000 items and a file of 100 MB take: `python -m bench.large`.

A mesh of its own, whose engine writes down when its event loop was held up (watched_engine.py).
Memory is the engine's peak while the run lasts; its worker processes have limits of their own.
"""

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil

from bench import mesh, workflows
from bench.mesh import Mesh
from bench.table import Figure, show

_MIB = 1024 * 1024
_ITEMS = 10_000
_ROWS = 100_000
_SETTLE_SECONDS = 3.0
_LOOK_SECONDS = 0.02
_PATIENCE = 120
_LONGEST_BLOCK = 0.05


async def measure() -> list[Figure]:
    """Both of them, one after the other, on an engine that has just started."""
    with tempfile.TemporaryDirectory(prefix="flowloom-bench-", ignore_cleanup_errors=True) as made:
        blocks = Path(made) / "blocks"
        with _serving() as url:
            async with mesh.running(
                Path(made) / "state",
                allowed_hosts=urlsplit(url).netloc,
                program=("-m", "bench.watched_mesh"),
                environment={"BENCH_BLOCKS": str(blocks)},
            ) as running:
                await asyncio.sleep(_SETTLE_SECONDS)
                figures = await _figures(
                    running,
                    blocks,
                    f"a CSV of 100 MB, {_ROWS:,} rows: http → blob → data.file",
                    workflows.large_file(f"{url}/table.csv"),
                )
                figures += await _figures(
                    running,
                    blocks,
                    f"{_ITEMS:,} items of 1 kB: http → split → set → filter → aggregate",
                    workflows.large_list(f"{url}/items.json"),
                )
    return figures


async def _figures(
    running: Mesh, blocks: Path, what: str, definition: dict[str, Any]
) -> list[Figure]:
    workflow_id = await running.create_workflow(definition)
    engine, peak = _engine(running), _Peak()
    before = _resident(engine)
    begun_at, began = time.time(), time.perf_counter()
    async with _watching(engine, peak):
        answer = await running.client.post(
            f"/v1/workflows/{workflow_id}:run",
            params={"wait": "60s"},
            json={"mode": "test"},
            timeout=httpx2.Timeout(_PATIENCE),
        )
    answer.raise_for_status()
    run: dict[str, Any] = answer.json()
    if run["status"] != "completed":
        raise RuntimeError(f"{what}: the run is {run['status']}: {run.get('error')}")
    took = time.perf_counter() - began
    told = [[float(word) for word in line.split()] for line in _lines(blocks)]
    late = [wall for at, wall, _ in told if at > begun_at]
    own = [computed for at, _, computed in told if at > begun_at]
    over = sum(one > _LONGEST_BLOCK for one in own)
    return [
        Figure(what, f"{took:.1f} s", json.dumps(run["output"])[:60]),
        Figure("  engine's peak", f"{peak.mib:.0f} MiB", f"resident; before: {before:.0f} MiB"),
        Figure(
            "  longest block of the event loop",
            f"{max(own, default=0.0) * 1000:.0f} ms",
            f"{over} longer than 50 ms; with other processes' turns {max(late, default=0.0):.3f} s",
        ),
    ]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@dataclass(slots=True)
class _Peak:
    mib: float = 0.0


@asynccontextmanager
async def _watching(engine: psutil.Process, peak: _Peak) -> AsyncGenerator[None]:
    """Look at an engine's memory while the block lasts."""

    async def look() -> None:
        while True:
            peak.mib = max(peak.mib, _resident(engine))
            await asyncio.sleep(_LOOK_SECONDS)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()


def _engine(running: Mesh) -> psutil.Process:
    return running.processes()["engine"][0]


def _resident(engine: psutil.Process) -> float:
    return engine.memory_info().rss / _MIB


# --- what is fetched


def _pieces(path: str) -> Iterator[bytes]:
    if path == "/items.json":
        yield b"["
        for n in range(_ITEMS):
            yield (b"," if n else b"") + json.dumps({"n": n, "text": "x" * 980}).encode()
        yield b"]"
        return
    yield b"id,name,city,amount,note\n"
    for n in range(_ROWS):
        yield f"{n},Name {n},City {n % 97},{n * 3}.50,{'y' * 960}\n".encode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        kind = "application/json" if self.path.endswith("json") else "text/csv"
        self.send_header("content-type", kind)
        self.end_headers()
        for piece in _pieces(self.path):
            self.wfile.write(piece)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        del format, args


@contextmanager
def _serving() -> Generator[str]:
    """A server of the data, in a thread of this process; its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    show("Large data on this machine", asyncio.run(measure()))
