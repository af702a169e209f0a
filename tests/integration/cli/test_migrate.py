"""`python -m cli.migrate`: what operators run before a deployment."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from psycopg import sql

from cli.migrate import PLACEHOLDER, SERVICES, main


@pytest.fixture
async def empty_url(new_database: Callable[[], Awaitable[str]]) -> str:
    return await new_database()


@pytest.mark.long
@pytest.mark.parametrize("service", SERVICES)
def test_a_schema_is_migrated_and_found_migrated(empty_url: str, service: str) -> None:
    for _ in range(2):
        done = subprocess.run(
            (sys.executable, "-m", "cli.migrate", service),
            env={**os.environ, "DATABASE_URL": empty_url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
    schema = service.removesuffix("_service")
    with psycopg.connect(empty_url) as connection:
        query = sql.SQL("SELECT version_num FROM {}").format(
            sql.Identifier(schema, "alembic_version")
        )
        assert connection.execute(query).fetchone()


def test_a_placeholder_stops_the_deployment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@localhost/nothing")
    monkeypatch.setenv("ANTHROPIC_API_KEY", PLACEHOLDER)
    assert main(["engine_service"]) == 2
    assert capsys.readouterr().err.startswith("ANTHROPIC_API_KEY: still the placeholder.")


def test_without_a_database_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert main(["gateway"]) == 2
    assert capsys.readouterr().err == "DATABASE_URL is not set.\n"


def test_a_database_that_is_away_is_said_to_be_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@localhost:1/nothing")
    assert main(["gateway"]) == 1
    assert capsys.readouterr().err == "The database is away for the moment.\n"
