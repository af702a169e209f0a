"""`slack.message`: writes, changes and reads messages in Slack."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine_service.connectors.asking import Caller
from engine_service.connectors.connector import Connector
from engine_service.connectors.operation import OPERATION, Call, Choice, Listing, Operation
from engine_service.connectors.pages import Pages
from engine_service.connectors.vendor import Vendor, by_status, refusal, said_in
from engine_service.sdk.node import (
    BodyStream,
    Effect,
    Failed,
    HttpRequest,
    HttpResponse,
    NodeError,
)
from engine_service.values.attachments import file_id
from shared.workflow import JsonObject

_CODES = {
    "not_authenticated": (
        "invalid_auth", "not_authed", "token_expired", "token_revoked", "account_inactive",
    ),
    "forbidden": (
        "missing_scope", "no_permission", "not_in_channel", "restricted_action", "access_denied",
        "is_archived", "ekm_access_denied", "team_access_not_granted", "cant_update_message",
        "cant_delete_message", "not_allowed_token_type",
    ),
    "not_found": (
        "channel_not_found", "message_not_found", "user_not_found", "users_not_found",
        "thread_not_found", "file_not_found", "no_reaction",
    ),
    "conflict": ("already_reacted", "name_taken", "edit_window_closed"),
    "rate_limited": ("ratelimited", "rate_limited"),
    "vendor_unavailable": (
        "service_unavailable", "fatal_error", "internal_error", "request_timeout",
        "team_added_to_org",
    ),
}  # fmt: skip
_CODE_OF = {word: code for code, words in _CODES.items() for word in words}
_CHANNEL = Field(min_length=1, max_length=200, description="A channel's id, or its name as `#ops`")
_TS = Field(min_length=1, max_length=50, description="The message's `ts`, as Slack gave it")
_TEXT = "The text, in Slack's mrkdwn"
_MESSAGE: JsonObject = {"ts": "1767607200.000100", "user": "U0123456789", "text": "A message"}
_POSTED: JsonObject = {"ok": True, "channel": "C0123456789", "ts": "1767607200.000100"}


def _pages(size: int) -> Pages:
    return Pages("cursor", "response_metadata.next_cursor", "cursor", size_field="limit",
                 largest=size)  # fmt: skip


class _Content(Operation):
    """What a message says."""

    text: str | None = Field(default=None, max_length=40_000, description=_TEXT)
    blocks: list[JsonObject] | None = Field(
        default=None, max_length=50, description="The message as Block Kit blocks"
    )
    attachments: list[JsonObject] | None = Field(
        default=None, max_length=100, description="Attachments of the older kind"
    )

    def findings(self) -> Iterator[tuple[str, str, str]]:
        if self.text is None and self.blocks is None and self.attachments is None:
            yield "", "missing_parameter", "A message needs text, blocks or attachments."


class PostMessage(_Content):
    """Posts a message to a channel, to a person (by their id), or below another message."""

    operation: Literal["post"] = OPERATION
    channel: str = _CHANNEL
    thread_ts: str | None = Field(default=None, description="The `ts` of the message to reply to")
    reply_broadcast: bool | None = Field(
        default=None, description="Whether a reply also shows in the channel"
    )
    mrkdwn: bool | None = Field(default=None, description="False shows signs of formatting as such")
    unfurl_links: bool | None = Field(default=None, description="Whether links get a preview")
    username: str | None = Field(default=None, description="Another name for the sender")
    icon_emoji: str | None = Field(default=None, description="An emoji for the sender: `:robot:`")
    call = Call("POST", "/chat.postMessage")
    sample = _POSTED


class PostEphemeral(_Content):
    """Shows a message in a channel to one person only."""

    operation: Literal["post_ephemeral"] = OPERATION
    channel: str = _CHANNEL
    user: str = Field(description="Who sees it, by id")
    thread_ts: str | None = Field(default=None, description="The `ts` of the message to reply to")
    call = Call("POST", "/chat.postEphemeral")
    sample: ClassVar[JsonObject] = {"ok": True, "message_ts": "1767607200.000100"}


class ScheduleMessage(_Content):
    """Has a message posted later."""

    operation: Literal["schedule"] = OPERATION
    channel: str = _CHANNEL
    post_at: int = Field(ge=0, description="When, in seconds since 1970")
    thread_ts: str | None = Field(default=None, description="The `ts` of the message to reply to")
    call = Call("POST", "/chat.scheduleMessage")
    sample: ClassVar[JsonObject] = {
        "ok": True, "scheduled_message_id": "Q0123456789", "post_at": 1767607200,
    }  # fmt: skip


class UpdateMessage(_Content):
    """Changes a message that the app has posted."""

    operation: Literal["update"] = OPERATION
    channel: str = Field(description="The channel's id")
    ts: str = _TS
    call = Call("POST", "/chat.update", Effect.KEYED)
    sample = _POSTED


class DeleteMessage(Operation):
    """Deletes a message that the app has posted."""

    operation: Literal["delete"] = OPERATION
    channel: str = Field(description="The channel's id")
    ts: str = _TS
    call = Call("POST", "/chat.delete", Effect.KEYED)
    sample = _POSTED


class _Reaction(Operation):
    """An emoji below a message."""

    channel: str = Field(description="The channel's id")
    ts: str = _TS
    name: str = Field(min_length=1, description="The emoji's name: `thumbsup`")
    sample: ClassVar[JsonObject] = {"ok": True}

    def to_body(self) -> Any:
        return {**super().to_body(), "name": self.name.strip(":")}


class AddReaction(_Reaction):
    """Adds an emoji to a message."""

    operation: Literal["react"] = OPERATION
    call = Call("POST", "/reactions.add", Effect.KEYED, names={"ts": "timestamp"})


class RemoveReaction(_Reaction):
    """Takes an emoji of the app's own off a message."""

    operation: Literal["unreact"] = OPERATION
    call = Call("POST", "/reactions.remove", Effect.KEYED, names={"ts": "timestamp"})


