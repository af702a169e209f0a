"""Waits for the servers that the person named: `python -m cli.checks.given DATABASE_URL REDIS_URL`.

`flowloom up` starts nothing before they answer. Whatever is found, and whenever it changes, leaves
as one line of JSON; the exit code is 1 when one of them cannot be used. A program of its own
because its drivers are wanted for this moment only.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from cli.checks.finding import Check, Finding, Patient, Severity
from cli.checks.servers import NO_ADDRESS, check_database, check_redis
from cli.embedded.state import DEFAULT, StateDirectory

# Servers that are started together with the mesh have this long to come up.
_PATIENCE_SECONDS = 10
_ASK_EVERY_SECONDS = 0.5
_CONNECT_SECONDS = 2
_STARTING = ("the database system is starting up", "LOADING")
_CHECKS: Mapping[str, tuple[Check, int]] = {
    "DATABASE_URL": (check_database, 5432),
    "REDIS_URL": (check_redis, 6379),
}


async def main(names: list[str]) -> int:
    """Wait for the named ones; return the exit code."""
    patient = Patient(StateDirectory(Path(DEFAULT)), os.environ, {})
    for usable in asyncio.as_completed([_usable(name, patient) for name in names]):
        if not await usable:
            return 1
    return 0


async def _usable(name: str, patient: Patient) -> bool:
    check, port = _CHECKS[name]
    deadline = time.monotonic() + _PATIENCE_SECONDS
    told = ""
    while True:
        [finding] = await check(patient)
        wrong = finding.severity is Severity.WRONG
        waiting = (
            wrong
            and time.monotonic() < deadline
            and await _may_come(finding, os.environ[name], port)
        )
        if finding.detail != told or not waiting:
            told = finding.detail
            print(json.dumps({**asdict(finding), "waiting": waiting}), flush=True)
        if not waiting:
            return not wrong
        await asyncio.sleep(_ASK_EVERY_SECONDS)


async def _may_come(finding: Finding, url: str, port: int) -> bool:
    """Whether waiting may help: nobody listens there yet, or somebody who is still starting."""
    if any(words in finding.detail for words in _STARTING):
        return True
    if NO_ADDRESS in finding.detail:
        return False
    try:
        parts = urlsplit(url)
        place = parts.hostname, parts.port or port
    except ValueError:
        return False
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(*place)
    except (OSError, TimeoutError):
        return True
    writer.close()
    return False


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
