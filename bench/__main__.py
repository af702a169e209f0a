"""`make bench`: start a mesh, measure it, print a table. `--requests 500` is quick."""

import argparse
import asyncio
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from bench import growth, large, limit, memory, runs, streams, transport
from bench.mesh import running
from bench.table import Figure, show
from cli.embedded.state import StateDirectory

_SETTLE_SECONDS = 3
_FILL_SECONDS = 10
"""In which the consultant's library is filled, once for all starts."""


async def main(requests: int) -> None:
    """Measure everything once."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="flowloom-bench-", ignore_cleanup_errors=True) as made:
        state = Path(made) / "state"
        async with running(state) as mesh:
            cold = mesh.ready_after
            await asyncio.sleep(_FILL_SECONDS)
        async with (
            runs.answering() as url,
            running(state, allowed_hosts=urlsplit(url).netloc) as mesh,
        ):
            figures += [
                Figure("first start to ready", f"{cold:.1f} s", "creates the databases"),
                Figure("warm start to ready", f"{mesh.ready_after:.1f} s"),
            ]
            await asyncio.sleep(_SETTLE_SECONDS)
            figures += memory.measure(mesh)
            figures += await runs.measure(mesh, url, requests)
            figures += await transport.measure(mesh, StateDirectory(state).secrets()["mesh_secret"])
            figures += await streams.measure(mesh)
            figures += await growth.measure(mesh)
            figures += await limit.measure(mesh)
    figures += await large.measure()
    show("Flowloom on this machine", figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--requests", type=int, default=2000, help="in a round (default 2000)")
    asyncio.run(main(parser.parse_args().requests))
