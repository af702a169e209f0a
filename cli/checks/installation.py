"""Is everything installed that the mesh needs, and does it run here?"""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

from packaging.requirements import Requirement

from cli.checks.finding import Finding, Patient, fine, wrong
from cli.embedded.placement import EmbeddedError, installed
from cli.embedded.valkey import installed_program

_OLDEST_PYTHON = (3, 11)
_EXTRAS = ("", "gateway", "agent", "engine", "embedded")
# Wheels with machine code: present is not enough, they must load on this machine.
_COMPILED = ("grpc", "psycopg", "orjson", "uvloop", "httptools", "py_mini_racer", "psutil")
_INSTALL = "Run `make up`, which installs what is missing, or: pip install -e '.[dev]'"


async def check_python(_: Patient) -> Sequence[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _OLDEST_PYTHON:
        wanted = ".".join(map(str, _OLDEST_PYTHON))
        return [wrong("python", found, f"Install Python {wanted} or newer and make a new .venv.")]
    return [fine("python", f"{found} ({sys.executable})")]


async def check_packages(_: Patient) -> Sequence[Finding]:
    """Compare what is installed with what our own metadata asks for, then load what is compiled."""
    try:
        missing = sorted(set(_unmet()))
    except PackageNotFoundError:
        return [wrong("packages", "flowloom itself is not installed", _INSTALL)]
    if missing:
        return [wrong("packages", f"missing or too old: {', '.join(missing)}", _INSTALL)]
    loader = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"import {', '.join(_COMPILED)}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    complaint = (await loader.communicate())[0].decode().strip()
    if loader.returncode != 0:
        return [wrong("packages", f"do not load: {complaint.splitlines()[-1]}", _INSTALL)]
    return [fine("packages", f"flowloom {version('flowloom')} with all it needs")]


async def check_stubs(_: Patient) -> Sequence[Finding]:
    try:
        generated = find_spec("shared.pb.flowloom") is not None
    except ModuleNotFoundError:
        generated = False
    if not generated:
        return [wrong("gRPC stubs", "not generated", "Run `make proto`.")]
    return [fine("gRPC stubs", "generated")]


async def check_programs(_: Patient) -> Sequence[Finding]:
    """Run the servers in the wheels once: a wheel for another platform cannot."""
    findings: list[Finding] = []
    for subject, find in (
        ("PostgreSQL", lambda: installed() / "postgres"),
        ("Valkey", installed_program),
    ):
        try:
            process = await asyncio.create_subprocess_exec(
                *(str(find()), "--version"),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except (EmbeddedError, OSError) as error:
            findings.append(wrong(subject, str(error), _INSTALL))
            continue
        output = (await process.communicate())[0].decode().strip()
        ran = process.returncode == 0
        findings.append(fine(subject, output) if ran else wrong(subject, output, _INSTALL))
    return findings


def _unmet() -> Iterator[str]:
    """Name every requirement of ours that the installed packages do not meet."""
    for line in requires("flowloom") or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in _EXTRAS):
            continue
        try:
            if not requirement.specifier.contains(version(requirement.name), prereleases=True):
                yield str(requirement)
        except PackageNotFoundError:
            yield requirement.name
