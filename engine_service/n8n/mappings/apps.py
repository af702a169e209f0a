"""Apps whose operation is one plain request to a REST API: `http.request` sends it.

An operation is a method, an address, and a body of the node's own fields. What needs more than one
request, or data put together first, is in no table here and stays a placeholder.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_SLACK = "https://slack.com/api"
_GITHUB = "https://api.github.com"
_TELEGRAM = "https://api.telegram.org/bot"
_DISCORD = "https://discord.com/api/v10"
_AIRTABLE = "https://api.airtable.com/v0"
_TRELLO = "https://api.trello.com/1"

Build = Callable[[Fields], "Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request."""

    method: str
    url: str
    body: JsonObject | None = None
    more: JsonObject = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class App:
    """An app's operations by `resource:operation`; the defaults are n8n's."""

    operations: dict[str, Build]
    resource: str
    operation: str

    def translate(self, node: SourceNode) -> Mapped:
        """The operation as a request.

        Raises:
            CannotMap: It is none of the table.
        """
        fields = node.fields
        fields.ignore("authentication")
        resource = str(fields.fixed("resource", self.resource))
        key = f"{resource}:{fields.fixed('operation', self.operation)}"
        if key not in self.operations:
            raise CannotMap(f"There is no counterpart of its operation {key!r} yet.")
        call = self.operations[key](fields)
        fields.differ("It is a plain HTTP request now, and gives the answer as it comes.")
        body = {} if call.body is None else {"body": _filled(call.body)}
        return Mapped("http.request", {"method": call.method, "url": call.url, **body, **call.more})


def _filled(body: JsonObject) -> JsonObject:
    """A body without what nobody wrote."""
    return {name: value for name, value in body.items() if value not in (None, "", [], {})}


def _part(value: Any) -> str:
    """A value as a part of an address; expressions stay as they are."""
    text = str(value)
    return text if "{{" in text else quote(text, safe="@:-._~")


def _slack_post(fields: Fields) -> Call:
    fields.ignore("select", "messageType", "sendAsUser")
    if fields.fixed("messageType", "text") != "text":
        raise CannotMap("It sends blocks or attachments; only texts are known here.")
    other = "user" if fields.fixed("select", "channel") == "user" else "channelId"
    channel = fields.located(other) or fields.located("channel")
    options = fields.section("otherOptions")
    options.ignore("includeLinkToWorkflow")
    body = {"channel": channel, "text": fields.take("text")}
    thread = options.section("thread_ts", "replyValues").take("thread_ts")
    fields.differ("An answer of Slack's with 'ok' false does not fail the node.")
    shown = {**body, "thread_ts": thread, "mrkdwn": options.take("mrkdwn")}
    return Call("POST", f"{_SLACK}/chat.postMessage", shown)


def _telegram_send(fields: Fields) -> Call:
    more = fields.section("additionalFields")
    more.ignore("appendAttribution")
    if fields.fixed("replyMarkup", "none") != "none":
        raise CannotMap("It sends a keyboard; only texts are known here.")
    body = {
        "chat_id": fields.take("chatId"),
        "text": fields.take("text"),
        "parse_mode": more.take("parse_mode"),
        "disable_web_page_preview": more.take("disable_web_page_preview"),
        "disable_notification": more.take("disable_notification"),
        "reply_to_message_id": more.take("reply_to_message_id"),
        "message_thread_id": more.take("message_thread_id"),
    }
    return Call("POST", f"{_TELEGRAM}/sendMessage", body)


def _discord_send(fields: Fields) -> Call:
    fields.ignore("guildId", "sendTo")
    if fields.fixed("sendTo", "channel") != "channel":
        raise CannotMap("It writes to a person, for which a channel must be opened first.")
    channel = _part(fields.located("channelId"))
    url = f"{_DISCORD}/channels/{channel}/messages"
    return Call("POST", url, {"content": fields.take("content")})


def _repository(fields: Fields) -> str:
    return f"{_GITHUB}/repos/{_part(fields.located('owner'))}/{_part(fields.located('repository'))}"


def _github_issue_create(fields: Fields) -> Call:
    labels = [row.take("label") for row in fields.rows("labels")]
    assignees = [row.take("assignee") for row in fields.rows("assignees")]
    body = {
        "title": fields.take("title"),
        "body": fields.take("body"),
        "labels": labels,
        "assignees": assignees,
    }
    return Call("POST", f"{_repository(fields)}/issues", body)


def _github_issue_get(fields: Fields) -> Call:
    return Call("GET", f"{_repository(fields)}/issues/{_part(fields.take('issueNumber', ''))}")


def _github_comment(fields: Fields) -> Call:
    number = _part(fields.take("issueNumber", ""))
    url = f"{_repository(fields)}/issues/{number}/comments"
    return Call("POST", url, {"body": fields.take("body")})


