"""`python -m bench.rolling`: restart everything under load, say what it cost."""

import argparse
import asyncio
import secrets
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from bench.chaos.effects import Effects, counting
from bench.rolling.balancer import Balancer, balancing
from bench.rolling.people import (
    Ledger,
    Person,
    again_and_again,
    call_hook,
    converse,
    look,
    run_and_follow,
)
from bench.rolling.replicas import ORDER, Deployment, deployed
from bench.table import Figure, show
from bench.workflows import chain, webhook

_SHOWN = 10
_CALM_SECONDS = 3.0
_TIMEOUT_SECONDS = 60


@dataclass(slots=True)
class Restarts:
    """How restarting went, by service: seconds of draining, seconds until ready."""

    drained: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    ready: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    wrong: list[str] = field(default_factory=list[str])


async def rolling(home: Path, rounds: int, people: int) -> list[str]:
    """Restart every replica so often; what is wrong afterwards."""
    ledger, restarts = Ledger(), Restarts()
    async with (
        counting() as effects,
        balancing() as balancer,
        deployed(home, effects.authority, balancer.url) as deployment,
        _signed_in(deployment, balancer, ledger) as person,
    ):
        workflow_id = await _create(person, _long_one(f"http://{effects.authority}/effect"))
        hook, hook_id = await _create_hook(person)
        over = asyncio.Event()
        async with asyncio.TaskGroup() as load:
            for number in range(people):
                for act in (
                    lambda: run_and_follow(person, workflow_id),
                    lambda: call_hook(person, hook),
                    lambda: look(person),
                )[: 3 if number % 2 else 2]:
                    load.create_task(again_and_again(over, act))
            load.create_task(again_and_again(over, lambda: converse(person)))
            try:
                await _restart_all(deployment, balancer, rounds, restarts)
            finally:
                over.set()
        wrong = [*restarts.wrong, *ledger.failures]
        wrong += await _verdict(person, effects, workflow_id, hook_id)
    show("Every service restarted under load", _figures(ledger, restarts, effects, wrong))
    return wrong


async def _restart_all(
    deployment: Deployment, balancer: Balancer, rounds: int, restarts: Restarts
) -> None:
    for _ in range(rounds):
        for service in ORDER:
            for replica in deployment.replicas[service]:
                await asyncio.sleep(_CALM_SECONDS)
                if service == "gateway":
                    balancer.registered.remove(replica.port)
                seconds, code = await replica.stop()
                restarts.drained.setdefault(service, []).append(seconds)
                if code != 0:
                    restarts.wrong.append(f"{service} ended with exit code {code}")
                restarts.ready.setdefault(service, []).append(await replica.start())
                if service == "gateway":
                    balancer.registered.append(replica.port)
    await asyncio.sleep(_CALM_SECONDS)


@asynccontextmanager
async def _signed_in(
    deployment: Deployment, balancer: Balancer, ledger: Ledger
) -> AsyncGenerator[Person]:
    balancer.registered += [one.port for one in deployment.replicas["gateway"]]
    # As behind a load balancer that counts requests: each one has a connection of its own.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(
        base_url=balancer.url, timeout=_TIMEOUT_SECONDS, limits=limits
    ) as client:
        who = {"email": f"{secrets.token_hex(8)}@example.com", "password": secrets.token_hex(16)}
        answer = await client.post("/auth/v1/signup", json=who)
        answer.raise_for_status()
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        yield Person(client, ledger)


def _long_one(url: str) -> dict[str, Any]:
    """Some seconds of effects and waits, so that runs are under way whatever is restarted."""
    body = {"kind": "json", "value": "{{ $json }}"}
    call = {"type": "http.request", "parameters": {"method": "POST", "url": url, "body": body}}
    pause = {"type": "flow.wait", "parameters": {"amount": 1, "unit": "seconds"}}
    return chain(
        "long",
        [
            {"id": "start", "type": "trigger.manual"},
            {"id": "first", **call},
            {"id": "pause", **pause},
            {"id": "second", **call},
            {"id": "again", **pause},
            {"id": "third", **call},
        ],
    )


