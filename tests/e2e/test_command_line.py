"""The command line against a real mesh: import, run, watch, approve, export, and what fails."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.exits import Exit
from cli.tables import local_time
from tests.support.mesh import Mesh, definition

OF_N8N: dict[str, Any] = {
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


async def test_what_was_used_is_told_and_what_may_be_is_set(flowloom: Flowloom) -> None:
    workflow_id = await imported(flowloom, DOUBLING)
    assert (await flowloom("run", workflow_id, "--input", '{"n": 1}', "--watch")).returncode == 0
    listed = await flowloom("usage", "list", "--json")
    [day] = json.loads(listed.stdout)
    assert day["runs"] == 1
    assert day["nodes"] >= 1
    made = await flowloom("usage", "set", "day", "--tokens", "1000", "--usd", "0.5")
    assert made.returncode == 0, made.stderr
    told = await flowloom("usage", "budgets")
    assert "1000" in told.stdout
    assert "0.5" in told.stdout
    assert (await flowloom("usage", "set", "day")).returncode == Exit.USAGE
    wrong = await flowloom("usage", "set", "year", "--tokens", "1")
    assert wrong.returncode == Exit.FAILED
    assert (await flowloom("usage", "unset", "day")).returncode == 0
    assert json.loads((await flowloom("usage", "budgets", "--json")).stdout) == []


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


async def test_a_question_is_handed_over(flowloom: Flowloom) -> None:
    await flowloom("run", await imported(flowloom, ASKING), "--json")
    async with asyncio.timeout(20):
        while not (pending := json.loads((await flowloom("approve", "--json")).stdout)):
            await asyncio.sleep(0.05)
    handed = await flowloom("approve", pending[0]["id"], "--delegate", "eve@example.com", "--json")
    assert json.loads(handed.stdout)["approvers"] == ["eve@example.com"]
    refused = await flowloom("approve", pending[0]["id"])
    assert refused.returncode != 0
    assert "Somebody else was asked" in refused.stderr


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
        (("run", "No such workflow"), Exit.FAILED, "No workflow is called"),
        (("runs", "show", "nope"), Exit.USAGE, "flowloom runs list"),
        (("approve", "--reject"), Exit.USAGE, "flowloom approve APPROVAL"),
        (("approve", "apr_1"), Exit.USAGE, "no id such as apr_"),
        (("chat", "  "), Exit.USAGE, "Say what you want"),
        (("workflows", "list", "--limit", "0"), Exit.USAGE, "--limit"),
        (("import", str(tmp_path / "none.json")), Exit.USAGE, "cannot be read"),
        (("run", "wf_x", "--input", "{"), Exit.USAGE, "not JSON"),
        (("run", "wf_x", "--input", '{"n": NaN}'), Exit.USAGE, "not JSON"),
        (("import", str(tmp_path)), Exit.USAGE, "cannot be read"),
    ):
        failed = await flowloom(*arguments)
        assert failed.returncode == code, failed.stdout + failed.stderr
        assert told in failed.stderr
        assert "Traceback" not in failed.stderr


async def test_names_are_resolved_by_every_command(flowloom: Flowloom) -> None:
    name = "Named only once"
    workflow_id = await imported(flowloom, {**DOUBLING, "name": name})
    for arguments, told in (
        (("workflows", "show", name.upper()), workflow_id),
        (("workflows", "activate", name), "version 1 is active"),
        (("workflows", "deactivate", name), "no longer active"),
        (("export", name), "data.set"),
        (("run", name, "--input", '{"n": 1}', "--watch"), "completed"),
        (("workflows", "delete", name, "--yes"), f"{name} is gone"),
    ):
        done = await flowloom(*arguments)
        assert done.returncode == 0, done.stderr
        assert told in done.stdout
    assert (await flowloom("workflows", "show", workflow_id)).returncode == Exit.FAILED


@pytest.mark.long
async def test_an_ambiguous_name_lists_the_candidates(flowloom: Flowloom) -> None:
    twins = [await imported(flowloom, {**DOUBLING, "name": "Twin"}) for _ in range(2)]
    for command in (("workflows", "show"), ("workflows", "activate"), ("export",), ("run",)):
        refused = await flowloom(*command, "twin")
        assert refused.returncode == Exit.FAILED
        assert all(workflow_id in refused.stderr for workflow_id in twins)
    guessed = await flowloom("export", "Twi")
    assert guessed.returncode == Exit.FAILED
    assert "Did you mean" in guessed.stderr


async def test_what_cannot_run_is_imported_with_a_warning(
    flowloom: Flowloom, tmp_path: Path
) -> None:
    file = tmp_path / "broken.json"
    broken = definition([{"id": "start", "type": "no.such.type"}], name="Broken")
    file.write_text(json.dumps(broken))
    created = await flowloom("import", f"@{file}", "--json")
    assert created.returncode == 0
    document = json.loads(created.stdout)
    assert not document["valid"]
    for told in ("/nodes/0/type", "no.such.type", "cannot run"):
        assert told in created.stderr
    assert "/nodes/0/type" in [found["pointer"] for found in document["diagnostics"]]
    activated = await flowloom("import", "@-", "--activate", stdin=json.dumps(broken))
    assert activated.returncode == Exit.FAILED
    assert "is stored, but not active" in activated.stderr


async def test_lists_say_what_people_ask(flowloom: Flowloom) -> None:
    for arguments, told in (
        (("workflows", "list"), "No workflows yet"),
        (("runs", "list"), "No runs yet"),
        (("approve",), "Nothing waits"),
    ):
        assert told in (await flowloom(*arguments)).stdout
    workflow_id = await imported(flowloom, DOUBLING)
    shown = (await flowloom("workflows", "list")).stdout
    assert f"{workflow_id}  Doubling  1        –" in shown
    exact = json.loads((await flowloom("workflows", "list", "--json")).stdout)
    assert local_time(exact[0]["update_time"]) in shown
    assert exact[0]["update_time"] not in shown


@pytest.mark.long
async def test_a_pipe_that_closes_early_is_no_error(flowloom: Flowloom, mesh: Mesh) -> None:
    for number in range(3):
        await imported(flowloom, {**DOUBLING, "name": f"Piped {number}"})
    token = json.loads((await flowloom("token", "--json")).stdout)["auth"].split()[-1]
    piped = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", f"{sys.executable} -m cli.main export 'Piped 1' | head -1"],
        env={**os.environ, "FLOWLOOM_URL": mesh.url, "FLOWLOOM_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert piped.stdout == "{\n"
    assert "Traceback" not in piped.stderr


@pytest.mark.long
async def test_every_command_offers_json(flowloom: Flowloom) -> None:
    workflow_id = await imported(flowloom, DOUBLING)
    run = json.loads((await flowloom("run", "Doubling", "--watch", "--json")).stdout)
    for arguments in (
        ("workflows", "list"),
        ("workflows", "show", workflow_id),
        ("workflows", "activate", workflow_id),
        ("workflows", "deactivate", workflow_id),
        ("runs", "list"),
        ("runs", "show", run["id"]),
        ("runs", "cancel", run["id"]),
        ("runs", "retry", run["id"], "--watch"),
        ("approve",),
        ("token",),
        ("chat", "every day at 9 fetch https://example.com/status"),
        ("workflows", "delete", workflow_id, "--yes"),
    ):
        done = await flowloom(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout) is not None
    events = await flowloom("runs", "events", run["id"])
    assert [json.loads(line)["event"] for line in events.stdout.splitlines()][-1] == "run.completed"


@pytest.mark.parametrize(
    ("environment", "code", "told"),
    [
        ({"FLOWLOOM_URL": "http://127.0.0.1:1"}, Exit.UNREACHABLE, "Is FLOWLOOM_URL right?"),
        ({"FLOWLOOM_URL": "localhost:8000"}, Exit.USAGE, "must begin with http://"),
        ({"FLOWLOOM_STATE_DIR": "/nowhere"}, Exit.UNREACHABLE, "No mesh runs in /nowhere"),
    ],
)
async def test_a_mesh_that_is_not_there_is_unreachable(
    environment: dict[str, str], code: Exit, told: str
) -> None:
    gone = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cli.main", "workflows", "list"],
        env={**os.environ, "FLOWLOOM_TOKEN": "x", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert gone.returncode == code
    assert told in gone.stderr


async def test_a_token_that_is_not_accepted_says_what_to_do(mesh: Mesh) -> None:
    refused = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cli.main", "workflows", "list"],
        env={**os.environ, "FLOWLOOM_URL": mesh.url, "FLOWLOOM_TOKEN": "nonsense"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == Exit.FAILED
    assert "flowloom login" in refused.stderr
