"""Chats: Slack, Telegram and Discord."""

import json
from typing import cast

from engine_service.n8n.app import App, Build, limit
from engine_service.n8n.mapping import CannotMap, Fields, NodeMapping
from shared.workflow import JsonObject

# --- Slack


def _channel(fields: Fields) -> str:
    return fields.located("channelId") or fields.located("channel")


def _slack_content(fields: Fields) -> JsonObject:
    kind = fields.fixed("messageType", "text")
    if kind == "text":
        return {"text": fields.take("text", "")}
    if kind != "block":
        raise CannotMap("It sends attachments as a form; only texts and blocks are known here.")
    written = fields.take("blocksUi")
    if isinstance(written, str) and "{{" not in written:
        try:
            written = json.loads(written)
        except ValueError as error:
            raise CannotMap("Its blocks are not JSON.") from error
    blocks = cast("JsonObject", written).get("blocks") if isinstance(written, dict) else written
    return {"blocks": blocks, "text": fields.take("text")}


def _slack_post(fields: Fields) -> JsonObject:
    fields.ignore("select", "sendAsUser")
    to_user = fields.fixed("select", "channel") == "user"
    options = fields.section("otherOptions")
    options.ignore("includeLinkToWorkflow")
    reply = options.section("thread_ts", "replyValues")
    return {
        "operation": "post",
        "channel": fields.located("user") if to_user else _channel(fields),
        **_slack_content(fields),
        "thread_ts": reply.take("thread_ts"),
        "reply_broadcast": reply.take("reply_broadcast"),
        "mrkdwn": options.take("mrkdwn"),
        "unfurl_links": options.take("unfurl_links"),
    }


def _slack_update(fields: Fields) -> JsonObject:
    content = _slack_content(fields)
    return {"operation": "update", "channel": _channel(fields), "ts": fields.take("ts"), **content}


def _slack_place(operation: str, *more: str) -> Build:
    def build(fields: Fields) -> JsonObject:
        fields.ignore("select")
        if fields.fixed("select", "channel") == "user":
            raise CannotMap("It means a conversation with a person, which must be opened first.")
        place = {"channel": _channel(fields), "ts": fields.take("timestamp") or fields.take("ts")}
        return {"operation": operation, **place, **{name: fields.take(name) for name in more}}

    return build


def _slack_history(fields: Fields) -> JsonObject:
    filters = fields.section("filters")
    bounds = {name: filters.take(name) for name in ("oldest", "latest", "inclusive")}
    return {"operation": "history", "channel": _channel(fields), **bounds, **limit(fields, 50)}


def _slack_replies(fields: Fields) -> JsonObject:
    place = {"channel": _channel(fields), "ts": fields.take("ts")}
    return {"operation": "replies", **place, **limit(fields, 50)}


def _slack_channels(fields: Fields) -> JsonObject:
    filters = fields.section("filters")
    types = filters.take("types")
    return {
        "operation": "channels",
        "types": ",".join(cast("list[str]", types)) if isinstance(types, list) else types,
        "exclude_archived": filters.flag("excludeArchived"),
        **limit(fields, 50),
    }


def _slack_users(fields: Fields) -> JsonObject:
    return {"operation": "users", **limit(fields, 50)}


def _slack_upload(fields: Fields) -> JsonObject:
    options = fields.section("options")
    made: JsonObject = {
        "operation": "upload",
        "filename": options.take("fileName"),
        "title": options.take("title"),
        "channel": options.located("channelId") or options.take("channelIds"),
        "initial_comment": options.take("initialComment"),
        "thread_ts": options.take("threadTs"),
    }
    if isinstance(made["channel"], list):
        made["channel"] = next(iter(cast("list[str]", made["channel"])), None)
        fields.differ("A file is shared in one channel.")
    if fields.flag("binaryData", not fields.has("fileContent")):
        fields.ignore("fileContent")
        return {**made, "binary": fields.text("binaryPropertyName", "data")}
    fields.ignore("binaryPropertyName")
    return {**made, "text": fields.take("fileContent", ""), "filename": made["filename"] or "file"}


def _slack_channel(operation: str, **renamed: str) -> Build:
    def build(fields: Fields) -> JsonObject:
        fields.ignore("channelVisibility")
        values = {ours: fields.take(theirs) for ours, theirs in renamed.items()}
        if isinstance(values.get("users"), list):
            values["users"] = ",".join(cast("list[str]", values["users"]))
        return {"operation": operation, "channel": _channel(fields), **values}

    return build


def _slack_create(fields: Fields) -> JsonObject:
    private = fields.fixed("channelVisibility", "public") == "private"
    name = fields.take("channelId", "")
    return {"operation": "channel_create", "name": name, "is_private": private or None}


def _slack_user(fields: Fields) -> JsonObject:
    return {"operation": "user", "user": fields.located("user")}


def _slack_members(fields: Fields) -> JsonObject:
    if fields.flag("resolveData"):
        fields.differ("It gives ids; read each person with the operation 'user'.")
    return {"operation": "members", "channel": _channel(fields), **limit(fields, 100)}