def _github_issues(fields: Fields) -> Call:
    filters = fields.section("getRepositoryIssuesFilters")
    query = _filled({name: filters.take(name) for name in filters.raw})
    more: JsonObject = {"query": {**query, "per_page": 100}}
    if fields.flag("returnAll"):
        more["pagination"] = {"kind": "link_header"}
    else:
        more["query"]["per_page"] = int(fields.number("limit", 50))
    return Call("GET", f"{_repository(fields)}/issues", None, more)


def _table(fields: Fields) -> str:
    base = fields.located("base") or fields.located("application")
    return f"{_AIRTABLE}/{_part(base)}/{_part(fields.located('table'))}"


def _airtable_get(fields: Fields) -> Call:
    return Call("GET", f"{_table(fields)}/{_part(fields.take('id', ''))}")


def _airtable_search(fields: Fields) -> Call:
    query = _filled({"filterByFormula": fields.take("filterByFormula")})
    more: JsonObject = {"query": query}
    pages = {"kind": "cursor", "path": "offset", "parameter": "offset", "items_path": "records"}
    if fields.flag("returnAll", True):
        more["pagination"] = pages
    else:
        more["query"] = {**query, "maxRecords": int(fields.number("limit", 100))}
        more["pagination"] = {**pages, "max_pages": 1}
    return Call("GET", _table(fields), None, more)


def _trello_card(fields: Fields) -> Call:
    more = fields.section("additionalFields")
    query = {
        "idList": fields.located("listId"),
        "name": fields.take("name"),
        "desc": fields.take("description"),
        "due": more.take("due"),
        "idLabels": more.take("idLabels"),
        "idMembers": more.take("idMembers"),
        "pos": more.take("pos"),
    }
    return Call("POST", f"{_TRELLO}/cards", None, {"query": _filled(query)})


def _notion_page_get(fields: Fields) -> Call:
    fields.ignore("simple", "simplifyOutput")
    page = _part(fields.located("pageId") or fields.located("databasePageId"))
    url = f"https://api.notion.com/v1/pages/{page}"
    return Call("GET", url, None, {"headers": {"Notion-Version": "2022-06-28"}})


_SLACK_APP = App({"message:post": _slack_post}, "message", "post")
_TELEGRAM_APP = App({"message:sendMessage": _telegram_send}, "message", "sendMessage")
_DISCORD_APP = App({"message:send": _discord_send}, "channel", "create")
_GITHUB_APP = App(
    {
        "issue:create": _github_issue_create,
        "issue:get": _github_issue_get,
        "issue:createComment": _github_comment,
        "repository:getIssues": _github_issues,
    },
    "issue",
    "create",
)
_AIRTABLE_APP = App(
    {"record:get": _airtable_get, "record:search": _airtable_search}, "record", "read"
)
_TRELLO_APP = App({"card:create": _trello_card}, "card", "create")
_NOTION_APP = App(
    {"page:get": _notion_page_get, "databasePage:get": _notion_page_get}, "page", "create"
)


def _graphql(node: SourceNode) -> Mapped:
    """GraphQL: a query posted as JSON."""
    fields = node.fields
    fields.ignore("requestFormat", "endpoint", "authentication")
    if fields.fixed("requestMethod", "POST") != "POST":
        raise CannotMap("It asks by GET; only POST is known here.")
    if fields.fixed("responseFormat", "json") != "json":
        raise CannotMap("It gives the answer as text; only JSON is known here.")
    rows = fields.rows("headerParametersUi", "parameter")
    headers = {row.text("name"): row.take("value", "") for row in rows}
    body = {"query": fields.take("query"), "variables": fields.take("variables")}
    parameters: JsonObject = {
        "method": "POST",
        "url": fields.take("endpoint", ""),
        "body": _filled(body),
        **({"headers": headers} if headers else {}),
    }
    if isinstance(body["variables"], str) and body["variables"]:
        fields.differ("Its variables must be an object; a JSON text is sent as a text.")
    return Mapped("http.request", parameters)


MAPPINGS = (
    NodeMapping(("n8n-nodes-base.slack",), _SLACK_APP.translate),
    NodeMapping(("n8n-nodes-base.telegram",), _TELEGRAM_APP.translate),
    NodeMapping(("n8n-nodes-base.discord",), _DISCORD_APP.translate),
    NodeMapping(("n8n-nodes-base.github",), _GITHUB_APP.translate),
    NodeMapping(("n8n-nodes-base.airtable",), _AIRTABLE_APP.translate),
    NodeMapping(("n8n-nodes-base.trello",), _TRELLO_APP.translate),
    NodeMapping(("n8n-nodes-base.notion",), _NOTION_APP.translate),
    NodeMapping(("n8n-nodes-base.graphql",), _graphql),
)
