"""Every recorded address that an outgoing request must refuse, and the ways around a check.

A canary listens on loopback: nothing here may reach it. No name is resolved for real; the stub
answers with a public address for every name, so that only the guard stands in the way.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohappyeyeballs
import pytest

from engine_service.sdk.node import HttpRequest, HttpResponse, NodeError
from engine_service.web.addresses import AllowList
from engine_service.web.outgoing import GuardedHttpClient
from engine_service.web.transport import Limits
from tests.support.http_server import Answer, Seen, Server, serve
from tests.support.recorded import DATA, json_of

if not DATA.is_dir():
    pytest.skip("the recorded addresses are not on this machine", allow_module_level=True)

RECORDED: dict[str, Any] = json_of("ssrf.json")
PUBLIC = "93.184.216.34"
FIXTURE = "fixture.example"


@pytest.fixture
async def canary() -> AsyncIterator[Server]:
    async with serve() as server:
        yield server


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the guard ever fail, nothing outside this machine is contacted all the same."""
    connect: Any = vars(aiohappyeyeballs)["start_connection"]

    async def guarded(*, addr_infos: Sequence[Any], **options: Any) -> Any:
        for *_, place in addr_infos:
            if place[0] != "127.0.0.1":
                pytest.fail(f"the guard let a connection to {place[0]} through")
        return await connect(addr_infos=addr_infos, **options)

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", guarded)


async def everything_is_public(_: str, __: int) -> Sequence[str]:
    return [PUBLIC]


def resolver(*answers: Sequence[str]) -> Any:
    """Gives each answer once, then the last one for ever."""
    left = list(answers)

    async def resolve(_: str, __: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


async def send(client: GuardedHttpClient, url: str, **options: Any) -> HttpResponse:
    try:
        return await client.send(HttpRequest("GET", url, timeout=2, **options))
    finally:
        await client.close()


async def failure(client: GuardedHttpClient, url: str, **options: Any) -> str:
    with pytest.raises(NodeError) as caught:
        await send(client, url, **options)
    return caught.value.failure.code


def urls() -> list[str]:
    rows = [*RECORDED["block"], *RECORDED["block_via_stub_dns"]]
    return [row["url"] for row in rows]


async def test_whatever_leaves_this_machine_is_caught_here() -> None:
    client = GuardedHttpClient(AllowList(), resolver=everything_is_public)
    with pytest.raises(pytest.fail.Exception, match=PUBLIC):
        await send(client, f"http://{FIXTURE}/")


@pytest.mark.parametrize("url", urls())
async def test_a_recorded_address_is_refused(url: str, canary: Server) -> None:
    needs_inner_answer = url in {row["url"] for row in RECORDED["block_via_stub_dns"]}
    answer = resolver(["127.0.0.1"]) if needs_inner_answer else everything_is_public
    assert await failure(GuardedHttpClient(AllowList(), resolver=answer), url) == "address_refused"
    assert canary.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0"])
async def test_the_canary_is_not_reached_in_any_spelling(host: str, canary: Server) -> None:
    client = GuardedHttpClient(AllowList(), resolver=everything_is_public)
    assert await failure(client, f"http://{host}:{canary.port}/") == "address_refused"
    assert canary.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_checked_again(status: int, canary: Server) -> None:
    def redirect(_: Seen) -> Answer:
        return Answer(status, {"location": f"{canary.url}/"})

    async with serve(redirect) as fixture:
        client = GuardedHttpClient(AllowList.parse([fixture.authority]))
        assert await failure(client, fixture.url) == "address_refused"
    assert canary.connections == 0


async def test_a_300_with_a_location_is_an_answer_and_not_a_redirect(canary: Server) -> None:
    async with serve(lambda _: Answer(300, {"location": canary.url})) as fixture:
        client = GuardedHttpClient(AllowList.parse([fixture.authority]))
        assert (await send(client, fixture.url)).status == 300
    assert canary.connections == 0


async def test_the_checked_address_is_the_one_connected_to(canary: Server) -> None:
    """A name that answers differently the second time finds no second time."""
    asked: list[str] = []

    async def rebinding(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with serve(lambda _: Answer(body=b"fixture")) as fixture:
        allowed = AllowList.parse([f"{FIXTURE}:{fixture.port}"])
        client = GuardedHttpClient(allowed, resolver=rebinding)
        response = await send(client, f"http://{FIXTURE}:{fixture.port}/")
    assert response.body == b"fixture"
    assert asked == [FIXTURE]
    assert fixture.seen[0].headers["host"] == f"{FIXTURE}:{fixture.port}"
    assert canary.connections == 0


async def test_a_name_that_later_answers_an_inner_address_is_refused_then(canary: Server) -> None:
    """Each connection resolves and checks anew: an earlier good answer vouches for nothing."""
    allowed = AllowList.parse([])
    client = GuardedHttpClient(allowed, resolver=resolver(["127.0.0.1"]))
    assert await failure(client, f"http://{FIXTURE}:{canary.port}/") == "address_refused"
    assert canary.connections == 0


@pytest.mark.parametrize(
    "answers",
    [[PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], [PUBLIC, "::1"], [PUBLIC, "fe80::1%eth0"]],
)
async def test_one_inner_address_among_public_ones_refuses_all(
    answers: list[str], canary: Server
) -> None:
    client = GuardedHttpClient(AllowList(), resolver=resolver(answers))
    assert await failure(client, f"http://{FIXTURE}:{canary.port}/") == "address_refused"
    assert canary.connections == 0


async def test_a_proxy_in_the_environment_changes_nothing(
    canary: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, canary.url)
    client = GuardedHttpClient(AllowList(), resolver=everything_is_public)
    assert await failure(client, "http://10.0.0.1/") == "address_refused"
    async with serve() as fixture:
        allowed = GuardedHttpClient(AllowList.parse([fixture.authority]))
        assert (await send(allowed, fixture.url)).status == 200
    assert canary.connections == 0


async def test_a_body_larger_than_the_limit_is_cut_off() -> None:
    async def endless(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with serve(stream=endless) as fixture:
        allowed = AllowList.parse([fixture.authority])
        client = GuardedHttpClient(allowed, limits=Limits(response_bytes=100_000))
        assert await failure(client, fixture.url) == "response_too_large"
        await asyncio.wait_for(fixture.closed_by_peer.wait(), 5)


async def test_a_dripping_body_ends_with_the_time() -> None:
    async def drip(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)  # the server's pace; the test itself waits for nothing

    async with serve(stream=drip) as fixture:
        client = GuardedHttpClient(AllowList.parse([fixture.authority]))
        request = HttpRequest("GET", fixture.url, timeout=1)
        with pytest.raises(NodeError) as caught:
            await client.send(request)
        await client.close()
        await asyncio.wait_for(fixture.closed_by_peer.wait(), 5)
    assert caught.value.failure.code == "timeout"
