"""Webhooks from activation to answer: verified, stored once, answered as the trigger says."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.blobs.showing import Results
from engine_service.catalogue import builtin
from engine_service.dispatch import Claims
from engine_service.running.feed import Feed
from engine_service.running.journal import Journal
from engine_service.servicers.triggers import TriggerServicer
from engine_service.servicers.workflows import WorkflowServicer
from engine_service.store.run_rows import StoredRun
from engine_service.triggering.hooks import Listeners
from shared.clock import SystemClock
from shared.database import Database
from shared.errors import InvalidInput, NotFound
from shared.identity import Principal, Role
from shared.ids import new_id
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    run_pb2,
    trigger_pb2,
    trigger_service_pb2,
    trigger_service_pb2_grpc,
    workflow_service_pb2,
    workflow_service_pb2_grpc,
)
from tests.support.serving import ADA, BOB, acting_as, serving

HOOK = Principal(tenant_id="", subject="hook", role=Role.VIEWER)
SECRET = "It's a Secret to Everybody"


@dataclass
class Engine:
    """The two services, and what the rest of an engine would talk to."""

    workflows: Any
    triggers: Any
    feed: Feed
    worker: Database

    async def activate(
        self, owner: Principal = ADA, kind: str = "trigger.webhook", **parameters: Any
    ) -> str:
        """Turn a webhook on; its workflow's id."""
        hook = {"id": "hook", "name": "Hook", "type": kind, "parameters": parameters}
        definition = Document(json=json.dumps({"nodes": [hook]}).encode())
        with acting_as(owner):
            request = workflow_service_pb2.CreateWorkflowRequest(definition=definition)
            created = (await self.workflows.CreateWorkflow(request)).workflow
            await self.turn_on(created.id)
        return created.id

    async def turn_on(self, workflow_id: str, version: int = 0) -> None:
        await self.workflows.ActivateWorkflow(
            workflow_service_pb2.ActivateWorkflowRequest(workflow_id=workflow_id, version=version)
        )

    async def turn_off(self, workflow_id: str) -> None:
        await self.workflows.DeactivateWorkflow(
            workflow_service_pb2.DeactivateWorkflowRequest(workflow_id=workflow_id)
        )

    async def listed(self, workflow_id: str = "") -> list[trigger_pb2.Trigger]:
        request = trigger_service_pb2.ListTriggersRequest(workflow_id=workflow_id)
        return list((await self.triggers.ListTriggers(request)).triggers)

    async def fire(
        self,
        path: str,
        body: bytes = b"{}",
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> trigger_service_pb2.FireWebhookResponse:
        told = {"content-type": "application/json", **(headers or {})}
        request = trigger_service_pb2.FireWebhookRequest(
            path=path,
            method=fields.get("method", "POST"),
            headers=[trigger_service_pb2.Header(name=n, value=v) for n, v in told.items()],
            query=fields.get("query", ""),
            body=body,
            remote_address=fields.get("remote_address", ""),
        )
        with acting_as(HOOK):
            return await self.triggers.FireWebhook(request, timeout=fields.get("seconds", 20))

    async def runs(self, workflow_id: str) -> list[Any]:
        async with self.worker.transaction() as connection:
            found = await connection.execute(
                text(
                    "SELECT id, version, trigger, input FROM engine.runs"
                    " WHERE workflow_id = :id ORDER BY id"
                ),
                {"id": workflow_id},
            )
            return list(found)


@pytest.fixture(scope="module")
async def engine(
    app_database: Database, worker_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    clock = SystemClock()
    feed = Feed(app_database)
    claims = Claims(worker_database, "worker_test", 3)
    journal = Journal(worker_database, feed, claims, room=lambda: 0, take=lambda _: None, poll=1.0)
    listeners = Listeners(worker_database, builtin())
    services = [
        (
            workflow_service_pb2_grpc,
            "WorkflowService",
            WorkflowServicer(app_database, builtin(), clock),
        ),
        (
            trigger_service_pb2_grpc,
            "TriggerService",
            TriggerServicer(app_database, listeners, journal, feed, Results(None), clock),
        ),
    ]
    flushing = asyncio.create_task(journal.run())
    async with serving(tmp_path_factory.mktemp("engine"), services) as channel:
        yield Engine(
            workflow_service_pb2_grpc.WorkflowServiceStub(channel),
            trigger_service_pb2_grpc.TriggerServiceStub(channel),
            feed,
            worker_database,
        )
    flushing.cancel()


@pytest.fixture(autouse=True)
async def as_ada() -> AsyncIterator[None]:
    with acting_as(ADA):
        yield


def unique() -> str:
    return new_id("p")


def run_of(run_id: str, **fields: Any) -> StoredRun:
    """The run as an engine would leave it at its end."""
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "status": "completed",
        "output": "[]",
        "response": None,
        "error": None,
        **fields,
    }
    return StoredRun(
        id=run_id,
        tenant_id="ten_a",
        workflow_id="wf",
        version=1,
        mode="live",
        trigger="trigger.webhook",
        trigger_node_id="hook",
        input="[]",
        created_at=now,
        started_at=now,
        ended_at=now,
        last_sequence=1,
        retry_of=None,
        **values,
    )


async def followed(engine: Engine) -> str:
    """The id of the run that somebody is waiting for, once somebody is and it is stored."""
    async with asyncio.timeout(20):
        while True:
            async with engine.worker.transaction() as connection:
                ids = await connection.execute(
                    text("SELECT id FROM engine.runs ORDER BY id DESC LIMIT 5")
                )
                for (run_id,) in ids:
                    if engine.feed.follows(run_id):
                        return run_id


# --- what is live


async def test_a_live_webhook_is_listed_without_its_secret(engine: Engine) -> None:
    path = unique()
    workflow_id = await engine.activate(path=path, auth="github", secret=SECRET)
    [trigger] = await engine.listed(workflow_id)
    assert (trigger.path, trigger.type, trigger.version) == (
        f"ten_a/{path}",
        "trigger.webhook",
        1,
    )
    assert json.loads(trigger.parameters.json) == {"path": path, "auth": "github"}
    assert SECRET not in str(trigger)
    request = trigger_service_pb2.GetTriggerRequest(trigger_id=trigger.id)
    assert (await engine.triggers.GetTrigger(request)).trigger == trigger
    with acting_as(BOB):
        assert await engine.listed(workflow_id) == []
        with pytest.raises(NotFound):
            await engine.triggers.GetTrigger(request)


async def test_a_path_belongs_to_one_active_workflow_of_a_tenant(engine: Engine) -> None:
    path = unique()
    workflow_id = await engine.activate(path=path)
    with pytest.raises(InvalidInput) as caught:
        await engine.activate(path=path)
    assert [one.code for one in caught.value.violations] == ["webhook_path_taken"]
    assert len(await engine.listed()) >= 1
    other = await engine.activate(owner=BOB, path=path)
    assert (await engine.fire(f"ten_b/{path}")).status == 202
    assert len(await engine.runs(other)) == 1
    assert await engine.runs(workflow_id) == []


async def test_an_unsound_workflow_is_refused_with_what_is_missing(engine: Engine) -> None:
    with pytest.raises(InvalidInput) as caught:
        await engine.activate(path=unique(), auth="github")
    assert [(one.pointer, one.code) for one in caught.value.violations] == [
        ("/nodes/0/parameters/secret", "missing")
    ]


# --- deliveries


async def test_a_delivery_becomes_a_run_and_is_answered_at_once(engine: Engine) -> None:
    path = unique()
    workflow_id = await engine.activate(path=path)
    answer = await engine.fire(
        f"ten_a/{path}", b'{"n": 12345678901234567890123, "s": "a\\u0000b"}', query="q=1"
    )
    assert answer.status == 202
    assert json.loads(answer.body) == {"run_id": answer.run_id}
    [run] = await engine.runs(workflow_id)
    assert (run.id, run.version, run.trigger) == (answer.run_id, 1, "trigger.webhook")
    given = run.input[0]["json"]
    assert given["body"] == {"n": 12345678901234567890123, "s": "a\x00b"}
    assert given["query"] == {"q": "1"}


@pytest.mark.parametrize(
    "path", ["", "ten_a", "ten_a/nothing", "ten_b/../ten_a/x", "ten_a/\x00", "a" * 10_000]
)
async def test_nobody_listens_elsewhere(engine: Engine, path: str) -> None:
    with pytest.raises(NotFound) as caught:
        await engine.fire(path)
    assert caught.value.code == "HOOK_NOT_FOUND"


async def test_what_is_refused_starts_nothing(engine: Engine) -> None:
    path = unique()
    workflow_id = await engine.activate(path=path, auth="github", secret=SECRET)
    address = f"ten_a/{path}"
    body = b'{"zen": true}'
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    good = {"x-hub-signature-256": f"sha256={signature}", "x-github-delivery": "1"}
    assert (await engine.fire(address, body)).status == 401
    assert (await engine.fire(address, body + b" ", good)).status == 401
    assert (await engine.fire(address, body, good, method="GET")).status == 405
    many = "&".join(["a=1"] * 1_001)
    assert (await engine.fire(address, body, good, query=many)).status == 400
    assert await engine.runs(workflow_id) == []
    assert (await engine.fire(address, body, good)).status == 202


@pytest.mark.parametrize("delivery", ["d-1", "x" * 5_000, "ключ"])
async def test_a_delivery_that_comes_again_starts_nothing_new(
    engine: Engine, delivery: str
) -> None:
    path = unique()
    workflow_id = await engine.activate(path=path)
    headers = {"idempotency-key": delivery}
    answers = await asyncio.gather(
        *(engine.fire(f"ten_a/{path}", headers=headers) for _ in range(10))
    )
    assert len({answer.run_id for answer in answers}) == 1
    await engine.turn_off(workflow_id)
    await engine.turn_on(workflow_id)
    assert (await engine.fire(f"ten_a/{path}", headers=headers)).run_id == answers[0].run_id
    assert len(await engine.runs(workflow_id)) == 1
    assert len({(await engine.fire(f"ten_a/{path}")).run_id for _ in range(3)}) == 3


async def test_deactivation_holds_at_once_although_the_webhook_is_known(engine: Engine) -> None:
    path = unique()
    workflow_id = await engine.activate(path=path)
    await engine.fire(f"ten_a/{path}")
    await engine.turn_off(workflow_id)
    for method in ("POST", "GET"):
        with pytest.raises(NotFound):
            await engine.fire(f"ten_a/{path}", method=method)
    assert len(await engine.runs(workflow_id)) == 1
    await engine.turn_on(workflow_id)
    assert (await engine.fire(f"ten_a/{path}")).status == 202


async def test_another_active_version_holds_at_once(engine: Engine) -> None:
    path = unique()
    workflow_id = await engine.activate(path=path)
    await engine.fire(f"ten_a/{path}")
    hook = {
        "id": "hook",
        "name": "Hook",
        "type": "trigger.webhook",
        "parameters": {"path": path, "methods": ["PUT"]},
    }
    definition = Document(json=json.dumps({"nodes": [hook]}).encode())
    await engine.workflows.UpdateWorkflow(
        workflow_service_pb2.UpdateWorkflowRequest(workflow_id=workflow_id, definition=definition)
    )
    assert (await engine.fire(f"ten_a/{path}")).status == 202
    await engine.turn_on(workflow_id, version=2)
    assert (await engine.fire(f"ten_a/{path}", method="PUT")).status == 202
    assert (await engine.fire(f"ten_a/{path}")).status == 405
    assert [run.version for run in await engine.runs(workflow_id)] == [1, 1, 2]


# --- vendors' events


def of_github(body: bytes, secret: str, event: str = "issues") -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "x-github-event": event,
        "x-github-delivery": "d-1",
        "x-hub-signature-256": f"sha256={signature}",
    }


