"""The whole engine behind its door: what sets a run off, what wakes it, what it answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from engine_service.server import build
from engine_service.settings import Settings
from engine_service.store.hints import CHANNEL
from shared.database import Database, DatabaseRole
from shared.errors import Conflict, NotFound
from shared.identity import Principal, Role
from shared.ids import new_id
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    approval_pb2,
    approval_service_pb2,
    approval_service_pb2_grpc,
    run_pb2,
    run_service_pb2,
    run_service_pb2_grpc,
    trigger_service_pb2,
    trigger_service_pb2_grpc,
    workflow_pb2,
    workflow_service_pb2,
    workflow_service_pb2_grpc,
)
from tests.support.serving import ADA, SECRET, acting_as, serving_services

HOOK = Principal(tenant_id="", subject="hook", role=Role.VIEWER)
START = {"id": "start", "name": "Start", "type": "trigger.manual"}


@dataclass
class Door:
    workflows: Any
    triggers: Any
    approvals: Any
    runs: Any

    async def create(self, nodes: list[dict[str, Any]], *ways: str) -> workflow_pb2.Workflow:
        """Ways are `from>to` or `from:port>to`."""
        connections: list[dict[str, str]] = []
        for way in ways:
            source, target = way.split(">")
            source, _, port = source.partition(":")
            connections.append({"from": source, "port": port or "main", "to": target})
        definition = json.dumps({"nodes": nodes, "connections": connections}).encode()
        request = workflow_service_pb2.CreateWorkflowRequest(definition=Document(json=definition))
        return (await self.workflows.CreateWorkflow(request)).workflow

    async def activate(self, workflow_id: str, version: int = 0) -> workflow_pb2.Workflow:
        request = workflow_service_pb2.ActivateWorkflowRequest(
            workflow_id=workflow_id, version=version
        )
        return (await self.workflows.ActivateWorkflow(request)).workflow

    async def deactivate(self, workflow_id: str) -> workflow_pb2.Workflow:
        request = workflow_service_pb2.DeactivateWorkflowRequest(workflow_id=workflow_id)
        return (await self.workflows.DeactivateWorkflow(request)).workflow

    async def start(self, workflow_id: str, given: object = None) -> run_pb2.Run:
        request = run_service_pb2.StartRunRequest(
            workflow_id=workflow_id, input=Document(json=json.dumps(given or {}).encode())
        )
        return (await self.runs.StartRun(request)).run

    async def end_of(self, run_id: str) -> run_pb2.Run:
        """The run, once it has ended."""
        async for _ in self.runs.WatchRun(run_service_pb2.WatchRunRequest(run_id=run_id)):
            pass
        request = run_service_pb2.GetRunRequest(run_id=run_id)
        return (await self.runs.GetRun(request)).run

    async def event(self, run_id: str, wanted: str) -> None:
        """Return once something has happened in a run."""
        async for batch in self.runs.WatchRun(run_service_pb2.WatchRunRequest(run_id=run_id)):
            if any(event.type == wanted for event in batch.events):
                return
        raise AssertionError(f"{run_id} ended without {wanted}")

    async def list_runs(self, workflow_id: str) -> list[run_pb2.Run]:
        request = run_service_pb2.ListRunsRequest(workflow_id=workflow_id)
        return list((await self.runs.ListRuns(request)).runs)

    async def fire(self, path: str, body: object) -> trigger_service_pb2.FireWebhookResponse:
        request = trigger_service_pb2.FireWebhookRequest(
            path=f"ten_a/{path}",
            method="POST",
            headers=[trigger_service_pb2.Header(name="content-type", value="application/json")],
            body=json.dumps(body).encode(),
        )
        with acting_as(HOOK):
            return await self.triggers.FireWebhook(request)


@pytest.fixture(scope="module")
async def door(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    settings = Settings(database_url=SecretStr(postgres_url), mesh_secret=SecretStr(SECRET))
    async with build(settings) as engine:
        loops = [
            asyncio.create_task(engine.worker.run()),
            asyncio.create_task(engine.scheduler.run()),
        ]
        async with serving_services(tmp_path_factory.mktemp("e"), engine.services) as channel:
            yield Door(
                workflow_service_pb2_grpc.WorkflowServiceStub(channel),
                trigger_service_pb2_grpc.TriggerServiceStub(channel),
                approval_service_pb2_grpc.ApprovalServiceStub(channel),
                run_service_pb2_grpc.RunServiceStub(channel),
            )
        await engine.worker.drain(5)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


@pytest.fixture(autouse=True)
async def as_ada() -> AsyncIterator[None]:
    with acting_as(ADA):
        yield


def hook(mode: str) -> tuple[str, dict[str, Any]]:
    path = new_id("p")
    parameters = {"path": path, "response_mode": mode}
    return path, {
        "id": "hook",
        "name": "Hook",
        "type": "trigger.webhook",
        "parameters": parameters,
    }


def assign(**values: Any) -> dict[str, Any]:
    return {"assignments": [{"name": name, "value": value} for name, value in values.items()]}


async def test_a_webhook_is_answered_by_a_node_of_its_run(door: Door) -> None:
    path, trigger = hook("respond_node")
    double = assign(twice="{{ $json.body.n * 2 }}")
    nodes = [
        trigger,
        {"id": "set", "name": "Set", "type": "data.set", "parameters": double},
        {
            "id": "respond",
            "name": "Respond",
            "type": "flow.respond",
            "parameters": {"respond_with": "first_item", "status": 201},
        },
    ]
    workflow = await door.create(nodes, "hook>set", "set>respond")
    await door.activate(workflow.id)
    answers = await asyncio.gather(*(door.fire(path, {"n": n}) for n in range(20)))
    assert [answer.status for answer in answers] == [201] * 20
    assert [json.loads(answer.body)["twice"] for answer in answers] == [n * 2 for n in range(20)]
    assert len({answer.run_id for answer in answers}) == 20
    for answer in answers:
        assert (await door.end_of(answer.run_id)).status == run_pb2.RUN_STATUS_COMPLETED


async def test_a_webhook_is_answered_with_the_last_items(door: Door) -> None:
    path, trigger = hook("last_node")
    nodes = [
        trigger,
        {"id": "set", "name": "Set", "type": "data.set", "parameters": assign(a="{{ 1 + 1 }}")},
    ]
    workflow = await door.create(nodes, "hook>set")
    await door.activate(workflow.id)
    answer = await door.fire(path, {})
    assert answer.status == 200
    assert [item["a"] for item in json.loads(answer.body)] == [2]


async def test_an_answer_wakes_the_run_that_waits_for_it(door: Door) -> None:
    ask = {
        "id": "ask",
        "name": "Ask",
        "type": "human.approval",
        "parameters": {
            "title": "Refund {{ $json.amount }}?",
            "fields": [{"name": "why", "type": "string"}],
        },
    }
    yes = {
        "id": "yes",
        "name": "Yes",
        "type": "data.set",
        "parameters": assign(why="{{ $json.approval.form.why }}"),
    }
    workflow = await door.create([START, ask, yes], "start>ask", "ask:approved>yes")
    run = await door.start(workflow.id, {"amount": 7})
    await door.event(run.id, "node.waiting")
    listed = await door.approvals.ListApprovals(
        approval_service_pb2.ListApprovalsRequest(run_id=run.id)
    )
    [approval] = listed.approvals
    assert approval.title == "Refund 7?"
    request = approval_service_pb2.AnswerApprovalRequest(
        approval_id=approval.id,
        decision=approval_pb2.DECISION_APPROVE,
        form=Document(json=b'{"why": "late"}'),
    )
    await door.approvals.AnswerApproval(request)
    ended = await door.end_of(run.id)
    assert ended.status == run_pb2.RUN_STATUS_COMPLETED
    assert json.loads(ended.output.json)[0]["json"]["why"] == "late"
    with pytest.raises(Conflict) as caught:
        await door.approvals.AnswerApproval(request)
    assert caught.value.code == "ALREADY_ANSWERED"


async def test_a_run_that_is_cancelled_takes_its_question_along(door: Door) -> None:
    ask = {
        "id": "ask",
        "name": "Ask",
        "type": "human.approval",
        "parameters": {"title": "Well?"},
    }
    workflow = await door.create([START, ask], "start>ask")
    run = await door.start(workflow.id)
    await door.event(run.id, "node.waiting")
    await door.runs.CancelRun(run_service_pb2.CancelRunRequest(run_id=run.id))
    listed = await door.approvals.ListApprovals(
        approval_service_pb2.ListApprovalsRequest(run_id=run.id)
    )
    [approval] = listed.approvals
    assert approval.status == approval_pb2.APPROVAL_STATUS_CANCELLED
    with pytest.raises(Conflict) as caught:
        await door.approvals.AnswerApproval(
            approval_service_pb2.AnswerApprovalRequest(
                approval_id=approval.id, decision=approval_pb2.DECISION_APPROVE
            )
        )
    assert caught.value.code == "APPROVAL_CANCELLED"


async def hinted(url: str) -> AsyncIterator[str]:
    """Every hint of an engine, such as that a run has begun."""
    database = Database(url, DatabaseRole.WORKER, size=1)
    async for _, hint in database.listen(CHANNEL):
        yield hint


async def test_a_schedule_runs_its_active_version_until_it_is_turned_off(
    door: Door, postgres_url: str
) -> None:
    clock = {
        "id": "clock",
        "name": "Clock",
        "type": "trigger.schedule",
        "parameters": {"rules": [{"every": 1, "unit": "seconds"}]},
    }
    workflow = await door.create([clock])
    assert workflow.active_version == 0
    assert (await door.activate(workflow.id)).active_version == 1
    [trigger] = (
        await door.triggers.ListTriggers(
            trigger_service_pb2.ListTriggersRequest(workflow_id=workflow.id)
        )
    ).triggers
    due_at = trigger.next_fire_time.ToDatetime(UTC)
    assert abs((due_at - datetime.now(UTC)).total_seconds()) < 10
    changed = await door.workflows.UpdateWorkflow(
        workflow_service_pb2.UpdateWorkflowRequest(
            workflow_id=workflow.id, definition=Document(json=b'{"nodes": []}')
        )
    )
    assert (changed.workflow.latest_version, changed.workflow.active_version) == (2, 1)
    runs: list[run_pb2.Run] = []
    async with asyncio.timeout(20):
        async for _ in hinted(postgres_url):
            if runs := await door.list_runs(workflow.id):
                break
    ended = await door.end_of(runs[-1].id)
    assert (ended.status, ended.version) == (run_pb2.RUN_STATUS_COMPLETED, 1)
    assert ended.trigger == "trigger.schedule"
    assert (await door.deactivate(workflow.id)).active_version == 0
    with pytest.raises(NotFound):
        await door.triggers.GetTrigger(trigger_service_pb2.GetTriggerRequest(trigger_id=trigger.id))
