"""Mail, feeds, PostgreSQL and Redis: n8n's nodes become ours, or it is said why not."""

from typing import Any

import pytest

from engine_service.catalogue import builtin
from engine_service.n8n.mapping import CannotMap, Fields, SourceNode
from engine_service.n8n.mappings import MAPPINGS
from shared.workflow import JsonObject

BY_TYPE = {kind: mapping.translate for mapping in MAPPINGS for kind in mapping.types}


def mapped(kind: str, given: JsonObject, version: float) -> tuple[str, JsonObject]:
    name = f"n8n-nodes-base.{kind}"
    raw: JsonObject = {"name": "N", "type": name, "parameters": given}
    made = BY_TYPE[name](SourceNode("N", name, version, Fields(given, []), raw))
    return made.type, made.parameters


@pytest.mark.parametrize(
    ("kind", "version", "given", "ours", "parameters"),
    [
        ("emailSend", 2.1,
         {"fromEmail": "a@example.com", "toEmail": "={{ $json.to }}", "subject": "S",
          "html": "<b>x</b>", "options": {"ccEmail": "c@example.com", "attachments": "data, more"}},
         "email.send",
         {"sender": "a@example.com", "to": "{{ $json.to }}", "subject": "S", "html": "<b>x</b>",
          "cc": "c@example.com", "attachments": [{"binary": "data"}, {"binary": "more"}]}),
        ("emailSend", 1, {"toEmail": "b@example.com", "text": "Hello", "bccEmail": "d@example.com"},
         "email.send", {"to": "b@example.com", "bcc": "d@example.com", "text": "Hello"}),
        ("emailReadImap", 2, {"mailbox": "Orders"}, "trigger.email",
         {"folder": "Orders", "every": 1, "unseen": True, "mark_seen": True, "runs": "together"}),
        ("rssFeedRead", 1.1, {"url": "https://a.example/feed"}, "rss.read",
         {"url": "https://a.example/feed"}),
        ("rssFeedReadTrigger", 1,
         {"feedUrl": "https://a.example/feed",
          "pollTimes": {"item": [{"mode": "everyX", "value": 3, "unit": "hours"}]}},
         "trigger.rss", {"url": "https://a.example/feed", "every": 180, "runs": "together"}),
        ("postgres", 2.5,
         {"operation": "executeQuery", "query": "SELECT * FROM t WHERE a = $1 AND b = $2",
          "options": {"queryReplacement": "={{ $json.a }},{{ [1, 2].join(',') }}"}},
         "postgres.query",
         {"sql": "SELECT * FROM t WHERE a = $1 AND b = $2",
          "values": ["{{ $json.a }}", "{{ [1, 2].join(',') }}"]}),
        ("postgres", 2.4,
         {"operation": "select", "table": {"__rl": True, "value": "t", "mode": "list"},
          "where": {"values": [{"column": "a", "value": "={{ $json.a }}"}]},
          "sort": {"values": [{"column": "b", "direction": "DESC"}]}},
         "postgres.query",
         {"operation": "select", "schema": "public", "table": "t", "where": {"a": "{{ $json.a }}"},
          "order_by": ["-b"], "row_limit": 50}),
        ("postgres", 2.4,
         {"operation": "executeQuery",
          "query": "=SELECT * FROM t WHERE a = {{ $json.a }} AND b LIKE '%{{ $json['b'] }}''s'"},
         "postgres.query",
         {"sql": "SELECT * FROM t WHERE a = $1 AND b LIKE $2",
          "values": ["{{ $json.a }}", "%{{ $json['b'] }}'s"]}),
        ("postgres", 2.5,
         {"operation": "select", "table": "t", "limit": 5, "combineConditions": "OR",
          "where": {"values": [{"column": "a", "condition": ">=", "value": 3},
                               {"column": "b\"c", "condition": "IS NULL"}]},
          "sort": {"values": [{"column": "b", "direction": "DESC"}]},
          "options": {"outputColumns": ["a", "b"]}},
         "postgres.query",
         {"sql": 'SELECT "a", "b" FROM "public"."t" WHERE "a" >= $1 OR "b""c" IS NULL '
                 'ORDER BY "b" DESC LIMIT 5',
          "values": [3], "row_limit": 5, "read_only": True}),
        ("postgres", 2.5,
         {"operation": "update", "table": "t",
          "columns": {"mappingMode": "autoMapInputData", "matchingColumns": ["id"]},
          "options": {"queryBatching": "transaction"}},
         "postgres.query",
         {"operation": "update", "schema": "public", "table": "t",
          "where": {"id": '{{ $json["id"] }}'}, "transaction": "all"}),
        ("postgres", 2,
         {"operation": "update", "table": "t", "columnToMatchOn": "id", "valueToMatchOn": 7,
          "valuesToSend": {"values": [{"column": "a", "value": "x"}]}},
         "postgres.query",
         {"operation": "update", "schema": "public", "table": "t", "columns": {"a": "x", "id": 7},
          "where": {"id": 7}}),
        ("postgres", 2.5, {"operation": "deleteTable", "table": "t", "deleteCommand": "delete",
                           "where": {"values": [{"column": "a", "value": 1}]}},
         "postgres.query",
         {"operation": "delete", "schema": "public", "table": "t", "where": {"a": 1}}),
        ("postgres", 2.5, {"operation": "deleteTable", "table": "t", "restartSequences": True,
                           "options": {"cascade": True}},
         "postgres.query", {"sql": 'TRUNCATE TABLE "public"."t" RESTART IDENTITY CASCADE'}),
        ("postgres", 2.5,
         {"operation": "insert", "table": "t", "options": {"skipOnConflict": True},
          "columns": {"mappingMode": "defineBelow", "value": {"a": "={{ $json.a }}", "b": 2}}},
         "postgres.query",
         {"sql": 'INSERT INTO "public"."t" ("a", "b") VALUES ($1, $2) ON CONFLICT DO NOTHING '
                 "RETURNING *",
          "values": ["{{ $json.a }}", 2]}),
        ("postgres", 1, {"operation": "executeQuery", "query": "SELECT $1",
                         "additionalFields": {"queryParams": "a, b c"}},
         "postgres.query",
         {"sql": "SELECT $1", "values": ['{{ $json["a"] }}', '{{ $json["b c"] }}']}),
        ("postgres", 1, {"operation": "insert", "table": "t", "columns": "a", "returnFields": "*"},
         "postgres.query",
         {"operation": "insert", "schema": "public", "table": "t",
          "columns": {"a": '{{ $json["a"] }}'}}),
        ("postgres", 2.4,
         {"operation": "upsert", "table": {"__rl": True, "value": "t", "mode": "list"},
          "columns": {"mappingMode": "defineBelow", "value": {"id": 1, "a": "x"},
                      "matchingColumns": ["id"]}},
         "postgres.query",
         {"operation": "upsert", "schema": "public", "table": "t", "columns": {"id": 1, "a": "x"},
          "conflict_on": ["id"]}),
        ("redis", 1, {"operation": "get", "key": "k", "propertyName": "p"}, "redis.command",
         {"command": "get", "key": "k"}),
        ("redis", 1, {"operation": "set", "key": "k", "value": "v", "expire": True, "ttl": 9},
         "redis.command", {"command": "set", "key": "k", "value": "v", "ttl": 9}),
        ("redis", 1, {"operation": "push", "list": "l", "messageData": "m", "tail": True},
         "redis.command", {"command": "list_push", "key": "l", "value": "m", "side": "right"}),
    ],
)  # fmt: skip
def test_it_becomes_one_of_ours(
    kind: str, version: float, given: JsonObject, ours: str, parameters: JsonObject
) -> None:
    assert mapped(kind, given, version) == (ours, parameters)
    node_type: Any = builtin().find(ours)
    assert node_type is not None
    node_type.Parameters.model_validate(parameters)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("emailSend", {"operation": "sendAndWait"}),
        ("postgres", {"operation": "executeQuery", "query": "=SELECT {{ $json.a }}"}),
        ("postgres", {"operation": "deleteTable"}),
        ("postgres", {"operation": "update", "columns": {"value": {"a": 1}}}),
        ("postgres", {"operation": "executeQuery", "query": "=SELECT * FROM {{ $json.t }}"}),
        (
            "postgres",
            {"operation": "executeQuery", "query": "=SELECT 1 WHERE a = $1 OR a = {{ 2 }}"},
        ),
        ("postgres", {"operation": "executeQuery", "query": "=SELECT 1 WHERE a = 'x {{ 2 }}"}),
        ("postgres", {"operation": "deleteTable", "table": "={{ $json.t }}"}),
        ("postgres", {"operation": "insert", "table": "t", "options": {"skipOnConflict": True}}),
        ("redis", {"operation": "set", "keyType": "hash"}),
    ],
)
def test_what_has_no_counterpart_says_so(kind: str, given: JsonObject) -> None:
    with pytest.raises(CannotMap, match=r"\w{3,}"):
        mapped(kind, given, 2.5)
