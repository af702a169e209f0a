"""Is there room for a mesh on this machine: ports, disk, and a usable state directory?"""

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from cli.checks.finding import Finding, Patient, fine, note, wrong
from cli.embedded.placement import EmbeddedError, find_strays
from cli.embedded.ports import describe_listener, find_listener, is_free
from cli.embedded.processes import find

_GIGABYTE = 1024**3
_NEEDED_BYTES = _GIGABYTE // 2
_COMFORTABLE_BYTES = 2 * _GIGABYTE


async def check_ports(patient: Patient) -> Sequence[Finding]:
    """Every usual port is free or ours; only the gateway's is asked for by name elsewhere."""
    mesh = patient.find_mesh()
    ours = {process.pid for process in mesh.processes} if mesh else set[int]()
    return [_check_port(name, port, ours) for name, port in patient.ports.items()]


def _check_port(name: str, port: int, ours: set[int]) -> Finding:
    subject = f"port {port}"
    if is_free(port):
        return fine(subject, f"free for the {name}")
    listener = find_listener(port)
    if listener and listener.pid in ours:
        return fine(subject, f"used by the {name} of the mesh that runs here")
    holder = describe_listener(port)
    if name == "gateway":
        mend = f"Stop {holder}, or start with another port: flowloom up --port 8001"
        return wrong(subject, f"taken by {holder}", mend)
    return note(subject, f"taken by {holder}: `flowloom up` takes a free one for the {name}")


async def check_state(patient: Patient) -> Sequence[Finding]:
    """The directory is ours, closed to others, and no killed mesh left anything in it."""
    state = patient.state
    subject = "state directory"
    if not state.path.exists():
        return [note(subject, f"{state.path} does not exist yet; the first start makes it")]
    if not os.access(state.path, os.R_OK | os.W_OK | os.X_OK):
        owner = state.path.stat().st_uid
        mend = f"Run as its owner (uid {owner}), or choose another with --state-dir."
        return [wrong(subject, f"{state.path} cannot be written by this account", mend)]
    findings = [_check_closed(path) for path in (state.secrets_file, state.mesh_file)]
    return [
        *(finding for finding in findings if finding),
        _check_leftovers(patient),
    ]


def _check_closed(path: Path) -> Finding | None:
    if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return wrong("state directory", f"{path} is readable by others", f"chmod 600 {path}")
    return None


def _check_leftovers(patient: Patient) -> Finding:
    state = patient.state
    subject = "lock"
    if state.is_held():
        return fine(subject, f"held by the mesh that runs here (process {state.holder()})")
    try:
        mesh = state.find_mesh()
    except EmbeddedError as error:
        return wrong(subject, str(error), f"rm {state.mesh_file}")
    if mesh is None:
        return fine(subject, "free")
    alive = [process for process in mesh.processes if find(process)]
    names = ", ".join(f"{process.name} ({process.pid})" for process in alive)
    return note(
        subject,
        f"stale: process {mesh.pid} was killed" + (f" and left {names} running" if alive else ""),
        "Nothing to do: the next `flowloom up` ends or takes over what was left.",
    )


async def check_strays(_: Patient) -> Sequence[Finding]:
    """Data that root's meshes put outside their state directories, which are gone by now."""
    return [
        note("stray data", f"{data} belonged to {origin}, which is gone", f"rm -r {data}*")
        for data, origin in find_strays()
    ]


async def check_disk(patient: Patient) -> Sequence[Finding]:
    place = next(
        path for path in (patient.state.path, *patient.state.path.parents) if path.exists()
    )
    free = shutil.disk_usage(place).free
    detail = f"{free / _GIGABYTE:.1f} GB free at {place}"
    if free < _NEEDED_BYTES:
        return [wrong("disk", detail, "Free some space: PostgreSQL stops when the disk is full.")]
    if free < _COMFORTABLE_BYTES:
        return [note("disk", detail, "Histories of runs grow; keep an eye on it.")]
    return [fine("disk", detail)]
