"""Hooks: what arrives goes in as it came, and what the trigger says comes out."""

import asyncio

import httpx2
import pytest

from shared.errors import LimitReached, NotFound, Unauthenticated
from shared.pb.flowloom.engine.v1.trigger_service_pb2 import FireWebhookResponse, Header
from tests.support.gateway import Gateway
from tests.support.scripted_mesh import ScriptedMesh


async def test_a_delivery_arrives_as_it_was_sent(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    body = b'{"a": 1}\n\x00\xff'
    answer = await anybody.put(
        "/v1/hooks/t%20enant/orders/new?a=1&a=%32&b",
        content=body,
        headers=[("x-signature", "v1,abc"), ("x-twice", "1"), ("x-twice", "2")],
    )
    assert answer.status_code == 200
    seen = mesh.only("FireWebhook")
    request = seen.request
    assert (request.path, request.method) == ("t enant/orders/new", "PUT")
    assert (request.query, request.body) == ("a=1&a=%32&b", body)
    assert request.remote_address == "127.0.0.1"
    headers = [(header.name, header.value) for header in request.headers]
    assert ("x-signature", "v1,abc") in headers
    assert [value for name, value in headers if name == "x-twice"] == ["1", "2"]
    principal = seen.call.principal
    assert principal is not None
    assert (principal.tenant_id, principal.subject, principal.role) == ("", "hook", "viewer")
    assert seen.call.request_id == answer.headers["x-request-id"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"])
async def test_every_method_goes_in(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh, method: str
) -> None:
    assert (await anybody.request(method, "/v1/hooks/t/a")).status_code == 200
    assert mesh.only("FireWebhook").request.method == method


async def test_the_trigger_decides_what_is_answered(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    answered = FireWebhookResponse(
        run_id="run_1",
        status=203,
        headers=[
            Header(name="Content-Type", value="text/html; charset=utf-8"),
            Header(name="X-Own", value="ä"),
            Header(name="Content-Length", value="9999"),
            Header(name="Transfer-Encoding", value="chunked"),
            Header(name="Content-Security-Policy", value="default-src *"),
            Header(name="X-Split", value="a\r\nSet-Cookie: evil=1"),
            Header(name="Bad Name", value="x"),
        ],
        body="<b>Grüße</b>".encode(),
    )
    mesh.on("FireWebhook", answered)
    answer = await anybody.post("/v1/hooks/t/a")
    assert (answer.status_code, answer.text) == (203, "<b>Grüße</b>")
    assert answer.headers["flowloom-run-id"] == "run_1"
    assert answer.headers["content-security-policy"] == "sandbox allow-forms allow-scripts"
    assert answer.headers["x-own"] == "ä"
    assert "x-split" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert "bad name" not in answer.headers


@pytest.mark.parametrize("status", [204, 205, 304])
async def test_nothing_follows_an_answer_that_has_no_body(
    gateway: Gateway, mesh: ScriptedMesh, status: int
) -> None:
    mesh.on("FireWebhook", FireWebhookResponse(status=status, body=b"HTTP/1.1 200 OK\r\n\r\nevil"))
    url = httpx2.URL(gateway.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    request = b"GET /v1/hooks/t/a HTTP/1.1\r\nHost: x\r\n\r\n"
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status)
    assert b"content-length: 0" in head.lower() or status == 204
    writer.write(request)
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 %d" % status)
    writer.close()


@pytest.mark.parametrize("status", [100, 101, 103])
async def test_an_answer_that_ends_no_request_is_not_sent(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh, status: int
) -> None:
    mesh.on("FireWebhook", FireWebhookResponse(status=status))
    assert (await anybody.post("/v1/hooks/t/a")).status_code == 500


async def test_a_workflow_says_nothing_for_our_whole_origin(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    names = ("Strict-Transport-Security", "Clear-Site-Data", "Alt-Svc")
    said = [Header(name=name, value="x") for name in names]
    mesh.on("FireWebhook", FireWebhookResponse(headers=said))
    answer = await anybody.post("/v1/hooks/t/a")
    assert not {name.lower() for name in names} & set(answer.headers)


@pytest.mark.parametrize(
    ("failure", "status"),
    [(NotFound("No."), 404), (Unauthenticated("No."), 401), (LimitReached("No."), 429)],
)
async def test_a_delivery_that_is_refused_is_a_problem(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh, failure: Exception, status: int
) -> None:
    mesh.on("FireWebhook", failure)
    answer = await anybody.post("/v1/hooks/t/a")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_hook_is_measured_without_its_path(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    await anybody.post("/v1/hooks/t/secret-path")
    metrics = (await anybody.get("/metrics")).text
    assert 'route="/v1/hooks/{path}"' in metrics
    assert "secret-path" not in metrics
