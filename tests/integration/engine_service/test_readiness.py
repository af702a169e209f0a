"""What a tenant lacks: told by validation and readiness, refused by activation, seen by runs."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from engine_service.catalogue import builtin
from engine_service.running.surroundings import Surroundings
from engine_service.running.worker import WorkerOptions
from engine_service.servicers.variables import VariableServicer
from engine_service.servicers.workflows import WorkflowServicer
from engine_service.store.credentials import UNCONNECTED
from engine_service.vault.keychain import Keychain
from engine_service.vault.sealing import Vault
from shared.clock import ManualClock, SystemClock
from shared.database import Database
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.identity import Role
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    variable_pb2,
    variable_service_pb2_grpc,
    workflow_pb2,
    workflow_service_pb2,
    workflow_service_pb2_grpc,
)
from shared.pb.flowloom.engine.v1 import variable_service_pb2 as pb
from tests.support.definitions import a_set, definition, node
from tests.support.engine import TENANT, NoHttp, running_engine
from tests.support.keychain import KEYS, save_credential
from tests.support.serving import ADA, acting_as, serving


@pytest.fixture(scope="module")
async def channel(
    app_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[grpc.aio.Channel]:
    clock = ManualClock(datetime(2026, 1, 2, tzinfo=UTC))
    directory: Path = tmp_path_factory.mktemp("engine")
    services = [
        (
            workflow_service_pb2_grpc,
            "WorkflowService",
            WorkflowServicer(app_database, builtin(), clock),
        ),
        (variable_service_pb2_grpc, "VariableService", VariableServicer(app_database, clock)),
    ]
    async with serving(directory, services) as channel:
        yield channel


@pytest.fixture
def workflows(channel: grpc.aio.Channel) -> Any:
    return workflow_service_pb2_grpc.WorkflowServiceStub(channel)


@pytest.fixture
def variables(channel: grpc.aio.Channel) -> Any:
    return variable_service_pb2_grpc.VariableServiceStub(channel)


@pytest.fixture(autouse=True)
async def as_ada() -> AsyncIterator[None]:
    with acting_as(ADA):
        yield


def document(value: object) -> Document:
    return Document(json=json.dumps(value).encode())


def asking(**credentials: str) -> dict[str, Any]:
    url = "https://api.example.com/{{ $vars.place }}"
    ask = {**node("ask", "http.request", url=url), "credentials": credentials}
    return definition([ask], "start > ask")


async def create_variable(variables: Any, name: str, value: object) -> variable_pb2.Variable:
    request = pb.CreateVariableRequest(name=name, value=document(value))
    return (await variables.CreateVariable(request)).variable


async def test_what_is_missing_is_told_and_keeps_a_workflow_from_going_live(
    workflows: Any, variables: Any, app_database: Database
) -> None:
    keychain = Keychain(app_database, Vault.parse(KEYS), NoHttp(), SystemClock())
    unconnected = await save_credential(
        *(app_database, keychain, "ten_a", "oauth2.client"),
        {"token_url": "https://a.example.com", "client_id": "a", "client_secret": "secret"},
        hosts=["api.example.com"],
        status=UNCONNECTED,
    )
    given = asking(**{"http.bearer": "Nobody's", "oauth2.client": unconnected.name})
    given["nodes"][1]["credentials"]["http.basic"] = unconnected.id
    checked = await workflows.ValidateWorkflow(
        workflow_service_pb2.ValidateWorkflowRequest(definition=document(given))
    )
    assert checked.valid, "a draft may lack what its tenant can still make"
    base = "/nodes/1/credentials"
    expected = {
        (f"{base}/http.bearer", "unknown_credential"),
        (f"{base}/http.basic", "wrong_credential_type"),
        (f"{base}/oauth2.client", "credential_not_connected"),
        ("/nodes/1/parameters/url", "unknown_variable"),
    }
    assert {(one.pointer, one.code) for one in checked.diagnostics} == expected
    assert {one.severity for one in checked.diagnostics} == {workflow_pb2.SEVERITY_WARNING}

    created = await workflows.CreateWorkflow(
        workflow_service_pb2.CreateWorkflowRequest(definition=document(given))
    )
    ask = workflow_service_pb2.CheckReadinessRequest(workflow_id=created.workflow.id)
    told = await workflows.CheckReadiness(ask)
    assert (told.ready, told.version) == (False, 1)
    assert {one.code for one in told.credentials} == {code for _, code in expected} - {
        "unknown_variable"
    }
    assert [one.code for one in told.variables] == ["unknown_variable"]
    with pytest.raises(InvalidInput) as caught:
        await workflows.ActivateWorkflow(
            workflow_service_pb2.ActivateWorkflowRequest(workflow_id=created.workflow.id)
        )
    assert {(one.pointer, one.code) for one in caught.value.violations} == expected


async def test_with_everything_there_it_goes_live(
    workflows: Any, variables: Any, app_database: Database
) -> None:
    keychain = Keychain(app_database, Vault.parse(KEYS), NoHttp(), SystemClock())
    await save_credential(
        *(app_database, keychain, "ten_a", "http.bearer"),
        {"token": "secret"},
        name="Here",
        hosts=["api.example.com"],
    )
    await create_variable(variables, "place", "here")
    created = await workflows.CreateWorkflow(
        workflow_service_pb2.CreateWorkflowRequest(
            definition=document(asking(**{"http.bearer": "Here"}))
        )
    )
    ask = workflow_service_pb2.CheckReadinessRequest(workflow_id=created.workflow.id)
    assert (await workflows.CheckReadiness(ask)).ready
    live = await workflows.ActivateWorkflow(
        workflow_service_pb2.ActivateWorkflowRequest(workflow_id=created.workflow.id)
    )
    assert live.workflow.active_version == 1


# --- variables


@pytest.mark.parametrize("value", [0, "", False, [], {"a": [None]}, "ä\u0000😀"])
async def test_a_variable_reads_back_as_it_was_written(variables: Any, value: object) -> None:
    made = await create_variable(variables, f"v{abs(hash(str(value)))}", value)
    found = await variables.GetVariable(pb.GetVariableRequest(variable_id=made.id))
    assert json.loads(found.variable.value.json) == value
    assert found.variable == made


@pytest.mark.parametrize(
    ("name", "value", "pointer"),
    [
        ("", 1, "/name"),
        ("1a", 1, "/name"),
        ("a-b", 1, "/name"),
        ("a\n", 1, "/name"),
        ("a" * 65, 1, "/name"),
        ("nothing", None, "/value"),
        ("large", "x" * 70_000, "/value"),
    ],
)
async def test_what_cannot_be_a_variable_is_refused(
    variables: Any, name: str, value: object, pointer: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await create_variable(variables, name, value)
    assert [violation.pointer for violation in caught.value.violations] == [pointer]


async def test_a_variable_is_changed_guarded_and_deleted(variables: Any) -> None:
    made = await create_variable(variables, "changing", 1)
    await create_variable(variables, "taken", 1)
    request = pb.UpdateVariableRequest(
        variable_id=made.id, value=document({"b": 2}), etag=made.etag
    )
    changed = (await variables.UpdateVariable(request)).variable
    assert (changed.name, json.loads(changed.value.json)) == ("changing", {"b": 2})
    with pytest.raises(Conflict):
        await variables.UpdateVariable(request)
    with pytest.raises(Conflict, match="taken"):
        await variables.UpdateVariable(pb.UpdateVariableRequest(variable_id=made.id, name="taken"))
    viewer = ADA.model_copy(update={"role": Role.VIEWER})
    with acting_as(viewer), pytest.raises(Forbidden):
        await variables.DeleteVariable(pb.DeleteVariableRequest(variable_id=made.id))
    await variables.DeleteVariable(pb.DeleteVariableRequest(variable_id=made.id))
    with pytest.raises(NotFound):
        await variables.GetVariable(pb.GetVariableRequest(variable_id=made.id))


async def test_expressions_see_variables_and_the_environment_that_is_allowed(
    engine_url: str, variables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWLOOM_TEST_REGION", "north")
    monkeypatch.setenv("FLOWLOOM_TEST_OTHER", "nobody's")
    allowed = f"{TENANT}/FLOWLOOM_TEST_REGION, ten_x/FLOWLOOM_TEST_OTHER, FLOWLOOM_TEST_ABSENT"
    with acting_as(ADA.model_copy(update={"tenant_id": TENANT})):
        await create_variable(variables, "rates", {"vat": 19})
    given = a_set(
        "a",
        vat="{{ $vars.rates.vat }}",
        sum="{{ $vars.rates.vat + 1 }}",
        region="{{ $env.FLOWLOOM_TEST_REGION }}",
        other="{{ $env.FLOWLOOM_TEST_OTHER ?? 'hidden' }}",
    )
    options = WorkerOptions(expression_env=allowed)
    async with running_engine(engine_url, options=options) as engine:
        workflow = await engine.save(definition([given], "start > a"))
        run = await engine.finish(workflow)
    assert run.status == "completed", run.error
    [item] = json.loads(run.output or "")
    assert item["json"] == {"vat": 19, "sum": 20, "region": "north", "other": "hidden"}


async def test_the_meshs_own_secrets_are_never_allowed(worker_database: Database) -> None:
    with pytest.raises(ValueError, match="MESH_SECRET"):
        Surroundings(worker_database, "HOME,ten_a/MESH_SECRET", {})
