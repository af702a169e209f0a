"""What n8n's nodes for apps become: operations of connectors, or a reason why not."""

from typing import Any

import pytest

from engine_service.catalogue import builtin
from engine_service.definitions.checks import parameters as checks
from engine_service.n8n.fields import CannotMap, Fields
from engine_service.n8n.mapping import Mapped, SourceNode
from engine_service.n8n.mappings import MAPPINGS
from shared.workflow import JsonObject

BY_TYPE = {name: mapping for mapping in MAPPINGS for name in mapping.types}


def locator(value: Any, **more: Any) -> JsonObject:
    return {"__rl": True, "value": value, "mode": "id", **more}


def mapped(kind: str, given: JsonObject, version: float = 1, **raw: Any) -> tuple[Mapped, Fields]:
    name, fields = f"n8n-nodes-base.{kind}", Fields(given)
    source = SourceNode("Node", name, version, fields, {"name": "Node", "type": name, **raw})
    made = BY_TYPE[name].translate(source)
    found = checks.check(type(builtin().get(made.type)), made.parameters)
    # An export holds no secrets, and says so.
    assert [one.code for one in found if one.pointer != "/secret"] == [], (made, found)
    return made, fields


REPOSITORY: JsonObject = {"owner": locator("octo"), "repository": locator("hello")}
OURS: JsonObject = {"owner": "octo", "repo": "hello"}
ROWS: list[tuple[str, float, JsonObject, str, JsonObject]] = [
    ("slack", 2.2, {"select": "channel", "channelId": locator("C1"), "text": "=Hi {{ $json.name }}",
                    "otherOptions": {"thread_ts": {"replyValues": {"thread_ts": "1.2"}}}},
     "slack.message", {"operation": "post", "channel": "C1", "text": "Hi {{ $json.name }}",
                       "thread_ts": "1.2"}),
    ("slack", 2.2, {"select": "user", "user": locator("U1"), "messageType": "block",
                    "blocksUi": "{\"blocks\": [{\"type\": \"divider\"}]}"},
     "slack.message", {"operation": "post", "channel": "U1", "blocks": [{"type": "divider"}]}),
    ("slack", 2.2, {"resource": "reaction", "operation": "add", "channelId": locator("C1"),
                    "timestamp": "1.2", "name": "tada"},
     "slack.message", {"operation": "react", "channel": "C1", "ts": "1.2", "name": "tada"}),
    ("slack", 2.2, {"resource": "channel", "operation": "history", "channelId": locator("C1"),
                    "returnAll": True, "filters": {"oldest": "1"}},
     "slack.message", {"operation": "history", "channel": "C1", "oldest": "1", "limit": None}),
    ("slack", 2.3, {"resource": "file", "operation": "upload", "binaryPropertyName": "doc",
                    "options": {"channelId": "C1", "fileName": "a.pdf", "initialComment": "Here"}},
     "slack.message", {"operation": "upload", "binary": "doc", "channel": "C1",
                       "filename": "a.pdf", "initial_comment": "Here"}),
    ("slack", 2, {"resource": "file", "operation": "upload", "fileContent": "x",
                  "options": {"channelIds": ["C1", "C2"]}},
     "slack.message", {"operation": "upload", "text": "x", "channel": "C1", "filename": "file"}),
    ("slack", 2.2, {"resource": "channel", "operation": "create", "channelId": "new",
                    "channelVisibility": "private"},
     "slack.message", {"operation": "channel_create", "name": "new", "is_private": True}),
    ("slack", 2.2, {"resource": "channel", "operation": "invite", "channelId": locator("C1"),
                    "userIds": ["U1", "U2"]},
     "slack.message", {"operation": "channel_invite", "channel": "C1", "users": "U1,U2"}),
    ("slack", 2.2, {"resource": "user", "operation": "info", "user": locator("U1")},
     "slack.message", {"operation": "user", "user": "U1"}),
    ("gmail", 2.1, {"sendTo": "={{ $json.to }}", "subject": "S", "message": "<b>x</b>",
                    "options": {"ccList": "c@example.com", "attachmentsUi": {
                        "attachmentsBinary": [{"property": "data, more"}]}}},
     "email.send", {"to": "{{ $json.to }}", "subject": "S", "html": "<b>x</b>",
                    "cc": "c@example.com",
                    "attachments": [{"binary": "data"}, {"binary": "more"}]}),
    ("gmail", 2.1, {"operation": "markAsRead", "messageId": "={{ $json.id }}"},
     "http.request", {"method": "POST",
                      "url": "https://gmail.googleapis.com/gmail/v1/users/me/messages/"
                             "{{ $json.id }}/modify",
                      "body": {"removeLabelIds": ["UNREAD"]}}),
    ("gmail", 2.1, {"operation": "getAll", "limit": 5, "filters": {"q": "is:unread"}},
     "http.request", {"method": "GET",
                      "url": "https://gmail.googleapis.com/gmail/v1/users/me/messages",
                      "query": {"q": "is:unread", "maxResults": 5}}),
    ("dataTable", 1, {"operation": "get", "dataTableId": locator("x1", cachedResultName="My Rows"),
                      "filters": {"conditions": [{"keyName": "n", "condition": "gte",
                                                  "keyValue": "={{ $json.n }}"}]}},
     "data.table", {"operation": "get", "table": "My_Rows", "limit": 50,
                    "where": [{"field": "n", "operator": "gte", "value": "{{ $json.n }}"}]}),
    ("dataTable", 1, {"operation": "upsert", "dataTableId": locator("t"),
                      "filters": {"conditions": [{"keyName": "id", "keyValue": 1}]},
                      "columns": {"mappingMode": "defineBelow", "value": {"id": 1, "a": "x"}}},
     "data.table", {"operation": "upsert", "table": "t", "row": {"id": 1, "a": "x"},
                    "match": ["id"]}),
    ("httpRequest", 4.2, {"url": "https://a.example", "sendHeaders": True,
                          "specifyHeaders": "json",
                          "jsonHeaders": '={"x": {{ $json["a"] }}, "y": "b {{ $json["c"] }}"}'},
     "http.request", {"method": "GET", "url": "https://a.example",
                      "headers": {"x": '{{ $json["a"] }}', "y": 'b {{ $json["c"] }}'}}),
    ("telegram", 1.2, {"chatId": "={{ $json.chat }}", "text": "Hi",
                       "additionalFields": {"parse_mode": "HTML", "appendAttribution": False}},
     "telegram.message", {"operation": "send", "chat_id": "{{ $json.chat }}", "text": "Hi",
                          "parse_mode": "HTML"}),
    ("telegram", 1.2, {"operation": "sendPhoto", "chatId": "1", "file": "https://a.example/p.png",
                       "additionalFields": {"caption": "C"}},
     "telegram.message", {"operation": "send_photo", "chat_id": "1", "caption": "C",
                          "photo": "https://a.example/p.png"}),
    ("discord", 2, {"resource": "message", "operation": "send", "guildId": locator("1"),
                    "channelId": locator("9"), "content": "Hi"},
     "discord.message", {"operation": "send", "channel_id": "9", "content": "Hi"}),
    ("github", 1, {**REPOSITORY, "title": "T", "body": "B", "labels": [{"label": "bug"}]},
     "github.issue", {"operation": "create", **OURS, "title": "T", "body": "B",
                      "labels": ["bug"]}),
    ("github", 1, {**REPOSITORY, "operation": "edit", "issueNumber": 7,
                   "editFields": {"state": "closed", "labels": [{"label": "done"}]}},
     "github.issue", {"operation": "update", **OURS, "number": 7, "state": "closed",
                      "labels": ["done"]}),
    ("github", 1, {**REPOSITORY, "resource": "file", "operation": "edit", "filePath": "a.md",
                   "fileContent": "x", "commitMessage": "m"},
     "github.api", {"operation": "put_file", **OURS, "path": "a.md", "text": "x",
                    "message": "m"}),
    ("notion", 2.2, {"resource": "databasePage", "databaseId": locator("db"), "title": "T",
                     "simple": False, "propertiesUi": {"propertyValues": [
                         {"key": "Done|checkbox", "checkboxValue": True},
                         {"key": "Kind|select", "selectValue": "a"},
                         {"key": "Note|rich_text", "textContent": "={{ $json.note }}"}]}},
     "notion.page", {"operation": "create", "database_id": "db", "title": "T", "raw": True,
                     "properties": {"Done": {"checkbox": True}, "Kind": {"select": {"name": "a"}},
                                    "Note": {"rich_text": [{"text": {
                                        "content": "{{ $json.note }}"}}]}}}),
    ("googleSheets", 4.5,
     {"operation": "append", "sheetName": locator("gid=0", mode="list", cachedResultName="Orders"),
      "documentId": locator("https://docs.google.com/spreadsheets/d/1A-b_c/edit", mode="url"),
      "columns": {"mappingMode": "defineBelow", "value": {"Name": "={{ $json.name }}"}}},
     "google.sheets", {"operation": "append", "spreadsheet_id": "1A-b_c", "sheet": "Orders",
                       "values": {"Name": "{{ $json.name }}"}}),
    ("googleSheets", 4.5,
     {"operation": "appendOrUpdate", "documentId": locator("1A"), "sheetName": locator("gid=0"),
      "columns": {"mappingMode": "autoMapInputData", "matchingColumns": ["id"]}},
     "google.sheets", {"operation": "upsert", "spreadsheet_id": "1A", "key": "id"}),
    ("googleSheets", 4.5,
     {"documentId": locator("1A"), "sheetName": locator("Orders", mode="name"),
      "filtersUI": {"values": [{"lookupColumn": "Open", "lookupValue": "yes"}]}},
     "google.sheets", {"operation": "read", "spreadsheet_id": "1A", "sheet": "Orders",
                       "where": {"Open": "yes"}}),
    ("googleCalendar", 1.3, {"calendar": locator("primary"), "start": "2026-03-02T09:00:00",
                             "end": "2026-03-02T10:00:00", "additionalFields": {
                                 "summary": "S", "attendees": ["ada@example.com"]}},
     "google.calendar", {"operation": "create", "calendar": "primary", "summary": "S",
                         "start": "2026-03-02T09:00:00", "end": "2026-03-02T10:00:00",
                         "attendees": ["ada@example.com"]}),
    ("googleCalendar", 1.3, {"operation": "getAll", "calendar": locator("primary"), "limit": 10,
                             "timeMin": "={{ $now }}"},
     "google.calendar", {"operation": "list", "calendar": "primary", "limit": 10,
                         "timeMin": "{{ $now }}"}),
    ("graphql", 1.1, {"endpoint": "https://a.example/q", "query": "query ($a: ID) { a }",
                      "variables": "{\"a\": 1}"},
     "graphql.request", {"url": "https://a.example/q", "query": "query ($a: ID) { a }",
                         "variables": {"a": 1}, "items_path": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "version", "given", "ours", "parameters"), ROWS)
def test_an_operation_of_an_app_is_one_of_its_connector(
    kind: str, version: float, given: JsonObject, ours: str, parameters: JsonObject
) -> None:
    made, fields = mapped(kind, given, version)
    assert (made.type, made.parameters) == (ours, parameters)
    assert [*fields.unread()] == []


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        ("slack", {"resource": "star", "operation": "add"}, "star:add"),
        ("slack", {"messageType": "attachment"}, "attachments"),
        ("telegram", {"operation": "sendPhoto", "binaryData": True}, "file of the workflow"),
        ("telegram", {"replyMarkup": "inlineKeyboard"}, "keyboard"),
        ("discord", {"resource": "message", "operation": "send", "sendTo": "user"}, "person"),
        ("github", {**REPOSITORY, "resource": "file", "operation": "get"}, "file of the workflow"),
        ("notion", {"resource": "databasePage", "operation": "getAll", "filterType": "manual"},
         "filter as a form"),
        ("notion", {"resource": "databasePage", "propertiesUi": {"propertyValues": [
            {"key": "When|date"}]}}, "'date'"),
        ("googleSheets", {"documentId": locator("1A"), "sheetName": locator("1234")}, "by an id"),
        ("googleSheets", {"operation": "remove"}, "sheet:remove"),
    ],
)  # fmt: skip
def test_what_no_connector_does_says_why(kind: str, given: JsonObject, why: str) -> None:
    with pytest.raises(CannotMap, match=why):
        mapped(kind, given, 4)


def test_an_older_spreadsheet_node_names_cells_otherwise() -> None:
    with pytest.raises(CannotMap, match="older version"):
        mapped("googleSheets", {"operation": "read"}, 1)


def test_a_query_that_is_put_together_is_a_plain_request() -> None:
    made, fields = mapped("graphql", {"endpoint": "https://a.example", "query": "={ a {{ 1 }} }"})
    assert made.type == "http.request"
    assert any("errors in the answer" in one for one in fields.differences)


def test_events_of_apps_listen_on_addresses_of_their_own() -> None:
    given = {"trigger": ["app_mention"], "channelId": locator("C1")}
    made, fields = mapped("slackTrigger", given, webhookId="ab-12")
    assert made.type == "trigger.slack"
    assert made.parameters == {
        "path": "slack/ab-12", "events": ["app_mention"], "channels": ["C1"], "event_only": True,
        "ignore_bots": False,
    }  # fmt: skip
    assert any("secret" in one for one in fields.differences)
    made, fields = mapped("githubTrigger", {**REPOSITORY, "events": ["push"]})
    assert made.parameters == {"path": "github", "events": ["push"], "repositories": ["octo/hello"]}
    assert any("at GitHub" in one for one in fields.differences)
