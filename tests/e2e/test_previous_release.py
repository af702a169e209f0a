"""Expand, then contract: the previous release works on today's schema, beside today's code.

Its code is taken out of git and started on a database that today's migrations have made. A run
that one of them began is ended by the other, because that is what a deployment looks like, and
what putting the previous release back does.
"""

import asyncio
import re
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.embedded.valkey import EmbeddedValkey
from tests.e2e.test_story import SENTENCE, approve, new_session, say
from tests.support import mesh as meshes
from tests.support.mesh import ROOT, Mesh, definition
from tests.support.postgres import PostgresForTests

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
RELEASES = re.findall(
    r"^\| (v[\d.]+) \| ([0-9a-f]{40}) \|",
    (ROOT / "docs" / "releases.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def _said(text: str) -> dict[str, Any]:
    return {"assignments": [{"name": "said", "value": text}]}


ASKING = definition(
    [
        {"id": "start", "type": "trigger.manual"},
        {"id": "before", "type": "data.set", "parameters": _said("one")},
        {"id": "ask", "type": "human.approval", "parameters": {"title": "Go on?"}},
        {"id": "after", "type": "data.set", "parameters": _said("two")},
    ],
    "start > before",
    "before > ask",
    "ask.approved > after",
    name="Asking",
)


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, check=False)


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the last release, its protos compiled."""
    _, commit = RELEASES[-1]
    if git("cat-file", "-e", f"{commit}^{{commit}}").returncode != 0:
        pytest.skip("this clone is shallow: it does not hold the last release")
    folder = tmp_path_factory.mktemp("release")
    packed = folder / "release.tar"
    assert git("archive", f"--output={packed}", commit).returncode == 0
    code = folder / "code"
    with tarfile.open(packed) as archive:
        archive.extractall(code, filter="data")
    subprocess.run((sys.executable, "proto/generate.py"), cwd=code, check=True)
    return code


@pytest.fixture(scope="module")
async def deployed(
    previous: Path,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresForTests,
    valkey_server: EmbeddedValkey,
) -> AsyncIterator[Mesh]:
    """A mesh of the previous release on today's schema."""
    name = f"previous_{tmp_path_factory.getbasetemp().name.replace('-', '_')}"
    await postgres_server.create_migrated(name)
    folder = tmp_path_factory.mktemp("mesh")
    async with meshes.running(
        folder, postgres_server.url(name), valkey_server.url(), code=previous
    ) as running:
        yield running
    await postgres_server.drop_database(name)


def test_the_tag_is_the_commit_that_is_written_down() -> None:
    for tag, commit in RELEASES:
        found = git("rev-parse", "--verify", "--quiet", f"{tag}^{{commit}}")
        assert found.returncode != 0 or found.stdout.decode().strip() == commit, tag


def test_it_is_the_previous_code_that_runs(deployed: Mesh) -> None:
    gateway = deployed.gateway
    told = {**gateway.environment, "PYTHONPATH": str(gateway.code)}
    program = "import engine_service, gateway, shared; print(gateway.__file__, shared.__file__)"
    done = subprocess.run(
        (sys.executable, "-c", program), cwd=gateway.code, env=told, capture_output=True, check=True
    )
    assert [str(gateway.code) in part for part in done.stdout.decode().split()] == [True, True]
    assert gateway.code != ROOT


async def test_a_sentence_becomes_an_automation_on_the_newer_schema(deployed: Mesh) -> None:
    async with deployed.client() as client:
        events = await say(client, await new_session(client), text=SENTENCE, auto=True)
        workflow = events[-1]["workflow"]
        activated = await client.post(f"/v1/workflows/{workflow['id']}:activate", json={})
        assert activated.status_code == 200, activated.text
        [trigger] = (await client.get("/v1/triggers")).json()["triggers"]
        async with asyncio.TaskGroup() as tasks:
            hook = f"/v1/hooks/{trigger['path']}"
            answer = tasks.create_task(client.post(hook, json={"id": "A-2", "amount": 250}))
            tasks.create_task(approve(client))
        assert "A-2" in answer.result().text


async def begin(client: httpx2.AsyncClient) -> str:
    """A run that waits for an answer."""
    created = await client.post("/v1/workflows", json={"definition": ASKING})
    assert created.status_code == 201, created.text
    started = await client.post(f"/v1/workflows/{created.json()['id']}:run", json={})
    assert started.status_code == 202, started.text
    run_id = started.json()["id"]
    async with asyncio.timeout(60):
        while (await client.get(f"/v1/runs/{run_id}")).json()["status"] != "waiting":
            await asyncio.sleep(0.05)
    return run_id


async def ended(client: httpx2.AsyncClient, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while not (run := (await client.get(f"/v1/runs/{run_id}")).json())["end_time"]:
            await asyncio.sleep(0.05)
    return run


async def put(mesh: Mesh, code: Path) -> None:
    """Have an engine of this code where another was, as a deployment does."""
    (engine,) = mesh.engines
    await engine.stop()
    engine.code = code
    await engine.start()
    await engine.ready()
    await mesh.gateway.ready()  # which means that it has found the new one


@pytest.mark.parametrize("back", [False, True], ids=["deployed", "put back"])
async def test_a_run_that_one_release_began_is_ended_by_the_other(
    deployed: Mesh, previous: Path, *, back: bool
) -> None:
    first, then = (ROOT, previous) if back else (previous, ROOT)
    async with deployed.client() as client:
        await put(deployed, first)
        run_id = await begin(client)
        await put(deployed, then)
        await approve(client)
        run = await ended(client, run_id)
    assert (run["status"], run["error"]) == ("completed", None)
    assert [item["json"] for item in run["output"]] == [{"said": "two"}]