async def test_a_vendors_event_starts_runs_of_the_tenant_whose_secret_signed_it(
    engine: Engine,
) -> None:
    path, body = unique(), b'{"action": "opened"}'
    ours = await engine.activate(kind="trigger.github", path=path, secret="ours")
    theirs = await engine.activate(BOB, kind="trigger.github", path=path, secret="theirs")
    first = await engine.fire(f"ten_a/{path}", body, of_github(body, "ours"))
    again = await engine.fire(f"ten_a/{path}", body, of_github(body, "ours"))
    assert (first.status, again.status) == (202, 202)
    assert first.run_id == again.run_id
    crossed = await engine.fire(f"ten_b/{path}", body, of_github(body, "ours"))
    assert (crossed.status, crossed.run_id) == (401, "")
    shaken = await engine.fire(f"ten_a/{path}", body, of_github(body, "ours", "ping"))
    assert (shaken.status, json.loads(shaken.body), shaken.run_id) == (200, {"pong": True}, "")
    assert (len(await engine.runs(ours)), await engine.runs(theirs)) == (1, [])
    assert b"ours" not in (await engine.listed(ours))[0].parameters.json


# --- waiting for what comes of it


async def test_last_node_answers_with_the_data_of_the_last_items(engine: Engine) -> None:
    path = unique()
    await engine.activate(path=path, response_mode="last_node")
    firing = asyncio.create_task(engine.fire(f"ten_a/{path}"))
    run_id = await followed(engine)
    engine.feed.ended(run_of(run_id, output='[{"json": {"a": 1}}, {"json": {"a": 2}}]'))
    answer = await firing
    assert (answer.run_id, answer.status) == (run_id, 200)
    assert json.loads(answer.body) == [{"a": 1}, {"a": 2}]


