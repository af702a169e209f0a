"""Turns as their callers live through them: leaving, coming back, cancelling, being in a hurry."""

import asyncio

import pytest
from sqlalchemy import text

from agent_service.server import Agent
from shared.database import Database, DatabaseRole
from shared.errors import Conflict
from shared.pb.flowloom.agent.v1 import consultant_service_pb2, session_service_pb2
from tests.integration.agent_service.conftest import Client
from tests.support.fake_engine import FakeEngine

WISH = "every weekday at 9 fetch https://api.example.com/news"


async def test_a_second_message_while_a_turn_runs_is_a_conflict(
    alice: Client, engine: FakeEngine
) -> None:
    session = await alice.new_session()
    with engine.intercept("ValidateWorkflow") as watched:
        watched.gate = asyncio.Event()
        first = asyncio.create_task(alice.say(session, WISH))
        await watched.called.wait()
        with pytest.raises(Conflict) as refused:
            await alice.say(session, "make it 10:30")
        watched.gate.set()
        heard = await first
    assert refused.value.code == "TURN_UNDER_WAY"
    assert heard.end["outcome"] == "delivered"


async def test_a_caller_that_leaves_does_not_stop_the_turn(
    alice: Client, engine: FakeEngine
) -> None:
    session = await alice.new_session()
    request = consultant_service_pb2.ConverseRequest(session_id=session, text=WISH)
    with engine.intercept("ValidateWorkflow") as watched:
        watched.gate = asyncio.Event()
        with alice.acting():
            async for answer in alice.consultant.Converse(request):
                assert answer.events
                break
        await watched.called.wait()
        watched.gate.set()
        heard = await alice.watch(session)
    assert heard.end["outcome"] == "delivered"
    assert heard.sequences == list(range(1, len(heard.events) + 1))


async def test_watching_resumes_behind_any_event(alice: Client) -> None:
    session = await alice.new_session()
    whole = await alice.say(session, WISH)
    rest = await alice.watch(session, after=4)
    assert rest.sequences == whole.sequences[4:]
    assert [event.data for event in rest.events] == [event.data for event in whole.events[4:]]


async def test_watching_a_session_at_rest_ends_at_once(alice: Client) -> None:
    heard = await alice.watch(await alice.new_session())
    assert heard.events == []


async def test_a_turn_can_be_cancelled_and_the_session_goes_on(
    alice: Client, engine: FakeEngine
) -> None:
    session = await alice.new_session()
    with engine.intercept("ValidateWorkflow") as watched:
        watched.gate = asyncio.Event()
        talking = asyncio.create_task(alice.say(session, WISH))
        await watched.called.wait()
        with alice.acting():
            answer = await alice.sessions.CancelTurn(
                session_service_pb2.CancelTurnRequest(session_id=session)
            )
        heard = await talking
    assert heard.end["outcome"] == "cancelled"
    assert answer.session.last_sequence == heard.sequences[-1]
    again = await alice.say(session, WISH)
    assert again.end["outcome"] == "delivered"
    assert again.sequences[0] == heard.sequences[-1] + 1


async def test_cancelling_without_a_turn_changes_nothing(alice: Client) -> None:
    session = await alice.new_session()
    with alice.acting():
        answer = await alice.sessions.CancelTurn(
            session_service_pb2.CancelTurnRequest(session_id=session)
        )
    assert answer.session.last_sequence == 0


async def test_many_sessions_talk_at_once(alice: Client, agent: Agent) -> None:
    sessions = [await alice.new_session() for _ in range(10)]
    heard = await asyncio.gather(*(alice.say(session, WISH) for session in sessions))
    assert {one.end["outcome"] for one in heard} == {"delivered"}
    for one in heard:
        assert one.sequences == list(range(1, len(one.events) + 1))


async def test_a_finished_conversation_keeps_one_checkpoint(
    alice: Client, postgres_url: str
) -> None:
    session = await alice.new_session()
    await alice.say(session, WISH)
    await alice.say(session, "make it 10:30")
    database = Database(postgres_url, DatabaseRole.APP)
    query = text("SELECT count(*) FROM agent.checkpoints WHERE thread_id = :id")
    async with database.transaction("tenant-a") as connection:
        assert (await connection.execute(query, {"id": session})).scalar_one() == 1
    async with database.transaction("tenant-b") as connection:
        assert (await connection.execute(query, {"id": session})).scalar_one() == 0
    await database.close()
