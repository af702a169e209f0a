"""Credentials from the command line to the database and back: everything but the secret."""

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
from tests.support.mesh import Mesh

SECRET = "nobody-reads-this-back-4711"
Flowloom = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
def flowloom(mesh: Mesh, client: httpx2.AsyncClient, tmp_path: Path) -> Flowloom:
    """The command, signed in as `client`."""
    environment = {
        **os.environ,
        "FLOWLOOM_URL": mesh.url,
        "FLOWLOOM_TOKEN": client.headers["authorization"].removeprefix("Bearer "),
        "FLOWLOOM_STATE_DIR": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }

    async def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli.main", "credentials", *arguments]
        return await asyncio.to_thread(
            subprocess.run,
            command,
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


async def test_a_secret_goes_in_and_never_comes_out(
    mesh: Mesh, client: httpx2.AsyncClient, flowloom: Flowloom
) -> None:
    fields = json.dumps({"token": SECRET})
    made = await flowloom(
        *("create", "Mine", "--type", "http.bearer", "--host", "api.example.com"),
        *("--data", "-", "--json"),
        given=fields,
    )
    assert made.returncode == 0, made.stderr
    identifier = json.loads(made.stdout)["id"]
    listed = await flowloom("list", "--json")
    assert [one["id"] for one in json.loads(listed.stdout)] == [identifier]
    tried = await flowloom("test", "Mine", "--url", "https://evil.example.com/")
    assert tried.returncode == Exit.FAILED
    assert "not meant for" in tried.stderr
    refused = await flowloom(
        *("create", "Mine", "--type", "http.bearer", "--host", "a.example.com", "--data", "-"),
        given=fields,
    )
    assert refused.returncode == Exit.FAILED
    told = [made, listed, tried, refused]
    answer = await client.get(f"/v1/credentials/{identifier}")
    assert answer.json()["secrets"] == ["token"]
    gone = await flowloom("delete", "Mine", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert (await client.get(f"/v1/credentials/{identifier}")).status_code == 404
    logs = [one.log.read_text() for one in (mesh.gateway, mesh.agent, *mesh.engines)]
    everything = [*(one.stdout + one.stderr for one in told), answer.text, *logs]
    assert not any(SECRET in text for text in everything)
