"""Systems that there are nodes for, named in a request, in English and Chinese."""

import json
from typing import Any

import pytest

from agent_service.authors.offline.compose import compose
from agent_service.authors.offline.gaps import find_gaps
from agent_service.authors.offline.planner import plan_of
from agent_service.authors.offline.reader import read
from engine_service.catalogue import builtin
from engine_service.definitions.validate import is_valid, validate_document
from tests.support.catalogues import engine_catalogue

BOOK = "1A2b3C4d5E6f7G8h9I0jKlMnOpQrStUvWxYz"
SAID: list[tuple[str, str, dict[str, Any], str]] = [
    ("every day at 9 fetch https://api.example.com/news, summarize it and post it to Slack #ops",
     "slack.message", {"operation": "post", "channel": "#ops", "text": "{{ $json.text }}"},
     "slack.token"),
    ("When someone POSTs to /orders, post \"New order\" to the Slack channel #sales",
     "slack.message", {"operation": "post", "channel": "#sales", "text": "New order"},
     "slack.token"),
    ("每天早上9点获取 https://api.example.com/news ，总结后发到 Slack #运营",
     "slack.message", {"operation": "post", "channel": "#运营", "text": "{{ $json.text }}"},
     "slack.token"),
    ("every hour fetch https://a.example.com/x, then send a Telegram message to chat 123456789",
     "telegram.message", {"operation": "send", "chat_id": "123456789",
                          "text": "{{ JSON.stringify($json) }}"}, "telegram.bot"),
    ("每小时获取 https://a.example.com/x 然后发送 Telegram 消息到群 -100123456",
     "telegram.message", {"operation": "send", "chat_id": "-100123456",
                          "text": "{{ JSON.stringify($json) }}"}, "telegram.bot"),
    ("When a POST arrives at /bugs, create a GitHub issue \"It broke\" in octo/hello",
     "github.issue", {"operation": "create", "owner": "octo", "repo": "hello",
                      "title": "It broke", "body": "{{ JSON.stringify($json.body) }}"},
     "github.token"),
    ("收到 /bugs 的请求时，在 GitHub 仓库 octo/hello 创建标题为“出错了”的 issue",
     "github.issue", {"operation": "create", "owner": "octo", "repo": "hello", "title": "出错了",
                      "body": "{{ JSON.stringify($json.body) }}"}, "github.token"),
    (f"When a POST arrives at /leads, append a row to Google Sheets {BOOK}",
     "google.sheets", {"operation": "append", "spreadsheet_id": BOOK,
                       "values": "{{ $json.body }}"}, "google.account"),
    (f"收到 /leads 的请求时，追加一行到 Google Sheets {BOOK}",
     "google.sheets", {"operation": "append", "spreadsheet_id": BOOK,
                       "values": "{{ $json.body }}"}, "google.account"),
    ("When a POST arrives at /news, send \"Hi\" to Discord channel 110000000000000000",
     "discord.message", {"operation": "send", "channel_id": "110000000000000000",
                         "content": "Hi"}, "discord.bot"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "node_type", "parameters", "credential"), SAID)
def test_a_system_that_has_a_node_gets_it(
    said: str, node_type: str, parameters: dict[str, Any], credential: str
) -> None:
    reading = read([said], {})
    composition = compose(reading, engine_catalogue())
    nodes = composition.definition["nodes"]
    assert [node["type"] for node in nodes].count("flow.noop") == 0, nodes
    (node,) = [one for one in nodes if one["type"] == node_type]
    assert node["parameters"] == parameters
    assert is_valid(validate_document(json.dumps(composition.definition).encode(), builtin()))
    assert find_gaps(reading) == []
    plan = plan_of(reading, engine_catalogue())
    assert any(credential in one for one in plan.credentials)
    assert node_type in [step.node_type for step in plan.steps]


@pytest.mark.parametrize(
    "said",
    [
        "every hour fetch https://a.example.com/x and post it to Slack",
        "when a POST arrives at /bugs, create a GitHub issue",
        "每小时获取 https://a.example.com/x 并写入 Google Sheets",
    ],
)
def test_a_system_without_a_place_in_it_is_asked_about(said: str) -> None:
    reading = read([said], {})
    assert len(find_gaps(reading)) == 1
