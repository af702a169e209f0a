"""`telegram.message` and `discord.message` against chats on loopback."""

from typing import Any

import pytest

from engine_service.nodes.discord_message import DiscordMessage
from engine_service.nodes.telegram_message import TelegramMessage
from engine_service.sdk.node import Done, Failed, Outcome
from tests.support.connectors import credential, desk
from tests.support.http_server import Answer
from tests.support.run_node import jsons
from tests.support.vendors.chats import (
    DISCORD_TOKEN,
    TELEGRAM_TOKEN,
    FakeDiscord,
    FakeTelegram,
    no,
)

TELEGRAM_BOT = credential("telegram.bot", {"token": TELEGRAM_TOKEN})
DISCORD_BOT = credential("discord.bot", {"token": DISCORD_TOKEN})


async def telegram(fake: FakeTelegram, operation: str, **fields: Any) -> Outcome:
    async with desk(fake) as office:
        return await office.run(TelegramMessage, {"operation": operation, **fields}, TELEGRAM_BOT)


async def discord(fake: FakeDiscord, operation: str, **fields: Any) -> Outcome:
    async with desk(fake) as office:
        return await office.run(DiscordMessage, {"operation": operation, **fields}, DISCORD_BOT)


async def test_telegram_gets_a_message_and_a_change_of_it() -> None:
    fake = FakeTelegram()
    keyboard = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}
    [sent] = jsons(await telegram(fake, "send", chat_id=1001, text="Hi", reply_markup=keyboard))
    assert sent["message_id"] == 1
    assert fake.seen[-1].json() == {"chat_id": 1001, "text": "Hi", "reply_markup": keyboard}
    await telegram(fake, "edit", chat_id=1001, message_id=1, text="Ho")
    assert fake.messages[0]["text"] == "Ho"
    assert jsons(await telegram(fake, "get_chat", chat_id=1001)) == [{"id": 1001}]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (no(400, "Bad Request: chat not found"), "not_found"),
        (no(400, "Bad Request: can't parse entities"), "refused"),
        (no(401, "Unauthorized"), "not_authenticated"),
        (no(403, "Forbidden: bot was blocked by the user"), "forbidden"),
        (no(429, "Too Many Requests", retry_after=600), "rate_limited"),
    ],
)
async def test_telegrams_refusals_have_codes(answer: Answer, code: str) -> None:
    outcome = await telegram(FakeTelegram(spells=[answer]), "send", chat_id=1001, text="Hi")
    assert isinstance(outcome, Failed)
    assert outcome.code == code
    assert TELEGRAM_TOKEN not in outcome.message
    assert outcome.retry_after == (600 if code == "rate_limited" else None)


async def test_telegram_is_asked_again_when_its_body_says() -> None:
    fake = FakeTelegram(spells=[no(429, "Too Many Requests: retry after 0", retry_after=0)])
    assert isinstance(await telegram(fake, "send", chat_id=1001, text="Hi"), Done)
    assert len(fake.messages) == 1


async def test_discord_gets_messages_replies_and_reactions() -> None:
    fake = FakeDiscord()
    [sent] = jsons(await discord(fake, "send", channel_id="7", content="Hi", reply_to="5"))
    assert fake.messages[0]["message_reference"] == {"message_id": "5"}
    assert "reply_to" not in fake.messages[0]
    await discord(fake, "react", channel_id="7", message_id=sent["id"], emoji="🔥")
    assert fake.reactions == [("1", "🔥")]
    assert [one["content"] for one in jsons(await discord(fake, "list", channel_id="7"))] == ["Hi"]
    await discord(fake, "delete", channel_id="7", message_id=sent["id"])
    assert fake.messages == []


async def test_what_discord_may_have_is_sent_again_and_shown_once() -> None:
    """The answer to the first try is lost after Discord has taken it."""

    class Losing(FakeDiscord):
        def answer(self, seen: Any) -> Answer:
            answer = super().answer(seen)
            return Answer(500, {"retry-after": "0"}) if len(self.seen) == 1 else answer

    fake = Losing()
    assert isinstance(await discord(fake, "send", channel_id="7", content="Hi"), Done)
    assert len(fake.seen) == 2
    assert [message["content"] for message in fake.messages] == ["Hi"]


async def test_discords_limits_and_refusals() -> None:
    busy = Answer.of_json({"message": "You are being rate limited.", "retry_after": 0.01}, 429)
    fake = FakeDiscord(spells=[busy])
    assert isinstance(await discord(fake, "send", channel_id="7", content="Hi"), Done)
    outcome = await discord(fake, "list", channel_id="8")
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.message) == ("not_found", "Discord answered 404: Unknown Channel")
