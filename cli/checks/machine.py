"""Is there room for a mesh on this machine: ports, disk, and a usable state directory?"""

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Mapping, Sequence
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
    runs, processes = patient.find_mesh() is not None, patient.find_processes()
    return [_check_port(name, port, processes, runs) for name, port in patient.ports.items()]


def _check_port(name: str, port: int, ours: Mapping[int, str], runs: bool) -> Finding:
    subject = f"port {port}"
    if is_free(port):
        return fine(subject, f"free for the {name}")
    listener = find_listener(port)
    if listener and (part := ours.get(listener.pid)):
        if runs:
            return fine(subject, f"used by the {part} of the mesh that runs here")
        # No reason to stop anything by hand: the lock's finding says what becomes of it.
        return note(subject, f"held by the {part} (process {listener.pid}) that a killed mesh left")
    holder = describe_listener(port)
    if name == "gateway":
        mend = f"Stop {holder}, or start with another port: flowloom up --port 8001"
        return wrong(subject, f"taken by {holder}", mend)
    return note(subject, f"taken by {holder}: `flowloom up` takes a free one for the {name}")


async def check_state(patient: Patient) -> Sequence[Finding]:
    """The directory is ours, closed to others, and no killed mesh left anything in it."""
    state = patient.state
    subject = "state directory"
    place = _existing(state.path)
    if not place.is_dir():
        return [wrong(subject, f"{place} is a file", "Choose a directory with --state-dir.")]
    if why := _why_not_writable(place):
        mend = f"Run as its owner ({_owner(place)}), or choose another place with --state-dir."
        missing = "" if place == state.path else f"{state.path} cannot be made: "
        return [wrong(subject, f"{missing}{place} cannot be written ({why})", mend)]
    if place != state.path:
        return [note(subject, f"{state.path} does not exist yet; the first start makes it")]
    findings = [_check_closed(path) for path in (state.secrets_file, state.mesh_file)]
    return [
        *(finding for finding in findings if finding),
        _check_leftovers(patient),
    ]


def _existing(path: Path) -> Path:
    """The path itself, or what exists of the way to it."""
    return next(step for step in (path, *path.parents) if os.path.lexists(step))


def _why_not_writable(directory: Path) -> str:
    """Why nothing can be made there; empty when it can. Trying is the only way to know."""
    try:
        with tempfile.TemporaryDirectory(prefix=".flowloom-doctor-", dir=directory):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _owner(path: Path) -> str:
    uid = path.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


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
    place = _existing(patient.state.path)
    usage = shutil.disk_usage(place)
    if not usage.total:
        return []  # no disk but a view of the kernel's, where check_state finds that nothing fits
    free = usage.free
    detail = f"{free / _GIGABYTE:.1f} GB free at {place}"
    if free < _NEEDED_BYTES:
        return [wrong("disk", detail, "Free some space: PostgreSQL stops when the disk is full.")]
    if free < _COMFORTABLE_BYTES:
        return [note("disk", detail, "Histories of runs grow; keep an eye on it.")]
    return [fine("disk", detail)]
