"""The doctor, as a person or a script calls it, on machines with known ailments."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.embedded.ports import free_port
from cli.embedded.state import StateDirectory


@dataclass(frozen=True, slots=True)
class Diagnosis:
    code: int
    findings: Mapping[str, Mapping[str, str]]

    def severity(self, subject: str) -> str:
        return self.findings[subject]["severity"]


async def examine(state: Path, *arguments: str, **environment: str) -> Diagnosis:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "REDIS_URL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"}
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "doctor", "--json", "--state-dir", str(state)),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env={**inherited, **environment},
    )
    document: dict[str, Any] = json.loads((await process.communicate())[0])
    assert process.returncode is not None
    assert document["healthy"] is (process.returncode == 0)
    findings = {finding["subject"]: finding for finding in document["findings"]}
    return Diagnosis(process.returncode, findings)


async def test_healthy_machine(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    port = free_port()
    diagnosis = await examine(
        tmp_path / "state",
        *("--port", str(port)),
        DATABASE_URL=postgres_url,
        REDIS_URL=redis_url,
        OPENAI_API_KEY="sk-" + "x" * 40,
    )
    assert diagnosis.code == 0, diagnosis.findings
    for subject in (
        *("python", "packages", "gRPC stubs", "PostgreSQL", "Valkey", "disk", f"port {port}"),
        *("DATABASE_URL", "REDIS_URL", "OPENAI_API_KEY"),
    ):
        assert diagnosis.severity(subject) == "fine", diagnosis.findings[subject]


async def test_each_ailment_is_named_with_its_remedy(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    state.secrets_file.write_text("{}")
    state.secrets_file.chmod(0o644)
    gone = free_port()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        diagnosis = await examine(
            tmp_path,
            *("--port", str(port)),
            DATABASE_URL=f"postgresql://somebody:pass-word@127.0.0.1:{gone}/nothing",
            REDIS_URL=f"redis://:pass-word@127.0.0.1:{gone}/0",
            ANTHROPIC_API_KEY="paste-your-key",
        )
    assert diagnosis.code == 1
    for subject, remedy in (
        (f"port {port}", "--port"),
        ("state directory", f"chmod 600 {state.secrets_file}"),
        ("DATABASE_URL", "Mend or unset DATABASE_URL"),
        ("REDIS_URL", "Mend or unset REDIS_URL"),
        ("ANTHROPIC_API_KEY", "Copy the whole key"),
    ):
        assert diagnosis.severity(subject) == "wrong", diagnosis.findings[subject]
        assert remedy in diagnosis.findings[subject]["mend"]
    assert f"process {os.getpid()}" in diagnosis.findings[f"port {port}"]["detail"]
    assert "pass-word" not in str(diagnosis.findings)


async def test_wrong_password_of_a_server_is_told_from_its_absence(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    diagnosis = await examine(
        tmp_path,
        DATABASE_URL=postgres_url.replace(":tests@", ":wrong@"),
        REDIS_URL=redis_url.replace(":tests@", ":wrong@"),
    )
    assert "password authentication failed" in diagnosis.findings["DATABASE_URL"]["detail"]
    assert diagnosis.severity("REDIS_URL") == "wrong"


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
    running = await examine(state)
    assert [running.severity(part) for part in ("gateway", "agent", "engine")] == ["fine"] * 3
    assert f"process {process.pid}" in running.findings["lock"]["detail"]

    mesh = StateDirectory(state).find_mesh()
    assert mesh
    agent = next(each for each in mesh.processes if each.name == "agent")
    os.kill(agent.pid, signal.SIGSTOP)
    stuck = await examine(state)
    assert stuck.code == 1
    assert stuck.severity("agent") == "wrong"
    assert mesh.logs in stuck.findings["agent"]["mend"]

    process.kill()
    await process.wait()
    os.kill(agent.pid, signal.SIGCONT)
    killed = await examine(state)
    assert killed.severity("lock") == "note"
    assert "agent" in killed.findings["lock"]["detail"]
    assert killed.severity("mesh") == "note"
    for each in mesh.processes:
        os.kill(each.pid, signal.SIGKILL)


async def until_ready(state: Path) -> None:
    async with asyncio.timeout(30):
        while True:
            mesh = StateDirectory(state).find_mesh()
            if mesh and mesh.state == "ready":
                return
            await asyncio.sleep(0.01)
