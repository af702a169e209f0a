"""Idempotency keys: what is repeated is answered again, and done once."""

import asyncio
import secrets
from typing import Any

import httpx2
import pytest
from google.protobuf.message import Message

from shared.errors import Internal, InvalidInput
from shared.pb.flowloom.engine.v1 import (
    run_pb2,
    run_service_pb2,
    workflow_pb2,
    workflow_service_pb2,
)
from tests.support.gateway import Gateway, gateway_settings, serving
from tests.support.scripted_mesh import ScriptedMesh

BODY: dict[str, Any] = {"definition": {"nodes": []}}


def new_key() -> dict[str, str]:
    return {"idempotency-key": secrets.token_hex(8)}


def counting(mesh: ScriptedMesh) -> None:
    """Let every workflow that is created be another one."""

    def create(_: Any) -> Message:
        number = mesh.count("CreateWorkflow")
        workflow = workflow_pb2.Workflow(id=f"wf_{number}", etag="e")
        return workflow_service_pb2.CreateWorkflowResponse(workflow=workflow)

    mesh.on("CreateWorkflow", create)


async def test_a_repeated_request_is_answered_again_and_done_once(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    counting(mesh)
    key = new_key()
    first = await ada.post("/v1/workflows", json=BODY, headers=key)
    second = await ada.post("/v1/workflows", json=BODY, headers=key)
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert second.headers["etag"] == first.headers["etag"]
    assert second.headers["content-type"] == "application/json"
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert mesh.count("CreateWorkflow") == 1


async def test_without_a_key_everything_is_done(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    counting(mesh)
    for _ in range(2):
        await ada.post("/v1/workflows", json=BODY)
    assert mesh.count("CreateWorkflow") == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/workflows", {"definition": {"nodes": [1]}}),
        ("/v1/workflows?validate_only=true", BODY),
        ("/v1/workflows:validate", BODY),
    ],
)
async def test_a_key_belongs_to_one_request(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, path: str, body: Any
) -> None:
    key = new_key()
    await ada.post("/v1/workflows", json=BODY, headers=key)
    answer = await ada.post(path, json=body, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(mesh.seen) == 1


async def test_a_key_belongs_to_one_caller(
    ada: httpx2.AsyncClient, gateway: Gateway, mesh: ScriptedMesh
) -> None:
    counting(mesh)
    key = new_key()
    await ada.post("/v1/workflows", json=BODY, headers=key)
    other = await gateway.sign_up()
    async with gateway.client(other["access_token"]) as bob:
        answer = await bob.post("/v1/workflows", json=BODY, headers=key)
    assert answer.json()["id"] == "wf_2"


async def test_of_requests_at_once_one_is_done_and_the_others_are_told(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def create(_: Any) -> Message:
        arrived.set()
        await go_on.wait()
        return workflow_service_pb2.CreateWorkflowResponse()

    mesh.on("CreateWorkflow", create)
    key = new_key()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(ada.post("/v1/workflows", json=BODY, headers=key))
        await arrived.wait()
        second = await ada.post("/v1/workflows", json=BODY, headers=key)
        go_on.set()
    assert first.result().status_code == 201
    assert (second.status_code, second.json()["code"]) == (409, "IDEMPOTENCY_KEY_IN_USE")


@pytest.mark.parametrize("failure", [Internal("Oh."), InvalidInput("No.")])
async def test_a_request_that_failed_can_be_tried_again(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, failure: Exception
) -> None:
    key = new_key()
    mesh.on("CreateWorkflow", failure)
    assert (await ada.post("/v1/workflows", json=BODY, headers=key)).status_code >= 400
    counting(mesh)
    again = await ada.post("/v1/workflows", json=BODY, headers=key)
    assert (again.status_code, again.json()["id"]) == (201, "wf_2")


async def test_a_body_of_the_wrong_shape_uses_no_key_up(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    key = new_key()
    assert (await ada.post("/v1/workflows", json={"x": 1}, headers=key)).status_code == 422
    assert (await ada.post("/v1/workflows", json=BODY, headers=key)).status_code == 201


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "tab\there"])
async def test_a_key_that_cannot_be_one_is_refused(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, key: str
) -> None:
    headers = {"idempotency-key": key.encode()}
    answer = await ada.post("/v1/workflows", json=BODY, headers=headers)  # pyright: ignore[reportArgumentType] (bytes are sent as they are)
    assert (answer.status_code, answer.json()["code"]) == (400, "IDEMPOTENCY_KEY_INVALID")


async def test_the_engine_is_told_the_key_of_a_run(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    run = run_pb2.Run(id="run_1")
    mesh.on("StartRun", run_service_pb2.StartRunResponse(run=run))
    key = new_key()
    answers = [await ada.post("/v1/workflows/wf_1:run", headers=key) for _ in range(2)]
    assert mesh.only("StartRun").request.idempotency_key == key["idempotency-key"]
    assert [answer.json()["id"] for answer in answers] == ["run_1", "run_1"]


async def test_without_redis_a_key_is_honoured_by_the_engine_or_refused(
    postgres_url: str, mesh: ScriptedMesh
) -> None:
    settings = gateway_settings(postgres_url, "redis://127.0.0.1:1", mesh.address)
    async with serving(settings) as gateway:
        login = await gateway.sign_up()
        async with gateway.client(login["access_token"]) as client:
            run = await client.post("/v1/workflows/wf_1:run", headers=new_key())
            created = await client.post("/v1/workflows", json=BODY, headers=new_key())
            unkeyed = await client.post("/v1/workflows", json=BODY)
    assert (run.status_code, unkeyed.status_code) == (202, 201)
    assert (created.status_code, created.json()["code"]) == (503, "UNAVAILABLE")
    assert created.headers["retry-after"] == "1"
    assert mesh.count("CreateWorkflow") == 1
