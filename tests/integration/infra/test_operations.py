"""docs/operations.md: its SQL runs, its names exist, its backup can be restored."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
from prometheus_client import REGISTRY
from pydantic_settings import BaseSettings

import gateway.metrics
from agent_service.settings import Settings as AgentSettings
from cli.embedded.postgres import OWNER, SUPERUSER, EmbeddedPostgres
from cli.migrate import SERVICES
from engine_service.settings import Settings as EngineSettings
from gateway.settings import Settings as GatewaySettings
from shared.migrations import upgrade

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "operations.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
SETTINGS: tuple[type[BaseSettings], ...] = (GatewaySettings, AgentSettings, EngineSettings)


async def migrate(url: str) -> None:
    for service in SERVICES:
        await upgrade(url, ROOT / service / "migrations", service.removesuffix("_service"))


@pytest.fixture(scope="module")
async def migrated_url(postgres_url: str) -> str:
    await migrate(postgres_url)
    return postgres_url


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_runs_as_the_services_login(migrated_url: str, query: str) -> None:
    with psycopg.connect(migrated_url) as connection:
        for statement in filter(str.strip, query.split(";")):
            connection.execute(statement.encode())
        connection.rollback()


def test_metrics_that_are_named_exist() -> None:
    assert gateway.metrics.REQUESTS
    known = {metric.name for metric in REGISTRY.collect()}
    named = set(re.findall(r"`(flowloom_\w+_\w+)`", PAGE)) - {"flowloom_worker", "flowloom_issuer"}
    assert named
    assert {name.removesuffix("_total") for name in named} <= known


def test_settings_that_are_named_exist() -> None:
    known = {name.upper() for settings in SETTINGS for name in settings.model_fields}
    others = {"ADMIN_DATABASE_URL", "ENVIRONMENT", "TAG", "URL", "HOST"}
    named = set(re.findall(r"\b([A-Z]+(?:_[A-Z]+)+)\b", PAGE)) - others
    assert named <= known


def test_log_events_that_are_named_exist() -> None:
    rooms = ("gateway", "agent_service", "engine_service", "shared")
    sources = "".join(path.read_text() for room in rooms for path in (ROOT / room).rglob("*.py"))
    written = set(re.findall(r'log\.\w+\(\s*"(\w+)"', sources))
    logged = [line for line in PAGE.splitlines() if re.search(r"[Ll]ogs?\b|log and", line)]
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", "\n".join(logged)))
    named -= {"request_id", "outcome_unknown"}
    named = {name for name in named if not name.startswith("flowloom_")}
    assert named
    assert named <= written


def run_block(word: str, folder: Path, programs: Path, url: str) -> None:
    """Run the page's block of commands that has this word in it."""
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    (block,) = (block for block in blocks if word in block)
    settings = {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": url,
        "ADMIN_DATABASE_URL": url.replace(f"//{OWNER}:", f"//{SUPERUSER}:"),
    }
    command = ("bash", "-euc", block)
    subprocess.run(command, cwd=folder, env=os.environ | settings, check=True, timeout=100)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_backup_holds_everything_and_comes_back(
    postgres_server: EmbeddedPostgres,
    new_database: Callable[[], Awaitable[str]],
    tmp_path: Path,
) -> None:
    before, after = await new_database(), await new_database()
    programs = postgres_server.placement.programs
    await migrate(before)
    with psycopg.connect(before) as connection:
        connection.execute("SET ROLE flowloom_issuer")
        connection.execute(
            "INSERT INTO gateway.accounts (id, email, password_hash, created_at, updated_at) "
            "VALUES (gen_random_uuid(), 'a@b.example', 'x', now(), now())"
        )
    await asyncio.to_thread(run_block, "pg_dump", tmp_path, programs, before)
    await asyncio.to_thread(run_block, "pg_restore", tmp_path, programs, after)
    await migrate(after)
    with psycopg.connect(after) as connection:
        connection.execute("SET ROLE flowloom_issuer")
        found = connection.execute("SELECT email FROM gateway.accounts").fetchall()
    assert found == [("a@b.example",)]
