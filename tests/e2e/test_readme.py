"""What README.md tells people to type: every line of its shell blocks is run, or known to make."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.embedded.state import MeshRecord, StateDirectory
from tests.support.mesh import Mesh, definition, free_port

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
LINES = [
    line.split("  #")[0].strip()
    for block in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    for line in block.splitlines()
]
HARMLESS = definition([{"id": "start", "type": "trigger.manual"}], name="Harmless")
TYPED = [line for line in LINES if not line.startswith("make ")]


@pytest.fixture
def environment(mesh: Mesh, tmp_path: Path) -> dict[str, str]:
    """Where the mesh at hand is the one of the state directory, as after `make up`."""
    state = StateDirectory(tmp_path / "state")
    record = MeshRecord(
        state="ready",
        pid=os.getpid(),
        started_at=datetime.now(UTC).isoformat(),
        gateway_url=mesh.url,
        agent_address=mesh.agent.address,
        engine_addresses=tuple(engine.address for engine in mesh.engines),
        database_url="",
        redis_url="",
        logs="",
    )
    with state.claim():
        state.write_mesh(record)
    state.secrets_file.touch(mode=0o600)
    state.secrets_file.write_text(f'{{"mesh_secret": "{mesh.mesh_secret}"}}')
    unwanted = ("FLOWLOOM_", "DATABASE_URL", "REDIS_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "FLOWLOOM_STATE_DIR": str(state.path), "XDG_CONFIG_HOME": str(tmp_path)}


async def shell(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def runnable(line: str) -> str:
    """A line of the README for the installation that runs the tests, and a workflow that ends."""
    flowloom = f"{sys.executable} -m cli.main"
    if line.endswith("flowloom doctor"):
        line = f"{line} --port {free_port()}"  # it is about the machine, whose 8000 may be taken
    return (
        line.replace(".venv/bin/flowloom", flowloom)
        .replace(".venv/bin/grpcurl", f"{BIN}/grpcurl")
        .replace("wf_…", HARMLESS["name"])
    )


async def test_every_line_that_is_typed_at_a_running_mesh_works(
    environment: dict[str, str],
) -> None:
    assert {line.split()[0] for line in TYPED} == {
        "eval",
        "curl",
        ".venv/bin/flowloom",
        ".venv/bin/grpcurl",
    }
    script = "\n".join(f"echo '>>>'\n{runnable(line)}" for line in TYPED)
    stored = await shell(
        f"{sys.executable} -m cli.main import - <<< {shlex.quote(json.dumps(HARMLESS))}",
        environment,
    )
    assert stored.returncode == 0, stored.stderr
    done = await shell(script, environment)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    answers = done.stdout.split(">>>\n")[1:]
    assert len(answers) == len(TYPED)
    for line, answer in zip(TYPED, answers, strict=True):
        assert answer.strip() or line.startswith("eval"), line
    assert "flowloom.engine.v1.RunService" in done.stdout
    assert "flowloom.agent.v1.ConsultantService" in done.stdout
    assert "human.approval" in answers[-1]


@pytest.mark.parametrize("line", sorted({line for line in LINES if line.startswith("make ")}))
async def test_every_target_of_make_exists(line: str) -> None:
    known = await shell(f"{line} --dry-run", dict(os.environ))
    assert known.returncode == 0, known.stderr
