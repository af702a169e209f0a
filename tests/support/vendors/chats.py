"""Telegram's and Discord's APIs for bots: their tokens, their limits told in the body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.http_server import Answer, Seen
from tests.support.vendors.fake import FakeVendor, Handle

TELEGRAM_TOKEN = "4711:a-telegram-token"
DISCORD_TOKEN = "a-discord-token"


@dataclass
class FakeTelegram(FakeVendor):
    """A bot in one chat, 1001."""

    place: str = "https://api.telegram.org"
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def routes(self) -> Mapping[str, Handle]:
        bot = f"/bot{TELEGRAM_TOKEN}"
        return {
            f"POST {bot}/sendMessage": self._send,
            f"POST {bot}/editMessageText": self._edit,
            f"GET {bot}/getChat": self._chat,
        }

    def refuse(self, seen: Seen) -> Answer | None:
        if not seen.path.startswith(f"/bot{TELEGRAM_TOKEN}/"):
            return no(401, "Unauthorized")
        return None

    def unknown(self, seen: Seen) -> Answer:
        return no(404, "Not Found")

    def _send(self, seen: Seen) -> Answer:
        body = seen.json()
        if body["chat_id"] != 1001:
            return no(400, "Bad Request: chat not found")
        message = {"message_id": len(self.messages) + 1, "chat": {"id": 1001}, **body}
        self.messages.append(message)
        return Answer.of_json({"ok": True, "result": message})

    def _edit(self, seen: Seen) -> Answer:
        body = seen.json()
        self.messages[body["message_id"] - 1]["text"] = body["text"]
        return Answer.of_json({"ok": True, "result": self.messages[body["message_id"] - 1]})

    def _chat(self, seen: Seen) -> Answer:
        return Answer.of_json({"ok": True, "result": {"id": int(seen.query["chat_id"])}})


def no(status: int, description: str, **parameters: Any) -> Answer:
    """Telegram's refusal."""
    more = {"parameters": parameters} if parameters else {}
    said = {"ok": False, "error_code": status, "description": description, **more}
    return Answer.of_json(said, status)


@dataclass
class FakeDiscord(FakeVendor):
    """A bot in one channel, 7. A nonce that is enforced stands for one message."""

    place: str = "https://discord.com"
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    reactions: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def routes(self) -> Mapping[str, Handle]:
        messages = "/api/v10/channels/{channel}/messages"
        return {
            f"POST {messages}": self._send,
            f"GET {messages}": self._list,
            f"DELETE {messages}/{{message}}": self._delete,
            f"PUT {messages}/{{message}}/reactions/{{emoji}}/@me": self._react,
        }

    def refuse(self, seen: Seen) -> Answer | None:
        if seen.headers.get("authorization") != f"Bot {DISCORD_TOKEN}":
            return Answer.of_json({"message": "401: Unauthorized", "code": 0}, 401)
        if "/channels/7/" not in seen.path:
            return Answer.of_json({"message": "Unknown Channel", "code": 10003}, 404)
        return None

    def _send(self, seen: Seen, channel: str) -> Answer:
        body = seen.json()
        if not body.get("content") and not body.get("embeds"):
            return Answer.of_json({"message": "Cannot send an empty message"}, 400)
        assert len(body["nonce"]) <= 25
        for message in self.messages:
            if body.get("enforce_nonce") and message["nonce"] == body["nonce"]:
                return Answer.of_json(message)
        message = {"id": str(len(self.messages) + 1), "channel_id": channel, **body}
        self.messages.append(message)
        return Answer.of_json(message)

    def _list(self, seen: Seen, channel: str) -> Answer:
        return Answer.of_json([*reversed(self.messages)][: int(seen.query["limit"])])

    def _delete(self, seen: Seen, channel: str, message: str) -> Answer:
        self.messages = [one for one in self.messages if one["id"] != message]
        return Answer(204)

    def _react(self, seen: Seen, message: str, emoji: str, **_: str) -> Answer:
        assert seen.body == b""
        self.reactions.append((message, emoji))
        return Answer(204)
