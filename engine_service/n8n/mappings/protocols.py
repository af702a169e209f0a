"""Mail, feeds and Redis."""

from collections.abc import Callable, Mapping
from typing import Any

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_VALUE_ONLY = "What is found comes as `value`, whatever name it was to have."
_MAIL_FIELDS = "Mail comes with fields of other names: from, to, subject, text, html, attachments."
_POLLS = {"everyMinute": 1, "everyHour": 60, "everyDay": 1_440, "everyWeek": 10_080}


# --- mail


def _email_send(node: SourceNode) -> Mapped:
    fields = node.fields
    if fields.fixed("operation", "send") != "send" or fields.fixed("resource", "email") != "email":
        raise CannotMap("It waits for an answer by e-mail, for which there is human.approval.")
    options = fields.section("options")
    options.ignore("appendAttribution")
    options.differ("Nothing is added to the text of a message.")
    both = options if node.version >= 2 else fields
    made = _filled(
        {
            "sender": fields.take("fromEmail"),
            "to": fields.take("toEmail", ""),
            "subject": fields.take("subject"),
            "cc": both.take("ccEmail"),
            "bcc": both.take("bccEmail"),
            "reply_to": options.take("replyTo"),
            **_texts(fields, node.version),
        }
    )
    files = str(both.take("attachments") or "")
    names = [name.strip() for name in files.split(",") if name.strip()]
    if names:
        made["attachments"] = [{"binary": name} for name in names]
    if options.take("allowUnauthorizedCerts"):
        fields.differ("Whether a certificate must be valid is said by the credential here.")
    return Mapped("email.send", made)


def _texts(fields: Fields, version: float) -> JsonObject:
    kind = str(fields.fixed("emailFormat", "html" if version >= 2 else "both"))
    texts: JsonObject = {}
    if kind in ("text", "both"):
        texts["text"] = fields.take("text")
    if kind in ("html", "both"):
        texts["html"] = fields.take("html")
    fields.ignore("text", "html")
    return texts


def _email_read(node: SourceNode) -> Mapped:
    fields = node.fields
    options = fields.section("options")
    options.ignore("forceReconnect", "trackLastMessageId", "allowUnauthorizedCerts")
    fields.ignore("format", "dataPropertyAttachmentsPrefixName", "downloadAttachments")
    rules = str(options.take("customEmailConfig") or '["UNSEEN"]')
    if "UNSEEN" not in rules and "ALL" not in rules:
        fields.differ("Its rules for which mail to take are not applied.")
    fields.differ(_MAIL_FIELDS)
    fields.differ("It looks every minute, and files that come with mail are named, not loaded.")
    made: JsonObject = {
        "folder": fields.take("mailbox", "INBOX"),
        "every": 1,
        "unseen": "UNSEEN" in rules,
        "mark_seen": fields.fixed("postProcessAction", "read") == "read",
        "runs": "together",
    }
    return Mapped("trigger.email", made)


# --- feeds


def _feed_read(node: SourceNode) -> Mapped:
    node.fields.ignore("options")
    return Mapped("rss.read", {"url": node.fields.take("url", "")})


def _feed_trigger(node: SourceNode) -> Mapped:
    fields = node.fields
    rows = fields.rows("pollTimes", "item") or [Fields({}, fields.differences)]
    fields.differ("Each new entry comes once, several at a time, as they are found.")
    every = min(_minutes(row) for row in rows)
    url = fields.take("feedUrl", "")
    return Mapped("trigger.rss", {"url": url, "every": every, "runs": "together"})


def _minutes(row: Fields) -> int:
    """How often it looks; moments of the day are no rhythm."""
    mode = str(row.fixed("mode", "everyDay"))
    row.ignore("hour", "minute", "weekday", "dayOfMonth", "cronExpression")
    if mode == "everyX":
        every = int(row.number("value", 2))
        return every * (60 if row.fixed("unit", "hours") == "hours" else 1)
    if mode not in _POLLS:
        row.differ("It looks every hour, as its own times are no plain rhythm.")
    return _POLLS.get(mode, 60)


# --- Redis


def _redis(node: SourceNode) -> Mapped:
    fields = node.fields
    operation = str(fields.fixed("operation", "info"))
    if operation not in _REDIS:
        raise CannotMap(f"There is no counterpart of its operation {operation!r} yet.")
    fields.differ(_VALUE_ONLY)
    return Mapped("redis.command", _REDIS[operation](fields))


def _redis_get(fields: Fields) -> JsonObject:
    fields.ignore("propertyName", "options")
    commands = {"hash": "hash_get_all", "list": "list_range", "sets": "set_members"}
    kind = str(fields.fixed("keyType", "automatic"))
    return {"command": commands.get(kind, "get"), "key": fields.take("key", "")}


def _redis_set(fields: Fields) -> JsonObject:
    fields.ignore("valueIsJSON")
    if fields.fixed("keyType", "automatic") not in ("automatic", "string"):
        raise CannotMap("It writes a hash, a list or a set; only texts are known here.")
    made = {"command": "set", "key": fields.take("key", ""), "value": fields.take("value", "")}
    return {**made, **_ttl(fields)}


def _ttl(fields: Fields) -> JsonObject:
    fields.ignore("ttl")
    return {"ttl": int(fields.number("ttl", 60))} if fields.flag("expire") else {}


def _redis_keys(fields: Fields) -> JsonObject:
    fields.differ("The names of the keys come, without their values.")
    fields.ignore("getValues")
    return {"command": "keys", "key": fields.take("keyPattern", "")}


def _redis_push(fields: Fields) -> JsonObject:
    side = "right" if fields.flag("tail") else "left"
    value = fields.take("messageData", "")
    return {"command": "list_push", "key": fields.take("list", ""), "value": value, "side": side}


def _redis_pop(fields: Fields) -> JsonObject:
    fields.ignore("propertyName", "options")
    side = "right" if fields.flag("tail") else "left"
    return {"command": "list_pop", "key": fields.take("list", ""), "side": side}


def _redis_publish(fields: Fields) -> JsonObject:
    value = fields.take("messageData", "")
    return {"command": "publish", "channel": fields.take("channel", ""), "value": value}


_REDIS: Mapping[str, Callable[[Fields], JsonObject]] = {
    "get": _redis_get,
    "set": _redis_set,
    "delete": lambda f: {"command": "delete", "key": f.take("key", "")},
    "incr": lambda f: {"command": "increment", "key": f.take("key", ""), **_ttl(f)},
    "keys": _redis_keys,
    "push": _redis_push,
    "pop": _redis_pop,
    "publish": _redis_publish,
    "info": lambda _: {"command": "info"},
}


def _filled(made: JsonObject) -> JsonObject:
    """Parameters without what nobody wrote."""
    unwritten: tuple[Any, ...] = (None, "", [], {})
    return {name: value for name, value in made.items() if value not in unwritten}


MAPPINGS = (
    NodeMapping(("n8n-nodes-base.emailSend",), _email_send),
    NodeMapping(("n8n-nodes-base.emailReadImap",), _email_read),
    NodeMapping(("n8n-nodes-base.rssFeedRead",), _feed_read),
    NodeMapping(("n8n-nodes-base.rssFeedReadTrigger",), _feed_trigger),
    NodeMapping(("n8n-nodes-base.redis",), _redis),
)
