"""What comes before an answer: heads that are wrong, endless or slow; bodies that stay away."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.message import Message

from shared.pb.flowloom.engine.v1 import run_pb2, run_service_pb2
from tests.support.gateway import Gateway, gateway_settings, serving
from tests.support.scripted_mesh import ScriptedMesh

SECONDS = 30
PATIENCE = 0.3
GET = b"GET /health HTTP/1.1\r\nhost: a\r\n"


@pytest.fixture(scope="module")
async def impatient(
    postgres_url: str, redis_url: str, module_mesh: ScriptedMesh
) -> AsyncIterator[Gateway]:
    settings = gateway_settings(
        postgres_url, redis_url, module_mesh.address, gateway_request_seconds=str(PATIENCE)
    )
    async with serving(settings) as gateway:
        yield gateway


async def said(gateway: Gateway, *parts: bytes) -> bytes:
    """Everything that the gateway says to some bytes, until it closes the connection."""
    port = int(gateway.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
        async with asyncio.timeout(SECONDS):
            return await reader.read()
    finally:
        writer.close()


def problem(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"connection: close" in head.lower()
    told: dict[str, Any] = json.loads(body)
    assert head.startswith(f"HTTP/1.1 {told['status']} ".encode())
    assert told["code"]
    return told


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00",
        b"GET /health HTTP/9.9\r\n\r\n",
        GET + b"x-a: b\x00c\r\n\r\n",
        GET + b"content-length: -1\r\n\r\n",
        GET + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}x",
        GET + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        GET + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        GET + b"transfer-encoding: xchunked\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_refused_like_everything_else(
    gateway: Gateway, request_bytes: bytes
) -> None:
    assert problem(await said(gateway, request_bytes))["status"] == 400


@pytest.mark.parametrize("head", [b"x" * 70_000, b"x-a: " + b"y" * 70_000, b"x: y\r\n" * 12_000])
async def test_a_head_without_end_is_refused(gateway: Gateway, head: bytes) -> None:
    assert problem(await said(gateway, GET, head))["status"] == 431


async def test_a_head_that_takes_its_time_is_refused(impatient: Gateway) -> None:
    assert problem(await said(impatient, GET))["status"] == 408


async def test_a_connection_on_which_nobody_asks_is_closed(impatient: Gateway) -> None:
    assert await said(impatient) == b""


async def test_a_body_that_takes_its_time_is_refused(impatient: Gateway) -> None:
    token = (await impatient.sign_up())["access_token"].encode()
    head = b"POST /v1/workflows HTTP/1.1\r\nhost: a\r\nauthorization: Bearer " + token
    head += b"\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    assert problem(await said(impatient, head))["code"] == "BODY_TOO_SLOW"


async def test_patience_is_for_heads_and_bodies_only(
    impatient: Gateway, mesh: ScriptedMesh
) -> None:
    async def slow(_: Any) -> AsyncIterator[Message]:
        yield run_service_pb2.WatchRunResponse(events=[started(1)])
        await asyncio.sleep(3 * PATIENCE)  # what is answered may take longer than what is asked
        yield run_service_pb2.WatchRunResponse(events=[started(2)])

    mesh.on("WatchRun", slow)
    login = await impatient.sign_up()
    async with impatient.client(login["access_token"]) as client:
        for _ in range(2):
            answer = await client.get("/v1/runs/run_1/events")
            assert answer.text.count("id: ") == 2


def started(sequence: int) -> run_pb2.RunEvent:
    return run_pb2.RunEvent(run_id="run_1", sequence=sequence, type="run.started")
