"""Polling triggers over a real database: each finding starts one run, whoever looks how often."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.catalogue import builtin
from engine_service.store import triggers, versions, workflows
from engine_service.store.triggers import LiveTrigger
from engine_service.store.versions import StoredVersion
from engine_service.store.workflows import StoredWorkflow, new_etag
from engine_service.triggering.live_triggers import carried_over
from engine_service.triggering.poller import Means, Poller
from engine_service.vault.keychain import Keychain
from engine_service.vault.sealing import Vault
from shared.clock import ManualClock
from shared.database import Database
from shared.ids import new_id
from shared.notifications import Notifications
from tests.support.accounts import loopback
from tests.support.http_server import Answer, Seen, serve
from tests.support.imap_server import PASSWORD, USER, imap_server
from tests.support.keychain import KEYS, save_credential
from tests.support.run_node import NOW, allowing

TENANT = "ten_a"
MINUTE = timedelta(minutes=1)


class Engines:
    """Two engines' pollers on one database, and what they came to."""

    def __init__(self, app: Database, worker: Database) -> None:
        self.clock = ManualClock(NOW)
        self.app = app
        self.worker = worker
        self.http = allowing("127.0.0.1")
        self.keychain = Keychain(app, Vault.parse(KEYS), self.http, self.clock)
        means = Means(self.http, loopback(), self.keychain)
        self.pollers = [
            Poller(worker, Notifications(worker), builtin(), means, self.clock) for _ in range(2)
        ]

    async def activate(self, kind: str, parameters: Any, **credentials: str) -> LiveTrigger:
        workflow = StoredWorkflow(new_id("wf"), TENANT, "Polls", "", 1, 1, new_etag(), NOW, NOW)
        row = LiveTrigger(
            id=new_id("trg"),
            tenant_id=TENANT,
            workflow_id=workflow.id,
            version=1,
            node_id="poll",
            type=kind,
            parameters=parameters,
            timezone="UTC",
            created_at=NOW,
            credentials=credentials,
            next_poll_at=self.clock.now(),
        )
        version = StoredVersion(workflow.id, 1, TENANT, "0" * 64, "ada", "", NOW, "{}")
        async with self.app.transaction(TENANT) as connection:
            await workflows.insert_workflow(connection, workflow)
            await versions.insert_version(connection, version)
            await triggers.insert_triggers(connection, [row])
        return row

    async def turn_off(self, row: LiveTrigger) -> None:
        async with self.app.transaction(TENANT) as connection:
            await triggers.delete_triggers(connection, row.workflow_id)

    async def look(self, after: timedelta = 5 * MINUTE) -> None:
        """Let time pass, and both engines look at once."""
        self.clock.advance(after)
        await asyncio.gather(*(poller.poll_due() for poller in self.pollers))

    async def row(self, row: LiveTrigger) -> LiveTrigger:
        async with self.app.transaction(TENANT) as connection:
            return await triggers.get_trigger(connection, row.id)

    async def inputs(self, row: LiveTrigger) -> list[list[dict[str, Any]]]:
        """What the trigger's runs were given; of those that began together, sorted by title."""
        async with self.worker.transaction() as connection:
            found = await connection.execute(
                text("SELECT input::text FROM engine.runs WHERE trigger_id = :id ORDER BY id"),
                {"id": row.id},
            )
            given = [[item["json"] for item in json.loads(one[0])] for one in found]
            if any(len(each) > 1 for each in given):
                return given
            return sorted(given, key=lambda each: str(each[0].get("title", each[0].get("uid"))))


@pytest.fixture
async def engines(app_database: Database, worker_database: Database) -> AsyncIterator[Engines]:
    made = Engines(app_database, worker_database)
    yield made
    await made.http.close()
    async with worker_database.transaction() as connection:
        await connection.execute(text("UPDATE engine.triggers SET next_poll_at = NULL"))


