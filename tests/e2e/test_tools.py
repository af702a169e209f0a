"""What engineers and operators point at the mesh: curl, grpcurl, buf curl, health probes."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.identity import METADATA_KEY, Principal, sign
from tests.support.mesh import Mesh

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
ENGINE_SERVICES = {
    "flowloom.engine.v1.ApprovalService",
    "flowloom.engine.v1.CredentialService",
    "flowloom.engine.v1.NodeTypeService",
    "flowloom.engine.v1.RunService",
    "flowloom.engine.v1.SimulationService",
    "flowloom.engine.v1.ToolService",
    "flowloom.engine.v1.TriggerService",
    "flowloom.engine.v1.UsageService",
    "flowloom.engine.v1.VariableService",
    "flowloom.engine.v1.VersionService",
    "flowloom.engine.v1.WorkflowService",
}
AGENT_SERVICES = {
    "flowloom.agent.v1.ConsultantService",
    "flowloom.agent.v1.KnowledgeService",
    "flowloom.agent.v1.SessionService",
}
EVERYWHERE = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


async def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


def identity(mesh: Mesh) -> str:
    return sign(Principal(tenant_id="ten_tools", subject="engineer"), mesh.mesh_secret)


async def test_grpcurl_lists_the_services_of_engine_and_agent(mesh: Mesh) -> None:
    for program, services in ((mesh.engines[0], ENGINE_SERVICES), (mesh.agent, AGENT_SERVICES)):
        listed = await run(BIN / "grpcurl", "-plaintext", program.address, "list")
        assert set(listed.stdout.split()) == services | EVERYWHERE, listed.stderr


async def test_grpcurl_calls_a_service(mesh: Mesh) -> None:
    answer = await run(
        *(BIN / "grpcurl", "-plaintext", "-H", f"{METADATA_KEY}: {identity(mesh)}"),
        *("-d", '{"type": "flow.if"}', mesh.engines[0].address),
        "flowloom.engine.v1.NodeTypeService/GetNodeType",
    )
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["node_type"]["outputs"] == ["true", "false"]


async def test_grpcurl_without_identity_is_refused_with_details(mesh: Mesh) -> None:
    answer = await run(
        *(BIN / "grpcurl", "-plaintext", mesh.engines[0].address),
        "flowloom.engine.v1.NodeTypeService/ListNodeTypes",
    )
    assert answer.returncode != 0
    assert "Unauthenticated" in answer.stderr
    assert "IDENTITY_MISSING" in answer.stderr


async def test_buf_curl_calls_a_service_from_the_schema(mesh: Mesh) -> None:
    url = f"http://{mesh.engines[0].address}/flowloom.engine.v1.NodeTypeService/GetNodeType"
    answer = await run(
        *(BIN / "buf", "curl", "--protocol", "grpc", "--http2-prior-knowledge"),
        *("--schema", ".", "-H", f"{METADATA_KEY}: {identity(mesh)}"),
        *("-d", '{"type": "flow.merge"}', url),
    )
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["nodeType"]["type"] == "flow.merge"


async def test_curl_finds_the_gateway_alive_and_ready(mesh: Mesh) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed here")
    for path in ("/health", "/ready"):
        answer = await run("curl", "-f", "-s", f"{mesh.url}{path}")
        assert answer.returncode == 0, answer.stderr


async def test_the_probe_finds_agent_and_engine_serving(mesh: Mesh) -> None:
    for program, service in (
        (mesh.agent, "flowloom.agent.v1.ConsultantService"),
        (mesh.engines[0], "flowloom.engine.v1.RunService"),
    ):
        for name in ("", service):
            answer = await run(
                *(sys.executable, "-m", "cli.health_probe"),
                *(f"-addr={program.address}", f"-service={name}"),
            )
            assert answer.returncode == 0, answer.stderr


async def test_the_probe_says_when_nobody_is_there() -> None:
    answer = await run(sys.executable, "-m", "cli.health_probe", "-addr=127.0.0.1:1")
    assert answer.returncode == 2
