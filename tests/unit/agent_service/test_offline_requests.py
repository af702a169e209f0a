"""Whole requests, read and composed; every definition is one that the engine accepts."""

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_service.authors.offline.compose import Composition, compose
from agent_service.authors.offline.reader import read
from engine_service.catalogue import builtin
from engine_service.definitions.validate import is_valid, validate_document
from tests.support.catalogues import engine_catalogue


def _composed(said: str, answers: dict[str, str] | None = None) -> Composition:
    return compose(read([said], answers or {}), engine_catalogue())


def _types(composition: Composition) -> list[str]:
    return [node["type"] for node in composition.definition["nodes"]]


def _node(composition: Composition, node_type: str) -> dict[str, Any]:
    (node,) = [one for one in composition.definition["nodes"] if one["type"] == node_type]
    return node


def _edges(composition: Composition) -> set[tuple[str, str, str]]:
    types = {node["id"]: node["type"] for node in composition.definition["nodes"]}
    return {
        (types[edge["from"]], edge.get("port", "main"), types[edge["to"]])
        for edge in composition.definition.get("connections", [])
    }


def _findings(composition: Composition) -> list[str]:
    document = json.dumps(composition.definition).encode()
    found = validate_document(document, builtin())
    return [] if is_valid(found) else [f"{one.pointer}: {one.message}" for one in found]


@pytest.mark.parametrize(
    ("said", "types"),
    [
        (
            "every weekday at 9 fetch https://api.example.com/news, summarize it and POST the "
            "summary to https://hooks.example.com/team",
            ["trigger.schedule", "http.request", "ai.chat", "http.request"],
        ),
        (
            "When someone POSTs to /tickets, classify the message as bug, billing or other, "
            "wait 5 minutes and send it to https://a.example.com/b",
            ["trigger.webhook", "ai.chat", "flow.wait", "http.request"],
        ),
        (
            "On a manual trigger, fetch the full list of items from https://api.example.com/items "
            "and return them all.",
            ["trigger.manual", "http.request"],
        ),
        (
            "when a webhook arrives, add a field status = 'new' and reply with it",
            ["trigger.webhook", "data.set", "flow.respond"],
        ),
        (
            "when a request comes in at /users with GET, for each row in `rows` call "
            "https://api.example.com/users/{id} and wait 2 seconds",
            ["trigger.webhook", "data.split", "flow.loop", "http.request", "flow.wait"],
        ),
        (
            "every hour get https://api.example.com/orders, keep only the ones with status 'open' "
            "and post them to https://b.example.com/in",
            ["trigger.schedule", "http.request", "flow.filter", "http.request"],
        ),
        (
            "when a webhook arrives and the token is missing, stop with an error",
            ["trigger.webhook", "flow.if", "flow.stop"],
        ),
        (
            "当收到webhook请求时，如果金额大于100，就先问我，然后把它POST到https://x.example.com/o，"
            "最后回复结果",
            ["trigger.webhook", "flow.if", "human.approval", "flow.respond", "http.request",
             "flow.respond"],
        ),
        (
            "每天早上八点获取 https://api.example.com/news，翻译成英文，然后发到 "
            "https://hooks.example.com/x",
            ["trigger.schedule", "http.request", "ai.chat", "http.request"],
        ),
    ],
)  # fmt: skip
def test_a_request_becomes_the_nodes_it_asks_for(said: str, types: list[str]) -> None:
    composition = _composed(said)
    assert _types(composition) == types
    assert _findings(composition) == []
    assert composition.unmatched == []


def test_a_condition_without_an_otherwise_lets_the_other_way_go_on_after_it() -> None:
    edges = _edges(
        _composed(
            "when a webhook arrives, if the amount is over 100 ask me for approval, then POST it "
            "to https://a.example.com/b"
        )
    )
    assert ("flow.if", "false", "http.request") in edges
    assert ("human.approval", "approved", "http.request") in edges


def test_otherwise_is_the_other_way() -> None:
    composition = _composed(
        "when a webhook arrives, if status is 'paid' reply with 'thanks', otherwise stop with the "
        "error 'not paid'"
    )
    edges = _edges(composition)
    assert ("flow.if", "true", "flow.respond") in edges
    assert ("flow.if", "false", "flow.stop") in edges
    assert _node(composition, "flow.stop")["parameters"] == {"message": "not paid"}


def test_what_should_be_ignored_ends_there() -> None:
    composition = _composed(
        "Create a webhook workflow that receives an order with `id` and `total` fields. When the "
        "total is greater than 100, send a POST request to https://a.example.com/n with a JSON "
        "body containing the id and total. Orders of 100 or less should be ignored — do nothing."
    )
    assert _edges(composition) == {
        ("trigger.webhook", "main", "flow.if"),
        ("flow.if", "true", "http.request"),
    }
    assert _node(composition, "http.request")["parameters"]["body"] == {
        "id": "{{ $json.body.id }}",
        "total": "{{ $json.body.total }}",
    }


def test_consent_asked_for_first_comes_before_what_it_is_about() -> None:
    edges = _edges(
        _composed("when a webhook arrives, POST it to https://a.example.com/b, but ask me first")
    )
    assert edges == {
        ("trigger.webhook", "main", "human.approval"),
        ("human.approval", "approved", "http.request"),
    }


def test_the_two_ways_of_an_approval_are_its_own_ports() -> None:
    edges = _edges(
        _composed(
            "when a webhook arrives, ask my manager for approval. If approved, POST it to "
            "https://a.example.com/b. If rejected, reply with 'no'."
        )
    )
    assert ("human.approval", "approved", "http.request") in edges
    assert ("human.approval", "rejected", "flow.respond") in edges
    assert not any(source == "flow.if" for source, _, _ in edges)