async def test_a_sender_is_not_told_why_a_run_failed(engine: Engine) -> None:
    path = unique()
    await engine.activate(path=path, response_mode="last_node")
    firing = asyncio.create_task(engine.fire(f"ten_a/{path}"))
    run_id = await followed(engine)
    error = {"code": "http_status", "message": "inner.example.com said 500", "node_id": "x"}
    engine.feed.ended(run_of(run_id, status="failed", output=None, error=error))
    answer = await firing
    assert answer.status == 500
    assert b"inner.example.com" not in answer.body


@pytest.mark.parametrize(
    ("response", "status", "body", "kind"),
    [
        ({"status": 201, "headers": {}, "body": {"ok": 1}}, 201, b'{"ok":1}', "application/json"),
        ({"status": 200, "headers": {}, "body": "x"}, 200, b'"x"', "application/json"),
        ({"status": 204, "headers": {}, "body": None}, 204, b"", None),
        (
            {"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<p>"},
            200,
            b"<p>",
            "text/html",
        ),
    ],
)
async def test_respond_node_answers_before_the_run_ends(
    engine: Engine, response: dict[str, Any], status: int, body: bytes, kind: str | None
) -> None:
    path = unique()
    await engine.activate(path=path, response_mode="respond_node")
    firing = asyncio.create_task(engine.fire(f"ten_a/{path}"))
    engine.feed.responded(await followed(engine), response)
    answer = await firing
    assert (answer.status, answer.body) == (status, body)
    assert {header.name: header.value for header in answer.headers}.get("content-type") == kind