class FeedServer:
    """A feed that grows, and a server that can be asked whether it has."""

    def __init__(self) -> None:
        self.entries: list[str] = ["old"]
        self.broken = False

    def __call__(self, seen: Seen) -> Answer:
        if self.broken:
            return Answer(500, {}, b"it broke")
        etag = f'"{len(self.entries)}"'
        if seen.headers.get("if-none-match") == etag:
            return Answer(304)
        items = "".join(
            f"<item><guid>{name}</guid><title>{name}</title><description>&lt;b&gt;x&lt;/b&gt; y"
            f"</description><pubDate>Mon, 02 Mar 2026 09:00:00 GMT</pubDate></item>"
            for name in reversed(self.entries)
        )
        body = f"<rss version='2.0'><channel><title>News</title>{items}</channel></rss>"
        return Answer(200, {"content-type": "application/rss+xml", "etag": etag}, body.encode())


def titles(inputs: list[list[dict[str, Any]]]) -> list[list[str]]:
    return [[item["title"] for item in each] for each in inputs]


async def test_what_is_new_in_a_feed_starts_one_run_each(engines: Engines) -> None:
    feed = FeedServer()
    async with serve(feed) as server:
        row = await engines.activate("trigger.rss", {"url": server.url})
        await engines.look(timedelta())
        assert await engines.inputs(row) == []
        await engines.look()
        feed.entries += ["a", "b"]
        await engines.look()
        await engines.look(MINUTE)
        assert len(server.seen) == 3
        feed.entries.append("c")
        await engines.look()
    inputs = await engines.inputs(row)
    assert titles(inputs) == [["a"], ["b"], ["c"]]
    assert inputs[0][0]["contentSnippet"] == "x y"
    assert inputs[0][0]["isoDate"] == "2026-03-02T09:00:00+00:00"
    after = await engines.row(row)
    assert after.polled_at == engines.clock.now()
    assert after.next_poll_at == engines.clock.now() + 5 * MINUTE


async def test_what_is_there_already_can_be_asked_for_and_handed_over_together(
    engines: Engines,
) -> None:
    feed = FeedServer()
    feed.entries = [str(number) for number in range(130)]
    async with serve(feed) as server:
        asked = {"url": server.url, "begin": "existing", "runs": "together"}
        row = await engines.activate("trigger.rss", asked)
        for _ in range(3):
            await engines.look(timedelta())
    inputs = titles(await engines.inputs(row))
    assert [len(each) for each in inputs] == [100, 30]
    assert [title for each in inputs for title in each] == feed.entries


async def test_a_source_that_fails_is_asked_less_and_less_and_says_why(engines: Engines) -> None:
    feed = FeedServer()
    async with serve(feed) as server:
        row = await engines.activate("trigger.rss", {"url": server.url, "every": 10})
        await engines.look(timedelta())
        feed.broken = True
        feed.entries.append("meanwhile")
        pauses: list[timedelta] = []
        for _ in range(5):
            state = await engines.row(row)
            assert state.next_poll_at is not None
            pauses.append(state.next_poll_at - engines.clock.now())
            await engines.look(pauses[-1])
        assert pauses == [MINUTE * n for n in (10, 20, 40, 60, 60)]
        failing = await engines.row(row)
        assert (failing.poll_failures, failing.poll_error) == (
            5,
            "The feed's server answered 500.",
        )
        feed.broken = False
        await engines.look(60 * MINUTE)
    mended = await engines.row(row)
    assert (mended.poll_failures, mended.poll_error) == (0, "")
    assert titles(await engines.inputs(row)) == [["meanwhile"]]