class History(Listing):
    """Reads the messages of a channel, newest first."""

    operation: Literal["history"] = OPERATION
    channel: str = Field(description="The channel's id")
    oldest: str | None = Field(default=None, description="Only messages after this `ts`")
    latest: str | None = Field(default=None, description="Only messages before this `ts`")
    inclusive: bool | None = Field(default=None, description="Whether messages at these count too")
    call = Call("GET", "/conversations.history", Effect.READ, items="messages", pages=_pages(200))
    sample = _MESSAGE


class Replies(Listing):
    """Reads a thread: the message and the replies to it."""

    operation: Literal["replies"] = OPERATION
    channel: str = Field(description="The channel's id")
    ts: str = _TS
    call = Call("GET", "/conversations.replies", Effect.READ, items="messages", pages=_pages(200))
    sample = _MESSAGE


class Permalink(Operation):
    """Gives the address of a message for people."""

    operation: Literal["permalink"] = OPERATION
    channel: str = Field(description="The channel's id")
    ts: str = _TS
    call = Call("GET", "/chat.getPermalink", Effect.READ, names={"ts": "message_ts"})
    sample: ClassVar[JsonObject] = {
        "ok": True, "permalink": "https://example.slack.com/archives/C1/p1",
    }  # fmt: skip


class Channels(Listing):
    """Lists the channels that the app can see."""

    operation: Literal["channels"] = OPERATION
    types: str = Field(
        default="public_channel",
        description="Which, by commas: public_channel, private_channel, mpim, im",
    )
    exclude_archived: bool = Field(default=True, description="Whether archived ones are left out")
    call = Call("GET", "/conversations.list", Effect.READ, items="channels", pages=_pages(200))
    sample: ClassVar[JsonObject] = {"id": "C0123456789", "name": "general", "num_members": 3}


class Users(Listing):
    """Lists the people of the workspace."""

    operation: Literal["users"] = OPERATION
    call = Call("GET", "/users.list", Effect.READ, items="members", pages=_pages(200))
    sample: ClassVar[JsonObject] = {"id": "U0123456789", "name": "ada", "real_name": "Ada"}


class UserByEmail(Operation):
    """Finds a person by e-mail address."""

    operation: Literal["user_by_email"] = OPERATION
    email: str = Field(min_length=3, description="The address")
    call = Call("GET", "/users.lookupByEmail", Effect.READ, items="user")
    sample: ClassVar[JsonObject] = {"id": "U0123456789", "name": "ada", "real_name": "Ada"}


class OpenConversation(Operation):
    """Opens a direct conversation with people, to post to by its id."""

    operation: Literal["open"] = OPERATION
    users: str = Field(min_length=1, description="Who, by id, with commas between them")
    call = Call("POST", "/conversations.open", Effect.KEYED, items="channel")
    sample: ClassVar[JsonObject] = {"id": "D0123456789"}


