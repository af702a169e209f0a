"""Waits, by means of the readiness program, until the parts of a mesh say that they are ready."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cli.embedded.logs import last_lines
from cli.embedded.parts import Part
from cli.embedded.placement import EmbeddedError

READY_SECONDS = 120


class NotReady(EmbeddedError):
    """A part runs but does not become ready."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A part, and the address under which it says that it is ready."""

    part: Part
    address: str


async def wait_until_ready(
    awaited: Sequence[Awaited], report: Callable[[Part], None], seconds: float = READY_SECONDS
) -> None:
    """Wait for all of them; each is reported as soon as it is ready.

    Raises:
        NotReady: the time was up first; the message ends with the last words of who was late.
    """
    late = {each.address: each.part for each in awaited}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli.embedded.readiness", str(seconds), *late),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            report(late.pop(line.decode().strip()))
        await process.wait()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    if late:
        words = "\n".join(f"{part.name}:\n{last_lines(part.log)}" for part in late.values())
        names = ", ".join(part.name for part in late.values())
        raise NotReady(f"Not ready after {seconds:g} s: {names}.\n{words}")
