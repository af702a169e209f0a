"""A second tenant at every door, and at the tables themselves: nothing is seen, nothing changes."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from engine_service.server import build
from engine_service.settings import Settings
from engine_service.store.answers import answers, delegations
from engine_service.store.approvals import approvals
from engine_service.store.blobs import NewBlob, complete_blob, insert_blob
from engine_service.store.notices import StoredNotice, insert_notices
from engine_service.store.runs import NewRun, insert_runs
from shared.database import Database, DatabaseRole
from shared.errors import Forbidden, NotFound, Unauthenticated
from shared.identity import Role
from shared.ids import new_id
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    approval_pb2,
    approval_service_pb2,
    approval_service_pb2_grpc,
    credential_service_pb2,
    credential_service_pb2_grpc,
    node_type_service_pb2,
    node_type_service_pb2_grpc,
    run_service_pb2,
    run_service_pb2_grpc,
    simulation_service_pb2,
    simulation_service_pb2_grpc,
    tool_service_pb2,
    tool_service_pb2_grpc,
    trigger_service_pb2,
    trigger_service_pb2_grpc,
    usage_pb2,
    usage_service_pb2,
    usage_service_pb2_grpc,
    variable_service_pb2,
    variable_service_pb2_grpc,
    version_service_pb2,
    version_service_pb2_grpc,
    workflow_service_pb2,
    workflow_service_pb2_grpc,
)
from tests.support.keychain import KEYS
from tests.support.serving import ADA, BOB, SECRET, acting_as, serving_services
from tests.support.used import used

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MARK = "adas-own-business"
TOOL = {"name": MARK, "description": MARK}
DEFINITION = Document(
    json=json.dumps(
        {
            "name": MARK,
            "nodes": [
                {
                    "id": "hook",
                    "name": MARK,
                    "type": "trigger.webhook",
                    "parameters": {"path": MARK},
                },
                {"id": "tool", "name": "Tool", "type": "trigger.mcp", "parameters": TOOL},
            ],
        }
    ).encode()
)
BEARER = json.dumps({"token": f"{MARK}-token"}).encode()
HARMLESS = Document(json=b'{"nodes": [{"id": "s", "name": "S", "type": "trigger.manual"}]}')
SERVICES: dict[str, tuple[Any, Any]] = {
    "ApprovalService": (approval_service_pb2, approval_service_pb2_grpc),
    "CredentialService": (credential_service_pb2, credential_service_pb2_grpc),
    "NodeTypeService": (node_type_service_pb2, node_type_service_pb2_grpc),
    "RunService": (run_service_pb2, run_service_pb2_grpc),
    "SimulationService": (simulation_service_pb2, simulation_service_pb2_grpc),
    "ToolService": (tool_service_pb2, tool_service_pb2_grpc),
    "TriggerService": (trigger_service_pb2, trigger_service_pb2_grpc),
    "UsageService": (usage_service_pb2, usage_service_pb2_grpc),
    "VariableService": (variable_service_pb2, variable_service_pb2_grpc),
    "VersionService": (version_service_pb2, version_service_pb2_grpc),
    "WorkflowService": (workflow_service_pb2, workflow_service_pb2_grpc),
}
# The path itself is what a webhook's sender shows, a signed state what comes back from consent, a
# signed token what a link holds; no role is asked for.
OPEN = {"FireWebhook", "FinishConnect", "OpenApprovalLink", "AnswerApprovalLink", "OpenPage"}
STREAMS = {"WatchRun", "DownloadFile"}


@dataclass
class Estate:
    """What Ada has: the ids that Bob has got hold of."""

    stubs: dict[str, Any]
    ids: dict[str, str] = field(default_factory=dict[str, str])


def methods() -> list[tuple[str, str]]:
    return [
        (name, method.name)
        for name, (messages, _) in SERVICES.items()
        for method in _descriptor(messages, name).methods
    ]


def _descriptor(messages: Any, name: str) -> ServiceDescriptor:
    return messages.DESCRIPTOR.services_by_name[name]


@pytest.fixture(scope="module")
async def estate(
    engine_url: str,
    worker_database: Database,
    app_database: Database,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Estate]:
    settings = Settings(
        database_url=SecretStr(engine_url),
        mesh_secret=SecretStr(SECRET),
        engine_credential_keys=SecretStr(KEYS),
    )
    async with build(settings) as engine:
        assert {service.name for service in engine.services} == {
            f"flowloom.engine.v1.{name}" for name in SERVICES
        }
        directory = tmp_path_factory.mktemp("engine")
        async with serving_services(directory, engine.services) as channel:
            stubs = {
                name: getattr(module, f"{name}Stub")(channel)
                for name, (_, module) in SERVICES.items()
            }
            estate = Estate(stubs)
            await settle(estate, worker_database)
            await keep_a_file(estate, app_database)
            await keep_what_was_said(estate, app_database)
            await keep_an_account(estate, worker_database)
            yield estate


async def settle(estate: Estate, worker: Database) -> None:
    """Let Ada have one of everything."""
    with acting_as(ADA):
        stub = estate.stubs["WorkflowService"]
        created = await stub.CreateWorkflow(
            workflow_service_pb2.CreateWorkflowRequest(definition=DEFINITION)
        )
        workflow_id = created.workflow.id
        await stub.ActivateWorkflow(
            workflow_service_pb2.ActivateWorkflowRequest(workflow_id=workflow_id)
        )
        listed = await estate.stubs["TriggerService"].ListTriggers(
            trigger_service_pb2.ListTriggersRequest()
        )
        estate.ids = await keep_secrets(estate)
    run = NewRun(new_id("run"), "ten_a", workflow_id, 1, "live", "api", "hook", "{}", NOW)
    approval_id = new_id("apr")
    async with worker.transaction() as connection:
        await insert_runs(connection, [run])
        await connection.execute(
            text("INSERT INTO engine.waits VALUES (:id, 'ask', '', 1, 'ten_a')"), {"id": run.id}
        )
        await connection.execute(
            approvals.insert().values(
                id=approval_id,
                tenant_id="ten_a",
                run_id=run.id,
                workflow_id=workflow_id,
                node_id="ask",
                iteration="",
                title=MARK,
                message=MARK,
                approvers=[],
                quorum=2,
                created_at=NOW,
            )
        )
    estate.ids |= {
        "workflow_id": workflow_id,
        "trigger_id": listed.triggers[0].id,
        "run_id": run.id,
        "approval_id": approval_id,
    }


async def keep_a_file(estate: Estate, app: Database) -> None:
    """Let Ada's run have a file."""
    blob = NewBlob(new_id("blob"), "ten_a", estate.ids["run_id"], MARK, "x/x", NOW)
    async with app.transaction("ten_a") as connection:
        await insert_blob(connection, blob)
        await complete_blob(connection, blob, 1, "digest")
    estate.ids["blob_id"] = blob.id


