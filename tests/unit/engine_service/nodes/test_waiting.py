"""`flow.wait` and `human.approval`: what they wait for, and what they do with the answer."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from engine_service.nodes.flow_wait import FlowWait
from engine_service.nodes.human_approval import HumanApproval
from engine_service.sdk.node import Done, Failed, Resumption, Waiting
from shared.workflow import JsonObject
from tests.support.run_node import NOW, given, items, jsons, run_action, services

ANSWERED = Resumption({"body": {"x": 1}}, NOW)
TOO_LATE = Resumption(None, NOW)


@pytest.mark.parametrize(
    ("parameters", "seconds"),
    [
        ({"amount": 90, "unit": "seconds"}, 90),
        ({"amount": 1.5, "unit": "hours"}, 5400),
        ({"amount": 2, "unit": "days"}, 172_800),
        ({"mode": "until", "until": "2026-03-02T09:00:30Z"}, 30),
    ],
)
async def test_a_wait_ends_in_time(parameters: JsonObject, seconds: float) -> None:
    outcome = await run_action(FlowWait, given(FlowWait, parameters), services())
    assert outcome == Waiting(NOW + timedelta(seconds=seconds))


async def test_a_moment_without_offset_is_in_the_zone_of_the_workflow() -> None:
    now = NOW.astimezone(ZoneInfo("Asia/Tokyo"))
    parameters = {"mode": "until", "until": "2026-03-02T19:00"}
    outcome = await run_action(FlowWait, given(FlowWait, parameters, now=now), services())
    assert outcome == Waiting(NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    "parameters",
    [{"amount": 0}, {"mode": "until", "until": "2020-01-01"}],
)
async def test_what_is_past_is_not_waited_for(parameters: JsonObject) -> None:
    what = given(FlowWait, parameters, items({"a": 1}))
    assert jsons(await run_action(FlowWait, what, services())) == [{"a": 1}]


@pytest.mark.parametrize("until", ["soon", None, {}])
async def test_a_moment_must_be_one(until: object) -> None:
    parameters: JsonObject = {"mode": "until", "until": until}
    outcome = await run_action(FlowWait, given(FlowWait, parameters), services())
    assert isinstance(outcome, Failed)
    assert outcome.code == "wrong_type"


async def test_items_go_on_after_the_wait_whatever_the_expression_says_then() -> None:
    parameters = {"mode": "until", "until": "2099-01-01"}
    what = given(FlowWait, parameters, items({"a": 1}), resumption=TOO_LATE)
    assert jsons(await run_action(FlowWait, what, services())) == [{"a": 1}]


async def test_a_call_brings_what_goes_on() -> None:
    parameters = {"mode": "callback", "timeout": 60}
    outcome = await run_action(FlowWait, given(FlowWait, parameters), services())
    assert outcome == Waiting(NOW + timedelta(seconds=60), callback=True)
    called = given(FlowWait, parameters, items({"a": 1}), resumption=ANSWERED)
    assert jsons(await run_action(FlowWait, called, services())) == [{"body": {"x": 1}}]
    late = given(FlowWait, parameters, items({"a": 1}), resumption=TOO_LATE)
    assert jsons(await run_action(FlowWait, late, services()), "timeout") == [{"a": 1}]
    assert FlowWait.ports(parameters) == ("main", "timeout")


async def test_a_call_can_be_waited_for_for_ever() -> None:
    outcome = await run_action(FlowWait, given(FlowWait, {"mode": "callback"}), services())
    assert outcome == Waiting(None, callback=True)


ASK: JsonObject = {
    "title": "Send it?",
    "message": "Total: 5",
    "approvers": ["lead@example.com"],
    "timeout": 3600,
    "fields": [
        {"name": "amount", "type": "number", "default": 5},
        {"name": "why", "required": False},
    ],
}


async def test_an_approval_puts_its_question() -> None:
    outcome = await run_action(HumanApproval, given(HumanApproval, ASK), services())
    assert isinstance(outcome, Waiting)
    assert outcome.until == NOW + timedelta(hours=1)
    question = outcome.question
    assert question is not None
    assert (question.title, question.message) == ("Send it?", "Total: 5")
    assert question.approvers == ("lead@example.com",)
    assert question.form_schema is not None
    assert question.form_schema["properties"]["amount"]["type"] == "number"


@pytest.mark.parametrize(
    ("answer", "port"),
    [
        ({"decision": "approve"}, "approved"),
        ({"decision": "reject"}, "rejected"),
        ({"decision": "Approve"}, "rejected"),
        ({"decision": "yes"}, "rejected"),
        ({"decision": True}, "rejected"),
        ({"comment": "approve"}, "rejected"),
        ({}, "rejected"),
    ],
)
async def test_only_an_explicit_yes_is_a_yes(answer: JsonObject, port: str) -> None:
    what = given(HumanApproval, ASK, items({"a": 1}), resumption=Resumption(answer, NOW))
    outcome = await run_action(HumanApproval, what, services())
    assert isinstance(outcome, Done)
    assert list(outcome.outputs) == [port]


async def test_the_answer_goes_along_with_the_items() -> None:
    answer = {
        "decision": "approve", "comment": "fine", "form": {"why": "ok"}, "answered_by": "usr_1",
    }  # fmt: skip
    what = given(HumanApproval, ASK, items({"a": 1}), resumption=Resumption(answer, NOW))
    [item] = jsons(await run_action(HumanApproval, what, services()), "approved")
    assert item["a"] == 1
    assert item["approval"] == {
        **answer,
        "form": {"amount": 5, "why": "ok"},
        "answered_at": "",
        "answers": [],
        "delegations": [],
    }


async def test_silence_is_neither_yes_nor_no() -> None:
    what = given(HumanApproval, ASK, items({"a": 1}), resumption=TOO_LATE)
    [item] = jsons(await run_action(HumanApproval, what, services()), "timeout")
    assert item["approval"]["decision"] is None
