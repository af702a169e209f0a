"""Outgoing HTTP against a real server on loopback: connections, redirects, limits, failures."""

import asyncio
import gzip
import ssl
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine_service.sdk.node import Failed, HttpRequest, NodeError
from engine_service.web.addresses import AllowList
from engine_service.web.outgoing import GuardedHttpClient
from engine_service.web.transport import Limits
from tests.support.certificates import Certificates, make_certificates
from tests.support.http_server import Answer, Seen, serve
from tests.support.run_node import allowing


async def failure(client: GuardedHttpClient, request: HttpRequest) -> Failed:
    with pytest.raises(NodeError) as caught:
        await client.send(request)
    await client.close()
    return caught.value.failure


async def test_a_request_arrives_as_it_was_meant() -> None:
    async with serve(lambda _: Answer(201, {"x-a": "1"}, b"made")) as server:
        client = allowing(server.authority)
        response = await client.send(
            HttpRequest("POST", f"{server.url}/a b?q=ü#part", {"X-Own": "yes"}, b"body")
        )
        await client.close()
    seen = server.seen[0]
    assert (seen.method, seen.target, seen.body) == ("POST", "/a%20b?q=%C3%BC", b"body")
    assert seen.headers["x-own"] == "yes"
    assert seen.headers["content-length"] == "4"
    assert seen.headers["host"] == server.authority
    assert (response.status, response.headers["x-a"], response.body) == (201, "1", b"made")


async def test_connections_are_kept_and_used_again() -> None:
    async with serve() as server:
        client = allowing(server.authority)
        for _ in range(5):
            await client.send(HttpRequest("GET", server.url))
        await client.close()
    assert len(server.seen) == 5
    assert server.connections == 1


async def test_headers_that_manage_the_connection_are_ours() -> None:
    async with serve() as server:
        client = allowing(server.authority)
        own = {"Host": "evil.example", "Content-Length": "99", "Transfer-Encoding": "chunked"}
        await client.send(HttpRequest("POST", server.url, own, b"x"))
        await client.close()
    headers = server.seen[0].headers
    assert headers["host"] == server.authority
    assert headers["content-length"] == "1"
    assert "transfer-encoding" not in headers


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({}, Answer(raw=b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", close=True)),
        ({}, Answer(raw=b"SMTP ready\r\n\r\n", close=True)),
        ({}, Answer(raw=b"", close=True)),
        ({}, Answer(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", close=True)),
        ({"authorization": "Bearer hunter2\n"}, Answer()),
    ],
)
async def test_a_failure_does_not_tell_what_may_be_secret(
    headers: dict[str, str], answer: Answer
) -> None:
    async with serve(lambda _: answer) as server:
        request = HttpRequest("GET", f"{server.url}/?api_key=hunter2", headers)
        failed = await failure(allowing(server.authority), request)
    assert "hunter2" not in failed.message
    assert failed.message


@pytest.mark.parametrize(("name", "value"), [("x-a", "1\r\nx-b: 2"), ("x a", "1"), ("x-ü", "1")])
async def test_a_malformed_header_is_no_second_header(name: str, value: str) -> None:
    async with serve() as server:
        request = HttpRequest("GET", server.url, {name: value})
        failed = await failure(allowing(server.authority), request)
    assert failed.code == "bad_request"
    assert server.seen == []


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (302, "GET", "GET"),
    ],
)
async def test_a_redirect_is_followed_with_the_method_it_means(
    status: int, method: str, expected: str
) -> None:
    def answer(seen: Seen) -> Answer:
        return Answer(status, {"location": "/b"}) if seen.path == "/a" else Answer(body=b"here")

    async with serve(answer) as server:
        client = allowing(server.authority)
        body = b"x" if method in ("POST", "PUT") else None
        request = HttpRequest(method, f"{server.url}/a", {"content-type": "text/plain"}, body)
        response = await client.send(request)
        await client.close()
    second = server.seen[1]
    assert (second.method, second.path) == (expected, "/b")
    assert second.body == (b"x" if expected == "POST" else b"")
    assert ("content-type" in second.headers) == (method == expected)
    assert response.url.endswith("/b")


