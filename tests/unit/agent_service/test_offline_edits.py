"""Changes as people ask for them: the patch is small, valid, and about nothing else."""

import json
from functools import cache
from typing import Any

import pytest

from agent_service import patching
from agent_service.author import Edit, Request
from agent_service.authors.offline.compose import compose
from agent_service.authors.offline.edits.editor import edit, edit_questions
from agent_service.authors.offline.reader import read
from engine_service.catalogue import builtin
from engine_service.definitions.validate import is_valid, validate_document
from tests.support.catalogues import engine_catalogue

NEWS = (
    "every weekday at 9 fetch https://api.example.com/news, wait 5 minutes and POST it to "
    "https://hooks.example.com/team"
)
ORDERS = (
    "When a webhook arrives with an order, if the amount is over 100 ask me for approval, then "
    "POST it to https://shop.example.com/orders and reply with the result"
)


@cache
def _workflow(said: str) -> str:
    return json.dumps(compose(read([said], {}), engine_catalogue()).definition)


def _request(workflow: str, said: str, **answers: str) -> Request:
    return Request(
        [said], answers, "en", False, engine_catalogue(), json.loads(_workflow(workflow))
    )


def _edited(workflow: str, said: str, **answers: str) -> tuple[Edit, dict[str, Any]]:
    request = _request(workflow, said, **answers)
    before = json.loads(_workflow(workflow))
    made = edit(request)
    after = patching.apply(before, made.operations)
    assert after is not None
    assert patching.outside(before, after, made.touches) == []
    assert is_valid(validate_document(json.dumps(after).encode(), builtin()))
    return made, after


@pytest.mark.parametrize(
    ("workflow", "said", "operations"),
    [
        (NEWS, "make it 10:30", [("replace", "/nodes/0/parameters/rules/0/at", "10:30")]),
        (NEWS, "改成10:30", [("replace", "/nodes/0/parameters/rules/0/at", "10:30")]),
        (NEWS, "run it an hour later", [("replace", "/nodes/0/parameters/rules/0/at", "10:00")]),
        (
            NEWS,
            "every Monday at 8 instead",
            [
                ("replace", "/nodes/0/parameters/rules/0/weekdays", ["monday"]),
                ("replace", "/nodes/0/parameters/rules/0/at", "08:00"),
            ],
        ),
        (NEWS, "use Berlin time", [("add", "/settings", {"timezone": "Europe/Berlin"})]),
        (NEWS, "用北京时间", [("add", "/settings", {"timezone": "Asia/Shanghai"})]),
        (NEWS, "rename it to “News”", [("replace", "/name", "News")]),
        (NEWS, "把名字改成“新闻”", [("replace", "/name", "新闻")]),
        (NEWS, "wait 10 minutes instead", [("replace", "/nodes/2/parameters/amount", 10)]),
        (
            NEWS,
            "send it to https://new.example.com/y instead",
            [("replace", "/nodes/3/parameters/url", "https://new.example.com/y")],
        ),
        (ORDERS, "use PUT instead of POST", [("replace", "/nodes/4/parameters/method", "PUT")]),
        (
            ORDERS,
            "change the limit to 200",
            [("replace", "/nodes/1/parameters/conditions/0/right", 200)],
        ),
        (
            ORDERS,
            "if it's over 500 instead of 100",
            [("replace", "/nodes/1/parameters/conditions/0/right", 500)],
        ),
        (ORDERS, "listen on /new-orders", [("replace", "/nodes/0/parameters/path", "new-orders")]),
    ],
)
def test_a_single_change_is_a_single_replacement(
    workflow: str, said: str, operations: list[tuple[str, str, Any]]
) -> None:
    made, _ = _edited(workflow, said)
    assert [(one["op"], one["path"], one["value"]) for one in made.operations] == operations
    assert made.changes
    assert made.unmatched == []


def _edges(definition: dict[str, Any]) -> set[tuple[str, str, str]]:
    types = {node["id"]: node["type"] for node in definition["nodes"]}
    return {
        (types[edge["from"]], edge.get("port", "main"), types[edge["to"]])
        for edge in definition["connections"]
    }


@pytest.mark.parametrize("said", ["remove the wait", "don't wait", "no more waiting", "去掉等待"])
def test_what_stood_around_a_removed_node_is_joined(said: str) -> None:
    _, after = _edited(NEWS, said)
    assert _edges(after) == {
        ("trigger.schedule", "main", "http.request"),
        ("http.request", "main", "http.request"),
    }


def test_what_only_a_removed_approval_led_to_goes_with_it() -> None:
    _, after = _edited(ORDERS, "remove the approval")
    assert [node["type"] for node in after["nodes"]] == [
        "trigger.webhook",
        "flow.if",
        "http.request",
        "flow.respond",
    ]


def test_one_more_step_comes_at_the_end() -> None:
    _, after = _edited(NEWS, "also post the result to https://other.example.com/x")
    assert after["nodes"][-1]["parameters"] == {
        "method": "POST",
        "url": "https://other.example.com/x",
        "body": "{{ $json }}",
    }
    assert after["connections"][-1]["from"] == after["nodes"][-2]["id"]


def test_consent_comes_before_what_acts_on_the_world() -> None:
    _, after = _edited(NEWS, "ask me first")
    assert ("human.approval", "approved", "http.request") in _edges(after)
    assert ("flow.wait", "main", "human.approval") in _edges(after)


def test_a_step_can_be_put_before_another() -> None:
    _, after = _edited(NEWS, "summarize it before posting it")
    assert ("flow.wait", "main", "ai.chat") in _edges(after)
    assert ("ai.chat", "main", "http.request") in _edges(after)


def test_only_if_puts_a_filter_where_the_data_is() -> None:
    _, after = _edited(ORDERS, "only if the amount is over 50")
    condition = after["nodes"][-1]["parameters"]["conditions"][0]
    assert after["nodes"][-1]["type"] == "flow.filter"
    assert condition["left"] == "{{ $json.body.amount }}"
    assert ("trigger.webhook", "main", "flow.filter") in _edges(after)


def test_expressions_follow_a_renamed_node() -> None:
    said = (
        "when a webhook arrives with a message, translate it to German and POST the id and the "
        "name to https://a.example.com/b"
    )
    _, after = _edited(said, "rename the step “Webhook” to “Incoming”")
    body = next(one for one in after["nodes"] if one["type"] == "http.request")["parameters"][
        "body"
    ]
    assert body["id"] == "{{ $('Incoming').first().json.body.id }}"


def test_several_wishes_are_fulfilled_one_after_the_other() -> None:
    made, after = _edited(NEWS, "make it 10:30, use Tokyo time and remove the wait")
    assert after["settings"] == {"timezone": "Asia/Tokyo"}
    assert after["nodes"][0]["parameters"]["rules"][0]["at"] == "10:30"
    assert len(made.changes) == 3


def test_what_is_not_understood_is_named_and_changes_nothing() -> None:
    made, after = _edited(NEWS, "make it purple")
    assert made.operations == []
    assert made.unmatched == ["make it purple"]
    assert after == json.loads(_workflow(NEWS))


@pytest.mark.parametrize(
    ("said", "question"), [("change the time", "edit.time"), ("change the url", "edit.url")]
)
def test_what_is_missing_for_a_change_is_asked(said: str, question: str) -> None:
    (asked,) = edit_questions(_request(NEWS, said), "en")
    assert asked.id == question


def test_an_answer_completes_a_change() -> None:
    _, after = _edited(NEWS, "change the time", **{"edit.time": "at 7"})
    assert after["nodes"][0]["parameters"]["rules"][0]["at"] == "07:00"
