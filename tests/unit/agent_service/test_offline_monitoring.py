"""Forty ways to have an address watched: schedule, GET, a look at how it went, a person."""

from typing import Any

import pytest

from agent_service.authors.offline.compose import compose
from agent_service.authors.offline.reader import read
from engine_service.values.conditions import Conditions
from tests.support.catalogues import engine_catalogue

URL = "https://example.com/status"
ASKING = [
    f"every weekday at 9 fetch {URL} and if it is not ok ask me",
    f"every weekday at 9 fetch {URL} and ask me if it is not ok",
    f"check {URL} every 5 minutes and ask me if it is down",
    f"every 10 minutes call {URL}; if the status is not 200, ask me for approval",
    f"each hour GET {URL}, when it fails ask me",
    f"every hour ping {URL}. If it doesn't respond with 200, ask me.",
    f"every morning at 8 check whether {URL} is up and ask me if not",
    f"every hour fetch {URL}; if the status code is 500 or higher ask me",
    f"every day at 9 check {URL} and if anything is wrong ask me",
    f"every day at 9 check {URL} and if something goes wrong ask me",
    f"if {URL} is not ok ask me, every 5 minutes",
    f"every 5 minutes make sure {URL} is up, otherwise ask me",
    f"every 5 minutes look at {URL}: if it is unreachable, ask me",
    f"every 5 minutes, if {URL} returns an error, ask me for approval",
    f"monitor {URL} every minute and ask me when it is not healthy",
    f"at 9 every weekday request {URL}, ask me if the status isn't 200, otherwise do nothing",
    f"every weekday at 9 fetch {URL}; if ok do nothing, otherwise ask me",
    f"every weekday at 9 fetch {URL} and unless it is ok ask me",
    f"every weekday at 9 fetch {URL}, unless it returns 200 ask me",
    f"GET {URL} every weekday at 9. If the request fails, ask me.",
    f"GET {URL} every weekday at 9. In case of an error ask me.",
    f"GET {URL} every weekday at 9. On failure ask me.",
    f"GET {URL} every weekday at 9 and if there is a problem let me decide",
    f"every weekday at 9 fetch {URL}. If it does not answer, ask me.",
    f"every weekday at 9 fetch {URL}. If it is abnormal, ask me.",
    f"every weekday at 9 fetch {URL}; if it returns a 5xx ask me",
    f"every hour fetch {URL} and if the response is anything other than 200 ask me",
    f"每个工作日早上9点访问 {URL}，如果状态不正常就问我",
    f"每个工作日9点获取 {URL}，如果不正常就问我",
    f"每个工作日9点获取 {URL}，如果状态不是200就请我审批",
    f"每个工作日9点请求 {URL}，异常时问我",
    f"每5分钟检查 {URL}，如果返回错误，先问我",
    f"每5分钟检查 {URL}，如果挂了就请我确认",
    f"每小时检查一次 {URL}，不是 ok 就问我",
    f"每小时请求 {URL}，若状态码不等于200则问我",
    f"每小时请求 {URL}，如果失败，请经理审批",
    f"每天早上8点看看 {URL} 是否正常，不正常的话问我",
    f"监控 {URL}，每分钟一次，如果出错就让我确认",
    f"每小时请求 {URL}，正常的话什么都不做，否则问我",
    f"每小时请求 {URL}，如果状态异常，请我审批",
]


def _judged(said: str) -> tuple[dict[str, dict[str, Any]], set[tuple[str, str, str]]]:
    """The nodes by type, and the edges between the types."""
    definition = compose(read([said], {}), engine_catalogue()).definition
    types = {node["id"]: node["type"] for node in definition["nodes"]}
    assert len(set(types.values())) == len(types), "one node of each type is enough"
    edges = {
        (types[edge["from"]], edge.get("port", "main"), types[edge["to"]])
        for edge in definition["connections"]
    }
    return {node["type"]: node for node in definition["nodes"]}, edges


def _port(node: dict[str, Any], answer: dict[str, Any]) -> str:
    """Where an answer leaves the `flow.if`; expressions here are plain paths."""
    given = dict(node["parameters"])
    given["conditions"] = [
        {**one, "left": answer.get(one["left"].strip("{} ").removeprefix("$json."))}
        for one in given["conditions"]
    ]
    return "true" if Conditions.model_validate(given).hold() else "false"


@pytest.mark.parametrize("said", ASKING)
def test_somebody_is_asked_just_when_it_did_not_go_well(said: str) -> None:
    nodes, edges = _judged(said)
    assert set(nodes) == {"trigger.schedule", "http.request", "flow.if", "human.approval"}
    assert ("trigger.schedule", "main", "http.request") in edges
    assert ("http.request", "main", "flow.if") in edges
    (asks,) = [port for _, port, target in edges if target == "human.approval"]
    request = nodes["http.request"]["parameters"]
    assert (request["method"], request["url"]) == ("GET", URL)
    assert (request["full_response"], request["fail_on_status"]) == (True, False)
    assert _port(nodes["flow.if"], {"status": 503, "headers": {}, "body": {}}) == asks
    assert _port(nodes["flow.if"], {"status": 200, "headers": {}, "body": {}}) != asks


def test_the_sentence_of_the_readme() -> None:
    nodes, _ = _judged(ASKING[0])
    assert nodes["trigger.schedule"]["parameters"]["rules"] == [
        {
            "unit": "weeks",
            "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"],
            "at": "09:00",
        }
    ]


def test_a_field_of_the_answer_is_no_http_status() -> None:
    nodes, _ = _judged(f"every hour fetch {URL} and if the status is 'degraded' ask me")
    assert "full_response" not in nodes["http.request"]["parameters"]
    (condition,) = nodes["flow.if"]["parameters"]["conditions"]
    assert (condition["left"], condition["right"]) == ("{{ $json.status }}", "degraded")


def test_headers_and_body_of_an_answer_are_told_apart() -> None:
    nodes, _ = _judged(f"every hour fetch {URL} and if the body contains 'error' ask me")
    assert nodes["http.request"]["parameters"]["full_response"] is True
    assert "fail_on_status" not in nodes["http.request"]["parameters"]
    assert nodes["flow.if"]["parameters"]["conditions"][0]["left"] == "{{ $json.body }}"


def test_a_step_that_is_no_request_fails_by_its_error_port() -> None:
    definition = compose(
        read(["when a webhook arrives, translate it to German; if that fails ask me"], {}),
        engine_catalogue(),
    ).definition
    chat = next(node for node in definition["nodes"] if node["type"] == "ai.chat")
    assert chat["settings"] == {"on_error": "error_port"}
    assert {"from": chat["id"], "port": "error", "to": "ask_for_approval"} in definition[
        "connections"
    ]


@pytest.mark.parametrize("said", ASKING)
def test_no_model_is_put_in_unasked(said: str) -> None:
    nodes, _ = _judged(said)
    assert "ai.chat" not in nodes
