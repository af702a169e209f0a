"""`discord.message`: a bot writes to channels on Discord."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine_service.connectors.connector import Connector
from engine_service.connectors.operation import OPERATION, Call, Choice, Operation
from engine_service.connectors.vendor import Vendor, by_status, said_in
from engine_service.sdk.node import Effect, Failed, HttpResponse
from shared.workflow import JsonObject

_CHANNEL = "/channels/{channel_id}"
_MESSAGES = f"{_CHANNEL}/messages"
_MESSAGE = f"{_MESSAGES}/{{message_id}}"
_SAMPLE: JsonObject = {
    "id": "1100000000000000001", "channel_id": "1100000000000000000", "content": "Hi",
    "author": {"id": "1", "username": "bot"}, "timestamp": "2026-03-02T09:00:00+00:00",
}  # fmt: skip
_NOTHING: JsonObject = {}
_ID = r"^\d{1,20}$"


class _InChannel(Operation):
    """Which channel."""

    channel_id: str = Field(pattern=_ID, description="The channel's id")


class _OfMessage(_InChannel):
    """Which message."""

    message_id: str = Field(pattern=_ID, description="The message's id")


class SendMessage(_InChannel):
    """Sends a message; with `reply_to` an answer to another one."""

    operation: Literal["send"] = OPERATION
    content: str | None = Field(default=None, max_length=2_000, description="The text")
    embeds: list[JsonObject] | None = Field(
        default=None, max_length=10, description="Embeds: `{title, description, url, fields, …}`"
    )
    reply_to: str | None = Field(default=None, pattern=_ID, description="A message's id")
    tts: bool | None = Field(default=None, description="Whether it is read aloud")
    allowed_mentions: JsonObject | None = Field(
        default=None, description="Who may be mentioned: `{parse: []}` is nobody"
    )
    # Discord keeps a nonce for some minutes and gives the first message again.
    call = Call(
        "POST",
        _MESSAGES,
        Effect.KEYED,
        fixed={"enforce_nonce": True},
        unsent=("reply_to",),
        key=("nonce", 25),
    )
    sample = _SAMPLE

    def findings(self) -> Iterator[tuple[str, str, str]]:
        if self.content is None and self.embeds is None:
            yield "", "missing_parameter", "A message needs content or embeds."

    def to_body(self) -> Any:
        reference = {"message_reference": {"message_id": self.reply_to}} if self.reply_to else {}
        return {**super().to_body(), **reference}


class EditMessage(_OfMessage):
    """Changes a message that the bot has sent."""

    operation: Literal["edit"] = OPERATION
    content: str | None = Field(default=None, max_length=2_000, description="The text")
    embeds: list[JsonObject] | None = Field(default=None, max_length=10, description="Embeds")
    call = Call("PATCH", _MESSAGE, Effect.KEYED)
    sample = _SAMPLE


class DeleteMessage(_OfMessage):
    """Deletes a message."""

    operation: Literal["delete"] = OPERATION
    call = Call("DELETE", _MESSAGE, Effect.KEYED)
    sample = _NOTHING


class GetMessage(_OfMessage):
    """Reads a message."""

    operation: Literal["get"] = OPERATION
    call = Call("GET", _MESSAGE, Effect.READ)
    sample = _SAMPLE


class ListMessages(_InChannel):
    """Reads the messages of a channel, newest first."""

    operation: Literal["list"] = OPERATION
    limit: int = Field(default=50, ge=1, le=100, description="At most this many")
    before: str | None = Field(default=None, pattern=_ID, description="Only before this message")
    after: str | None = Field(default=None, pattern=_ID, description="Only after this message")
    call = Call("GET", _MESSAGES, Effect.READ)
    sample = _SAMPLE


class AddReaction(_OfMessage):
    """Adds an emoji to a message."""

    operation: Literal["react"] = OPERATION
    emoji: str = Field(min_length=1, description="The emoji itself, or `name:id` of a guild's own")
    call = Call("PUT", f"{_MESSAGE}/reactions/{{emoji}}/@me", Effect.KEYED)
    sample = _NOTHING

    def to_body(self) -> Any:
        return None


class ListChannels(Operation):
    """Lists the channels of a guild."""

    operation: Literal["channels"] = OPERATION
    guild_id: str = Field(pattern=_ID, description="The guild's (server's) id")
    call = Call("GET", "/guilds/{guild_id}/channels", Effect.READ)
    sample: ClassVar[JsonObject] = {"id": "1100000000000000000", "name": "general", "type": 0}


class OpenConversation(Operation):
    """Opens a conversation with one person, to write to by its id."""

    operation: Literal["open"] = OPERATION
    recipient_id: str = Field(pattern=_ID, description="The person's id")
    call = Call("POST", "/users/@me/channels", Effect.KEYED)
    sample: ClassVar[JsonObject] = {"id": "1100000000000000002", "type": 1}


class DiscordParameters(Choice):
    """What the bot does."""

    operations = (
        SendMessage, EditMessage, DeleteMessage, GetMessage, ListMessages, AddReaction,
        ListChannels, OpenConversation,
    )  # fmt: skip


def _judge(vendor: Vendor, response: HttpResponse, answer: Any) -> Failed | None:
    """Discord says in the body how long to wait, to the millisecond."""
    failed = by_status(vendor, response, said_in(answer, "message"))
    match answer:
        case {"retry_after": int(seconds) | float(seconds)} if failed:
            return Failed(failed.code, failed.message, failed.retryable, float(seconds))
        case _:
            return failed


DISCORD = Vendor("Discord", "https://discord.com/api/v10", ("discord.bot",), _judge)


class DiscordMessage(Connector):
    """Has a bot send, change, read and delete messages on Discord.

    `operation` says what to do: `send`, `edit`, `delete`, `get`, `list`, `react`, `channels` of a
    guild, `open` a conversation with a person. Fields are called as in Discord's API.

    The credential is a `discord.bot`. Refusals fail the item as `not_authenticated`, `forbidden`,
    `not_found`, `refused` or `rate_limited`; short limits are waited out. A message that is sent
    again after a lost connection carries the same nonce, so that Discord shows it once.
    """

    Parameters = DiscordParameters
    vendor = DISCORD
    type = "discord.message"
    title = "Discord"
    credential_types = DISCORD.credential_types
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"operation": "send", "channel_id": "1100000000000000000", "content": "{{ $json.text }}"},
        {"operation": "send", "channel_id": "1100000000000000000",
         "embeds": [{"title": "{{ $json.subject }}", "description": "{{ $json.text }}"}]},
        {"operation": "list", "channel_id": "1100000000000000000", "limit": 20},
    )  # fmt: skip
    keywords = (
        "discord", "discord bot", "discord message", "post to discord", "discord channel", "guild",
        "discord server", "discord消息", "发到discord", "discord频道",
    )  # fmt: skip