async def test_a_run_that_outlasts_its_sender_goes_on_by_itself(engine: Engine) -> None:
    path = unique()
    await engine.activate(path=path, response_mode="respond_node")
    answer = await engine.fire(f"ten_a/{path}", seconds=1.5)
    assert answer.status == 202
    assert json.loads(answer.body) == {"run_id": answer.run_id}


async def test_steps_of_a_path_can_have_names(engine: Engine) -> None:
    named = await engine.activate(path="orders/:id/notes", methods=["PUT"], raw_body=True)
    plain = await engine.activate(path="orders/new/notes", methods=["PUT"])
    [listed] = await engine.listed(named)
    assert listed.path == "ten_a/orders/:id/notes"
    for value, workflow in (("7", named), ("a@b", named), ("new", plain)):
        answer = await engine.fire(f"ten_a/orders/{value}/notes", b'{"a": 1}', method="PUT")
        assert answer.status == 202
        given = (await engine.runs(workflow))[-1].input[0]["json"]
        assert given["params"] == ({} if value == "new" else {"id": value})
        assert given.get("raw_body") == (None if value == "new" else "eyJhIjogMX0=")
    for path in (
        "ten_a/orders/:/notes",
        "ten_a/orders/7",
        "ten_a/orders//notes",
        "ten_a/x/7/notes",
    ):
        with pytest.raises(NotFound):
            await engine.fire(path, method="PUT")
    with pytest.raises(InvalidInput) as caught:
        await engine.activate(path="orders/:number/notes")
    assert caught.value.violations[0].code == "webhook_path_taken"
    await engine.turn_off(named)
    with pytest.raises(NotFound):
        await engine.fire("ten_a/orders/7/notes", method="PUT")


