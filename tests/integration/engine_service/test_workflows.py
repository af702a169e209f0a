"""Workflows and versions through the door that callers use: gRPC, PostgreSQL behind it."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import jsonpatch
import pytest

from engine_service.catalogue import builtin
from engine_service.servicers.versions import VersionServicer
from engine_service.servicers.workflows import WorkflowServicer
from engine_service.store.versions import get_version as stored_version
from shared.clock import ManualClock
from shared.database import Database
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.identity import Role
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    version_service_pb2,
    version_service_pb2_grpc,
    workflow_pb2,
    workflow_service_pb2,
    workflow_service_pb2_grpc,
)
from tests.support.serving import ADA, acting_as, serving

START = {"id": "start", "name": "Start", "type": "trigger.manual"}
SET = {
    "id": "set",
    "name": "Set",
    "type": "data.set",
    "parameters": {"zebra": 1, "apple": "{{ $json.x }}"},
}
DEFINITION: dict[str, Any] = {
    "name": "Greet",
    "nodes": [START, SET],
    "connections": [{"from": "start", "to": "set"}],
}
RUNNABLE: dict[str, Any] = {"name": "Runs", "nodes": [START]}


@pytest.fixture(scope="module")
async def channel(
    app_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[grpc.aio.Channel]:
    clock = ManualClock(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    services = [
        (
            workflow_service_pb2_grpc,
            "WorkflowService",
            WorkflowServicer(app_database, builtin(), clock),
        ),
        (version_service_pb2_grpc, "VersionService", VersionServicer(app_database, clock)),
    ]
    directory: Path = tmp_path_factory.mktemp("engine")
    async with serving(directory, services) as channel:
        yield channel


@pytest.fixture
def workflows(channel: grpc.aio.Channel) -> Any:
    return workflow_service_pb2_grpc.WorkflowServiceStub(channel)


@pytest.fixture
def versions(channel: grpc.aio.Channel) -> Any:
    return version_service_pb2_grpc.VersionServiceStub(channel)


@pytest.fixture(autouse=True)
async def as_ada() -> AsyncIterator[None]:
    with acting_as(ADA):
        yield


def document(value: object) -> Document:
    return Document(json=json.dumps(value).encode())


async def create(
    workflows: Any, definition: dict[str, Any] = DEFINITION, **fields: Any
) -> workflow_pb2.Workflow:
    request = workflow_service_pb2.CreateWorkflowRequest(definition=document(definition), **fields)
    return (await workflows.CreateWorkflow(request)).workflow


async def update(workflows: Any, workflow_id: str, **fields: Any) -> workflow_pb2.Workflow:
    request = workflow_service_pb2.UpdateWorkflowRequest(workflow_id=workflow_id, **fields)
    return (await workflows.UpdateWorkflow(request)).workflow


async def get(workflows: Any, workflow_id: str) -> workflow_pb2.Workflow:
    request = workflow_service_pb2.GetWorkflowRequest(workflow_id=workflow_id)
    return (await workflows.GetWorkflow(request)).workflow


async def names(workflows: Any, contains: str = "") -> list[str]:
    request = workflow_service_pb2.ListWorkflowsRequest(name_contains=contains)
    return [found.name for found in (await workflows.ListWorkflows(request)).workflows]


async def version_numbers(versions: Any, workflow_id: str) -> list[int]:
    request = version_service_pb2.ListVersionsRequest(workflow_id=workflow_id)
    return [found.number for found in (await versions.ListVersions(request)).versions]


async def test_a_created_workflow_reads_back_as_it_was_written(workflows: Any) -> None:
    created = await create(workflows, description="Says hello")
    assert created == await get(workflows, created.id)
    assert (created.name, created.description) == ("Greet", "Says hello")
    assert (created.latest_version, created.active_version) == (1, 0)
    assert created.create_time.ToDatetime() == datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001
    assert json.loads(created.definition.json) == DEFINITION
    assert list(json.loads(created.definition.json)["nodes"][1]["parameters"]) == ["zebra", "apple"]


async def test_a_definition_may_be_incomplete_but_not_malformed(workflows: Any) -> None:
    assert (await create(workflows, {"nodes": []})).name == "Untitled workflow"
    with pytest.raises(InvalidInput) as caught:
        await create(workflows, {"nodes": [{**START, "id": "NO", "surprise": 1}]})
    assert {one.pointer for one in caught.value.violations} == {"/nodes/0/id", "/nodes/0/surprise"}


OF_N8N: dict[str, Any] = {
    "name": "From elsewhere",
    "nodes": [
        {"name": "Go", "type": "n8n-nodes-base.manualTrigger", "typeVersion": 1},
        {"name": "Fax", "type": "n8n-nodes-other.fax", "typeVersion": 2.1},
    ],
    "connections": {"Go": {"main": [[{"node": "Fax", "type": "main", "index": 0}]]}},
    "settings": {"executionOrder": "v1", "timezone": "UTC"},
}


async def read_in(workflows: Any, value: object, **fields: Any) -> Any:
    request = workflow_service_pb2.ImportWorkflowRequest(document=document(value), **fields)
    return await workflows.ImportWorkflow(request)


async def test_a_workflow_of_n8n_is_imported_with_a_report(workflows: Any) -> None:
    imported = await read_in(workflows, OF_N8N)
    assert imported.workflow == await get(workflows, imported.workflow.id)
    assert imported.report.format == workflow_service_pb2.IMPORT_FORMAT_N8N
    (go, fax) = imported.report.nodes
    assert (go.verdict, go.mapped_to) == (
        workflow_service_pb2.IMPORT_VERDICT_MAPPED, "trigger.manual",
    )  # fmt: skip
    assert (fax.verdict, fax.node_id, fax.version, fax.mapped_to) == (
        workflow_service_pb2.IMPORT_VERDICT_UNMATCHED, "fax", "2.1", "flow.placeholder",
    )  # fmt: skip
    request = workflow_service_pb2.ActivateWorkflowRequest(workflow_id=imported.workflow.id)
    with pytest.raises(InvalidInput) as caught:
        await workflows.ActivateWorkflow(request)
    assert [one.code for one in caught.value.violations] == ["placeholder"]


async def test_an_import_can_be_looked_at_first(workflows: Any) -> None:
    shown = await read_in(workflows, OF_N8N, name="Only shown", validate_only=True)
    assert shown.workflow.name == "Only shown"
    with pytest.raises(NotFound):
        await get(workflows, shown.workflow.id)
    again = await read_in(workflows, DEFINITION)
    assert json.loads(again.workflow.definition.json) == DEFINITION
    assert again.report.format == workflow_service_pb2.IMPORT_FORMAT_FLOWLOOM


async def test_what_cannot_be_imported_is_refused(workflows: Any) -> None:
    for value in (b"{", b"[]", b'{"nodes": 7}'):
        request = workflow_service_pb2.ImportWorkflowRequest(document=Document(json=value))
        with pytest.raises(InvalidInput):
            await workflows.ImportWorkflow(request)
    with acting_as(ADA.model_copy(update={"role": Role.VIEWER})), pytest.raises(Forbidden):
        await read_in(workflows, OF_N8N)


async def test_text_that_postgresql_cannot_keep_is_refused_or_kept(workflows: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await create(workflows, name="a\x00b")
    assert [one.pointer for one in caught.value.violations] == ["/name"]
    strange = {**SET, "parameters": {"text": "a\x00b\U0001f600"}}
    created = await create(workflows, {**DEFINITION, "nodes": [START, strange]})
    read = json.loads((await get(workflows, created.id)).definition.json)
    assert read["nodes"][1]["parameters"]["text"] == "a\x00b\U0001f600"
    with pytest.raises(NotFound):
        await get(workflows, "wf_\x00")


async def test_validate_only_answers_like_the_real_thing_and_writes_nothing(
    workflows: Any, versions: Any
) -> None:
    tried = await create(workflows, name="Only tried", validate_only=True)
    assert (tried.name, tried.latest_version) == ("Only tried", 1)
    with pytest.raises(NotFound):
        await get(workflows, tried.id)
    created = await create(workflows)
    changed = await update(
        workflows, created.id, definition=document(RUNNABLE), name="New", validate_only=True
    )
    assert (changed.name, changed.latest_version) == ("New", 2)
    assert await get(workflows, created.id) == created
    assert await version_numbers(versions, created.id) == [1]


async def test_only_a_changed_definition_is_a_new_version(workflows: Any, versions: Any) -> None:
    created = await create(workflows)
    same = await update(workflows, created.id, definition=created.definition)
    assert same == created
    renamed = await update(workflows, created.id, name="Another name")
    assert (renamed.latest_version, renamed.name) == (1, "Another name")
    assert renamed.etag != created.etag
    changed = await update(workflows, created.id, definition=document(RUNNABLE), note="Simpler")
    assert changed.latest_version == 2
    assert await version_numbers(versions, created.id) == [2, 1]
    version = await versions.GetVersion(
        version_service_pb2.GetVersionRequest(workflow_id=created.id, number=2)
    )
    assert (version.version.note, version.version.created_by) == ("Simpler", "ada")
    assert len(version.version.digest) == 64


async def test_an_update_that_has_not_seen_the_latest_state_is_refused(workflows: Any) -> None:
    created = await create(workflows)
    await update(workflows, created.id, name="Someone was faster", etag=created.etag)
    with pytest.raises(Conflict) as caught:
        await update(workflows, created.id, name="Too late", etag=created.etag)
    assert caught.value.code == "ETAG_MISMATCH"
    assert (await get(workflows, created.id)).name == "Someone was faster"


async def test_a_deleted_workflow_is_gone_with_its_versions(workflows: Any, versions: Any) -> None:
    created = await create(workflows, name="Short-lived")
    request = workflow_service_pb2.DeleteWorkflowRequest(workflow_id=created.id, etag="wrong")
    with pytest.raises(Conflict):
        await workflows.DeleteWorkflow(request)
    request.etag = created.etag
    await workflows.DeleteWorkflow(request)
    assert await names(workflows, "Short-lived") == []
    for gone in (
        get(workflows, created.id),
        update(workflows, created.id, name="x"),
        version_numbers(versions, created.id),
    ):
        with pytest.raises(NotFound):
            await gone


async def test_pages_hold_every_workflow_once_newest_first(workflows: Any) -> None:
    made = [(await create(workflows, name=f"Paged 100%_{n}")).id for n in range(5)]
    request = workflow_service_pb2.ListWorkflowsRequest(page_size=2, name_contains="paged 100%_")
    seen: list[str] = []
    while True:
        answer = await workflows.ListWorkflows(request)
        assert len(answer.workflows) <= 2
        assert all(not found.HasField("definition") for found in answer.workflows)
        seen += [found.id for found in answer.workflows]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert seen == sorted(made, reverse=True)
    assert await names(workflows, "100%x") == []


@pytest.mark.parametrize("token", ["x", "AAAA", "\x00", "ä", "eyJhIjoxfQ"])
async def test_a_page_token_from_elsewhere_is_refused(workflows: Any, token: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await workflows.ListWorkflows(workflow_service_pb2.ListWorkflowsRequest(page_token=token))
    assert caught.value.code == "PAGE_TOKEN_INVALID"


async def test_a_page_token_belongs_to_its_filter(workflows: Any) -> None:
    await create(workflows)
    await create(workflows)
    first = await workflows.ListWorkflows(workflow_service_pb2.ListWorkflowsRequest(page_size=1))
    with pytest.raises(InvalidInput):
        await workflows.ListWorkflows(
            workflow_service_pb2.ListWorkflowsRequest(
                page_token=first.next_page_token, name_contains="other"
            )
        )
    with pytest.raises(InvalidInput):
        await workflows.ListWorkflows(workflow_service_pb2.ListWorkflowsRequest(page_size=-1))


async def test_a_diff_turns_the_older_version_into_the_newer(workflows: Any, versions: Any) -> None:
    created = await create(workflows)
    await update(workflows, created.id, definition=document(RUNNABLE))
    for number, against, old, new in ((2, 0, DEFINITION, RUNNABLE), (1, 2, RUNNABLE, DEFINITION)):
        request = version_service_pb2.DiffVersionsRequest(
            workflow_id=created.id, number=number, against=against
        )
        patch = json.loads((await versions.DiffVersions(request)).patch.json)
        assert patch
        assert jsonpatch.apply_patch(old, patch) == new
    first = version_service_pb2.DiffVersionsRequest(workflow_id=created.id, number=1)
    patch = json.loads((await versions.DiffVersions(first)).patch.json)
    assert jsonpatch.apply_patch({}, patch) == DEFINITION
    with pytest.raises(NotFound):
        await versions.DiffVersions(
            version_service_pb2.DiffVersionsRequest(workflow_id=created.id, number=9)
        )


def calling(token: str, name: str = "Calls") -> dict[str, Any]:
    parameters = {"url": "https://example.com/", "auth": {"kind": "bearer", "token": token}}
    call = {"id": "call", "name": "Call", "type": "http.request", "parameters": parameters}
    return {"name": name, "nodes": [START, call]}


async def test_a_secret_of_a_definition_is_kept_and_never_told(
    workflows: Any, versions: Any, app_database: Database
) -> None:
    created = await create(workflows, calling("hunter2"))
    told = [created, await get(workflows, created.id)]
    read = json.loads(told[1].definition.json)
    assert read["nodes"][1]["parameters"]["auth"]["token"] == "[hidden]"
    read["nodes"][1]["parameters"]["method"] = "DELETE"
    told.append(await update(workflows, created.id, definition=document(read)))
    told.append(await update(workflows, created.id, definition=document(calling("hunter3"))))
    of: dict[str, Any] = {"workflow_id": created.id}
    diff = await versions.DiffVersions(version_service_pb2.DiffVersionsRequest(**of, number=3))
    assert "/nodes/1/parameters/auth/token" in diff.patch.json.decode()
    told += [
        diff,
        await versions.GetVersion(version_service_pb2.GetVersionRequest(**of, number=2)),
        await versions.RestoreVersion(version_service_pb2.RestoreVersionRequest(**of, number=2)),
    ]
    assert not [answer for answer in told if b"hunter" in answer.SerializeToString()]
    async with app_database.transaction(ADA.tenant_id) as connection:
        kept = [
            json.loads((await stored_version(connection, created.id, number)).definition)
            for number in (1, 2, 3, 4)
        ]
    tokens = [one["nodes"][1]["parameters"]["auth"]["token"] for one in kept]
    assert tokens == ["hunter2", "hunter2", "hunter3", "hunter2"]
    assert kept[1]["nodes"][1]["parameters"]["method"] == "DELETE"
    read["nodes"][1]["id"] = "renamed"
    with pytest.raises(InvalidInput, match="hides secrets"):
        await update(workflows, created.id, definition=document(read))


async def test_restoring_appends_the_old_definition_as_a_new_version(
    workflows: Any, versions: Any
) -> None:
    created = await create(workflows)
    await update(workflows, created.id, definition=document(RUNNABLE))
    request = version_service_pb2.RestoreVersionRequest(workflow_id=created.id, number=1)
    restored = (await versions.RestoreVersion(request)).workflow
    assert restored.latest_version == 3
    assert restored == await get(workflows, created.id)
    assert json.loads(restored.definition.json) == DEFINITION
    again = await versions.RestoreVersion(request)
    assert again.workflow == restored


async def test_roles_decide_what_a_caller_may_do(workflows: Any) -> None:
    created = await create(workflows, RUNNABLE)
    with acting_as(ADA.model_copy(update={"role": Role.VIEWER})):
        assert await get(workflows, created.id) == created
        for refused in (
            create(workflows),
            update(workflows, created.id, name="x"),
            workflows.ActivateWorkflow(
                workflow_service_pb2.ActivateWorkflowRequest(workflow_id=created.id)
            ),
        ):
            with pytest.raises(Forbidden):
                await refused
    with acting_as(ADA.model_copy(update={"role": Role.OPERATOR})):
        await workflows.ActivateWorkflow(
            workflow_service_pb2.ActivateWorkflowRequest(workflow_id=created.id)
        )
        with pytest.raises(Forbidden):
            await update(workflows, created.id, name="x")
