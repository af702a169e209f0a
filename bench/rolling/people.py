"""People who keep the mesh busy: each does one thing again and again until it is over.

A request that is answered with 503 UNAVAILABLE is repeated under its key, as every client may;
whatever else goes wrong is noted as a failure. An event stream that ends before its last event is
taken up again behind the last one that came.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson

_PAUSE_SECONDS = 0.2
_TRIES = 150
_PATIENCE_SECONDS = 120.0
_RUN_ENDS = frozenset({"run.completed", "run.failed", "run.cancelled"})
_TURN_ENDS = frozenset({"turn.completed"})
_SENTENCES = (
    "Every weekday at 9 call https://example.com/report",
    "When a webhook arrives with an order, if the amount is over 100 ask me for approval",
)


@dataclass(slots=True)
class Ledger:
    """What people saw.

    Attributes:
        counted: How often what happened.
        failures: What must not happen, each in a sentence.
        runs: The runs that were accepted, each with the key it was asked for under.
        waits: How long requests took, repetitions included, in seconds.
    """

    counted: Counter[str] = field(default_factory=Counter[str])
    failures: list[str] = field(default_factory=list[str])
    runs: dict[str, str] = field(default_factory=dict[str, str])
    waits: list[float] = field(default_factory=list[float])


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody signed in, behind the balancer."""

    client: httpx2.AsyncClient
    ledger: Ledger

    async def ask(self, method: str, path: str, *, accept: str = "*/*", json: Any = None) -> Any:
        """One request, repeated while the service says that it is unavailable; None if it fails."""
        begun_at, answer = time.monotonic(), None
        headers = {"accept": accept}
        if method == "POST":
            headers["idempotency-key"] = secrets.token_hex(16)
        for _ in range(_TRIES):
            self.ledger.counted["requests"] += 1
            try:
                answer = await self.client.request(method, path, headers=headers, json=json)
            except httpx2.TransportError as error:
                self.ledger.failures.append(f"{method} {path}: {error!r}")
                return None
            if answer.is_success:
                self.ledger.waits.append(time.monotonic() - begun_at)
                return orjson.loads(answer.content)
            if not _is_unavailable(answer):
                break
            self.ledger.counted["repeated after 503"] += 1
            await asyncio.sleep(_PAUSE_SECONDS)
        assert answer is not None
        self.ledger.failures.append(f"{method} {path}: {answer.status_code} {answer.text}")
        return None

    async def follow(self, path: str, ends: frozenset[str]) -> str:
        """Follow a history to its last event, across streams; that event's type."""
        last, kind = 0, ""
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while kind not in ends:
            async for number, happened in self._stream(path, last):
                kind = happened
                if number != last + 1:
                    self.ledger.failures.append(f"{path}: event {number} came after {last}")
                last = number
                self.ledger.counted["events"] += 1
            if kind not in ends:
                if time.monotonic() > give_up_at:
                    self.ledger.failures.append(f"{path} has no end; {last} events came")
                    break
                self.ledger.counted["streams taken up again"] += last > 0
                await asyncio.sleep(_PAUSE_SECONDS)
        return kind

    async def _stream(self, path: str, after: int) -> AsyncIterator[tuple[int, str]]:
        headers = {"accept": "text/event-stream", "last-event-id": str(after)}
        try:
            async with self.client.stream("GET", path, headers=headers) as answer:
                self.ledger.counted["streams"] += 1
                if answer.status_code not in (200, 204):
                    await answer.aread()
                    if not _is_unavailable(answer):
                        self.ledger.failures.append(f"{path}: {answer.status_code} {answer.text}")
                    return
                number = 0
                async for line in answer.aiter_lines():
                    if line.startswith("id: "):
                        number = int(line[4:])
                    elif line.startswith("event: "):
                        yield number, line[7:]
        except httpx2.TransportError as error:
            self.ledger.failures.append(f"{path}: the stream broke off: {error!r}")


def _is_unavailable(answer: httpx2.Response) -> bool:
    return answer.status_code == 503 and orjson.loads(answer.content)["code"] == "UNAVAILABLE"


async def run_and_follow(person: Person, workflow_id: str) -> None:
    """Start a run and follow it to its end."""
    key = secrets.token_hex(8)
    body = {"input": {"key": key}}
    run = await person.ask("POST", f"/v1/workflows/{workflow_id}:run", json=body)
    if run is None:
        return
    person.ledger.runs[run["id"]] = key
    end = await person.follow(f"/v1/runs/{run['id']}/events", _RUN_ENDS)
    if end != "run.completed":
        person.ledger.failures.append(f"{run['id']} ended with {end}")


async def call_hook(person: Person, hook: str) -> None:
    """Call a webhook that answers with what it was sent."""
    body = {"key": secrets.token_hex(8)}
    answer = await person.ask("POST", hook, json=body)
    person.ledger.counted["webhook calls"] += 1
    if answer is not None and body["key"] not in str(answer):
        person.ledger.failures.append(f"{hook} answered {answer} to {body}")


async def converse(person: Person) -> None:
    """Say a sentence and wait for the turn, while somebody else follows it."""
    session = await person.ask("POST", "/v1/sessions", json={"mode": "create"})
    if session is None:
        return
    path = f"/v1/sessions/{session['id']}"
    body = {"text": secrets.choice(_SENTENCES), "auto": True}
    turn, _ = await asyncio.gather(
        person.ask("POST", f"{path}/messages", accept="application/json", json=body),
        person.follow(f"{path}/events", _TURN_ENDS),
    )
    person.ledger.counted["turns of the consultant"] += 1
    if turn is not None and turn["events"][-1]["type"] not in _TURN_ENDS:
        person.ledger.failures.append(f"{path}: its turn ended with {turn['events'][-1]['type']}")


async def look(person: Person) -> None:
    """Read what a page would show."""
    await person.ask("GET", "/v1/workflows")
    await person.ask("GET", "/v1/runs")
    await asyncio.sleep(_PAUSE_SECONDS)


async def again_and_again(over: asyncio.Event, act: Callable[[], Awaitable[None]]) -> None:
    """Act until it is over; what has begun is finished."""
    while not over.is_set():
        await act()
