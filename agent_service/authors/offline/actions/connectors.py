"""Systems that there are nodes for: `post it to Slack #ops`, `在 octo/hello 创建一个 issue`.

A clause is taken when it says where to: a channel, a chat, a repository, a spreadsheet. Without
that a node could not be filled in, and the clause stays what it is, a gap that is asked about.
"""

import re
from collections.abc import Callable, Mapping

from agent_service.authors.offline.reading import Connect, Step
from agent_service.authors.offline.systems import find_system
from agent_service.authors.offline.text import Text

_ACTING = re.compile(
    r"\b(?:post|send|write|tell|notify|message|alert|publish|share|announce|forward|report|create"
    r"|open|file|raise|add|append|insert|save|log|record|store|put)(?:s|es|ing|ed)?\b"
    r"|发|通知|告诉|提醒|推送|创建|新建|提交|开一个|追加|添加|写入|保存|记录|插入",
    re.IGNORECASE,
)
_CHANNEL = re.compile(r"(?<![\w&])#(?P<to>[\w\u4e00-\u9fff][\w\u4e00-\u9fff-]{0,79})")
_SLACK_ID = re.compile(r"\b(?P<to>[CDG][A-Z0-9]{8,11})\b")
_DISCORD_ID = re.compile(r"(?<!\d)(?P<to>\d{16,20})(?!\d)")
_CHAT = re.compile(
    r"\bchat(?: id)?\s*[:=]?\s*(?P<to>-?\d{4,16}|@\w{4,32})|(?<![\w.])(?P<name>@\w{4,32})"
    r"|(?:群|聊天|会话)(?:ID|id)?\s*[:：]?\s*(?P<han>-?\d{4,16})"
)
_REPOSITORY = re.compile(
    r"(?<![\w/.:-])(?P<owner>[A-Za-z0-9][\w-]{0,38})/(?P<repo>[A-Za-z0-9_.-]{1,100})(?![\w/])"
)
_ISSUE = re.compile(r"\bissues?\b|\bticket\b|\bbug report\b|问题|工单|缺陷", re.IGNORECASE)
_NUMBER = re.compile(r"\bissue #?(?P<number>\d+)\b|#(?P<hash>\d+)\b|问题\s*#?(?P<han>\d+)")
_COMMENT = re.compile(r"\bcomment\b|\breply\b|评论|回复", re.IGNORECASE)
_SPREADSHEET = re.compile(
    r"docs\.google\.com/spreadsheets/d/(?P<url>[\w-]+)|\b(?P<id>1[\w-]{20,80})\b"
)
_SHEET = re.compile(
    r"\b(?:sheet|tab|worksheet) (?:named |called )?(?P<name>[\ue000-\uf8ff]|[A-Z]\w*)"
    r"|工作表\s*(?P<han>[\ue000-\uf8ff]|\w+)"
)
_READING = re.compile(r"^(?:read|get|fetch|load|list|look up)\b|读取|获取", re.IGNORECASE)


def read_connector(plain: str, text: Text) -> Step | None:
    """What a node of the system that is named does, if the clause says where to."""
    system = find_system(plain) or find_system(text.restore(plain))
    read = _BY_SYSTEM.get(system.name) if system else None
    if read is None or not (_ACTING.search(plain) or _READING.search(plain)):
        return None
    return read(plain, text)


def _slack(plain: str, text: Text) -> Step | None:
    whole = text.restore(plain)
    found = _CHANNEL.search(whole)
    known = _SLACK_ID.search(whole)
    if not found and not known:
        return None
    channel = f"#{found['to']}" if found else (known["to"] if known else "")
    return Connect(
        whole, "Slack", "slack.message", "slack.token",
        {"operation": "post", "channel": channel}, "text", _message(plain, text, channel),
    )  # fmt: skip


def _telegram(plain: str, text: Text) -> Step | None:
    whole = text.restore(plain)
    found = _CHAT.search(whole)
    if found is None:
        return None
    chat = found["to"] or found["name"] or found["han"]
    return Connect(
        whole, "Telegram", "telegram.message", "telegram.bot",
        {"operation": "send", "chat_id": chat}, "text", _message(plain, text, chat),
    )  # fmt: skip


def _discord(plain: str, text: Text) -> Step | None:
    whole = text.restore(plain)
    found = _DISCORD_ID.search(whole)
    if found is None:
        return None
    return Connect(
        whole, "Discord", "discord.message", "discord.bot",
        {"operation": "send", "channel_id": found["to"]}, "content",
        _message(plain, text, found["to"]),
    )  # fmt: skip


def _github(plain: str, text: Text) -> Step | None:
    whole = text.restore(plain)
    found = _REPOSITORY.search(whole)
    if found is None or not (_ISSUE.search(plain) or _COMMENT.search(plain)):
        return None
    place = {"owner": found["owner"], "repo": found["repo"]}
    said = _message(plain, text, found.group())
    number = _NUMBER.search(whole)
    if number is not None and _COMMENT.search(plain):
        which = number["number"] or number["hash"] or number["han"]
        given: Mapping[str, str] = {"operation": "comment", **place, "number": which}
        return Connect(whole, "GitHub", "github.issue", "github.token", given, "body", said)
    if _COMMENT.search(plain) or _READING.search(plain):
        return None
    title = said or whole
    given = {"operation": "create", **place, "title": title}
    return Connect(whole, "GitHub", "github.issue", "github.token", given, "body")


def _sheets(plain: str, text: Text) -> Step | None:
    whole = text.restore(plain)
    found = _SPREADSHEET.search(whole)
    if found is None:
        return None
    place = {"spreadsheet_id": found["url"] or found["id"]}
    named = _SHEET.search(plain)
    if named is not None:
        place["sheet"] = text.restore(named["name"] or named["han"])
    common = ("Google Sheets", "google.sheets", "google.account")
    if _READING.search(plain):
        return Connect(whole, *common, {"operation": "read", **place})
    return Connect(whole, *common, {"operation": "append", **place}, row="values")


def _message(plain: str, text: Text, place: str) -> str:
    """What was said word for word to be the message; not the place it goes to."""
    quoted = [part.value for part in text.literals(plain, "quote")]
    return next((one for one in quoted if one.strip("#") != place.strip("#")), "")


_BY_SYSTEM: Mapping[str, Callable[[str, Text], Step | None]] = {
    "Slack": _slack,
    "Telegram": _telegram,
    "Discord": _discord,
    "GitHub": _github,
    "Google Sheets": _sheets,
}
