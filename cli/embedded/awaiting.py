"""Waits for what a mesh needs: the servers that a person named, then its own parts.

Programs of their own do the asking: what they load is not carried as long as the mesh runs.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cli.embedded.logs import last_lines
from cli.embedded.parts import Part
from cli.embedded.placement import EmbeddedError

READY_SECONDS = 120
_SILENT_SECONDS = 1.0
_LATE_SECONDS = 15.0


class NotReady(EmbeddedError):
    """A part runs but does not become ready."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A part, and the address under which it says that it is ready."""

    part: Part
    address: str


async def wait_for_given(names: Sequence[str], say: Callable[[str], None]) -> None:
    """Wait for the servers that these environment variables name.

    Args:
        names: DATABASE_URL, REDIS_URL, or both.
        say: Told, after a second, who is waited for, and then why.

    Raises:
        EmbeddedError: one of them cannot be used; the message says why and how to mend it.
    """
    places = {name: f"{_place(os.environ[name])} ({name})" for name in names}
    wrong: dict[str, str] = {}

    def see(line: str) -> None:
        finding: dict[str, Any] = json.loads(line)
        name = finding["subject"]
        wrong.pop(name, None)
        if finding["severity"] == "wrong":
            wrong[name] = f"{name} {finding['detail']}\n{finding['mend']}"
            if finding["waiting"]:
                say(f"Waiting for {places[name]}, which {finding['detail']}")
        else:
            places.pop(name, None)

    def remind() -> None:
        for place in [place for name, place in places.items() if name not in wrong]:
            say(f"Waiting for {place} …")

    reminder = asyncio.get_running_loop().call_later(_SILENT_SECONDS, remind)
    try:
        async with aclosing(_lines("cli.checks.given", *names)) as lines:
            async for line in lines:
                see(line)
    finally:
        reminder.cancel()
    if wrong:
        raise EmbeddedError("\n\n".join(wrong.values()))


async def wait_until_ready(
    awaited: Sequence[Awaited],
    report: Callable[[Part], None],
    on_late: Callable[[Part], None],
    seconds: float = READY_SECONDS,
) -> None:
    """Wait for all of them; each is reported as soon as it is ready.

    Args:
        awaited: The parts.
        report: Told of each part that has become ready.
        on_late: Told, once, of each part that takes unusually long.
        seconds: How long to wait at most.

    Raises:
        NotReady: the time was up first; the message ends with the last words of who was late.
    """
    late = {each.address: each.part for each in awaited}

    def remind() -> None:
        for part in late.values():
            on_late(part)

    reminder = asyncio.get_running_loop().call_later(_LATE_SECONDS, remind)
    try:
        async with aclosing(_lines("cli.embedded.readiness", str(seconds), *late)) as lines:
            async for line in lines:
                report(late.pop(line))
    finally:
        reminder.cancel()
    if late:
        words = "\n".join(f"{part.name}:\n{last_lines(part.log)}" for part in late.values())
        names = ", ".join(part.name for part in late.values())
        raise NotReady(f"Not ready after {seconds:g} s: {names}.\n{words}")


async def _lines(module: str, *arguments: str) -> AsyncGenerator[str]:
    """What one of our programs prints, line by line; it ends with whoever listens."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            yield line.decode().strip()
        await process.wait()
    finally:
        with suppress(ProcessLookupError):
            process.kill()


def _place(url: str) -> str:
    """Where a server is, without its password."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the server"
    return f"{parts.hostname or 'the server'}{port}"
