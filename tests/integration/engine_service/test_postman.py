"""Messages about questions: who gets one, with which link, and what becomes of those that fail."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.asking.answering import Said, take_answer
from engine_service.asking.delegating import HandingOver, hand_over
from engine_service.asking.delivery import Delivery
from engine_service.asking.links import Links
from engine_service.asking.postman import Postman
from engine_service.store import notices
from engine_service.store.approvals import get_approval
from engine_service.store.notices import StoredNotice
from engine_service.vault.keychain import Keychain
from engine_service.vault.sealing import Vault
from engine_service.web.addresses import AllowList
from engine_service.web.network import GuardedNetwork
from engine_service.web.outgoing import GuardedHttpClient
from shared.clock import Clock, ManualClock, SystemClock
from shared.database import Database
from shared.notifications import Notifications
from tests.support.engine import TENANT, running_engine
from tests.support.http_server import Answer, Seen, Server, serve
from tests.support.keychain import KEYS, save_credential
from tests.support.questions import NOW, ask
from tests.support.serving import ADA
from tests.support.smtp_server import MailServer, Received, mail_server

LEAD, OTHER = "lead@example.com", "other@example.com"
EVIL = "<img src=x onerror=alert(1)>\r\nBcc: victim@example.com"


@dataclass
class Office:
    """A postman, and where its messages arrive."""

    postman: Postman
    heard: Notifications
    clock: Clock
    links: Links
    mail: MailServer
    slack: Server
    references: dict[str, str]
    worker: Database

    async def tell(self, approval_id: str, **fields: Any) -> StoredNotice:
        """Let somebody be told."""
        values: dict[str, Any] = {
            "id": f"ntc_{approval_id}_{fields.get('approver', LEAD)}",
            "tenant_id": "ten_a",
            "approval_id": approval_id,
            "approver": LEAD,
            "channel": "email",
            "recipient": fields.get("approver", LEAD),
            "credentials": self.references,
            "due_at": self.clock.now(),
            "every_seconds": None,
            "reminders": 0,
            **fields,
        }
        notice = StoredNotice(**values)
        async with self.worker.transaction() as connection:
            await notices.insert_notices(connection, [notice])
        return notice

    async def kept(self, approval_id: str) -> list[StoredNotice]:
        async with self.worker.transaction() as connection:
            return await notices.list_notices(connection, approval_id)


def _ok(_: Seen) -> Answer:
    return Answer.of_json({"ok": True})


@asynccontextmanager
async def opened(
    app: Database, worker: Database, clock: Clock, tenant: str = "ten_a"
) -> AsyncGenerator[Office]:
    """Servers, and credentials for them."""
    vault = Vault.parse(KEYS)
    allowed = AllowList.parse(["127.0.0.1"])
    http = GuardedHttpClient(allowed)
    keychain = Keychain(app, vault, http, clock)
    links = Links("s" * 32, "http://127.0.0.1:8000", clock)
    async with mail_server(flow="pass-word") as mail, serve(_ok) as slack:
        smtp = {
            "host": "127.0.0.1",
            "port": mail.port,
            "username": "flow",
            "password": "pass-word",
            "security": "none",
            "sender": "Flowloom <flow@example.com>",
        }
        token = {"token": "xoxb-secret", "base_url": f"{slack.url}/api"}
        references = {
            "smtp.account": (await save_credential(app, keychain, tenant, "smtp.account", smtp)).id,
            "slack.token": (await save_credential(app, keychain, tenant, "slack.token", token)).id,
        }
        delivery = Delivery(http, GuardedNetwork(allowed), clock)
        heard = Notifications(worker)
        postman = Postman(worker, heard, keychain, delivery, links, clock)
        yield Office(postman, heard, clock, links, mail, slack, references, worker)
    await http.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def office(
    worker_database: Database, app_database: Database, clock: ManualClock
) -> AsyncIterator[Office]:
    async with opened(app_database, worker_database, clock) as office:
        yield office
    async with worker_database.transaction() as connection:
        await connection.execute(text("UPDATE engine.notices SET due_at = NULL"))


def link_in(letter: Received) -> str:
    """The link of a letter, the same in its text and its HTML."""
    message = letter.message
    bodies = [message.get_body((kind,)) for kind in ("plain", "html")]
    found = [
        set(re.findall(r"http://127\.0\.0\.1:8000/v1/answers/[\w.-]+", body.get_content()))
        for body in bodies
        if body is not None
    ]
    assert len(found) == 2
    assert found[0] == found[1]
    [url] = found[0]
    return url


async def test_a_letter_holds_the_question_and_a_link_of_ones_own(office: Office) -> None:
    approval_id = await ask(office.worker, approvers=[LEAD, OTHER], title="Pay 5 €?", message="*x*")
    await office.tell(approval_id)
    await office.tell(approval_id, approver=OTHER)
    assert await office.postman.send_due() == 2
    letters = {one.recipients[0]: one for one in office.mail.received}
    assert set(letters) == {LEAD, OTHER}
    assert letters[LEAD].message["subject"] == "Pay 5 €?"
    assert letters[LEAD].message["from"] == "Flowloom <flow@example.com>"
    whom = [office.links.read(link_in(letters[who]).rpartition("/")[2]) for who in (LEAD, OTHER)]
    assert [one.approver for one in whom] == [LEAD, OTHER]
    assert {one.approval_id for one in whom} == {approval_id}
    assert await office.postman.send_due() == 0
    assert [(one.sent, one.due_at) for one in await office.kept(approval_id)] == [(1, None)] * 2


async def test_what_a_run_says_is_text_and_nothing_else(office: Office) -> None:
    approval_id = await ask(office.worker, approvers=[LEAD], title=EVIL, message=EVIL)
    await office.tell(approval_id)
    await office.postman.send_due()
    [letter] = office.mail.received
    assert letter.recipients == [LEAD]
    assert "Bcc" not in letter.message
    html = letter.message.get_body(("html",))
    assert html is not None
    assert "<img" not in html.get_content()


async def test_slack_gets_a_button(office: Office) -> None:
    approval_id = await ask(office.worker, approvers=[LEAD], title="Pay <!channel>?")
    await office.tell(approval_id, channel="slack", recipient="#ops")
    await office.postman.send_due()
    [seen] = office.slack.seen
    assert (seen.path, seen.headers["authorization"]) == (
        "/api/chat.postMessage",
        "Bearer xoxb-secret",
    )
    said = seen.json()
    assert said["channel"] == "#ops"
    assert "<!channel>" not in said["text"]
    assert all(one["type"] != "mrkdwn" for one in _texts(said["blocks"]))
    [button] = next(one for one in said["blocks"] if one["type"] == "actions")["elements"]
    assert office.links.read(button["url"].rpartition("/")[2]).approver == LEAD


def _texts(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one["text"] for one in blocks if "text" in one]


async def test_who_has_not_answered_is_reminded_so_often_and_no_more(
    office: Office, clock: ManualClock
) -> None:
    approval_id = await ask(office.worker, approvers=[LEAD])
    await office.tell(approval_id, every_seconds=3600, reminders=2)
    for hour in range(5):
        await office.postman.send_due()
        await office.postman.send_due()
        assert len(office.mail.received) == min(hour + 1, 3)
        clock.advance(timedelta(hours=1))
    subjects = [letter.message["subject"] for letter in office.mail.received]
    assert subjects == ["May I?", "Reminder: May I?", "Reminder: May I?"]
    ids = {letter.message["message-id"] for letter in office.mail.received}
    assert len(ids) == 3


async def test_nobody_is_told_of_what_is_decided_or_what_they_answered(
    office: Office, app_database: Database, clock: ManualClock
) -> None:
    decided = await ask(office.worker, approvers=[LEAD], status="approved")
    half = await ask(office.worker, approvers=[LEAD, OTHER], quorum=2)
    await office.tell(decided)
    for who in (LEAD, OTHER):
        await office.tell(half, approver=who, every_seconds=60, reminders=1)
    await office.postman.send_due()
    assert {letter.recipients[0] for letter in office.mail.received} == {LEAD, OTHER}
    async with app_database.transaction("ten_a") as connection:
        asked = await get_approval(connection, half)
        said = Said(LEAD, LEAD, "approve", "", None, "link")
        await take_answer(connection, asked, said, clock.now())
    office.mail.received.clear()
    clock.advance(timedelta(minutes=2))
    await office.postman.send_due()
    assert [letter.recipients for letter in office.mail.received] == [[OTHER]]


@pytest.mark.parametrize(
    ("said", "tries", "error"),
    [
        ("451 try again", 3, "Not taken for now"),
        ("554 spam", 1, "Not taken"),
        ("drop", 3, "connection"),
    ],
)
async def test_what_is_not_taken_is_tried_again_if_that_can_help(
    office: Office, clock: ManualClock, said: str, tries: int, error: str
) -> None:
    approval_id = await ask(office.worker, approvers=[LEAD])
    await office.tell(approval_id)
    office.mail.on_data = said
    for _ in range(3):
        await office.postman.send_due()
        [kept] = await office.kept(approval_id)
        assert error in kept.error
        assert "pass-word" not in kept.error
        assert kept.sent == 0
        clock.advance(timedelta(minutes=10))
    assert len(office.mail.logins) == tries
    office.mail.on_data = "250 OK"
    await office.postman.send_due()
    [kept] = await office.kept(approval_id)
    assert (kept.sent, kept.error == "") == ((1, True) if tries > 1 else (0, False))
    async with office.worker.transaction() as connection:
        assert (await get_approval(connection, approval_id)).status == "pending"


async def test_a_missing_credential_is_said_and_harms_nothing(office: Office) -> None:
    approval_id = await ask(office.worker, approvers=[LEAD])
    await office.tell(approval_id, credentials={})
    await office.tell(approval_id, approver=OTHER, channel="slack", credentials={})
    await office.postman.send_due()
    assert all("needed" in one.error for one in await office.kept(approval_id))


async def test_engines_share_the_work_and_a_dead_ones_is_done_again(
    office: Office, clock: ManualClock
) -> None:
    approval_id = await ask(office.worker, approvers=[LEAD])
    await office.tell(approval_id)
    async with office.worker.transaction() as connection:  # an engine that dies while it sends
        lease = timedelta(minutes=3)
        assert len(await notices.take_due(connection, clock.now(), lease, 10)) == 1
    counts = await asyncio.gather(office.postman.send_due(), office.postman.send_due())
    assert counts == [0, 0]
    clock.advance(timedelta(minutes=3))
    counts = await asyncio.gather(*(office.postman.send_due() for _ in range(4)))
    assert sum(counts) == 1
    assert len(office.mail.received) == 1


async def test_a_delegate_is_told_and_the_other_is_not_any_more(
    office: Office, app_database: Database, clock: ManualClock
) -> None:
    approval_id = await ask(office.worker, approvers=[LEAD])
    await office.tell(approval_id, every_seconds=60, reminders=5)
    await office.postman.send_due()
    async with app_database.transaction("ten_a") as connection:
        asked = await get_approval(connection, approval_id)
        wish = HandingOver(ADA, OTHER, LEAD, "")
        await hand_over(connection, asked, wish, clock.now())
    await office.postman.send_due()
    clock.advance(timedelta(minutes=2))
    await office.postman.send_due()
    assert [one.recipients[0] for one in office.mail.received] == [LEAD, OTHER, OTHER]


async def test_a_node_that_asks_has_people_told_by_itself(
    engine_url: str, worker_database: Database, app_database: Database
) -> None:
    """From the node to the letter, with the postman at work and nobody asking him to look."""
    async with (
        opened(app_database, worker_database, SystemClock(), TENANT) as office,
        running_engine(engine_url) as engine,
        asyncio.TaskGroup() as group,
    ):
        work = [group.create_task(office.postman.run()), group.create_task(office.heard.run())]
        workflow_id = await engine.save(asking(office.references))
        run = await engine.start(workflow_id)
        await engine.until(run.id, "run.waiting")
        async with asyncio.timeout(20):
            while not office.mail.received:
                await asyncio.sleep(0.02)
        for each in work:
            each.cancel()
        assert office.mail.received[0].recipients == [LEAD]
        assert office.mail.received[0].message["subject"] == "Go on?"
        await engine.cancel(run.id)


def asking(references: dict[str, str]) -> dict[str, Any]:
    """A workflow that asks somebody."""
    return {
        "nodes": [
            {"id": "start", "name": "Start", "type": "trigger.manual"},
            {
                "id": "ask",
                "name": "Ask",
                "type": "human.approval",
                "credentials": references,
                "parameters": {
                    "title": "Go on?",
                    "approvers": [LEAD],
                    "notify": [{"by": "email"}],
                    "remind_every": 3600,
                },
            },
        ],
        "connections": [{"from": "start", "to": "ask"}],
    }
