"""What an idle mesh takes: proportional set size, which counts shared pages once."""

from pathlib import Path

import psutil

from bench.mesh import Mesh
from bench.table import Figure

_MIB = 1024 * 1024


def measure(mesh: Mesh) -> list[Figure]:
    """Idle memory of the whole mesh and of its parts."""
    parts = {
        name: [(_proportional(process), process.memory_info().rss) for process in processes]
        for name, processes in mesh.processes().items()
    }
    proportional = {name: sum(pss for pss, _ in sizes) for name, sizes in parts.items()}
    resident = sum(rss for sizes in parts.values() for _, rss in sizes)
    detail = ", ".join(f"{name} {size / _MIB:.0f}" for name, size in proportional.items())
    total = sum(proportional.values()) / _MIB
    return [
        Figure("idle memory of the mesh (PSS)", f"{total:.0f} MiB", detail),
        Figure("the same as RSS, shared pages counted each time", f"{resident / _MIB:.0f} MiB"),
    ]


def _proportional(process: psutil.Process) -> int:
    """Bytes; 0 for a process that has just ended."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
