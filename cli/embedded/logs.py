"""The log files of the mesh's processes: opened for a child, read back when it has died."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

_TAIL_BYTES = 64 * 1024
_LOOK_EVERY_SECONDS = 0.1


def rotate(path: Path) -> None:
    """Set the last start's log aside, so that a log holds what happened since this start."""
    if path.exists():
        path.replace(path.with_suffix(".log.old"))


def last_lines(path: Path, count: int = 15) -> str:
    """Return the end of a log; empty when there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-count:])


class Follower:
    """Hands over every line written to the logs of a directory since it was made."""

    def __init__(self, directory: Path, on_line: Callable[[str, str], None]) -> None:
        self._directory = directory
        self._on_line = on_line
        self._seen = {path: path.stat().st_size for path in directory.glob("*.log")}
        self._rest: dict[Path, bytes] = {}

    @asynccontextmanager
    async def following(self) -> AsyncGenerator[None]:
        """Hand lines over as they come, for the duration of a block, the last ones included."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            task.cancel()
            self._look()

    async def _follow(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _look(self) -> None:
        for path in sorted(self._directory.glob("*.log")):
            size, seen = path.stat().st_size, self._seen.get(path, 0)
            if size == seen:
                continue
            if size < seen:
                seen = 0  # the log was rotated
            with path.open("rb") as log:
                log.seek(seen)
                content = self._rest.get(path, b"") + log.read(size - seen)
            *lines, self._rest[path] = content.split(b"\n")
            self._seen[path] = size
            for line in lines:
                self._on_line(path.stem, line.decode(errors="replace"))
