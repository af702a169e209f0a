"""The mesh of bench/large.py: `flowloom up`, but with the engine that is watched."""

import os
import sys
from pathlib import Path

from cli.embedded.mesh import MeshOptions, Modules
from cli.embedded.state import StateDirectory
from cli.up import hold


def main(arguments: list[str]) -> int:
    """Start it in the directory that is named first after `--state-dir`, on any free ports."""
    directory = Path(arguments[arguments.index("--state-dir") + 1])
    options = MeshOptions(
        port=0,
        environment={"BENCH_BLOCKS": os.environ["BENCH_BLOCKS"]},
        modules=Modules(engine="bench.watched_engine"),
    )
    return hold(StateDirectory(directory), options, verbose=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
