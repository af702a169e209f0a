"""infra/deploy, with an `aws` that keeps a small ECS in a file: order, refusal, rollback."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DEPLOY = Path(__file__).resolve().parents[3] / "infra" / "deploy"
_AWS = """
import json, os, sys
from pathlib import Path

state_file = Path(os.environ["FAKE_AWS"])
state = json.loads(state_file.read_text())
group, verb, *rest = sys.argv[1:]
flags = {rest[i]: rest[i + 1] for i in range(len(rest) - 1) if rest[i].startswith("--")}
state["calls"].append([verb, flags])

def answer():
    if verb == "describe-services":
        running = state["services"][flags["--services"]]
        return {"services": [{"taskDefinition": running, "networkConfiguration": {"awsvpc": 1}}]}
    if verb == "describe-task-definition":
        family = flags["--task-definition"]
        image = "1.dkr.ecr.eu.amazonaws.com/flowloom-test/x:old"
        return {"taskDefinition": {"family": family, "revision": 7, "taskDefinitionArn": "arn",
                "containerDefinitions": [{"image": image}]}}
    if verb == "register-task-definition":
        given = json.loads(flags["--cli-input-json"])
        assert "revision" not in given
        assert given["containerDefinitions"][0]["image"].endswith("/x:new")
        return {"taskDefinition": {"taskDefinitionArn": given["family"] + ":8"}}
    if verb == "run-task":
        return {"tasks": [{"taskArn": "cluster/" + flags["--task-definition"]}]}
    if verb == "describe-tasks":
        service = flags["--tasks"].split("-")[-1].split(":")[0]
        code = 2 if service == state["unmigrated"] else 0
        return {"tasks": [{"containers": [{"name": service, "exitCode": code}]}]}
    if verb == "get-log-events":
        return {"events": [{"message": "MESH_SECRET: still the placeholder."}]}
    if verb == "update-service":
        wanted, service = flags["--task-definition"], flags["--service"]
        if service != state["unhealthy"] or wanted.endswith(":7"):
            state["services"][service] = wanted
        return {}
    if verb == "list-tasks":
        return {"taskArns": ["task-" + flags["--service-name"]]}
    if verb == "execute-command":
        asked = flags["--container"]
        print("status: NOT_SERVING" if asked == state["silent"] else "status: SERVING")
    return None

told = answer()
if told is not None:
    print(json.dumps(told))
state_file.write_text(json.dumps(state))
"""


@dataclass(frozen=True)
class Deployment:
    code: int
    said: str
    calls: list[tuple[str, dict[str, str]]]
    services: dict[str, str]

    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.calls]


Deploy = Callable[..., Deployment]


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "aws").write_text(f"#!{sys.executable}\n{_AWS}")
    (programs / "curl").write_text("#!/bin/sh\necho curl $* >&2\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    state_file = tmp_path / "state.json"

    def run(**troubles: str) -> Deployment:
        services = {name: f"flowloom-test-{name}:7" for name in ("engine", "agent", "gateway")}
        state: dict[str, Any] = {"calls": [], "services": services}
        state |= {"unmigrated": "", "unhealthy": "", "silent": ""} | troubles
        state_file.write_text(json.dumps(state))
        path = f"{programs}:{os.environ['PATH']}"
        done = subprocess.run(
            (DEPLOY, "test", "new", "https://flowloom.example"),
            env={**os.environ, "PATH": path, "FAKE_AWS": str(state_file)},
            capture_output=True,
            text=True,
            check=False,
        )
        after = json.loads(state_file.read_text())
        calls = [(verb, flags) for verb, flags in after["calls"]]
        return Deployment(done.returncode, done.stderr, calls, after["services"])

    return run


def test_schemas_are_migrated_before_any_service_is_touched(deploy: Deploy) -> None:
    done = deploy()
    assert done.code == 0, done.said
    assert set(done.services.values()) == {f"flowloom-test-{name}:8" for name in done.services}
    verbs = done.verbs()
    assert verbs.count("run-task") == verbs.count("update-service") == 3
    last_migration = max(i for i, verb in enumerate(verbs) if verb == "describe-tasks")
    assert last_migration < verbs.index("update-service")
    assert "curl --fail --silent --show-error --retry 5 --retry-all-errors " in done.said
    commands = [
        json.loads(flags["--overrides"]) for verb, flags in done.calls if verb == "run-task"
    ]
    packages = [one["containerOverrides"][0]["command"][-1] for one in commands]
    assert packages == ["engine_service", "agent_service", "gateway"]


def test_a_failed_migration_touches_no_service(deploy: Deploy) -> None:
    done = deploy(unmigrated="agent")
    assert done.code == 1
    assert "MESH_SECRET: still the placeholder." in done.said
    assert "update-service" not in done.verbs()


@pytest.mark.long
def test_what_does_not_become_healthy_is_rolled_back_everywhere(deploy: Deploy) -> None:
    done = deploy(unhealthy="agent")
    assert done.code == 1
    assert "rolling back" in done.said
    assert set(done.services.values()) == {f"flowloom-test-{name}:7" for name in done.services}


@pytest.mark.long
def test_what_does_not_serve_is_rolled_back(deploy: Deploy) -> None:
    done = deploy(silent="engine")
    assert done.code == 1
    assert "engine does not serve" in done.said
    assert set(done.services.values()) == {f"flowloom-test-{name}:7" for name in done.services}