def _answering() -> dict[str, Any]:
    assignments = [{"name": "key", "value": "{{ $json.body.key }}"}]
    return chain(
        "answering",
        [
            webhook(secrets.token_hex(8)),
            {"id": "set", "type": "data.set", "parameters": {"assignments": assignments}},
            {"id": "answer", "type": "flow.respond"},
        ],
    )


async def _create(person: Person, definition: dict[str, Any]) -> str:
    created = await person.client.post("/v1/workflows", json={"definition": definition})
    created.raise_for_status()
    return created.json()["id"]


async def _create_hook(person: Person) -> tuple[str, str]:
    workflow_id = await _create(person, _answering())
    activated = await person.client.post(f"/v1/workflows/{workflow_id}:activate", json={})
    activated.raise_for_status()
    listed = await person.client.get("/v1/triggers", params={"workflow_id": workflow_id})
    return f"/v1/hooks/{listed.json()['triggers'][0]['path']}", workflow_id


async def _verdict(person: Person, effects: Effects, workflow_id: str, hook_id: str) -> list[str]:
    """What is wrong with the runs, now that nothing is under way."""
    runs = person.ledger.runs
    stored = await _all_runs(person, workflow_id)
    wrong = [f"lost: {run_id}" for run_id in runs.keys() - stored.keys()]
    wrong += [f"begun twice: {run_id}" for run_id in stored.keys() - runs.keys()]
    wrong += [f"{run_id} is {status}" for run_id, status in stored.items() if status != "completed"]
    expected = {f"{run_id}:{node}" for run_id in runs for node in ("first", "second", "third")}
    wrong += [f"never happened: {key}" for key in expected - set(effects.requests)]
    wrong += [f"should not have happened: {key}" for key in set(effects.requests) - expected]
    hooks, calls = await _all_runs(person, hook_id), person.ledger.counted["webhook calls"]
    if len(hooks) != calls:
        wrong.append(f"{len(hooks)} runs of {calls} webhook calls")
    return wrong


async def _all_runs(person: Person, workflow_id: str) -> dict[str, str]:
    found: dict[str, str] = {}
    token = ""
    while True:
        query = {"workflow_id": workflow_id, "page_size": "100", "page_token": token}
        page = (await person.client.get("/v1/runs", params=query)).raise_for_status().json()
        found |= {run["id"]: run["status"] for run in page["runs"]}
        token = page["next_page_token"]
        if not token:
            return found


def _figures(
    ledger: Ledger, restarts: Restarts, effects: Effects, wrong: list[str]
) -> list[Figure]:
    waits = sorted(ledger.waits) or [0.0]
    repeated = effects.requests.total() - len(effects.requests)
    return [
        *(
            Figure(
                f"restarts of {service}",
                str(len(seconds)),
                f"drained in {statistics.median(seconds):.1f} s (at most {max(seconds):.1f}), "
                f"ready {statistics.median(restarts.ready[service]):.1f} s after the start",
            )
            for service, seconds in restarts.drained.items()
        ),
        *(Figure(what, str(count)) for what, count in sorted(ledger.counted.items())),
        Figure("runs followed", str(len(ledger.runs))),
        Figure("effects repeated under their key", str(repeated)),
        Figure(
            "how long requests took",
            f"{statistics.median(waits) * 1000:.0f} ms",
            f"p99 {waits[int(len(waits) * 0.99)] * 1000:.0f} ms, longest {waits[-1]:.1f} s",
        ),
        Figure("wrong", str(len(wrong)), "; ".join(wrong[:_SHOWN])),
    ]


def main() -> int:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m bench.rolling")
    parser.add_argument("--rounds", type=int, default=3, help="how often each replica is restarted")
    parser.add_argument("--people", type=int, default=6, help="how many of each kind are busy")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flowloom-roll-", ignore_cleanup_errors=True) as made:
        return 1 if asyncio.run(rolling(Path(made), asked.rounds, asked.people)) else 0


if __name__ == "__main__":
    sys.exit(main())
