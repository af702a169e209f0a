"""The images are what they promise: hadolint has no complaint, and compose.yaml and the workflows
tell the services what they read."""

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent_service.settings import Settings as AgentSettings
from engine_service.settings import Settings as EngineSettings
from gateway.settings import Settings as GatewaySettings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
PACKAGES = {"gateway": "gateway", "agent": "agent_service", "engine": "engine_service"}
PORTS = {
    "gateway": GatewaySettings.model_fields["gateway_port"].default,
    "agent": AgentSettings.model_fields["agent_port"].default,
    "engine": EngineSettings.model_fields["engine_port"].default,
}
HEALTH_CHECKS = {
    "gateway": ["curl", "-f", f"http://localhost:{PORTS['gateway']}/health"],
    "agent": ["grpc_health_probe", f"-addr=localhost:{PORTS['agent']}"],
    "engine": ["grpc_health_probe", f"-addr=localhost:{PORTS['engine']}"],
}
START_SECONDS = {"gateway": 120, "agent": 240, "engine": 180}
SETTINGS = {"gateway": GatewaySettings, "agent": AgentSettings, "engine": EngineSettings}


@cache
def stages() -> dict[str, str]:
    """The Dockerfile's stages, lines joined."""
    text = DOCKERFILE.read_text().replace("\\\n", "")
    parts = re.split(r"^FROM \S+ AS (\S+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@cache
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())


def test_hadolint_has_no_complaint() -> None:
    hadolint = shutil.which("hadolint") or str(Path(sys.executable).with_name("hadolint"))
    done = subprocess.run((hadolint, DOCKERFILE), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_is_pinned_by_digest() -> None:
    text = DOCKERFILE.read_text()
    assert re.search(r"^ARG PYTHON_IMAGE=\S+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert set(bases) == {"${PYTHON_IMAGE}", "tools", "runtime"}


@pytest.mark.parametrize("service", PACKAGES)
def test_an_image_runs_its_service_as_nobody(service: str) -> None:
    stage = stages()[service]
    assert f"CMD {json.dumps(['python', '-m', PACKAGES[service]])}" in stage
    assert "\nUSER 65532:65532\n" in stage
    assert f"\nEXPOSE {PORTS[service]}\n" in stage


@pytest.mark.parametrize("service", PACKAGES)
def test_an_image_checks_its_health_in_its_own_protocol(service: str) -> None:
    check = re.search(r"HEALTHCHECK (.*?) +CMD (\[.*?\])", stages()[service])
    assert check
    assert json.loads(check[2]) == HEALTH_CHECKS[service]
    assert f"--start-period={START_SECONDS[service]}s" in check[1]


@pytest.mark.parametrize("service", PACKAGES)
def test_an_image_sets_only_what_its_service_reads(service: str) -> None:
    own = re.findall(rf"\b({service.upper()}_[A-Z_]+)=", stages()[service])
    assert own
    assert {name.lower() for name in own} <= set(SETTINGS[service].model_fields)


@pytest.mark.parametrize("service", PACKAGES)
def test_an_image_says_what_it_is_and_where_it_comes_from(service: str) -> None:
    labels = re.findall(r"org\.opencontainers\.image\.([a-z.]+)=", stages()["runtime"])
    own = re.findall(r"org\.opencontainers\.image\.([a-z.]+)=", stages()[service])
    told = {"vendor", "licenses", "version", "revision", "created", "source", "base.name"}
    assert (set(labels), set(own)) == (told, {"title", "description"})
    passed = set(re.findall(r'--build-arg "([A-Z]+)=', (ROOT / "docker" / "build").read_text()))
    assert passed == {"VERSION", "REVISION", "CREATED", "SOURCE"}


def test_nothing_but_sources_goes_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    assert "tests" not in let_in
    assert {".git", ".env", ".flowloom"}.isdisjoint(let_in)
    assert set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE.read_text(), re.MULTILINE)) <= let_in


@pytest.mark.parametrize("service", PACKAGES)
def test_compose_tells_a_service_what_it_requires_and_nothing_unknown(service: str) -> None:
    told = {name.lower() for name in compose()["services"][service]["environment"]}
    fields = SETTINGS[service].model_fields
    required = {name for name, field in fields.items() if field.is_required()}
    assert required <= told <= set(fields)


@pytest.mark.parametrize("service", PACKAGES)
def test_compose_starts_a_service_when_its_schema_is_there(service: str) -> None:
    waits = compose()["services"][service]["depends_on"]
    migration = compose()["services"][f"{service}-schema"]
    assert waits[f"{service}-schema"] == {"condition": "service_completed_successfully"}
    assert migration["command"] == ["python", "-m", "cli.migrate", PACKAGES[service]]
    assert migration["depends_on"]["postgres"] == {"condition": "service_healthy"}


@pytest.mark.parametrize("service", PACKAGES)
def test_compose_lets_a_service_write_nothing(service: str) -> None:
    told = compose()["services"][service]
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["stop_grace_period"] == "30s"
