"""The doctor, as a person or a script calls it, on machines with known ailments."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cli.checks.finding import Check, Finding, Patient, Severity
from cli.checks.machine import check_disk, check_ports, check_state
from cli.checks.mesh import check_mesh
from cli.checks.providers import check_providers
from cli.checks.servers import check_database, check_redis
from cli.embedded.ports import free_port
from cli.embedded.state import StateDirectory

Findings = Mapping[str, Finding]


async def look(
    state: Path, *checks: Check, port: int | None = None, **environment: str
) -> Findings:
    """Make some checks in this process; findings by their subject."""
    patient = Patient(StateDirectory(state), environment, {"gateway": port or free_port()})
    found = [finding for check in checks for finding in await check(patient)]
    return {finding.subject: finding for finding in found}


def severities(findings: Findings, *subjects: str) -> set[Severity]:
    return {findings[subject].severity for subject in subjects}


async def call(state: Path, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """Examine as a script does; the exit code and the document."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "doctor", "--json", "--state-dir", str(state)),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    document: dict[str, Any] = json.loads((await process.communicate())[0])
    assert process.returncode is not None
    return process.returncode, document


async def test_healthy_machine(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    port = free_port()
    code, document = await call(
        tmp_path / "state",
        *("--port", str(port)),
        DATABASE_URL=postgres_url,
        REDIS_URL=redis_url,
        OPENAI_API_KEY="sk-" + "x" * 40,
    )
    assert (code, document["healthy"]) == (0, True), document
    fine = {each["subject"] for each in document["findings"] if each["severity"] == "fine"}
    assert fine >= {
        *("python", "packages", "gRPC stubs", "PostgreSQL", "Valkey", "disk", f"port {port}"),
        *("DATABASE_URL", "REDIS_URL", "OPENAI_API_KEY"),
    }


async def test_one_thing_wrong_is_exit_code_1(tmp_path: Path) -> None:
    code, document = await call(tmp_path, ANTHROPIC_API_KEY="paste-your-key")
    assert (code, document["healthy"]) == (1, False)


async def test_each_ailment_is_named_with_its_remedy(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    state.secrets_file.write_text("{}")
    state.secrets_file.chmod(0o644)
    gone = free_port()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        findings = await look(
            tmp_path,
            *(check_ports, check_state, check_database, check_redis, check_providers),
            port=port,
            DATABASE_URL=f"postgresql://somebody:pass-word@127.0.0.1:{gone}/nothing",
            REDIS_URL=f"redis://:pass-word@127.0.0.1:{gone}/0",
            ANTHROPIC_API_KEY="paste-your-key",
        )
    for subject, remedy in (
        (f"port {port}", "--port"),
        ("state directory", f"chmod 600 {state.secrets_file}"),
        ("DATABASE_URL", "Mend or unset DATABASE_URL"),
        ("REDIS_URL", "Mend or unset REDIS_URL"),
        ("ANTHROPIC_API_KEY", "Copy the whole key"),
    ):
        assert findings[subject].severity is Severity.WRONG
        assert remedy in findings[subject].mend
    assert f"process {os.getpid()}" in findings[f"port {port}"].detail
    assert "pass-word" not in str(findings)


async def test_a_place_where_nothing_can_be_made_is_no_full_disk(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for place, told in (
        (Path("/proc/flowloom"), "/proc cannot be written"),
        (Path("/proc"), "/proc cannot be written"),
        (file, f"{file} is a file"),
        (file / "below", f"{file} is a file"),
    ):
        findings = await look(place, check_state, check_disk)
        assert findings["state directory"].severity is Severity.WRONG
        assert told in findings["state directory"].detail
        assert "--state-dir" in findings["state directory"].mend
        assert all(
            finding.subject != "disk" or finding.severity is not Severity.WRONG
            for finding in findings.values()
        )


async def test_a_place_that_can_be_made_is_fine_and_stays_as_it_was(tmp_path: Path) -> None:
    findings = await look(tmp_path / "new" / "state", check_state, check_disk)
    assert findings["state directory"].severity is Severity.NOTE
    assert not os.listdir(tmp_path)  # noqa: PTH208 (no blocking pathlib in async functions)


@pytest.mark.parametrize("url", ["mysql://me:hush@127.0.0.1/x", "host=hush", "http://hush"])
async def test_addresses_of_other_servers_are_told_from_servers_away(
    tmp_path: Path, url: str
) -> None:
    findings = await look(tmp_path, check_database, check_redis, DATABASE_URL=url, REDIS_URL=url)
    for finding in findings.values():
        assert "is no address of" in finding.detail
        assert "hush" not in finding.detail


async def test_wrong_passwords_are_refused_by_the_servers(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    findings = await look(
        tmp_path,
        *(check_database, check_redis),
        DATABASE_URL=postgres_url.replace(":tests@", ":wrong@"),
        REDIS_URL=redis_url.replace(":tests@", ":wrong@"),
    )
    assert "password authentication failed" in findings["DATABASE_URL"].detail
    assert findings["REDIS_URL"].severity is Severity.WRONG


async def test_running_killed_and_ended_mesh_are_told_apart(
    open_directory: Path, postgres_url: str, redis_url: str
) -> None:
    state = open_directory / "state"
    given = {"DATABASE_URL": postgres_url, "REDIS_URL": redis_url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.tiny_mesh", str(state)),
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, **given, "TINY_JOURNAL": str(open_directory / "journal")},
    )
    await until_ready(state)
    running = await look(state, check_mesh, check_state)
    assert severities(running, "gateway", "agent", "engine") == {Severity.FINE}
    assert f"process {process.pid}" in running["lock"].detail

    mesh = StateDirectory(state).find_mesh()
    assert mesh
    agent = next(each for each in mesh.processes if each.name == "agent")
    os.kill(agent.pid, signal.SIGSTOP)
    stuck = await look(state, check_mesh, check_state)
    assert stuck["agent"].severity is Severity.WRONG
    assert mesh.logs in stuck["agent"].mend

    process.kill()
    await process.wait()
    killed = await look(state, check_mesh, check_state)
    assert severities(killed, "lock", "mesh") == {Severity.NOTE}
    assert f"agent ({agent.pid})" in killed["lock"].detail
    left = await look(state, check_ports, port=int(mesh.agent_address.split(":")[1]))
    [port] = left.values()
    assert port.severity is Severity.NOTE
    assert f"agent (process {agent.pid}) that a killed mesh left" in port.detail
    for each in mesh.processes:
        os.kill(each.pid, signal.SIGKILL)


async def until_ready(state: Path) -> None:
    async with asyncio.timeout(30):
        while True:
            mesh = StateDirectory(state).find_mesh()
            if mesh and mesh.state == "ready":
                return
            await asyncio.sleep(0.01)