async def test_secrets_do_not_follow_to_another_origin() -> None:
    async with serve() as other:
        async with serve(lambda _: Answer(307, {"location": f"{other.url}/"})) as server:
            client = allowing(server.authority, other.authority)
            headers = {"Authorization": "Bearer s", "Cookie": "s", "X-Key": "s", "X-Open": "o"}
            await client.send(HttpRequest("GET", server.url, headers, secret_headers=("x-key",)))
            await client.close()
    assert server.seen[0].headers["authorization"] == "Bearer s"
    carried = other.seen[0].headers
    assert not {"authorization", "cookie", "x-key"} & carried.keys()
    assert carried["x-open"] == "o"


async def test_secrets_stay_on_the_same_origin() -> None:
    def answer(seen: Seen) -> Answer:
        return Answer(302, {"location": "/b"}) if seen.path == "/" else Answer()

    async with serve(answer) as server:
        client = allowing(server.authority)
        await client.send(HttpRequest("GET", f"{server.url}/", {"authorization": "s"}))
        await client.close()
    assert server.seen[1].headers["authorization"] == "s"


async def test_redirects_come_to_an_end() -> None:
    async with serve(lambda _: Answer(302, {"location": "/again"})) as server:
        failed = await failure(allowing(server.authority), HttpRequest("GET", server.url))
    assert failed.code == "too_many_redirects"
    assert len(server.seen) == 11


async def test_redirects_can_be_left_alone() -> None:
    async with serve(lambda _: Answer(302, {"location": "/b"})) as server:
        client = allowing(server.authority)
        response = await client.send(HttpRequest("GET", server.url, follow_redirects=False))
        await client.close()
    assert (response.status, response.headers["location"]) == (302, "/b")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate", "identity"])
async def test_compressed_answers_are_unpacked(encoding: str) -> None:
    text = b"words " * 1000
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(text),
        "deflate": zlib.compress(text),
        "raw deflate": raw.compress(text) + raw.flush(),
        "identity": text,
    }[encoding]
    named = encoding.rpartition(" ")[2]
    async with serve(lambda _: Answer(200, {"content-encoding": named}, packed)) as server:
        client = allowing(server.authority)
        response = await client.send(HttpRequest("GET", server.url))
        await client.close()
    assert response.body == text


async def test_a_small_answer_that_unpacks_to_a_large_one_is_cut_off() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with serve(lambda _: Answer(200, {"content-encoding": "gzip"}, bomb)) as server:
        client = GuardedHttpClient(
            AllowList.parse([server.authority]), limits=Limits(response_bytes=1_000_000)
        )
        failed = await failure(client, HttpRequest("GET", server.url))
    assert failed.code == "response_too_large"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-encoding": "gzip"}, b"no gzip at all"),
        ({"content-encoding": "gzip"}, gzip.compress(b"whole")[:-4]),
        ({"content-encoding": "br"}, b"x"),
    ],
    ids=["not packed", "cut off", "not asked for"],
)
async def test_an_answer_that_is_not_what_it_says_is_a_bad_one(
    headers: dict[str, str], body: bytes
) -> None:
    async with serve(lambda _: Answer(200, headers, body)) as server:
        failed = await failure(allowing(server.authority), HttpRequest("GET", server.url))
    assert failed.code == "bad_response"


async def test_nobody_listening_is_connect_failed() -> None:
    async with serve() as server:
        address, url = server.authority, server.url
    failed = await failure(allowing(address), HttpRequest("GET", url))
    assert (failed.code, failed.retryable, failed.outcome_known) == ("connect_failed", True, True)


async def test_a_name_without_address_is_connect_failed() -> None:
    async def nothing(_: str, __: int) -> Sequence[str]:
        raise OSError("no such name")

    client = GuardedHttpClient(AllowList(), resolver=nothing)
    failed = await failure(client, HttpRequest("GET", "http://name.example/"))
    assert (failed.code, failed.retryable) == ("connect_failed", True)


async def test_a_second_address_is_tried_when_the_first_does_not_answer() -> None:
    async def two(_: str, __: int) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async with serve(lambda _: Answer(body=b"second")) as server:
        allowed = AllowList.parse([f"name.example:{server.port}"])
        client = GuardedHttpClient(allowed, resolver=two)
        response = await client.send(HttpRequest("GET", f"http://name.example:{server.port}/"))
        await client.close()
    assert response.body == b"second"


