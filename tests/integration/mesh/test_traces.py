"""One trace from a caller to what a node calls, through three processes that may be killed.

The collector is a small server that decodes what the services send; nothing in them is replaced.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2
import pytest

from cli.embedded.valkey import EmbeddedValkey
from tests.support import mesh as meshes
from tests.support import trace_context
from tests.support.http_server import Answer, Seen, Server, serve
from tests.support.mesh import Mesh, definition
from tests.support.otlp import Collector, SpanSeen, collecting
from tests.support.postgres import PostgresForTests
from tests.support.trace_context import RULES

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "hidden-in-the-query-9f2c"
START = "flowloom.engine.v1.RunService/StartRun"


@pytest.fixture(scope="module")
async def outside() -> AsyncIterator[Server]:
    """What nodes call."""
    async with serve(lambda _: Answer.of_json({"ok": True})) as server:
        yield server


@pytest.fixture(scope="module")
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
async def traced(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresForTests,
    valkey_server: EmbeddedValkey,
    outside: Server,
    collector: Collector,
) -> AsyncIterator[Mesh]:
    """A mesh that sends its traces."""
    name = f"traces_{tmp_path_factory.getbasetemp().name.replace('-', '_')}"
    await postgres_server.create_migrated(name)
    settings = {**collector.environment, "ENGINE_ALLOWED_HOSTS": outside.authority}
    async with meshes.running(
        tmp_path_factory.mktemp("traced"),
        postgres_server.url(name),
        valkey_server.url(),
        settings=settings,
    ) as running:
        yield running
    await postgres_server.drop_database(name)


@pytest.fixture
async def client(traced: Mesh) -> AsyncIterator[httpx2.AsyncClient]:
    async with traced.client() as client:
        yield client


def calling(outside: Server, start: str = "trigger.manual", **parameters: Any) -> dict[str, Any]:
    """A workflow whose second node calls the outside."""
    url = f"{outside.url}/private/path?token={SECRET}"
    nodes: list[dict[str, Any]] = [
        {"id": "start", "type": start, "parameters": parameters},
        {"id": "fetch", "type": "http.request", "parameters": {"url": url}},
    ]
    return definition(nodes, "start > fetch", name="Calling")


async def create(client: httpx2.AsyncClient, workflow: dict[str, Any]) -> str:
    answer = await client.post("/v1/workflows", json={"definition": workflow})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def curl(*arguments: str) -> dict[str, Any]:
    """Ask with curl; the answer's JSON."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--show-error", "--fail", *arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(said)


def names(heard: Seen, span: SpanSeen) -> bool:
    """Whether a request that was heard names a span, and says that it is recorded."""
    _, trace_id, span_id, flags = heard.headers["traceparent"].split("-")
    return (trace_id, span_id, int(flags, 16) & 1) == (span.trace_id, span.id, 1)


async def test_one_trace_leads_from_curl_to_what_a_node_calls(
    client: httpx2.AsyncClient, outside: Server, collector: Collector
) -> None:
    workflow_id = await create(client, calling(outside))
    outside.seen.clear()
    run = await curl(
        *("--request", "POST", f"{client.base_url}/v1/workflows/{workflow_id}:run?wait=30s"),
        *("--header", f"authorization: {client.headers['authorization']}"),
        *("--header", "content-type: application/json", "--data", '{"input": {"a": 1}}'),
        *("--header", f"traceparent: 00-{TRACE}-{PARENT}-01"),
        *("--header", "tracestate: vendor=what-it-likes"),
    )
    assert run["status"] == "completed", run

    door = await collector.one("POST /v1/workflows/{workflow_id}:run", TRACE)
    calls = f"{START}"
    await collector.until(lambda: len(collector.named(calls, TRACE)) == 2)
    asked, taken = sorted(collector.named(calls, TRACE), key=lambda one: one.kind)
    whole, fetch = (
        await collector.one("run", TRACE),
        await collector.one("node http.request", TRACE),
    )
    start, request = (
        await collector.one("node trigger.manual", TRACE),
        await collector.one("GET", TRACE),
    )
    assert [
        (one.service, one.kind, one.parent_id)
        for one in (door, asked, taken, whole, start, fetch, request)
    ] == [
        ("flowloom-gateway", "server", PARENT),
        ("flowloom-gateway", "client", door.id),
        ("flowloom-engine", "server", asked.id),
        ("flowloom-engine", "internal", taken.id),
        ("flowloom-engine", "internal", whole.id),
        ("flowloom-engine", "internal", whole.id),
        ("flowloom-engine", "client", fetch.id),
    ]
    [heard] = outside.seen
    assert names(heard, request)
    assert heard.headers["tracestate"] == "vendor=what-it-likes"
    assert {one.tracestate for one in (door, whole, request)} == {"vendor=what-it-likes"}
    assert whole.attributes["flowloom.run.id"] == run["id"]
    assert whole.attributes["flowloom.run.status"] == "completed"
    assert request.attributes["http.response.status_code"] == 200
    assert not any(one.failed for one in (door, asked, taken, whole, start, fetch, request))


