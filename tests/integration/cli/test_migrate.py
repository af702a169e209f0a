"""`python -m cli.migrate`: what operators run before a deployment."""

import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cli.migrate import PLACEHOLDER, SERVICES, main
from shared.database import ensure_schema
from shared.migrations import upgrade

MIGRATIONS = Path(__file__).parents[3] / "engine_service" / "migrations"


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


async def test_what_a_later_release_migrated_is_left_as_it_is(
    postgres_url: str, tmp_path: Path
) -> None:
    """The former release, put back: its code knows fewer revisions than the database has."""
    former = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, former, ignore=shutil.ignore_patterns("__pycache__"))
    newest = max((former / "versions").glob("[0-9]*.py"))
    newest.unlink()
    await upgrade(postgres_url, former, "engine")
    await ensure_schema(postgres_url, former, "engine")
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("SELECT version_num FROM engine.alembic_version").fetchall()
    assert found == [(newest.stem,)]