class UploadFile(Operation):
    """Uploads a file and shares it in a channel."""

    operation: Literal["upload"] = OPERATION
    filename: str = Field(
        default="", max_length=500, description="What it is called; a file of the item has a name"
    )
    binary: str | None = Field(
        default=None, description="The file of the item to send: its name in the item's `binary`"
    )
    text: str | None = Field(default=None, description="The file's content as text")
    base64: str | None = Field(default=None, description="The file's content in base64")
    channel: str | None = Field(default=None, description="The channel's id; private without")
    title: str | None = Field(default=None, description="What it is titled")
    initial_comment: str | None = Field(default=None, description="A message that goes with it")
    thread_ts: str | None = Field(default=None, description="The `ts` of the message to reply to")
    call = Call("POST", "/files.completeUploadExternal", items="files")
    sample: ClassVar[JsonObject] = {"id": "F0123456789", "title": "report.txt"}

    def findings(self) -> Iterator[tuple[str, str, str]]:
        if not self.filename and self.binary is None:
            yield "/filename", "missing_parameter", "A file that is written here needs a name."

    def content(self) -> bytes:
        """What is written here.

        Raises:
            NodeError: It is not base64.
        """
        if self.base64 is None:
            return (self.text or "").encode()
        try:
            return base64.b64decode(self.base64, validate=True)
        except binascii.Error as error:
            raise NodeError(Failed("bad_request", "The content is not base64.")) from error


class _OfChannel(Operation):
    """Something about one channel."""

    channel: str = Field(min_length=1, description="The channel's id")
    sample: ClassVar[JsonObject] = {"id": "C0123456789", "name": "general"}


class CreateChannel(Operation):
    """Creates a channel."""

    operation: Literal["channel_create"] = OPERATION
    name: str = Field(min_length=1, max_length=80, description="Its name, in small letters")
    is_private: bool | None = Field(default=None, description="Whether one must be invited to it")
    call = Call("POST", "/conversations.create", items="channel")
    sample = _OfChannel.sample


class Channel(_OfChannel):
    """Reads what is known of a channel."""

    operation: Literal["channel"] = OPERATION
    call = Call("GET", "/conversations.info", Effect.READ, items="channel")


class ArchiveChannel(_OfChannel):
    """Archives a channel."""

    operation: Literal["channel_archive"] = OPERATION
    call = Call("POST", "/conversations.archive", Effect.KEYED)


class RenameChannel(_OfChannel):
    """Gives a channel another name."""

    operation: Literal["channel_rename"] = OPERATION
    name: str = Field(min_length=1, max_length=80, description="The new name")
    call = Call("POST", "/conversations.rename", Effect.KEYED, items="channel")


class SetTopic(_OfChannel):
    """Sets a channel's topic."""

    operation: Literal["channel_topic"] = OPERATION
    topic: str = Field(max_length=250, description="The topic")
    call = Call("POST", "/conversations.setTopic", Effect.KEYED, items="channel")


class Invite(_OfChannel):
    """Invites people to a channel."""

    operation: Literal["channel_invite"] = OPERATION
    users: str = Field(min_length=1, description="Whom, by id, with commas between them")
    call = Call("POST", "/conversations.invite", Effect.KEYED, items="channel")


class JoinChannel(_OfChannel):
    """Has the app join a channel."""

    operation: Literal["channel_join"] = OPERATION
    call = Call("POST", "/conversations.join", Effect.KEYED, items="channel")


class LeaveChannel(_OfChannel):
    """Has the app leave a channel."""

    operation: Literal["channel_leave"] = OPERATION
    call = Call("POST", "/conversations.leave", Effect.KEYED)


class Members(Listing):
    """Lists who is in a channel, by id."""

    operation: Literal["members"] = OPERATION
    channel: str = Field(min_length=1, description="The channel's id")
    call = Call("GET", "/conversations.members", Effect.READ, items="members", pages=_pages(200))
    sample: ClassVar[JsonObject] = {"data": "U0123456789"}


class User(Operation):
    """Reads what is known of a person."""

    operation: Literal["user"] = OPERATION
    user: str = Field(min_length=1, description="Who, by id")
    call = Call("GET", "/users.info", Effect.READ, items="user")
    sample: ClassVar[JsonObject] = {"id": "U0123456789", "name": "ada", "real_name": "Ada"}


_UPLOAD_URL = Call("GET", "/files.getUploadURLExternal", Effect.READ)


async def _content(operation: UploadFile, caller: Caller) -> tuple[bytes | BodyStream, str]:
    """What is sent, and what it is called.

    Raises:
        NodeError: There is no such file, or it is not base64.
    """
    if operation.binary is None:
        return operation.content(), operation.filename
    blobs, item = caller.services.blobs, caller.item or {"json": {}}
    blob = await blobs.find(file_id(item, operation.binary))
    body = BodyStream(blob.size, lambda: blobs.stream(blob.id))
    return body, operation.filename or blob.file_name


