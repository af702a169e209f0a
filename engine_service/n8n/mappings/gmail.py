"""Gmail: sending goes by SMTP here, and reading is a request to Google."""

from typing import Any
from urllib.parse import quote

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_USERS = "https://gmail.googleapis.com/gmail/v1/users/me"
_SMTP = "It is sent by SMTP: connect an account for that, such as one with an app password."
_PLAIN = "It is a plain HTTP request now, with a Google account, and gives the answer as it comes."


def _gmail(node: SourceNode) -> Mapped:
    fields = node.fields
    fields.ignore("authentication")
    key = f"{fields.fixed('resource', 'message')}:{fields.fixed('operation', 'send')}"
    if key == "message:send":
        return _send(fields, node.version)
    if key not in _REQUESTS:
        raise CannotMap(f"There is no counterpart of its operation {key!r} yet.")
    method, path, body = _REQUESTS[key]
    fields.ignore("simple", "options", "filters", "returnAll", "limit", "labelIds")
    url = f"{_USERS}/{path.replace('ID', _part(fields.take('messageId', '')))}"
    made: JsonObject = {"method": method, "url": url}
    if body is not None:
        made["body"] = body
    if path == "messages":
        made["query"] = _search(fields)
        fields.differ("It gives ids of messages; read each one by its own.")
    if "labelIds" in fields.raw:
        labels = fields.take("labelIds")
        made["body"] = {"addLabelIds" if key.endswith("addLabels") else "removeLabelIds": labels}
    fields.differ(_PLAIN)
    return Mapped("http.request", made)


def _send(fields: Fields, version: float) -> Mapped:
    options = fields.section("options")
    options.ignore("appendAttribution")
    kind = str(fields.fixed("emailType", "html" if version >= 2 else "text"))
    made: JsonObject = {
        "to": fields.take("sendTo") or fields.take("toList", ""),
        "subject": fields.take("subject", ""),
        "html" if kind == "html" else "text": fields.take("message", ""),
        "cc": options.take("ccList"),
        "bcc": options.take("bccList"),
        "reply_to": options.take("replyTo"),
    }
    files = [
        {"binary": name.strip()}
        for row in options.rows("attachmentsUi", "attachmentsBinary")
        for name in row.text("property").split(",")
        if name.strip()
    ]
    fields.differ(_SMTP)
    shown = {name: value for name, value in made.items() if value not in (None, "", [])}
    return Mapped("email.send", {**shown, **({"attachments": files} if files else {})})


def _search(fields: Fields) -> JsonObject:
    filters = fields.section("filters")
    found: dict[str, Any] = {"q": filters.take("q"), "labelIds": filters.take("labelIds")}
    if not fields.flag("returnAll"):
        found["maxResults"] = int(fields.number("limit", 50))
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def _part(value: Any) -> str:
    text = str(value)
    return text if "{{" in text else quote(text, safe="")


_UNREAD: JsonObject = {"removeLabelIds": ["UNREAD"]}
_REQUESTS: dict[str, tuple[str, str, JsonObject | None]] = {
    "message:get": ("GET", "messages/ID", None),
    "message:getAll": ("GET", "messages", None),
    "message:delete": ("DELETE", "messages/ID", None),
    "message:markAsRead": ("POST", "messages/ID/modify", _UNREAD),
    "message:markAsUnread": ("POST", "messages/ID/modify", {"addLabelIds": ["UNREAD"]}),
    "message:addLabels": ("POST", "messages/ID/modify", None),
    "message:removeLabels": ("POST", "messages/ID/modify", None),
}

MAPPINGS = (NodeMapping(("n8n-nodes-base.gmail",), _gmail),)
