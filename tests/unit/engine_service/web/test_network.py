"""Connections for other protocols than HTTP: to checked addresses only, with the name for TLS."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from engine_service.sdk.node import NodeError
from engine_service.web.addresses import AllowList
from engine_service.web.network import GuardedNetwork
from tests.support.certificates import make_certificates

LOOPBACK = AllowList.parse(["127.0.0.1"])
ALL = AllowList.parse(["127.0.0.0/8"])


async def here(_: str, __: int) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server that says hello."""

    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_a_name_is_resolved_once_and_its_address_connected_to(port: int) -> None:
    asked: list[str] = []

    async def resolver(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    network = GuardedNetwork(ALL, resolver=resolver)
    connection = await network.connect("Mail.Example.COM.", port)
    reader, writer = await asyncio.open_connection(sock=connection)
    assert await reader.read() == b"hello"
    writer.close()
    assert asked == ["mail.example.com"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0x7f.1", "localhost", "[::1]", "::ffff:10.0.0.1", "169.254.169.254"]
)
async def test_inner_hosts_are_refused_in_every_spelling(host: str, port: int) -> None:
    network = GuardedNetwork(AllowList(), resolver=here)
    for attempt in (network.connect(host, port), network.reach(host, port)):
        with pytest.raises(NodeError) as caught:
            await attempt
        assert caught.value.failure.code == "address_refused"


async def test_a_name_that_leads_inside_is_refused(port: int) -> None:
    async def both(_: str, __: int) -> Sequence[str]:
        return ["93.184.216.34", "127.0.0.1"]

    with pytest.raises(NodeError, match="leads to an inner address"):
        await GuardedNetwork(AllowList(), resolver=both).connect("mail.example.com", port)


@pytest.mark.parametrize("host", ["", "/var/run/socket", "a,b", "u@host", "host name", "a%2eb"])
async def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(NodeError) as caught:
        await GuardedNetwork(LOOPBACK, resolver=here).reach(host, 25)
    assert caught.value.failure.code == "address_refused"


async def test_nobody_there_is_a_failure_that_may_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        free = nobody.getsockname()[1]
    with pytest.raises(NodeError) as caught:
        await GuardedNetwork(LOOPBACK).connect("127.0.0.1", free)
    assert caught.value.failure.code == "connect_failed"
    assert caught.value.failure.retryable


async def test_tls_is_for_the_name_not_the_address(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path, "mail.example.com")
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=certificates.server
    )
    port = server.sockets[0].getsockname()[1]
    network = GuardedNetwork(ALL, resolver=here, tls=certificates.client)
    connection = await network.connect("mail.example.com", port)
    reader, writer = await asyncio.open_connection(
        sock=connection, ssl=network.tls(), server_hostname="mail.example.com"
    )
    assert await reader.read() == b""
    writer.close()
    server.close()
    assert not network.tls(verify=False).check_hostname