async def test_spans_hold_ids_and_types_and_nothing_that_people_wrote(
    client: httpx2.AsyncClient, outside: Server, collector: Collector
) -> None:
    workflow_id = await create(client, calling(outside))
    answer = await client.post(
        f"/v1/workflows/{workflow_id}:run?wait=30s",
        json={"input": {"a": "dear-data"}},
        headers={"user-agent": "unheard-of"},
    )
    assert answer.json()["status"] == "completed"
    trace_id = answer.headers["traceparent"].split("-")[1]
    await collector.one("run", trace_id)
    sent = b"".join(collector.bodies)
    for private in (SECRET, "private/path", "unheard-of", "dear-data", "Calling"):
        assert private.encode() not in sent
    assert client.headers["authorization"].split()[1].encode() not in sent
    shape = re.compile(
        r"(GET|POST|PATCH|PUT|DELETE)( (/v1|/auth)[/a-z0-9_{}:.-]*)?|run|turn|"
        r"(node|fire|poll) [a-z]+\.[a-z]+|flowloom\.[a-z]+\.v1\.[A-Za-z]+/[A-Za-z]+"
    )
    assert [one.name for one in collector.spans if not shape.fullmatch(one.name)] == []


async def test_a_failing_call_is_told_by_its_code(
    client: httpx2.AsyncClient, outside: Server, collector: Collector
) -> None:
    wrong = calling(outside)
    wrong["nodes"][1]["parameters"]["url"] = "http://127.0.0.1:1/"  # not among the allowed places
    workflow_id = await create(client, wrong)
    answer = await client.post(f"/v1/workflows/{workflow_id}:run?wait=30s", json={})
    assert answer.json()["status"] == "failed"
    trace_id = answer.headers["traceparent"].split("-")[1]
    for name in ("run", "node http.request", "GET"):
        span = await collector.one(name, trace_id)
        assert (span.failed, span.attributes["error.type"]) == (True, "address_refused")


async def test_a_run_that_begins_another_is_above_it(
    client: httpx2.AsyncClient, outside: Server, collector: Collector
) -> None:
    inner = calling(outside, "trigger.workflow")
    inner_id = await create(client, inner)
    outer = definition(
        [
            {"id": "start", "type": "trigger.manual"},
            {"id": "call", "type": "flow.call", "parameters": {"workflow": inner_id}},
        ],
        "start > call",
        name="Outer",
    )
    answer = await client.post(f"/v1/workflows/{await create(client, outer)}:run?wait=30s", json={})
    assert answer.json()["status"] == "completed", answer.text
    trace_id = answer.headers["traceparent"].split("-")[1]
    await collector.until(lambda: len(collector.named("run", trace_id)) == 2)
    runs = {one.attributes["flowloom.run.id"]: one for one in collector.named("run", trace_id)}
    above = runs.pop(answer.json()["id"])
    [below] = runs.values()
    await collector.until(lambda: len(collector.named("node flow.call", trace_id)) == 2)
    calls = {
        one.attributes["flowloom.node.outcome"]: one
        for one in collector.named("node flow.call", trace_id)
    }
    assert below.parent_id == calls["waiting"].id
    assert {one.parent_id for one in calls.values()} == {above.id}
    assert (await collector.one("node http.request", trace_id)).parent_id == below.id


async def test_a_run_goes_on_in_its_trace_in_the_engine_that_takes_it_over(
    client: httpx2.AsyncClient, traced: Mesh, outside: Server, collector: Collector
) -> None:
    """Parked in one engine, which is killed; answered, and ended by another."""
    asking = definition(
        [
            {"id": "start", "type": "trigger.manual"},
            {"id": "ask", "type": "human.approval", "parameters": {"title": "Go on?"}},
            {"id": "fetch", "type": "http.request", "parameters": {"url": f"{outside.url}/after"}},
        ],
        "start > ask",
        "ask.approved > fetch",
        name="Asking",
    )
    workflow_id = await create(client, asking)
    outside.seen.clear()
    started = await client.post(f"/v1/workflows/{workflow_id}:run", json={})
    trace_id = started.headers["traceparent"].split("-")[1]
    waiting = await collector.one("node human.approval", trace_id)
    await collector.until(lambda: len(collector.named(START, trace_id)) == 2)
    await traced.engines[0].kill()
    await traced.engines[0].start()
    await traced.engines[0].ready()
    async with asyncio.timeout(60):
        while (found := await client.get("/v1/approvals?status=pending")).status_code != 200:
            await asyncio.sleep(0.05)
    [approval] = found.json()["approvals"]
    answered = await client.post(
        f"/v1/approvals/{approval['id']}:answer", json={"decision": "approve"}
    )
    assert answered.status_code == 200, answered.text
    assert answered.headers["traceparent"].split("-")[1] != trace_id
    whole, fetch = (
        await collector.one("run", trace_id),
        await collector.one("node http.request", trace_id),
    )
    request = await collector.one("GET", trace_id)
    assert (waiting.parent_id, fetch.parent_id, request.parent_id) == (whole.id, whole.id, fetch.id)
    taken = next(one for one in collector.named(START, trace_id) if one.kind == "server")
    assert whole.parent_id == taken.id
    [heard] = outside.seen
    assert names(heard, request)