_SLACK = App(
    "slack.message",
    {
        "file:upload": _slack_upload,
        "channel:create": _slack_create,
        "channel:get": _slack_channel("channel"),
        "channel:archive": _slack_channel("channel_archive"),
        "channel:rename": _slack_channel("channel_rename", name="name"),
        "channel:setTopic": _slack_channel("channel_topic", topic="topic"),
        "channel:invite": _slack_channel("channel_invite", users="userIds"),
        "channel:join": _slack_channel("channel_join"),
        "channel:leave": _slack_channel("channel_leave"),
        "channel:member": _slack_members,
        "user:info": _slack_user,
        "user:get": _slack_user,
        "message:post": _slack_post,
        "message:update": _slack_update,
        "message:delete": _slack_place("delete"),
        "message:getPermalink": _slack_place("permalink"),
        "reaction:add": _slack_place("react", "name"),
        "reaction:remove": _slack_place("unreact", "name"),
        "channel:history": _slack_history,
        "channel:replies": _slack_replies,
        "channel:getAll": _slack_channels,
        "user:getAll": _slack_users,
    },
    "message",
    "post",
)


# --- Telegram


def _telegram(operation: str, **renamed: str) -> Build:
    """An operation whose fields are these, by our names, and the additional ones."""

    def build(fields: Fields) -> JsonObject:
        more = fields.section("additionalFields")
        more.ignore("appendAttribution")
        if fields.flag("binaryData"):
            raise CannotMap("It sends a file of the workflow; only URLs and file ids are known.")
        if fields.fixed("replyMarkup", "none") != "none":
            raise CannotMap("It sends a keyboard; write it as 'reply_markup' yourself.")
        made = {ours: fields.take(theirs) for ours, theirs in renamed.items()}
        for name in _TELEGRAM_MORE.get(operation, ()):
            made[name] = more.take(name)
        return {"operation": operation, **made}

    return build


_SENDING = ("disable_notification", "reply_to_message_id", "message_thread_id")
_TELEGRAM_MORE = {
    "send": ("parse_mode", "disable_web_page_preview", *_SENDING),
    "send_photo": ("caption", "parse_mode", *_SENDING),
    "send_document": ("caption", "parse_mode", *_SENDING),
    "send_location": _SENDING,
    "edit": ("parse_mode",),
    "pin": ("disable_notification",),
    "answer_callback": ("text", "show_alert"),
}
_TELEGRAM = App(
    "telegram.message",
    {
        "message:sendMessage": _telegram("send", chat_id="chatId", text="text"),
        "message:sendPhoto": _telegram("send_photo", chat_id="chatId", photo="file"),
        "message:sendDocument": _telegram("send_document", chat_id="chatId", document="file"),
        "message:sendLocation": _telegram(
            "send_location", chat_id="chatId", latitude="latitude", longitude="longitude"
        ),
        "message:sendChatAction": _telegram("send_action", chat_id="chatId", action="action"),
        "message:editMessageText": _telegram(
            "edit", chat_id="chatId", message_id="messageId", text="text"
        ),
        "message:deleteChatMessage": _telegram("delete", chat_id="chatId", message_id="messageId"),
        "message:pinChatMessage": _telegram("pin", chat_id="chatId", message_id="messageId"),
        "chat:get": _telegram("get_chat", chat_id="chatId"),
        "callback:answerQuery": _telegram("answer_callback", callback_query_id="queryId"),
    },
    "message",
    "sendMessage",
)


# --- Discord


def _discord(operation: str, **renamed: str) -> Build:
    def build(fields: Fields) -> JsonObject:
        fields.ignore("guildId", "sendTo", "options")
        if fields.fixed("sendTo", "channel") != "channel":
            raise CannotMap("It writes to a person, for which a channel must be opened first.")
        if fields.rows("embeds", "values") or fields.rows("files", "values"):
            raise CannotMap("It sends embeds or files as a form; write them as 'embeds' yourself.")
        made = {ours: fields.located(theirs) for ours, theirs in renamed.items()}
        return {"operation": operation, **made}

    return build


def _discord_list(fields: Fields) -> JsonObject:
    if fields.flag("returnAll"):
        fields.differ("It reads the newest 100 messages, not all.")
    most = 100 if fields.flag("returnAll") else min(100, int(fields.number("limit", 100)))
    return {**_discord("list", channel_id="channelId")(fields), "limit": most}


_DISCORD = App(
    "discord.message",
    {
        "message:send": _discord("send", channel_id="channelId", content="content"),
        "message:deleteMessage": _discord("delete", channel_id="channelId", message_id="messageId"),
        "message:get": _discord("get", channel_id="channelId", message_id="messageId"),
        "message:getAll": _discord_list,
        "message:react": _discord(
            "react", channel_id="channelId", message_id="messageId", emoji="emoji"
        ),
        "channel:getAll": _discord("channels", guild_id="guildId"),
    },
    "channel",
    "create",
)

MAPPINGS = (
    NodeMapping(("n8n-nodes-base.slack",), _SLACK.translate),
    NodeMapping(("n8n-nodes-base.telegram",), _TELEGRAM.translate),
    NodeMapping(("n8n-nodes-base.discord",), _DISCORD.translate),
)