async def keep_an_account(estate: Estate, worker: Database) -> None:
    await used(worker, "ten_a", "2026-01-02", 987)
    with acting_as(ADA):
        day = usage_pb2.BUDGET_PERIOD_DAY
        await estate.stubs["UsageService"].SetBudget(
            usage_service_pb2.SetBudgetRequest(period=day, max_tokens=987)
        )


async def keep_what_was_said(estate: Estate, app: Database) -> None:
    """Let somebody have answered Ada's question, handed a part over, and been told of it."""
    about = {
        "approval_id": estate.ids["approval_id"],
        "tenant_id": "ten_a",
        "approver": MARK,
        "comment": "",
    }
    said = {"answered_by": MARK, "decision": "approve", "channel": "api", "answered_at": NOW}
    handed = {"delegate": MARK, "delegated_by": MARK, "delegated_at": NOW}
    asked: dict[str, str] = {}
    notice = StoredNotice(
        *("ntc_1", "ten_a", about["approval_id"], MARK, "email", MARK, asked, None, None, 0)
    )
    async with app.transaction("ten_a") as connection:
        await connection.execute(answers.insert().values(**about, **said))
        await connection.execute(delegations.insert().values(**about, **handed))
        await insert_notices(connection, [notice])


async def keep_secrets(estate: Estate) -> dict[str, str]:
    """Let Ada have a credential and a variable; their ids."""
    credential = await estate.stubs["CredentialService"].CreateCredential(
        credential_service_pb2.CreateCredentialRequest(
            name=MARK, type="http.bearer", data=Document(json=BEARER), hosts=["api.example.com"]
        )
    )
    variable = await estate.stubs["VariableService"].CreateVariable(
        variable_service_pb2.CreateVariableRequest(
            name="adas", value=Document(json=json.dumps(MARK).encode())
        )
    )
    return {"credential_id": credential.credential.id, "variable_id": variable.variable.id}


