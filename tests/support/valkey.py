"""Valkey for tests: one real server per session, one empty numbered database per test module."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.embedded.valkey import EmbeddedValkey
from tests.support.shared_server import joined

_DATABASES = 1024


def _build(home: Path) -> EmbeddedValkey:
    return EmbeddedValkey(home, "tests", databases=_DATABASES)


@pytest.fixture(scope="session")
async def valkey_server() -> AsyncIterator[EmbeddedValkey]:
    """The session's Valkey, shared by all its workers."""
    async with joined("valkey", _build) as server:
        yield server


@pytest.fixture(scope="module")
async def redis_url(valkey_server: EmbeddedValkey) -> str:
    """The address of an empty database that only this test module uses."""
    number = (await valkey_server.ask("INCR databases")).removeprefix(":")
    return valkey_server.url(int(number))