async def test_a_connection_lost_after_sending_leaves_the_outcome_open() -> None:
    async def close(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serve(stream=close) as server:
        failed = await failure(allowing(server.authority), HttpRequest("POST", server.url))
    assert (failed.code, failed.retryable, failed.outcome_known) == ("connection_lost", True, False)


async def test_nonsense_is_no_answer() -> None:
    async with serve(lambda _: Answer(raw=b"SMTP ready\r\n\r\n", close=True)) as server:
        failed = await failure(allowing(server.authority), HttpRequest("GET", server.url))
    assert failed.code == "connection_lost"


async def silent(_: Seen, writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    await asyncio.get_running_loop().create_future()


async def test_silence_is_a_timeout_whose_outcome_is_open() -> None:
    async with serve(stream=silent) as server:
        request = HttpRequest("POST", server.url, timeout=1)
        failed = await failure(allowing(server.authority), request)
    assert (failed.code, failed.retryable, failed.outcome_known) == ("timeout", True, False)


async def test_cancelling_closes_the_connection() -> None:
    arrived = asyncio.Event()

    async def notice(seen: Seen, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await silent(seen, writer)

    async with serve(stream=notice) as server:
        client = allowing(server.authority)
        running = asyncio.create_task(client.send(HttpRequest("GET", server.url)))
        await asyncio.wait_for(arrived.wait(), 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.wait_for(server.closed_by_peer.wait(), 5)
        await client.close()


# --- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(Path(tmp_path_factory.mktemp("tls")), "name.example")


async def to_loopback(_: str, __: int) -> Sequence[str]:
    return ["127.0.0.1"]


def tls_client(port: int, trusted: ssl.SSLContext | None, host: str) -> GuardedHttpClient:
    return GuardedHttpClient(AllowList.parse([f"{host}:{port}"]), resolver=to_loopback, tls=trusted)


async def test_tls_is_made_with_the_name_though_the_address_is_pinned(
    certificates: Certificates,
) -> None:
    async with serve(lambda _: Answer(body=b"safe"), tls=certificates.server) as server:
        client = tls_client(server.port, certificates.client, "name.example")
        response = await client.send(HttpRequest("GET", f"https://name.example:{server.port}/"))
        await client.close()
    assert response.body == b"safe"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("host", "known"), [("other.example", True), ("name.example", False)])
async def test_a_wrong_or_unknown_certificate_is_tls_failed(
    host: str, known: bool, certificates: Certificates
) -> None:
    async with serve(tls=certificates.server) as server:
        trusted = certificates.client if known else ssl.create_default_context()
        url = f"https://{host}:{server.port}/"
        failed = await failure(tls_client(server.port, trusted, host), HttpRequest("GET", url))
    assert (failed.code, failed.retryable) == ("tls_failed", False)
    assert server.seen == []


async def test_verification_can_be_switched_off(certificates: Certificates) -> None:
    async with serve(lambda _: Answer(body=b"ok"), tls=certificates.server) as server:
        client = tls_client(server.port, None, "other.example")
        url = f"https://other.example:{server.port}/"
        response = await client.send(HttpRequest("GET", url, verify_tls=False))
        await client.close()
    assert response.body == b"ok"


def test_an_entry_of_the_allow_list_is_a_host_a_port_or_a_network() -> None:
    allowed = AllowList.parse([" db.inner ", "10.0.0.5:8080", "192.168.0.0/24", "[::1]:80", "::1"])
    assert allowed.names("db.inner", 1)
    assert allowed.names("10.0.0.5", 8080)
    assert not allowed.names("10.0.0.5", 80)
    assert allowed.names("::1", 80)
    assert len(allowed.networks) == 1


@pytest.mark.parametrize("entry", ["http://a", "a/b", "a b", "10.0.0.0/99", ":80"])
def test_anything_else_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        AllowList.parse([entry])


def test_an_empty_allow_list_allows_nothing() -> None:
    nothing: Any = AllowList.parse(["", " "])
    assert nothing == AllowList()