async def test_who_is_off_or_whose_lease_is_over_starts_nothing(engines: Engines) -> None:
    feed = FeedServer()
    reached, go_on = asyncio.Event(), asyncio.Event()
    held = False

    async def answer(seen: Seen) -> Answer:
        if held and not reached.is_set():
            reached.set()
            await go_on.wait()
        return feed(seen)

    async with serve(answer) as server:
        row = await engines.activate("trigger.rss", {"url": server.url})
        await engines.look(timedelta())
        held = True
        feed.entries.append("new")
        engines.clock.advance(5 * MINUTE)
        slow = asyncio.create_task(engines.pollers[0].poll_due())
        await reached.wait()
        engines.clock.advance(4 * MINUTE)  # its lease is over, so another looks as well
        assert await engines.pollers[1].poll_due() == 1
        before = await engines.row(row)
        go_on.set()
        await slow
        assert await engines.row(row) == before
        assert titles(await engines.inputs(row)) == [["new"]]

        reached.clear()
        go_on.clear()
        feed.entries.append("too late")
        engines.clock.advance(5 * MINUTE)
        slow = asyncio.create_task(engines.pollers[0].poll_due())
        await reached.wait()
        await engines.turn_off(row)
        go_on.set()
        await slow
    assert titles(await engines.inputs(row)) == [["new"]]


async def test_new_mail_starts_runs_and_is_marked(engines: Engines) -> None:
    async with imap_server() as mailbox:
        account = {
            "host": "127.0.0.1",
            "port": mailbox.port,
            "username": USER,
            "password": PASSWORD,
            "security": "none",
        }
        stored = await save_credential(
            engines.app, engines.keychain, TENANT, "imap.account", account
        )
        await mailbox.deliver("before")
        reference = {"imap.account": stored.id}
        row = await engines.activate("trigger.email", {"mark_seen": True}, **reference)
        await engines.look(timedelta())
        await mailbox.deliver("one", body="Grüße")
        await mailbox.deliver("two")
        await engines.look()
        await engines.look()
        inputs = await engines.inputs(row)
        assert [each[0]["subject"] for each in inputs] == ["one", "two"]
        assert (inputs[0][0]["from"], inputs[0][0]["to"]) == (
            "bob@example.com",
            ["ada@example.com"],
        )
        assert await mailbox.seen() == [2, 3]
        wrong = await save_credential(
            engines.app, engines.keychain, TENANT, "imap.account", {**account, "password": "wr0ng!"}
        )
        refused = await engines.activate("trigger.email", {}, **{"imap.account": wrong.id})
        await engines.look(timedelta())
    failing = await engines.row(refused)
    assert "does not take the account" in failing.poll_error
    assert "wr0ng!" not in failing.poll_error


async def test_a_folder_made_anew_begins_anew(engines: Engines) -> None:
    async with imap_server() as mailbox:
        account = {
            "host": "127.0.0.1",
            "port": mailbox.port,
            "username": USER,
            "password": PASSWORD,
            "security": "none",
        }
        stored = await save_credential(
            engines.app, engines.keychain, TENANT, "imap.account", account
        )
        await mailbox.make_anew("Orders")
        await mailbox.deliver("first", folder="Orders")
        asked = {"folder": "Orders", "begin": "existing"}
        row = await engines.activate("trigger.email", asked, **{"imap.account": stored.id})
        await engines.look(timedelta())
        await engines.look(timedelta())
        await mailbox.make_anew("Orders")
        await mailbox.deliver("known", folder="Orders")
        await engines.look()
        await mailbox.deliver("second", folder="Orders")
        await engines.look()
    assert [each[0]["subject"] for each in await engines.inputs(row)] == ["first", "second"]


async def test_a_new_version_goes_on_where_the_old_one_was(engines: Engines) -> None:
    old = replace(
        await engines.activate("trigger.rss", {"url": "https://a.example/feed"}),
        cursor={"seen": ["x"]},
    )
    same = replace(old, id=new_id("trg"), cursor=None, parameters={**old.parameters, "every": 9})
    other = replace(same, parameters={"url": "https://b.example/feed"})
    elsewhere = replace(same, node_id="another")
    cursors = [
        row.cursor
        for each in (same, other, elsewhere)
        for row in carried_over([each], [old], builtin())
    ]
    assert cursors == [{"seen": ["x"]}, None, None]
