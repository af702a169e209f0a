"""`slack.message` against a workspace on loopback."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine_service.nodes.slack_message import SlackMessage
from engine_service.sdk.node import Credential, Done, Effect, Failed, Outcome
from shared.workflow import JsonObject
from tests.support.connectors import Desk, credential, desk
from tests.support.file_store import FileStore
from tests.support.http_server import Answer
from tests.support.run_node import jsons
from tests.support.vendors.slack import TOKEN, FakeSlack, no

BOT = credential("slack.token", {"token": TOKEN})


@pytest.fixture
def slack() -> FakeSlack:
    return FakeSlack()


@pytest.fixture
async def office(slack: FakeSlack) -> AsyncIterator[Desk]:
    async with desk(slack) as made:
        yield made


async def do(office: Desk, operation: str, bot: Credential = BOT, **fields: Any) -> Outcome:
    return await office.run(SlackMessage, {"operation": operation, **fields}, bot)


async def test_a_message_is_posted_changed_answered_and_deleted(
    office: Desk, slack: FakeSlack
) -> None:
    [posted] = jsons(await do(office, "post", channel="#ops", text="Hi ü"))
    assert posted["channel"] == "C1"
    place: dict[str, Any] = {"channel": "C1", "ts": posted["ts"]}
    await do(office, "update", text="Ho", **place)
    reply: dict[str, Any] = {"channel": "C1", "thread_ts": posted["ts"], "text": "Yes"}
    await do(office, "post", **reply)
    assert [message["text"] for message in slack.messages] == ["Ho", "Yes"]
    assert slack.messages[1]["thread_ts"] == posted["ts"]
    await do(office, "delete", **place)
    assert [message["text"] for message in slack.messages] == ["Yes"]


async def test_what_nobody_wrote_is_not_sent(office: Desk, slack: FakeSlack) -> None:
    await do(office, "post", channel="C1", text="Hi")
    assert slack.seen[-1].json() == {"channel": "C1", "text": "Hi"}


async def test_a_list_comes_page_by_page_as_far_as_wanted(office: Desk, slack: FakeSlack) -> None:
    slack.messages = [{"ts": str(number), "text": str(number)} for number in range(450)]
    everything = await do(office, "history", channel="C1", limit=None)
    assert [one["text"] for one in jsons(everything)] == [str(449 - n) for n in range(450)]
    assert len(slack.seen) == 3
    few = await do(office, "history", channel="C1", limit=2)
    assert [one["text"] for one in jsons(few)] == ["449", "448"]
    assert slack.seen[-1].query == {"channel": "C1", "limit": "2"}


async def test_reactions_channels_and_people(office: Desk) -> None:
    await do(office, "react", channel="C1", ts="1", name=":tada:")
    again = await do(office, "react", channel="C1", ts="1", name="tada")
    assert isinstance(again, Failed)
    assert again.code == "conflict"
    assert [one["name"] for one in jsons(await do(office, "channels"))] == ["ops", "random"]
    [ada] = jsons(await do(office, "user_by_email", email="ada@example.com"))
    assert ada == {"id": "U1", "name": "ada"}


async def test_a_file_is_uploaded_without_the_token_and_shared(
    office: Desk, slack: FakeSlack
) -> None:
    content = base64.b64encode(b"\0\1").decode()
    outcome = await do(office, "upload", filename="a.bin", base64=content, channel="C1")
    assert jsons(outcome) == [{"id": "F0", "title": "a.bin", "channel": "C1"}]
    assert slack.files == {"F0": b"\0\1"}


async def test_a_file_of_the_item_is_uploaded_as_it_streams(
    office: Desk, slack: FakeSlack, tmp_path: Path
) -> None:
    store = FileStore(tmp_path)
    file = await store.put(b"\0" * 300_000, "report.pdf")
    outcome = await office.run(
        SlackMessage,
        {"operation": "upload", "binary": "doc", "channel": "C1"},
        BOT,
        items=[{"json": {}, "binary": {"doc": file}}],
        blobs=store,
    )
    assert jsons(outcome) == [{"id": "F0", "title": "report.pdf", "channel": "C1"}]
    assert slack.files == {"F0": b"\0" * 300_000}
    missing = await office.run(
        SlackMessage, {"operation": "upload", "binary": "doc", "channel": "C1"}, BOT, blobs=store
    )
    assert isinstance(missing, Failed)


async def test_channels_are_made_and_renamed(office: Desk, slack: FakeSlack) -> None:
    [made] = jsons(await do(office, "channel_create", name="war-room"))
    assert made == {"id": "N0", "name": "war-room"}
    taken = await do(office, "channel_create", name="war-room")
    assert isinstance(taken, Failed)
    assert taken.code == "conflict"
    await do(office, "channel_rename", channel="N0", name="peace-room")
    assert slack.made == {"N0": "peace-room"}
    members = jsons(await do(office, "members", channel="C1"))
    assert [one["data"] for one in members] == ["U0", "U1", "U2"]


@pytest.mark.parametrize(
    ("answer", "code", "retryable"),
    [
        (no("channel_not_found"), "not_found", False),
        (no("not_in_channel"), "forbidden", False),
        (no("missing_scope", needed="chat:write"), "forbidden", False),
        (no("msg_too_long"), "refused", False),
        (no("token_revoked"), "not_authenticated", False),
        (no("internal_error"), "vendor_unavailable", True),
        (Answer(200, {}, b"<html>"), "bad_response", False),
        (Answer(500, {}, b"oops"), "vendor_unavailable", True),
    ],
)
async def test_a_refusal_has_a_code_and_slacks_own_word(
    office: Desk, slack: FakeSlack, answer: Answer, code: str, retryable: bool
) -> None:
    slack.spells = [answer] * 3
    outcome = await do(office, "post", channel="C1", text="Hi")
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == (code, retryable)
    assert outcome.message.startswith("Slack answered")
    assert outcome.outcome_known == (code != "vendor_unavailable")
    assert len(slack.seen) == 1, "what may have been posted is not posted again"


async def test_a_busy_slack_is_asked_again_when_it_says(office: Desk, slack: FakeSlack) -> None:
    busy = no("ratelimited")
    busy.status, busy.headers["retry-after"] = 429, "0"
    slack.spells = [busy, busy]
    assert isinstance(await do(office, "post", channel="C1", text="Hi"), Done)
    assert len(slack.messages) == 1
    assert [level for level, _ in office.watched.lines] == ["warning", "warning"]


async def test_a_pause_that_is_too_long_is_left_to_the_engine(
    office: Desk, slack: FakeSlack
) -> None:
    busy = no("ratelimited")
    busy.status, busy.headers["retry-after"] = 429, "900"
    slack.spells = [busy]
    outcome = await do(office, "post", channel="C1", text="Hi")
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retry_after) == ("rate_limited", 900)


async def test_a_reading_call_is_repeated_after_a_lost_answer(
    office: Desk, slack: FakeSlack
) -> None:
    slack.spells = [Answer(503, {"retry-after": "0"})]
    assert isinstance(await do(office, "channels"), Done)


async def test_messages_go_out_in_the_order_of_their_items(office: Desk, slack: FakeSlack) -> None:
    posts: list[JsonObject] = [
        {"operation": "post", "channel": "C1" if n != 2 else "C9", "text": str(n)} for n in range(5)
    ]
    outcome = await office.run(SlackMessage, posts, BOT)
    assert [message["text"] for message in slack.messages] == ["0", "1", "3", "4"]
    assert isinstance(outcome, Done)
    assert [(one.index, one.code) for one in outcome.failures] == [(2, "not_found")]
    assert [item.get("paired_item") for item in outcome.outputs["main"]] == [0, 1, 3, 4]


async def test_it_needs_a_credential_that_is_meant_for_slack(
    office: Desk, slack: FakeSlack
) -> None:
    without = await office.run(SlackMessage, {"operation": "channels"})
    assert isinstance(without, Failed)
    assert without.code == "credential_missing"
    stray = credential("http.bearer", {"token": TOKEN}, "example.com")
    elsewhere = await do(office, "channels", stray)
    assert isinstance(elsewhere, Failed)
    assert elsewhere.code == "credential_host_refused"
    assert slack.seen == []


def test_only_what_may_do_harm_is_unsafe_to_repeat() -> None:
    assert SlackMessage.effect_of({"operation": "post"}) is Effect.UNSAFE
    assert SlackMessage.effect_of({"operation": "delete"}) is Effect.KEYED
    assert SlackMessage.effect_of({"operation": "history"}) is Effect.READ
    assert SlackMessage.effect_of({"operation": "{{ $json.what }}"}) is Effect.UNSAFE
