"""Processes that are not our children: known again by number and birth, watched and ended.

A number alone is no identity: after a crash, above all in a container, it may belong to anything.
"""

import asyncio
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """What is written down about a process so that it can be found again."""

    name: str
    pid: int
    born_at: float


def record(name: str, pid: int) -> ProcessRecord | None:
    """Write down a process, if it lives."""
    process = find_alive(pid)
    return ProcessRecord(name, pid, process.create_time()) if process else None


def find(known: ProcessRecord) -> psutil.Process | None:
    """Return the recorded process if it still lives."""
    process = find_alive(known.pid)
    return process if process and process.create_time() == known.born_at else None


def find_alive(pid: int) -> psutil.Process | None:
    """Return the process with this number, unless it is gone or only waits to be buried."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:
        return None


async def wait_until_gone(
    process: psutil.Process, seconds: float, *, look_every_seconds: float = 0.02
) -> bool:
    """Wait for the end of a process; False when it outlives the time given.

    It looks again and again: a process that is not our child may stay a zombie for as long as its
    parent likes, which psutil's own wait takes for life.
    """
    deadline = time.monotonic() + seconds
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(look_every_seconds)
    return True


def is_alive(process: psutil.Process) -> bool:
    """Tell whether this very process still runs."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def end(process: psutil.Process, seconds: float) -> None:
    """Ask a process to end, and make it end when it has not after `seconds`."""
    try:
        process.terminate()
        if not await wait_until_gone(process, seconds):
            process.kill()
            await wait_until_gone(process, seconds)
    except psutil.NoSuchProcess:
        return
