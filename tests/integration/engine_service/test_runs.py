"""RunService over gRPC: started, read, listed, followed, cancelled and repeated."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from pydantic import SecretStr

from engine_service.server import build
from engine_service.settings import Settings
from shared.errors import Forbidden, InvalidInput, NotFound
from shared.identity import Principal, Role
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    run_pb2,
    run_service_pb2,
    run_service_pb2_grpc,
    workflow_service_pb2,
    workflow_service_pb2_grpc,
)
from tests.support.serving import ADA, SECRET, acting_as, serving_services

VIEWER = Principal(tenant_id=ADA.tenant_id, subject="vic", role=Role.VIEWER)
START: dict[str, Any] = {"id": "start", "name": "Start", "type": "trigger.manual"}
ECHO: dict[str, Any] = {
    "id": "echo",
    "name": "Echo",
    "type": "data.set",
    "parameters": {"assignments": [{"name": "got", "value": "{{ $json.n }}"}]},
}
ASK: dict[str, Any] = {
    "id": "ask",
    "name": "Ask",
    "type": "human.approval",
    "parameters": {"title": "Go?"},
}


class Door:
    """The services of a whole engine."""

    def __init__(self, workflows: Any, runs: Any) -> None:
        self.workflows = workflows
        self.runs = runs

    async def create(self, *nodes: dict[str, Any], connections: Any = None) -> str:
        """A workflow; its nodes follow one another unless `connections` are given."""
        wires = connections or [
            {"from": nodes[place]["id"], "to": nodes[place + 1]["id"]}
            for place in range(len(nodes) - 1)
        ]
        definition = json.dumps({"name": "w", "nodes": nodes, "connections": wires})
        request = workflow_service_pb2.CreateWorkflowRequest(
            definition=Document(json=definition.encode())
        )
        return (await self.workflows.CreateWorkflow(request)).workflow.id

    async def start(self, workflow_id: str, given: object = None, **more: Any) -> run_pb2.Run:
        document = None if given is None else Document(json=json.dumps(given).encode())
        request = run_service_pb2.StartRunRequest(workflow_id=workflow_id, input=document, **more)
        return (await self.runs.StartRun(request)).run

    async def get(self, run_id: str, *, full: bool = False) -> run_pb2.Run:
        view = run_service_pb2.RUN_VIEW_FULL if full else run_service_pb2.RUN_VIEW_BASIC
        request = run_service_pb2.GetRunRequest(run_id=run_id, view=view)
        return (await self.runs.GetRun(request)).run

    async def page(self, **more: Any) -> Any:
        return await self.runs.ListRuns(run_service_pb2.ListRunsRequest(**more))

    async def watch(self, run_id: str, after: int = 0) -> list[run_pb2.RunEvent]:
        request = run_service_pb2.WatchRunRequest(run_id=run_id, after_sequence=after)
        return [event async for batch in self.runs.WatchRun(request) for event in batch.events]


@pytest.fixture(scope="module")
async def door(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    settings = Settings(database_url=SecretStr(postgres_url), mesh_secret=SecretStr(SECRET))
    async with build(settings) as engine:
        work = asyncio.create_task(engine.worker.run())
        async with serving_services(tmp_path_factory.mktemp("door"), engine.services) as channel:
            yield Door(
                workflow_service_pb2_grpc.WorkflowServiceStub(channel),
                run_service_pb2_grpc.RunServiceStub(channel),
            )
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


@pytest.fixture(autouse=True)
async def as_ada() -> AsyncIterator[None]:
    with acting_as(ADA):
        yield


def wait(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(int(seconds * 1000))
    return duration


async def test_a_run_is_answered_at_once_or_when_it_has_ended(door: Door) -> None:
    workflow = await door.create(START, ECHO)
    queued = await door.start(workflow, {"n": 1})
    assert queued.status == run_pb2.RUN_STATUS_QUEUED
    assert json.loads(queued.input.json) == {"n": 1}
    ended = await door.start(workflow, {"n": 2}, wait=wait(10))
    assert ended.status == run_pb2.RUN_STATUS_COMPLETED
    assert [item["json"] for item in json.loads(ended.output.json)] == [{"got": 2}]
    assert ended == await door.get(ended.id)
    assert ended.HasField("start_time")
    assert ended.HasField("end_time")


FORM = {
    **START,
    "parameters": {
        "fields": [
            {"name": "city", "choices": ["Rome", "Oslo"]},
            {"name": "days", "type": "number", "required": False},
            {"name": "at", "type": "date_time", "required": False},
        ]
    },
}


FORMS: list[tuple[Any, list[str]]] = [
    ({"city": "Rome", "days": 2, "at": "2026-01-02T03:04:05Z"}, []),
    ([{"city": "Rome"}, {"json": {"city": "Oslo"}}], []),
    (None, ["/input"]),
    ([], ["/input"]),
    ("Rome", ["/input", "/input"]),
    ({"city": "Paris"}, ["/input/city"]),
    ({"city": "Rome", "days": "two", "at": "soon"}, ["/input/at", "/input/days"]),
    ({"city": "Rome", "days": "9" * 100_000}, ["/input/days"]),
    ({"city": "Rome", "surprise": 1}, ["/input"]),
    ([{"city": "Rome"}, {"city": "Paris"}], ["/input/1/city"]),
    ([{"json": {"city": "Rome", "days": True}}], ["/input/0/json/days"]),
    ([{}] * 10_000, [f"/input/{n}" for n in range(20)]),
]


@pytest.mark.parametrize(("given", "places"), FORMS)
async def test_an_input_must_fit_the_triggers_form(
    door: Door, given: object, places: list[str]
) -> None:
    workflow = await door.create(FORM)
    if not places:
        run = await door.start(workflow, given, wait=wait(10))
        assert run.status == run_pb2.RUN_STATUS_COMPLETED
        return
    with pytest.raises(InvalidInput) as refused:
        await door.start(workflow, given)
    assert sorted(one.pointer for one in refused.value.violations) == sorted(places)
    assert not (await door.page(workflow_id=workflow)).runs


async def test_a_wait_that_is_too_short_tells_where_the_run_stands(door: Door) -> None:
    workflow = await door.create(START, ASK)
    run = await door.start(workflow, wait=wait(0.5))
    assert run.status in (run_pb2.RUN_STATUS_RUNNING, run_pb2.RUN_STATUS_WAITING)


async def test_a_key_starts_one_run(door: Door) -> None:
    workflow = await door.create(START, ECHO)
    first = await door.start(workflow, {"n": 1}, idempotency_key="once", wait=wait(10))
    again = await door.start(workflow, {"n": 1}, idempotency_key="once", wait=wait(10))
    assert again == first
    assert (await door.start(workflow, idempotency_key="other")).id != first.id


async def test_a_key_does_not_stand_for_another_run(door: Door) -> None:
    workflow, another = await door.create(START, ECHO), await door.create(START, ECHO)
    first = await door.start(workflow, {"n": 1}, idempotency_key="mine")
    for asked in ((workflow, {"n": 2}), (another, {"n": 1})):
        with pytest.raises(InvalidInput) as refused:
            await door.start(*asked, idempotency_key="mine")
        assert refused.value.code == "IDEMPOTENCY_KEY_REUSED"
    with acting_as(Principal(tenant_id=ADA.tenant_id, subject="bob")):
        assert (await door.start(another, {"n": 2}, idempotency_key="mine")).id != first.id


async def test_a_run_tells_what_each_node_did(door: Door) -> None:
    check = {
        "id": "check",
        "name": "Check",
        "type": "flow.if",
        "parameters": {
            "conditions": [
                {"left": "{{ $json.n }}", "type": "number", "operator": "gt", "right": 5}
            ]
        },
    }
    end = {"id": "end", "name": "End", "type": "flow.stop", "parameters": {"message": "too few"}}
    workflow = await door.create(
        START,
        check,
        ECHO,
        end,
        connections=[
            {"from": "start", "to": "check"},
            {"from": "check", "port": "true", "to": "echo"},
            {"from": "check", "port": "false", "to": "end"},
        ],
    )
    run = await door.start(workflow, {"n": 3}, wait=wait(10))
    assert (run.error.code, run.error.message, run.error.node_id) == ("stopped", "too few", "end")
    nodes = {node.node_id: node for node in (await door.get(run.id, full=True)).nodes}
    assert {name: run_pb2.NodeRunStatus.Name(node.status) for name, node in nodes.items()} == {
        "start": "NODE_RUN_STATUS_COMPLETED",
        "check": "NODE_RUN_STATUS_COMPLETED",
        "echo": "NODE_RUN_STATUS_SKIPPED",
        "end": "NODE_RUN_STATUS_FAILED",
    }
    assert json.loads(nodes["check"].outputs.json)["false"][0]["json"] == {"n": 3}
    assert nodes["end"].error.code == "stopped"


async def test_runs_are_listed_newest_first_page_by_page(door: Door) -> None:
    workflow = await door.create(START, ECHO)
    started = [(await door.start(workflow, wait=wait(10))).id for _ in range(5)]
    seen: list[str] = []
    token = ""
    while True:
        page = await door.page(workflow_id=workflow, page_size=2, page_token=token)
        seen += [run.id for run in page.runs]
        token = page.next_page_token
        if not token:
            break
    assert seen == started[::-1]
    waiting = await door.page(workflow_id=workflow, status=run_pb2.RUN_STATUS_WAITING)
    assert list(waiting.runs) == []
    first = await door.page(workflow_id=workflow, page_size=2)
    with pytest.raises(InvalidInput):
        await door.page(page_token=first.next_page_token)  # of another list


async def test_a_large_run_can_be_listed_read_and_followed(door: Door) -> None:
    passing = [{"id": f"n{n}", "name": f"n{n}", "type": "flow.noop"} for n in range(4)]
    edges = [{"from": a, "to": b} for a, b in pairwise(["start", "n0", "n1", "n2", "n3"])]
    workflow = await door.create(START, *passing, connections=edges)
    large = {"text": "x" * 9_000_000}
    run = await door.start(workflow, large, wait=wait(30))
    assert run.status == run_pb2.RUN_STATUS_COMPLETED
    assert len(run.output.json) > 9_000_000
    small = await door.start(workflow, {"n": 1}, wait=wait(10))
    listed = {one.id: one for one in (await door.page(workflow_id=workflow)).runs}
    assert not listed[run.id].HasField("output")
    assert not listed[run.id].input.json
    assert listed[small.id] == small
    full = await door.get(run.id, full=True)
    assert full.input == run.input
    told = {node.node_id: node.HasField("outputs") for node in full.nodes}
    assert told == {"start": True, "n0": True, "n1": True, "n2": False, "n3": False}
    terminal = json.loads((await door.watch(run.id))[-1].data.json)
    assert terminal["run"]["input"] == large


async def test_a_run_is_followed_from_any_point_to_its_end(door: Door) -> None:
    workflow = await door.create(START, ECHO)
    run = await door.start(workflow, {"n": 1})
    whole = await door.watch(run.id)
    assert [event.sequence for event in whole] == list(range(1, len(whole) + 1))
    assert whole[0].type == "run.queued"
    ended = json.loads(whole[-1].data.json)["run"]
    assert ended["status"] == "completed"
    assert ended["output"][0]["json"] == {"got": 1}
    for after in range(len(whole) + 2):
        assert await door.watch(run.id, after) == whole[after:]
    with pytest.raises(InvalidInput):
        await door.watch(run.id, -1)


async def test_the_terminal_event_shows_the_run_as_get_does(door: Door) -> None:
    run = await door.start(await door.create(START, ECHO), {"n": 1}, wait=wait(10))
    resource = json.loads((await door.watch(run.id))[-1].data.json)["run"]
    assert resource["id"] == run.id
    assert resource["last_sequence"] == run.last_sequence
    assert resource["end_time"].startswith(run.end_time.ToJsonString().rstrip("Z")[:19])
    assert set(resource) == {field.name for field in run_pb2.Run.DESCRIPTOR.fields}


async def test_cancelling_ends_a_run_and_says_so_again(door: Door) -> None:
    workflow = await door.create(START, ASK)
    run = await door.start(workflow, wait=wait(0.3))
    request = run_service_pb2.CancelRunRequest(run_id=run.id, reason="no more")
    cancelled = (await door.runs.CancelRun(request)).run
    assert cancelled.status == run_pb2.RUN_STATUS_CANCELLED
    assert (await door.runs.CancelRun(request)).run == cancelled
    assert json.loads((await door.watch(run.id))[-1].data.json)["reason"] == "no more"
    nodes = {node.node_id: node for node in (await door.get(run.id, full=True)).nodes}
    assert nodes["ask"].status == run_pb2.NODE_RUN_STATUS_FAILED
    assert nodes["ask"].error.code == "stopped"


async def test_a_retry_is_a_new_run_of_the_same_input_and_version(door: Door) -> None:
    old = await door.start(await door.create(START, ECHO), {"n": 4}, wait=wait(10))
    request = run_service_pb2.RetryRunRequest(run_id=old.id, idempotency_key="again")
    new = (await door.runs.RetryRun(request)).run
    assert new.id != old.id
    assert (new.retry_of, new.version, new.input) == (old.id, old.version, old.input)
    assert (await door.runs.RetryRun(request)).run.id == new.id
    await door.watch(new.id)
    assert (await door.get(new.id)).output == old.output


async def test_what_cannot_run_is_refused_and_nothing_is_stored(door: Door) -> None:
    broken = await door.create(START, {**ECHO, "type": "data.nobody"})
    with pytest.raises(InvalidInput) as refused:
        await door.start(broken)
    assert refused.value.violations[0].code == "unknown_node_type"
    fine = await door.create(START, ECHO)
    refusable: list[dict[str, Any]] = [
        {"input": Document(json=b"{")},
        {"input": Document(json=b"\xff")},
        {"trigger_node_id": "echo"},
        {"mode": 9},
        {"idempotency_key": "k" * 300},
    ]
    for request in refusable:
        with pytest.raises(InvalidInput):
            await door.runs.StartRun(run_service_pb2.StartRunRequest(workflow_id=fine, **request))
    for workflow_id, version in (("wf_nobody", 0), (fine, 7)):
        with pytest.raises(NotFound):
            await door.start(workflow_id, version=version)
    for workflow in (broken, fine):
        assert list((await door.page(workflow_id=workflow)).runs) == []


async def test_viewers_read_and_do_not_start(door: Door) -> None:
    run = await door.start(await door.create(START, ECHO), wait=wait(10))
    with acting_as(VIEWER):
        assert (await door.get(run.id)).id == run.id
        for method, request in (
            ("StartRun", run_service_pb2.StartRunRequest(workflow_id=run.workflow_id)),
            ("CancelRun", run_service_pb2.CancelRunRequest(run_id=run.id)),
            ("RetryRun", run_service_pb2.RetryRunRequest(run_id=run.id)),
        ):
            with pytest.raises(Forbidden):
                await getattr(door.runs, method)(request)


@pytest.mark.parametrize("run_id", ["run_nobody", "", "x\0", "run_01m843x8344j8t3w23xjrbkyav"])
async def test_a_run_that_is_not_there_is_not_found(door: Door, run_id: str) -> None:
    with pytest.raises(NotFound):
        await door.get(run_id)
    with pytest.raises(NotFound):
        await door.watch(run_id)
    with pytest.raises(NotFound):
        await door.runs.CancelRun(run_service_pb2.CancelRunRequest(run_id=run_id))
    with pytest.raises(NotFound):
        await door.runs.RetryRun(run_service_pb2.RetryRunRequest(run_id=run_id))


FAILING: dict[str, Any] = {
    "id": "stop",
    "name": "Stop",
    "type": "flow.stop",
    "parameters": {"message": "no"},
}


def rerun(run_id: str, node: str, **more: Any) -> run_service_pb2.RerunFromRequest:
    return run_service_pb2.RerunFromRequest(run_id=run_id, from_node=node, **more)


async def test_a_run_from_a_node_on_keeps_what_came_before(door: Door) -> None:
    old = await door.start(await door.create(START, ECHO), {"n": 4}, wait=wait(10))
    request = rerun(old.id, "echo", idempotency_key="from echo")
    new = (await door.runs.RerunFrom(request)).run
    assert (new.retry_of, new.rerun_from, new.input) == (old.id, "echo", old.input)
    assert (await door.runs.RerunFrom(request)).run.id == new.id
    events = await door.watch(new.id)
    told = [json.loads(e.data.json)["node_id"] for e in events if e.type == "node.completed"]
    assert told == ["echo"]
    full = await door.get(new.id, full=True)
    assert full.output == old.output
    assert {node.node_id for node in full.nodes} == {"start", "echo"}


async def test_where_a_run_cannot_be_repeated_from(door: Door) -> None:
    old = await door.start(await door.create(START, ECHO), {"n": 4}, wait=wait(10))
    for request in (rerun(old.id, "nobody"), rerun(old.id, "echo", iteration="0")):
        with pytest.raises(InvalidInput):
            await door.runs.RerunFrom(request)
    with pytest.raises(NotFound):
        await door.runs.RerunFrom(rerun("run_01m8qgf2rvf4zfknc0nf7s3h17", "echo"))