async def test_a_turn_of_the_consultant_is_in_the_trace_of_who_spoke(
    client: httpx2.AsyncClient, collector: Collector
) -> None:
    session = (await client.post("/v1/sessions", json={"mode": "create"})).json()
    said = {"text": "Every morning at 8 fetch https://example.com/secret-plans", "auto": True}
    answer = await client.post(
        f"/v1/sessions/{session['id']}/messages", json=said, headers={"accept": "application/json"}
    )
    assert answer.is_success, answer.text
    trace_id = answer.headers["traceparent"].split("-")[1]
    turn = await collector.one("turn", trace_id)
    spoke = "flowloom.agent.v1.ConsultantService/Converse"
    await collector.until(lambda: len(collector.named(spoke, trace_id)) == 2)
    taken = next(one for one in collector.named(spoke, trace_id) if one.kind == "server")
    assert (turn.service, turn.parent_id) == ("flowloom-agent", taken.id)
    await collector.until(lambda: bool(_asked_by(collector, turn)))
    checks = {one.name for one in _asked_by(collector, turn)}
    assert "flowloom.engine.v1.WorkflowService/ValidateWorkflow" in checks
    assert b"secret-plans" not in b"".join(collector.bodies)


def _asked_by(collector: Collector, turn: SpanSeen) -> list[SpanSeen]:
    return [one for one in collector.spans if one.parent_id == turn.id and one.kind == "client"]


async def test_what_callers_of_a_webhook_send_goes_on_by_the_rules_of_w3c(
    client: httpx2.AsyncClient, traced: Mesh, outside: Server
) -> None:
    """Through all of it: gateway, engine, run, node, and out."""
    hook = calling(outside, "trigger.webhook", path="traced", response_mode="last_node")
    workflow_id = await create(client, hook)
    activated = await client.post(f"/v1/workflows/{workflow_id}:activate", json={})
    assert activated.status_code == 200, activated.text
    [trigger] = (await client.get("/v1/triggers")).json()["triggers"]
    broken: dict[str, object] = {}
    new: set[str] = set()
    for rule in RULES:
        outside.seen.clear()
        await deliver(traced.gateway.port, f"/v1/hooks/{trigger['path']}", rule.headers)
        [heard] = outside.seen
        version, trace_id, span_id, flags = heard.headers["traceparent"].split("-")
        assert (version, len(trace_id), len(span_id), len(flags)) == ("00", 32, 16, 2)
        assert span_id != trace_context.PARENT
        if not rule.goes_on:
            new.add(trace_id)
        expected = (rule.goes_on, rule.tracestate)
        if (trace_id == trace_context.TRACE, heard.headers.get("tracestate", "")) != expected:
            broken[rule.title] = heard.headers
    assert broken == {}
    assert len(new) == sum(not rule.goes_on for rule in RULES)


async def deliver(port: int, path: str, headers: Sequence[tuple[str, str]]) -> None:
    """Call a webhook with headers exactly as they are written, and see it answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = [
        "Host: hooks",
        "Content-Length: 2",
        "Content-Type: application/json",
        "Connection: close",
    ]
    lines = [f"POST {path} HTTP/1.1", *head, *(f"{name}: {value}" for name, value in headers)]
    writer.write("\r\n".join([*lines, "", "{}"]).encode())
    answer = await reader.read()
    writer.close()
    assert b" 200 " in answer.partition(b"\r\n")[0], answer


async def test_a_run_that_is_cancelled_ends_its_trace(
    client: httpx2.AsyncClient, collector: Collector
) -> None:
    waits = {"id": "wait", "type": "flow.wait", "parameters": {"amount": 1, "unit": "hours"}}
    start = {"id": "start", "type": "trigger.manual"}
    workflow_id = await create(client, definition([start, waits], "start > wait", name="Waits"))
    started = await client.post(f"/v1/workflows/{workflow_id}:run", json={})
    run_id = started.json()["id"]
    cancelled = await client.post(f"/v1/runs/{run_id}:cancel", json={})
    assert cancelled.json()["status"] == "cancelled", cancelled.text
    whole = await collector.one("run", started.headers["traceparent"].split("-")[1])
    told = whole.attributes["flowloom.run.id"], whole.attributes["flowloom.run.status"]
    assert told == (run_id, "cancelled")