class SlackParameters(Choice):
    """What to do in Slack."""

    operations = (
        PostMessage, PostEphemeral, ScheduleMessage, UpdateMessage, DeleteMessage, AddReaction,
        RemoveReaction, History, Replies, Permalink, Channels, Users, UserByEmail,
        OpenConversation, UploadFile, CreateChannel, Channel, ArchiveChannel, RenameChannel,
        SetTopic, Invite, JoinChannel, LeaveChannel, Members, User,
    )  # fmt: skip


def _judge(vendor: Vendor, response: HttpResponse, answer: Any) -> Failed | None:
    """Slack says no with status 200."""
    match answer:
        case {"ok": True}:
            return None
        case {"ok": False, "error": str(error), **rest}:
            needed = f" (it needs {rest['needed']})" if rest.get("needed") else ""
            code = _CODE_OF.get(error, "refused")
            temporary = code in ("rate_limited", "vendor_unavailable")
            failed = refusal(vendor, code, f"{error}{needed}", temporary, response)
            if code != "vendor_unavailable":
                return failed
            return Failed(code, failed.message, True, failed.retry_after, outcome_known=False)
        case _:
            failed = by_status(vendor, response, said_in(answer))
            return failed or refusal(vendor, "bad_response", "not as Slack does", False, response)


SLACK = Vendor(
    "Slack",
    "https://slack.com/api",
    ("slack.token", "oauth2.authorization", "http.bearer"),
    _judge,
)


class SlackMessage(Connector):
    """Posts, changes and reads messages in Slack, and looks up channels and people.

    `operation` says what to do: `post` (with `thread_ts` a reply), `post_ephemeral`, `schedule`,
    `update`, `delete`, `react`, `unreact`, `upload` a file; `history`, `replies`, `permalink`;
    `channels`, `channel` and `channel_create`, `_archive`, `_rename`, `_topic`, `_invite`, `_join`,
    `_leave`; `members`, `users`, `user`, `user_by_email`; `open` a direct conversation. Fields are
    called as in Slack's API.

    The credential is a `slack.token` (a bot token with the scopes that the operation needs, such
    as `chat:write`). Lists give one item per member, from as many pages as `limit` takes.

    Slack's refusals fail the item: `not_authenticated`, `forbidden` (a scope is missing, or the
    app is not in the channel), `not_found`, `conflict`, `rate_limited`, `refused`. Slack's rate
    limits are waited out as it asks. A message whose fate is not known after a lost connection is
    not sent twice.
    """

    Parameters = SlackParameters
    vendor = SLACK
    type = "slack.message"
    title = "Slack"
    credential_types = SLACK.credential_types
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"operation": "post", "channel": "#ops", "text": "Order of {{ $json.customer }} came in."},
        {"operation": "post", "channel": "C0123456789", "text": "Done.",
         "thread_ts": "1767607200.000100"},
        {"operation": "history", "channel": "C0123456789", "limit": 20},
        {"operation": "react", "channel": "C0123456789", "ts": "1767607200.000100",
         "name": "white_check_mark"},
    )  # fmt: skip
    keywords = (
        "slack", "slack message", "post to slack", "slack channel", "slack thread", "reaction",
        "team chat", "dm on slack", "slack消息", "发到slack", "频道", "团队消息",
    )  # fmt: skip

    async def perform(self, operation: Operation, caller: Caller) -> list[Any]:
        if not isinstance(operation, UploadFile):
            return await caller.perform(operation)
        content, filename = await _content(operation, caller)
        size = content.size if isinstance(content, BodyStream) else len(content)
        given = await caller.ask(_UPLOAD_URL, filename=filename, length=size)
        # The address that Slack gives is secret enough for it to want no token.
        upload = HttpRequest(
            "POST",
            given["upload_url"],
            {"content-type": "application/octet-stream"},
            content,
            timeout=120,
        )
        response = await caller.services.http.send(upload)
        if failed := by_status(self.vendor, response, "the upload was refused"):
            raise NodeError(failed)
        shown = {"id": given["file_id"], "title": operation.title or filename}
        sharing: JsonObject = {
            "files": [shown],
            "channel_id": operation.channel,
            "initial_comment": operation.initial_comment,
            "thread_ts": operation.thread_ts,
        }
        body = {name: value for name, value in sharing.items() if value is not None}
        answer = await caller.ask(operation.call, body)
        return answer.get("files", [])