def request_for(estate: Estate, service: str, method: str) -> Message:
    """The request that would reach what is Ada's: every id in it is hers."""
    messages = SERVICES[service][0]
    kind = getattr(messages, f"{method}Request")
    fields: dict[str, Any] = {
        name: estate.ids[name] for name in estate.ids if name in kind.DESCRIPTOR.fields_by_name
    }
    fillings: dict[str, Any] = {
        "definition": HARMLESS,
        "document": HARMLESS,
        "number": 1,
        "from_node": "start",
        "delegate": "eve@example.com",
        "name": "Mine_now",
        "type": "http.bearer" if service == "CredentialService" else "data.set",
        "data": Document(json=b'{"token": "t"}'),
        "hosts": ["evil.example.com"],
        "redirect_uri": "https://evil.example.com",
        "value": Document(json=b"1"),
        "max_tokens": 1,
    }
    known = kind.DESCRIPTOR.fields_by_name
    fields |= {n: fillings[n] for n in fillings if n in known and known[n].enum_type is None}
    if method == "CallTool":
        fields["name"] = MARK
    if "period" in known:
        fields["period"] = usage_pb2.BUDGET_PERIOD_DAY
    if "decision" in known:
        fields["decision"] = approval_pb2.DECISION_APPROVE
    return kind(**fields)


async def everything_of_ada(worker: Database) -> dict[str, list[str]]:
    """Every row of hers, in every table of the engine that has a tenant."""
    async with worker.transaction() as connection:
        return {
            table: sorted(
                (
                    await connection.execute(
                        text(f"SELECT row(t.*)::text FROM engine.{table} t WHERE tenant_id='ten_a'")
                    )
                ).scalars()
            )
            for table in await tables(connection)
        }


async def tables(connection: Any) -> list[str]:
    found = await connection.execute(
        text(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relnamespace = 'engine'::regnamespace AND c.relkind = 'r'"
            " AND a.attname = 'tenant_id' ORDER BY 1"
        )
    )
    return list(found.scalars())


# --- at the door


@pytest.mark.parametrize(("service", "method"), methods())
async def test_another_tenant_finds_nothing_behind_any_operation(
    estate: Estate, worker_database: Database, service: str, method: str
) -> None:
    before = await everything_of_ada(worker_database)
    assert before["workflows"]
    request = request_for(estate, service, method)
    with acting_as(BOB):
        try:
            answer = await call(estate, service, method)
        except NotFound as absent:
            answer = absent
    told = str(answer)
    assert MARK not in told
    assert not any(identifier in told for identifier in estate.ids.values())
    if _names_something(request, estate):
        assert isinstance(answer, NotFound) or _is_empty(answer)
    assert await everything_of_ada(worker_database) == before


def _names_something(request: Message, estate: Estate) -> bool:
    return any(identifier in str(request) for identifier in estate.ids.values())


def _is_empty(answer: Message) -> bool:
    return not answer.ListFields()


async def call(estate: Estate, service: str, method: str) -> Message:
    """What the operation answers to the request that would reach Ada's; a stream's first word."""
    said = getattr(estate.stubs[service], method)(request_for(estate, service, method))
    if _descriptor(SERVICES[service][0], service).methods_by_name[method].server_streaming:
        async for message in said:
            return message
        raise AssertionError("the stream ended without a word")
    return await said


@pytest.mark.parametrize(("service", "method"), methods())
async def test_nobody_is_answered_without_an_identity(
    estate: Estate, service: str, method: str
) -> None:
    with acting_as(None), pytest.raises(Unauthenticated):
        await call(estate, service, method)


@pytest.mark.parametrize("tenant", ["", "ten_a' OR true --", "%", "ten_a\n"])
async def test_a_tenant_of_no_meaning_sees_nothing(estate: Estate, tenant: str) -> None:
    with acting_as(BOB.model_copy(update={"tenant_id": tenant})):
        answer = await estate.stubs["WorkflowService"].ListWorkflows(
            workflow_service_pb2.ListWorkflowsRequest()
        )
    assert _is_empty(answer)


# --- at the tables


async def test_every_table_with_a_tenant_is_secured_by_force(app_database: Database) -> None:
    async with app_database.transaction() as connection:
        found = await connection.execute(
            text(
                "SELECT relname FROM pg_class WHERE relnamespace = 'engine'::regnamespace"
                " AND relkind = 'r' AND NOT (relrowsecurity AND relforcerowsecurity)"
            )
        )
        assert list(found.scalars()) == ["alembic_version"]
        assert len(await tables(connection)) >= 11


@pytest.mark.parametrize("tenant", ["", "ten_b"])
async def test_without_her_tenant_her_rows_do_not_exist(
    app_database: Database, estate: Estate, tenant: str
) -> None:
    async with app_database.transaction(tenant) as connection:
        for table in await tables(connection):
            seen = await connection.execute(
                text(f"SELECT count(*) FROM engine.{table} WHERE tenant_id = 'ten_a'")
            )
            assert seen.scalar() == 0, table


