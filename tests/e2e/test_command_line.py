"""The command line against a real mesh: import, run, watch, approve, export, and what fails."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from cli.exits import Exit
from tests.support.mesh import Mesh, definition

OF_N8N = {
    "name": "From elsewhere",
    "nodes": [
        {"name": "Go", "type": "n8n-nodes-base.manualTrigger", "typeVersion": 1, "parameters": {},
         "position": [0, 0]},
        {"name": "Name", "type": "n8n-nodes-base.set", "typeVersion": 3.4, "position": [200, 0],
         "parameters": {"assignments": {"assignments": [
             {"name": "who", "value": "={{ $json.name }}", "type": "string"}]}}},
        {"name": "Tell the fax", "type": "n8n-nodes-other.fax", "typeVersion": 1,
         "position": [400, 0], "parameters": {"to": "={{ $json.who }}"}},
    ],
    "connections": {
        "Go": {"main": [[{"node": "Name", "type": "main", "index": 0}]]},
        "Name": {"main": [[{"node": "Tell the fax", "type": "main", "index": 0}]]},
    },
    "settings": {"executionOrder": "v1", "timezone": "Europe/Berlin"},
}  # fmt: skip

Flowloom = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]

DOUBLING = definition(
    [
        {"id": "start", "type": "trigger.manual"},
        {
            "id": "double",
            "type": "data.set",
            "parameters": {"assignments": [{"name": "twice", "value": "{{ $json.n * 2 }}"}]},
        },
    ],
    "start > double",
    name="Doubling",
)
ASKING = definition(
    [
        {"id": "start", "type": "trigger.manual"},
        {"id": "ask", "type": "human.approval", "parameters": {"title": "Shall I?"}},
    ],
    "start > ask",
    name="Asking",
)


@pytest.fixture
def flowloom(mesh: Mesh, client: httpx2.AsyncClient, tmp_path: Path) -> Flowloom:
    """The command, signed in as `client`."""
    environment = {
        **os.environ,
        "FLOWLOOM_URL": mesh.url,
        "FLOWLOOM_TOKEN": client.headers["authorization"].removeprefix("Bearer "),
        "FLOWLOOM_STATE_DIR": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "COLUMNS": "160",
    }

    async def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "cli.main", *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


async def imported(flowloom: Flowloom, document: object) -> str:
    created = await flowloom("import", "-", "--json", stdin=json.dumps(document))
    assert created.returncode == 0, created.stderr
    return json.loads(created.stdout)["id"]


async def test_a_file_becomes_a_workflow_that_runs_before_ones_eyes(flowloom: Flowloom) -> None:
    workflow_id = await imported(flowloom, DOUBLING)
    ran = await flowloom("run", workflow_id, "--input", '{"n": 21}', "--watch")
    assert ran.returncode == 0, ran.stderr
    assert "double" in ran.stdout
    assert '{"twice": 42}' in ran.stdout


async def test_what_is_exported_can_be_imported_again(flowloom: Flowloom) -> None:
    first = await flowloom("export", await imported(flowloom, DOUBLING))
    again = await flowloom("export", await imported(flowloom, json.loads(first.stdout)))
    assert json.loads(first.stdout) == json.loads(again.stdout)


async def test_a_workflow_of_n8n_is_imported_and_says_what_became_of_it(
    flowloom: Flowloom,
) -> None:
    told = await flowloom("import", "-", "--dry-run", stdin=json.dumps(OF_N8N))
    assert told.returncode == 0, told.stderr
    assert "Tell the fax: no counterpart." in told.stderr
    assert "It cannot run before this is mended." in told.stderr
    listed = await flowloom("workflows", "list", "--json")
    assert OF_N8N["name"] not in listed.stdout
    created = await flowloom("import", "-", "--json", stdin=json.dumps(OF_N8N))
    assert created.returncode == 0, created.stderr
    verdicts = [node["verdict"] for node in json.loads(created.stdout)["report"]["nodes"]]
    assert verdicts == ["mapped", "mapped", "unmatched"]


async def test_a_question_is_listed_and_answered(flowloom: Flowloom) -> None:
    started = await flowloom("run", await imported(flowloom, ASKING), "--json")
    run_id = json.loads(started.stdout)["id"]
    async with asyncio.timeout(20):
        while not (pending := json.loads((await flowloom("approve", "--json")).stdout)):
            await asyncio.sleep(0.05)
    answered = await flowloom("approve", pending[0]["id"], "--comment", "Go on.")
    assert "approved" in answered.stdout
    watched = await flowloom("runs", "watch", run_id)
    assert watched.returncode == 0, watched.stdout
    again = await flowloom("approve", pending[0]["id"], "--reject")
    assert again.returncode == Exit.FAILED
    assert "already" in again.stderr


async def test_workflows_and_runs_are_listed_and_shown(flowloom: Flowloom) -> None:
    workflow_id = await imported(flowloom, DOUBLING)
    await flowloom("run", workflow_id, "--watch")
    for arguments, told in (
        (("workflows", "list"), "Doubling"),
        (("workflows", "show", workflow_id), "data.set"),
        (("runs", "list", "--workflow", "doubling"), "completed"),
    ):
        shown = await flowloom(*arguments)
        assert shown.returncode == 0, shown.stderr
        assert told in shown.stdout


async def test_what_fails_says_why_and_with_which_code(flowloom: Flowloom, tmp_path: Path) -> None:
    for arguments, code, told in (
        (("workflows", "show", "wf_nope"), Exit.FAILED, ""),
        (("run", "No such workflow"), Exit.FAILED, "No workflows are called"),
        (("import", str(tmp_path / "none.json")), Exit.USAGE, "cannot be read"),
        (("run", "wf_x", "--input", "{"), Exit.USAGE, "not JSON"),
    ):
        failed = await flowloom(*arguments)
        assert failed.returncode == code, failed.stdout + failed.stderr
        assert told in failed.stderr
        assert "Traceback" not in failed.stderr


async def test_a_mesh_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    environment = {**os.environ, "FLOWLOOM_URL": "http://127.0.0.1:1", "FLOWLOOM_TOKEN": "x"}
    gone = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cli.main", "workflows", "list"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert gone.returncode == Exit.UNREACHABLE
    assert "No mesh answers" in gone.stderr
