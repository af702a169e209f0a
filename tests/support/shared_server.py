"""One throwaway server for all test processes of a session.

Whoever comes first starts it. Every process holds a shared lock while it uses the server; the one
that finds nobody else holding it is the last and stops it. Locks die with their processes, so the
next session reaps what a killed one left behind.
"""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Protocol, TypeVar


class Server(Protocol):
    """What the embedded servers have in common."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


S = TypeVar("S", bound=Server)


def session_name() -> str:
    """Return the name that all workers of this test session share, and no other session."""
    return os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))


@asynccontextmanager
async def joined(name: str, build: Callable[[Path], S]) -> AsyncGenerator[S]:
    """Start the session's server or join it; stop and delete it when nobody else uses it."""
    prefix = f"flowloom-tests-{os.geteuid()}-{name}"
    # Not below pytest's own directory: that is closed to the account that root lends PostgreSQL.
    directory = Path(tempfile.gettempdir())
    home = directory / f"{prefix}-{session_name()}"
    with (directory / f"{prefix}.lock").open("w") as turn:
        await _take_turn(turn)
        for abandoned in _homes(directory, prefix):
            await _end_if_unused(abandoned, build)
        home.mkdir(exist_ok=True)
        home.chmod(0o711)
        server = build(home / "server")
        await server.start()
        with (home / "users.lock").open("w") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            fcntl.flock(turn, fcntl.LOCK_UN)
            yield server
        await _take_turn(turn)
        await _end_if_unused(home, build)


def _homes(directory: Path, prefix: str) -> list[Path]:
    return list(directory.glob(f"{prefix}-*"))


async def _take_turn(turn: IO[str]) -> None:
    """Starting and ending happen one at a time."""
    await asyncio.to_thread(fcntl.flock, turn, fcntl.LOCK_EX)


async def _end_if_unused(home: Path, build: Callable[[Path], Server]) -> None:
    with (home / "users.lock").open("w") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        await build(home / "server").stop()
        shutil.rmtree((home / "server").resolve(), ignore_errors=True)
        shutil.rmtree(home)
