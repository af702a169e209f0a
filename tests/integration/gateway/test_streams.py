"""Event streams: complete, in order, resumable; and they end when they should."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from google.protobuf.message import Message

from shared.errors import Conflict, Forbidden, NotFound, Unavailable
from shared.pb.flowloom.agent.v1 import (
    consultant_service_pb2,
    session_pb2,
    session_service_pb2,
)
from shared.pb.flowloom.engine.v1 import run_pb2, run_service_pb2
from tests.support.event_stream import EventStreamReader, StreamEvent
from tests.support.gateway import Gateway, gateway_settings, serving
from tests.support.scripted_mesh import ScriptedMesh

EVENTS = "/v1/runs/run_1/events"
Watch = Callable[[Any], AsyncIterator[Message]]


def batch(*sequences: int) -> run_service_pb2.WatchRunResponse:
    return run_service_pb2.WatchRunResponse(
        events=[
            run_pb2.RunEvent(run_id="run_1", sequence=sequence, type="node.completed")
            for sequence in sequences
        ]
    )


def history(last: int, size: int = 3) -> Watch:
    """A run with so many events, told in batches."""

    async def watch(request: run_service_pb2.WatchRunRequest) -> AsyncIterator[Message]:
        for first in range(request.after_sequence + 1, last + 1, size):
            yield batch(*range(first, min(first + size, last + 1)))

    return watch


def sequences(events: list[StreamEvent]) -> list[int]:
    return [int(event.last_event_id) for event in events]


async def test_a_history_is_told_to_its_end(ada: httpx2.AsyncClient, mesh: ScriptedMesh) -> None:
    mesh.on("WatchRun", history(10))
    answer = await ada.get(EVENTS)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    reader = EventStreamReader()
    events = reader.read(answer.content)
    assert sequences(events) == list(range(1, 11))
    assert json.loads(events[0].data)["type"] == events[0].type == "node.completed"
    assert reader.retry == 1000


@pytest.mark.parametrize(
    ("path", "headers", "first"),
    [
        (f"{EVENTS}?after=4", {}, 5),
        (EVENTS, {"last-event-id": "7"}, 8),
        (f"{EVENTS}?after=4", {"last-event-id": "7"}, 8),
        (f"{EVENTS}?after=4", {"last-event-id": ""}, 5),
    ],
)
async def test_a_stream_resumes_behind_what_was_seen(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, path: str, headers: dict[str, str], first: int
) -> None:
    mesh.on("WatchRun", history(10))
    answer = await ada.get(path, headers=headers)
    assert sequences(EventStreamReader().read(answer.content)) == list(range(first, 11))


async def test_when_everything_was_told_a_browser_is_told_to_stop(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    mesh.on("WatchRun", history(10))
    assert (await ada.get(f"{EVENTS}?after=10")).status_code == 204


async def test_a_batch_leaves_as_one_chunk(ada: httpx2.AsyncClient, mesh: ScriptedMesh) -> None:
    mesh.on("WatchRun", history(50, size=50))
    async with ada.stream("GET", EVENTS) as answer:
        chunks = [chunk async for chunk in answer.aiter_raw()]
    assert any(chunk.count(b"id: ") == 50 for chunk in chunks)


@pytest.mark.parametrize(
    ("failure", "status"),
    [(NotFound("No."), 404), (Forbidden("No."), 403), (Unavailable("No."), 503)],
)
async def test_what_fails_before_the_first_event_is_an_ordinary_error(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, failure: Exception, status: int
) -> None:
    async def watch(_: Any) -> AsyncIterator[Message]:
        if failure:
            raise failure
        yield batch(1)

    mesh.on("WatchRun", watch)
    answer = await ada.get(EVENTS)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_fails_later_is_told_as_an_event(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    async def watch(_: Any) -> AsyncIterator[Message]:
        yield batch(1)
        raise Conflict("Oh.", reason="STRANGE")

    mesh.on("WatchRun", watch)
    events = EventStreamReader().read((await ada.get(EVENTS)).content)
    assert [event.type for event in events] == ["node.completed", "error"]
    assert json.loads(events[1].data)["code"] == "STRANGE"


async def test_a_service_that_restarts_is_followed_on_without_gap_or_repeat(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    async def watch(request: Any) -> AsyncIterator[Message]:
        if mesh.count("WatchRun") == 1:
            yield batch(1, 2)
            raise Unavailable("Restarting.")
        async for told in history(5)(request):
            yield told

    mesh.on("WatchRun", watch)
    events = EventStreamReader().read((await ada.get(EVENTS)).content)
    assert sequences(events) == [1, 2, 3, 4, 5]
    callers = {seen.call.principal for seen in mesh.seen}
    assert len(callers) == 1
    assert None not in callers


async def test_a_client_that_leaves_ends_the_watching_only(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    left = asyncio.Event()

    async def watch(_: Any) -> AsyncIterator[Message]:
        try:
            yield batch(1)
            await asyncio.Event().wait()
        finally:
            left.set()

    mesh.on("WatchRun", watch)
    async with ada.stream("GET", EVENTS) as answer:
        async for _ in answer.aiter_raw():
            break
    await asyncio.wait_for(left.wait(), 5)
    assert mesh.count("CancelRun") == 0


async def silent(_: Any) -> AsyncIterator[Message]:
    yield batch(1)
    await asyncio.Event().wait()


async def test_a_silent_stream_beats_and_ends_with_a_hint_when_it_is_old(
    postgres_url: str, redis_url: str, mesh: ScriptedMesh
) -> None:
    settings = gateway_settings(
        postgres_url,
        redis_url,
        mesh.address,
        gateway_heartbeat_seconds=0.05,
        gateway_stream_seconds=0.5,
    )
    mesh.on("WatchRun", silent)
    async with serving(settings) as gateway:
        login = await gateway.sign_up()
        async with gateway.client(login["access_token"]) as client:
            answer = await client.get(EVENTS)
    reader = EventStreamReader()
    assert sequences(reader.read(answer.content)) == [1]
    assert reader.comments.count("heartbeat") >= 3
    assert answer.content.endswith(b"retry: 1000\n\n")


async def test_a_gateway_that_drains_sends_its_streams_away_with_a_hint(
    gateway: Gateway, mesh: ScriptedMesh
) -> None:
    mesh.on("WatchRun", silent)
    async with serving(gateway.settings) as draining:
        login = await draining.sign_up()
        async with (
            draining.client(login["access_token"]) as client,
            client.stream("GET", EVENTS) as answer,
        ):
            chunks: list[bytes] = []
            async for chunk in answer.aiter_raw():
                chunks.append(chunk)
                if b"id: 1" in chunk:
                    draining.parts.streams.drain()
            assert b"".join(chunks).endswith(b"retry: 1000\n\n")
            draining.parts.readiness.drain()
            ready = await client.get("/ready")
            assert (ready.status_code, ready.json()["status"]) == (503, "draining")


def said(*sequences: int) -> consultant_service_pb2.ConverseResponse:
    return consultant_service_pb2.ConverseResponse(
        events=[
            session_pb2.SessionEvent(session_id="ses_1", sequence=sequence, type="message.delta")
            for sequence in sequences
        ]
    )


async def test_a_turn_is_streamed_and_outlives_the_agent(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    async def converse(_: Any) -> AsyncIterator[Message]:
        yield said(4, 5)
        raise Unavailable("Restarting.")

    async def watch(request: Any) -> AsyncIterator[Message]:
        first = request.after_sequence + 1
        yield session_service_pb2.WatchSessionResponse(events=said(first, first + 1).events)

    mesh.on("Converse", converse)
    mesh.on("WatchSession", watch)
    body = {"text": "Every morning, …", "answers": {"q1": "yes"}, "auto": True}
    headers = {"idempotency-key": "k1"}
    answer = await ada.post("/v1/sessions/ses_1/messages", json=body, headers=headers)
    assert sequences(EventStreamReader().read(answer.content)) == [4, 5, 6, 7]
    request = mesh.only("Converse").request
    assert (request.text, request.auto, request.idempotency_key) == ("Every morning, …", True, "k1")
    assert json.loads(request.answers.json) == {"q1": "yes"}


async def test_a_turn_can_be_had_whole(ada: httpx2.AsyncClient, mesh: ScriptedMesh) -> None:
    async def converse(_: Any) -> AsyncIterator[Message]:
        yield said(1)
        yield said(2, 3)

    mesh.on("Converse", converse)
    headers = {"accept": "application/json"}
    answer = await ada.post("/v1/sessions/ses_1/messages", json={"text": "Hi"}, headers=headers)
    assert [event["sequence"] for event in answer.json()["events"]] == [1, 2, 3]


async def test_a_turn_that_cannot_begin_is_an_ordinary_error(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    async def converse(_: Any) -> AsyncIterator[Message]:
        if mesh:
            raise Conflict("A turn is under way.", reason="TURN_UNDER_WAY")
        yield said(1)

    mesh.on("Converse", converse)
    for accept in ("text/event-stream", "application/json"):
        answer = await ada.post(
            "/v1/sessions/ses_1/messages", json={"text": "Hi"}, headers={"accept": accept}
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "TURN_UNDER_WAY")


async def test_a_session_is_followed_from_any_event(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    async def watch(request: Any) -> AsyncIterator[Message]:
        yield session_service_pb2.WatchSessionResponse(
            events=said(request.after_sequence + 1).events
        )

    mesh.on("WatchSession", watch)
    answer = await ada.get("/v1/sessions/ses_1/events", headers={"last-event-id": "41"})
    assert sequences(EventStreamReader().read(answer.content)) == [42]
