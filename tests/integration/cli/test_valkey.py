"""The embedded Valkey: begins, survives, ends."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from cli.embedded.placement import EmbeddedError
from cli.embedded.ports import free_port
from cli.embedded.processes import wait_until_gone
from cli.embedded.valkey import EmbeddedValkey


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path / "valkey", "secret")
    await server.start()
    yield server
    await server.stop(immediately=True)


async def test_data_and_address_survive_a_restart(server: EmbeddedValkey) -> None:
    assert await server.ask("SET kept 7") == "+OK"
    before = server.url()
    await server.stop()
    assert server.pid() is None
    await server.start()
    assert server.url() == before
    assert await server.ask("INCR kept") == ":8"


async def test_it_starts_again_after_kill_9(server: EmbeddedValkey) -> None:
    process = psutil.Process(server.pid())
    process.kill()
    assert await wait_until_gone(process, 10)
    assert server.pid() is None
    await server.start()
    assert await server.ask("PING") == "+PONG"


async def test_stale_process_id_of_a_stranger_is_not_believed(server: EmbeddedValkey) -> None:
    await server.stop()
    (server.log.parent / "valkey.pid").write_text(f"{os.getpid()}\n")
    assert server.pid() is None
    await server.start()
    assert await server.ask("PING") == "+PONG"


async def test_nobody_enters_without_the_password(server: EmbeddedValkey) -> None:
    stranger = EmbeddedValkey(server.log.parent, "wrong")
    assert (await stranger.ask("PING")).startswith("-NOAUTH")


async def test_password_is_not_in_the_process_list(server: EmbeddedValkey) -> None:
    assert "secret" not in " ".join(psutil.Process(server.pid()).cmdline())


async def test_writes_are_appended_to_disk(server: EmbeddedValkey) -> None:
    assert await server.ask("CONFIG GET appendonly") == "*2"
    assert any((server.log.parent / "appendonlydir").iterdir())


async def test_failure_says_what_the_server_said(tmp_path: Path, server: EmbeddedValkey) -> None:
    taken = int(server.url().rpartition(":")[2].partition("/")[0])
    other = EmbeddedValkey(tmp_path / "other", "secret", port=taken)
    with pytest.raises(EmbeddedError, match="Address already in use"):
        await other.start()


async def test_wished_port_is_used(tmp_path: Path) -> None:
    port = free_port()
    server = EmbeddedValkey(tmp_path / "valkey", "secret", port=port)
    await server.start()
    assert f":{port}/" in server.url()
    await server.stop(immediately=True)


async def test_stop_without_a_server_does_nothing(tmp_path: Path) -> None:
    await EmbeddedValkey(tmp_path / "valkey", "secret").stop()