def test_data_behind_another_node_is_reached_by_its_name() -> None:
    composition = _composed(
        "when a webhook arrives with a message, translate the message to German and then, if the "
        "urgency is over 5, POST the id and the urgency to https://a.example.com/b"
    )
    condition = _node(composition, "flow.if")["parameters"]["conditions"][0]
    assert condition["left"] == "{{ $('Webhook').first().json.body.urgency }}"


def test_a_routing_becomes_a_switch_with_a_fallback() -> None:
    composition = _composed(
        "Build a workflow that receives a webhook POST with a JSON body containing 'priority'. "
        "Route priority 'urgent' items to https://a.example.com/u, priority 'normal' items to "
        "https://a.example.com/n, and send every unmatched priority to https://a.example.com/rest"
    )
    edges = _edges(composition)
    assert ("flow.switch", "case:urgent", "http.request") in edges
    assert ("flow.switch", "case:normal", "http.request") in edges
    assert ("flow.switch", "fallback", "http.request") in edges


def test_a_status_is_looked_at_in_the_whole_response() -> None:
    composition = _composed(
        "every hour call https://a.example.com/health, if it fails POST it to https://b.example.com/x"
    )
    check = next(one for one in composition.definition["nodes"] if one["type"] == "http.request")
    assert check["parameters"]["full_response"] is True
    assert check["parameters"]["fail_on_status"] is False
    condition = _node(composition, "flow.if")["parameters"]["conditions"][0]
    assert condition["left"] == "{{ $json.status }}"


def test_what_no_rule_understands_is_a_placeholder_with_the_words_in_its_notes() -> None:
    composition = _composed("every day at 9 save the numbers in Google Sheets")
    placeholder = _node(composition, "flow.noop")
    assert composition.unmatched == [placeholder["id"]]
    assert "Google Sheets" in placeholder["notes"]


def test_an_unknown_address_is_marked_and_not_made_up() -> None:
    composition = _composed("every day at 9 check the weather in Berlin")
    request = _node(composition, "http.request")
    assert composition.unmatched == [request["id"]]
    assert "check the weather in Berlin" in request["notes"]


@pytest.mark.parametrize("said", ["hello", "thanks", "what can you do?", "你好", "😀", "."])
def test_small_talk_is_nothing_to_build(said: str) -> None:
    assert read([said], {}).is_empty


_STARTS = st.sampled_from([
    "every weekday at 9", "each Monday 08:30 Europe/Berlin", "every 15 minutes", "every day",
    "when a webhook arrives with an order", "when someone POSTs to /orders", "manually", "",
    "when a new email arrives", "每个工作日早上九点", "当收到webhook请求时",
    "on the last day of the month",
])  # fmt: skip
_CONDITIONS = st.sampled_from([
    "if the amount is over 100", "if status is 'paid' or 'open'", "unless it fails", "otherwise",
    "if the message is a complaint", "if approved", "if rejected", "如果金额大于100", "否则",
    "only if the total is at least 3", "when the priority is high",
])  # fmt: skip
_ACTIONS = st.sampled_from([
    "ask me for approval", "POST it to https://a.example.com/b", "reply with the result",
    "summarize it", "classify it as a, b or c", "extract the name and the email", "wait 5 minutes",
    "fetch https://a.example.com/{id}", "send it to Slack #x", "stop with an error", "do nothing",
    "add a field x = 5", "rename a to b", "keep only the ones with status 'open'", "reply with 404",
    "for each row in `rows` call https://a.example.com/x", "merge both branches", "run `a + b`",
    "split the list", "route by type", "notify the team", "return {\"ok\": true}", "先问我",
    "回复结果",
    "把它POST到https://x.example.com/o", "translate it to German", "calculate the total",
])  # fmt: skip
_LINKS = st.sampled_from(
    [", ", " and ", ", then ", ". ", " ", "\n- ", "，", "，然后", "; finally "]
)
_PIECES = st.one_of(_STARTS, _CONDITIONS, _ACTIONS, st.text(max_size=20))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(_PIECES, _LINKS), min_size=1, max_size=9))
def test_whatever_is_said_what_is_written_is_valid(pieces: list[tuple[str, str]]) -> None:
    said = "".join(piece + link for piece, link in pieces)
    assert _findings(_composed(said)) == []


@pytest.mark.parametrize(
    "piece", ["when a ", "every ", "if the ", "if a is ", "wait ", "when someone sends ", "POST "]
)
def test_an_endless_text_takes_no_endless_time(piece: str) -> None:
    began = time.process_time()
    read([piece * (20_000 // len(piece))], {})
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("said", "to"),
    [
        (
            "every day at 9 fetch https://a.example.com/r and email it to ada@example.com",
            "ada@example.com",
        ),
        (
            "when a webhook arrives, send an email to ada@example.com and bob@example.com",
            ["ada@example.com", "bob@example.com"],
        ),
        (
            "每天早上9点获取 https://a.example.com/r，然后发邮件给 ada@example.com",
            "ada@example.com",
        ),
    ],
)
def test_mail_goes_to_the_addresses_that_were_named(said: str, to: Any) -> None:
    composition = _composed(said)
    node = _node(composition, "email.send")
    assert node["parameters"]["to"] == to
    assert _types(composition)[-1] == "email.send"
    assert not composition.unmatched
    assert _findings(composition) == []


def test_what_mail_says_may_be_given() -> None:
    said = 'start by hand, then email ada@example.com with subject "Hi" saying "It is done"'
    node = _node(_composed(said), "email.send")
    assert node["parameters"] == {"to": "ada@example.com", "subject": "Hi", "text": "It is done"}