async def test_only_some_senders_may_call(engine: Engine) -> None:
    await engine.activate(path="inner-circle", allowed_addresses=["203.0.113.0/24", "2001:db8::1"])
    told = {"203.0.113.9": 202, "2001:db8::1": 202, "198.51.100.1": 403, "": 403}
    for sender, status in told.items():
        answer = await engine.fire("ten_a/inner-circle", remote_address=sender)
        assert answer.status == status, sender


async def test_a_live_trigger_can_be_tried_out(engine: Engine) -> None:
    workflow = await engine.activate(path="tried/:id", methods=["POST"])
    [trigger] = await engine.listed(workflow)
    request = trigger_service_pb2.TestTriggerRequest(trigger_id=trigger.id)
    run = (await engine.triggers.TestTrigger(request)).run
    assert run.mode == run_pb2.RUN_MODE_TEST
    request.event.CopyFrom(Document(json=b'[{"json": {"a": 1}}, {"b": 2}]'))
    await engine.triggers.TestTrigger(request)
    inputs = [one.input for one in await engine.runs(workflow)]
    assert sorted(len(given) for given in inputs) == [1, 2]
    [sample] = next(given for given in inputs if len(given) == 1)
    assert sample["json"]["params"] == {"id": "id"}
    request.event.CopyFrom(Document(json=b"{"))
    with pytest.raises(InvalidInput):
        await engine.triggers.TestTrigger(request)
    with acting_as(BOB), pytest.raises(NotFound):
        await engine.triggers.TestTrigger(request)


async def test_a_schedule_tells_its_next_times(engine: Engine) -> None:
    rules = {"rules": [{"cron": "0 9 * * 1-5"}, {"every": 1, "unit": "hours"}]}
    clock = {"id": "clock", "name": "C", "type": "trigger.schedule", "parameters": rules}
    definition = Document(json=json.dumps({"nodes": [clock]}).encode())
    request = workflow_service_pb2.CreateWorkflowRequest(definition=definition)
    workflow = (await engine.workflows.CreateWorkflow(request)).workflow
    await engine.turn_on(workflow.id)
    [listed] = await engine.listed(workflow.id)
    asked = trigger_service_pb2.GetTriggerRequest(trigger_id=listed.id)
    got = await engine.triggers.GetTrigger(asked)
    times = [stamp.ToDatetime(UTC) for stamp in got.trigger.upcoming_fire_times]
    assert times[0] == listed.next_fire_time.ToDatetime(UTC)
    assert len(times) == 10
    steps = {later - sooner for sooner, later in pairwise(times)}
    assert steps == {timedelta(hours=1)}
    assert not listed.upcoming_fire_times
