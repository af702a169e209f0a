"""Trials over gRPC: what goes in malformed, what comes out."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.catalogue import builtin
from engine_service.expressions import Evaluator
from engine_service.running.execute import World
from engine_service.sdk.node import HttpRequest, HttpResponse
from engine_service.servicers.simulation import SimulationServicer
from engine_service.trial.simulate import Simulator
from engine_service.web.addresses import AllowList
from engine_service.web.outgoing import GuardedHttpClient
from shared.clock import SystemClock
from shared.database import Database
from shared.errors import InvalidInput
from shared.ids import new_id
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    run_pb2,
    simulation_service_pb2,
    simulation_service_pb2_grpc,
    workflow_pb2,
)
from tests.support.serving import ADA, acting_as, serving

DEFINITION: dict[str, Any] = {
    "nodes": [
        {"id": "start", "name": "Start", "type": "trigger.manual"},
        {
            "id": "big",
            "name": "Big?",
            "type": "flow.if",
            "parameters": {
                "conditions": [
                    {"left": "{{ $json.n }}", "type": "number", "operator": "gt", "right": 5}
                ]
            },
        },
        {
            "id": "post",
            "name": "Post",
            "type": "http.request",
            "parameters": {"method": "POST", "url": "https://example.com/", "body": {"n": 1}},
        },
        {"id": "stop", "name": "Stop", "type": "flow.stop", "parameters": {"message": "Small"}},
    ],
    "connections": [
        {"from": "start", "to": "big"},
        {"from": "big", "port": "true", "to": "post"},
        {"from": "big", "port": "false", "to": "stop"},
    ],
}


class NoWorld:
    async def send(self, request: HttpRequest) -> HttpResponse:
        raise AssertionError(f"the trial sent {request}")


@pytest.fixture
async def stub(tmp_path: Path, app_database: Database) -> AsyncIterator[Any]:
    evaluator = Evaluator()
    world = World(http=NoWorld(), sandbox=None, models=None)
    refusal = GuardedHttpClient(AllowList()).refusal
    simulator = Simulator(builtin(), world, evaluator, SystemClock(), refusal=refusal)
    servicer = SimulationServicer(simulator, app_database)
    service = (simulation_service_pb2_grpc, "SimulationService", servicer)
    async with serving(tmp_path, [service]) as channel:
        with acting_as(ADA):
            yield simulation_service_pb2_grpc.SimulationServiceStub(channel)
    await evaluator.close()


def document(value: Any) -> Document:
    return Document(json=json.dumps(value).encode())


async def simulate(
    stub: Any, definition: object = DEFINITION, **fields: Any
) -> simulation_service_pb2.SimulateWorkflowResponse:
    return await stub.SimulateWorkflow(
        simulation_service_pb2.SimulateWorkflowRequest(definition=document(definition), **fields)
    )


async def test_a_trial_tells_what_each_node_did_and_would_have_done(stub: Any) -> None:
    report = await simulate(stub, input=document({"n": 9}))
    assert report.status == run_pb2.RUN_STATUS_COMPLETED
    assert [(one.node_id, one.status) for one in report.nodes] == [
        ("start", run_pb2.NODE_RUN_STATUS_COMPLETED),
        ("big", run_pb2.NODE_RUN_STATUS_COMPLETED),
        ("post", run_pb2.NODE_RUN_STATUS_COMPLETED),
        ("stop", run_pb2.NODE_RUN_STATUS_SKIPPED),
    ]
    assert json.loads(report.nodes[1].outputs.json)["true"][0]["json"] == {"n": 9}
    assert [effect.summary for effect in report.effects] == ["POST https://example.com/"]
    assert json.loads(report.effects[0].request.json)["body"] == {"n": 1}
    assert report.unreached_node_ids == ["stop"]
    assert report.computed_node_ids == ["start", "big"]
    assert not report.diagnostics
    assert not report.HasField("error")


async def test_a_trial_warns_of_an_address_that_will_be_refused(stub: Any) -> None:
    nodes = json.loads(json.dumps(DEFINITION["nodes"]))
    nodes[2]["parameters"]["url"] = "http://[::1]:9000/"
    report = await simulate(stub, {**DEFINITION, "nodes": nodes}, input=document({"n": 9}))
    [warning] = report.diagnostics
    assert (warning.pointer, warning.severity) == ("/nodes/2", workflow_pb2.SEVERITY_WARNING)
    assert "[::1]:9000 in ENGINE_ALLOWED_HOSTS" in warning.message


async def test_a_trial_that_fails_says_why(stub: Any) -> None:
    report = await simulate(stub, input=document([{"json": {"n": 1}}]))
    assert report.status == run_pb2.RUN_STATUS_FAILED
    assert report.error.node_id == "stop"
    assert report.nodes[2].error == report.error


async def test_pinned_data_is_used(stub: Any) -> None:
    report = await simulate(stub, input=document({}), pinned=document({"big": [{"json": {}}]}))
    assert "post" in [one.node_id for one in report.nodes]
    assert report.status == run_pb2.RUN_STATUS_COMPLETED


async def test_an_unsound_definition_comes_back_with_diagnostics(stub: Any) -> None:
    report = await simulate(stub, {"nodes": []})
    assert report.status == run_pb2.RUN_STATUS_UNSPECIFIED
    assert [one.code for one in report.diagnostics] == ["no_trigger"]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"input": Document(json=b"{")}, "/input"),
        ({"input": Document(json=b"NaN")}, "/input"),
        ({"pinned": document([])}, "/pinned"),
        ({"pinned": document({"nobody": []})}, "/pinned/nobody"),
        ({"trigger_node_id": "post"}, "/trigger_node_id"),
    ],
)
async def test_malformed_data_is_refused(stub: Any, fields: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await simulate(stub, **fields)
    assert [one.pointer for one in caught.value.violations] == [where]


ASKS = {
    "nodes": [
        {"id": "start", "name": "Start", "type": "trigger.manual"},
        {
            "id": "ask",
            "name": "Ask",
            "type": "human.approval",
            "parameters": {"title": "{{ $vars.greeting ?? 'Go on?' }}"},
        },
        {"id": "yes", "name": "Yes", "type": "flow.noop"},
        {"id": "no", "name": "No", "type": "flow.noop"},
    ],
    "connections": [
        {"from": "start", "to": "ask"},
        {"from": "ask", "port": "approved", "to": "yes"},
        {"from": "ask", "port": "rejected", "to": "no"},
    ],
}


@pytest.mark.parametrize(
    ("port", "reached"), [("", "yes"), ("approved", "yes"), ("rejected", "no")]
)
async def test_every_branch_can_be_tried(stub: Any, port: str, reached: str) -> None:
    report = await simulate(stub, ASKS, ports={"ask": port} if port else {})
    taken = {(one.node_id, one.port): one.taken for one in report.branches}
    assert taken == {
        ("start", "main"): True,
        ("ask", "approved"): reached == "yes",
        ("ask", "rejected"): reached == "no",
    }
    assert report.unreached_node_ids == ["no" if reached == "yes" else "yes"]


async def test_a_way_that_is_not_there_is_refused(stub: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        await simulate(stub, ASKS, ports={"ask": "perhaps", "nobody": "main"})
    assert [one.pointer for one in refused.value.violations] == ["/ports/ask", "/ports/nobody"]


async def test_expressions_see_the_tenants_variables(stub: Any, app_database: Database) -> None:
    async with app_database.transaction(ADA.tenant_id) as connection:
        await connection.execute(
            text(
                "INSERT INTO engine.variables (id, tenant_id, name, value, etag, created_at,"
                " updated_at) VALUES (:id, :tenant, 'greeting', '\"May I?\"', 'e', now(), now())"
            ),
            {"id": new_id("var"), "tenant": ADA.tenant_id},
        )
    report = await simulate(stub, ASKS)
    (effect,) = report.effects
    assert json.loads(effect.request.json)["title"] == "May I?"