async def test_a_tenant_does_not_outlive_its_transaction(engine_url: str, estate: Estate) -> None:
    database = Database(engine_url, DatabaseRole.APP, size=1)
    count = text("SELECT count(*) FROM engine.workflows")
    async with database.transaction("ten_a") as connection:
        assert (await connection.execute(count)).scalar() != 0
    async with database.transaction() as connection:
        assert (await connection.execute(count)).scalar() == 0
    await database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE engine.workflows SET name = 'x' WHERE id = :workflow_id",
        "DELETE FROM engine.triggers WHERE id = :trigger_id",
        "UPDATE engine.approvals SET status = 'approved' WHERE id = :approval_id",
        "DELETE FROM engine.waits WHERE run_id = :run_id",
        "UPDATE engine.credentials SET hosts = '{evil.example.com}' WHERE id = :credential_id",
        "DELETE FROM engine.credentials WHERE id = :credential_id",
        "UPDATE engine.variables SET value = '1' WHERE id = :variable_id",
        "UPDATE engine.blobs SET size = 0 WHERE id = :blob_id",
    ],
)
@pytest.mark.parametrize("tenant", ["", "ten_b"])
async def test_another_tenants_statements_touch_nothing(
    app_database: Database, estate: Estate, statement: str, tenant: str
) -> None:
    async with app_database.transaction(tenant) as connection:
        touched = await connection.execute(text(statement), estate.ids)
        assert touched.rowcount == 0


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        # Rows of another tenant, or hung on another tenant's rows.
        (
            "INSERT INTO engine.workflows (id, tenant_id, name, latest_version, etag, created_at,"
            " updated_at) VALUES ('wf_x', 'ten_a', 'x', 1, 'x', now(), now())",
            ProgrammingError,
        ),
        (
            "INSERT INTO engine.versions (workflow_id, number, tenant_id, definition, digest,"
            " created_by, created_at) VALUES (:workflow_id, 2, 'ten_b', '{}', 'x', 'x', now())",
            IntegrityError,
        ),
        (
            "INSERT INTO engine.triggers (id, tenant_id, workflow_id, version, node_id, type,"
            " parameters, created_at)"
            " VALUES ('trg_x', 'ten_b', :workflow_id, 1, 'n', 'x', '{}', now())",
            IntegrityError,
        ),
        (
            "INSERT INTO engine.signals (run_id, node_id, iteration, attempt, tenant_id, answer)"
            " VALUES (:run_id, 'ask', '', 1, 'ten_a', '{}')",
            ProgrammingError,
        ),
        (
            "INSERT INTO engine.signals (run_id, node_id, iteration, attempt, tenant_id, answer)"
            " VALUES (:run_id, 'ask', '', 1, 'ten_b', '{}')",
            ProgrammingError,
        ),
        (
            "INSERT INTO engine.variables (id, tenant_id, name, value, etag, created_at,"
            " updated_at) VALUES ('var_x', 'ten_a', 'x', '1', 'x', now(), now())",
            ProgrammingError,
        ),
        (
            "INSERT INTO engine.blob_uses VALUES (:run_id, :blob_id, 'ten_b', now())",
            ProgrammingError,
        ),
        (
            "INSERT INTO engine.budgets (tenant_id, period, max_tokens, updated_by, updated_at)"
            " VALUES ('ten_a', 'day', 1, 'x', now())",
            ProgrammingError,
        ),
        # What no request may do at all.
        ("UPDATE engine.usage SET model_calls = 0", ProgrammingError),
        ("DELETE FROM engine.run_usage", ProgrammingError),
        ("DELETE FROM engine.progress", ProgrammingError),
        ("DELETE FROM engine.blob_uses", ProgrammingError),
        ("UPDATE engine.versions SET definition = '{}'", ProgrammingError),
        ("DELETE FROM engine.workflows", ProgrammingError),
        ("UPDATE engine.triggers SET next_fire_at = now()", ProgrammingError),
        ("DELETE FROM engine.runs", ProgrammingError),
        ("UPDATE engine.runs SET status = 'completed'", ProgrammingError),
        ("TRUNCATE engine.workflows", ProgrammingError),
        ("ALTER TABLE engine.workflows DISABLE ROW LEVEL SECURITY", ProgrammingError),
        ("SELECT * FROM absurd.t_flowloom", ProgrammingError),
    ],
)
async def test_what_must_not_be_written_is_refused(
    app_database: Database, estate: Estate, statement: str, refused: type[DBAPIError]
) -> None:
    with pytest.raises(refused):
        async with app_database.transaction("ten_b") as connection:
            await connection.execute(text(statement), estate.ids)


async def test_a_viewer_of_her_own_tenant_changes_nothing(
    estate: Estate, worker_database: Database
) -> None:
    before = await everything_of_ada(worker_database)
    with acting_as(ADA.model_copy(update={"role": Role.VIEWER})):
        for service, method in methods():
            if method in OPEN | STREAMS:
                continue
            try:
                await call(estate, service, method)
            except Forbidden:
                continue
    assert await everything_of_ada(worker_database) == before
