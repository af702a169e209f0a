"""Is the mesh that runs here in good health?"""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Sequence

from cli.checks.finding import Finding, Patient, fine, note, wrong
from cli.embedded.state import MeshRecord
from cli.health_probe import Probe, Verdict

_SECONDS = 3.0


async def check_mesh(patient: Patient) -> Sequence[Finding]:
    mesh = patient.find_mesh()
    if mesh is None:
        return [note("mesh", "none runs here", "Start one with `flowloom up`.")]
    return [
        await asyncio.to_thread(_check_gateway, mesh),
        await _check_health("agent", mesh.agent_address, mesh),
        *[await _check_health("engine", address, mesh) for address in mesh.engine_addresses],
    ]


def _check_gateway(mesh: MeshRecord) -> Finding:
    url = f"{mesh.gateway_url}/ready"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_SECONDS):
            return fine("gateway", f"{mesh.gateway_url} is ready")
    except urllib.error.HTTPError as error:
        return wrong("gateway", f"{url} says {error.code}: {_summary(error.read())}", _look(mesh))
    except OSError as error:
        return wrong("gateway", f"{url} does not answer: {error}", _look(mesh))


def _summary(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body))
    except ValueError:
        return body.decode(errors="replace")[:500]


async def _check_health(subject: str, address: str, mesh: MeshRecord) -> Finding:
    probe = Probe(address, connect_seconds=_SECONDS, rpc_seconds=_SECONDS)
    verdict, sentence = await probe.ask()
    if verdict is Verdict.SERVING:
        return fine(subject, f"{address} is serving")
    return wrong(subject, f"{address}: {sentence}", _look(mesh))


def _look(mesh: MeshRecord) -> str:
    return f"Read the logs in {mesh.logs}, then stop the mesh (process {mesh.pid}) and start again."
