"""Sessions and messages over gRPC, and what another tenant sees of them: nothing."""

from collections.abc import Awaitable, Callable

import pytest

from shared.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from shared.identity import Principal, Role
from shared.pb.flowloom.agent.v1 import session_pb2, session_service_pb2
from tests.integration.agent_service.conftest import Client

WISH = "every weekday at 9 fetch https://api.example.com/news"


async def test_a_session_is_created_read_renamed_and_deleted(alice: Client) -> None:
    session_id = await alice.new_session()
    with alice.acting():
        named = await alice.sessions.UpdateSession(
            session_service_pb2.UpdateSessionRequest(session_id=session_id, title="News")
        )
        got = await alice.sessions.GetSession(
            session_service_pb2.GetSessionRequest(session_id=session_id)
        )
        assert got.session == named.session
        assert got.session.title == "News"
        assert got.session.status == session_pb2.SESSION_STATUS_IDLE
        await alice.sessions.DeleteSession(
            session_service_pb2.DeleteSessionRequest(session_id=session_id)
        )
        with pytest.raises(NotFound):
            await alice.sessions.GetSession(
                session_service_pb2.GetSessionRequest(session_id=session_id)
            )


async def test_a_title_comes_from_the_first_message(alice: Client) -> None:
    session_id = await alice.new_session()
    heard = await alice.say(session_id, WISH)
    assert heard.end["session"]["title"] == WISH


async def test_sessions_are_listed_newest_first_page_by_page(alice: Client) -> None:
    made = [await alice.new_session() for _ in range(5)]
    listed: list[str] = []
    token = ""
    with alice.acting():
        while len(listed) < 5:
            page = await alice.sessions.ListSessions(
                session_service_pb2.ListSessionsRequest(page_size=2, page_token=token)
            )
            listed += [one.id for one in page.sessions]
            token = page.next_page_token
    assert listed[:5] == list(reversed(made))


async def test_what_was_said_is_listed_oldest_first(alice: Client) -> None:
    session_id = await alice.new_session()
    heard = await alice.say(session_id, WISH)
    with alice.acting():
        page = await alice.sessions.ListMessages(
            session_service_pb2.ListMessagesRequest(session_id=session_id)
        )
    authors = [one.author for one in page.messages]
    assert authors == [session_pb2.AUTHOR_USER, session_pb2.AUTHOR_CONSULTANT]
    assert [one.text for one in page.messages] == [WISH, heard.said]


@pytest.mark.parametrize(("mode", "workflow_id"), [("create", "wf_1"), ("edit", ""), ("copy", "")])
async def test_a_mode_that_does_not_fit_is_refused(
    alice: Client, mode: str, workflow_id: str
) -> None:
    with pytest.raises(InvalidInput):
        await alice.new_session(workflow_id, mode)


async def test_a_workflow_that_is_not_there_cannot_be_edited(alice: Client) -> None:
    with pytest.raises(NotFound):
        await alice.new_session("wf_01k9zzzzzzzzzzzzzzzzzzzzzz", "edit")


async def test_deleting_a_session_leaves_its_workflow(alice: Client) -> None:
    session_id = await alice.new_session()
    heard = await alice.say(session_id, WISH)
    with alice.acting():
        await alice.sessions.DeleteSession(
            session_service_pb2.DeleteSessionRequest(session_id=session_id)
        )
    editing = await alice.new_session(heard.end["workflow"]["id"], "edit")
    assert editing


async def _get(client: Client, session_id: str) -> None:
    await client.sessions.GetSession(session_service_pb2.GetSessionRequest(session_id=session_id))


async def _update(client: Client, session_id: str) -> None:
    await client.sessions.UpdateSession(
        session_service_pb2.UpdateSessionRequest(session_id=session_id, title="mine")
    )


async def _delete(client: Client, session_id: str) -> None:
    await client.sessions.DeleteSession(
        session_service_pb2.DeleteSessionRequest(session_id=session_id)
    )


async def _messages(client: Client, session_id: str) -> None:
    await client.sessions.ListMessages(
        session_service_pb2.ListMessagesRequest(session_id=session_id)
    )


async def _cancel(client: Client, session_id: str) -> None:
    await client.sessions.CancelTurn(session_service_pb2.CancelTurnRequest(session_id=session_id))


async def _watch(client: Client, session_id: str) -> None:
    await client.watch(session_id)


async def _converse(client: Client, session_id: str) -> None:
    await client.say(session_id, "make it 10:30")


EVERY_METHOD = (_get, _update, _delete, _messages, _cancel, _watch, _converse)


@pytest.mark.parametrize("method", EVERY_METHOD)
async def test_another_tenants_session_is_not_there(
    alice: Client, mallory: Client, method: Callable[[Client, str], Awaitable[None]]
) -> None:
    session_id = await alice.new_session()
    await alice.say(session_id, WISH)
    with mallory.acting(), pytest.raises(NotFound):
        await method(mallory, session_id)
    with alice.acting():
        kept = await alice.sessions.GetSession(
            session_service_pb2.GetSessionRequest(session_id=session_id)
        )
    assert kept.session.title == WISH


async def test_another_tenants_workflow_cannot_be_edited(alice: Client, mallory: Client) -> None:
    heard = await alice.say(await alice.new_session(), WISH)
    with pytest.raises(NotFound):
        await mallory.new_session(heard.end["workflow"]["id"], "edit")


async def test_lists_hold_ones_own_sessions_only(alice: Client, mallory: Client) -> None:
    await alice.new_session()
    mine = await mallory.new_session()
    with mallory.acting():
        page = await mallory.sessions.ListSessions(
            session_service_pb2.ListSessionsRequest(page_size=200)
        )
    assert [one.id for one in page.sessions] == [mine]


async def test_a_viewer_may_look_and_not_speak(alice: Client) -> None:
    session_id = await alice.new_session()
    vera = Principal(tenant_id="tenant-a", subject="vera", role=Role.VIEWER)
    viewer = Client(alice.channel, vera)
    await viewer.watch(session_id)
    with pytest.raises(Forbidden):
        await viewer.say(session_id, WISH)


async def test_nobody_is_answered_without_an_identity(alice: Client) -> None:
    with pytest.raises(Unauthenticated):
        await alice.sessions.ListSessions(session_service_pb2.ListSessionsRequest())
