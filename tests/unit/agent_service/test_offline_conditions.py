"""Conditions as people say them."""

from typing import Any

import pytest

from agent_service.authors.offline.conditions import read_condition, split_condition
from agent_service.authors.offline.reading import (
    Approved,
    Comparison,
    FieldOf,
    Judgement,
    Outcome,
    Unread,
)
from agent_service.authors.offline.text import Text


def _read(said: str) -> Any:
    text = Text.of(said)
    return read_condition(text.plain, text)


@pytest.mark.parametrize(
    ("said", "field", "kind", "operator", "right"),
    [
        ("the amount is over 100", "amount", "number", "gt", 100),
        ("amount > 100", "amount", "number", "gt", 100),
        ("the order total is greater than 100", "total", "number", "gt", 100),
        ("the total is 100 or less", "total", "number", "lte", 100),
        ("the price drops below $10.50", "price", "number", "lt", 10.5),
        ("`body.amount` >= 5k", "body.amount", "number", "gte", 5000),
        ("the customer's age is at least 18", "customer_age", "number", "gte", 18),
        ("the response status is not 200", "status", "number", "not_equals", 200),
        ("status is 'paid'", "status", "string", "equals", "paid"),
        ("the status is not active", "status", "string", "not_equals", "active"),
        ('subject contains "urgent"', "subject", "string", "contains", "urgent"),
        ("subject starts with 're:'", "subject", "string", "starts_with", "re:"),
        ("email is empty", "email", "string", "empty", None),
        ("email is not empty", "email", "string", "not_empty", None),
        ("is_admin is true", "is_admin", "boolean", "true", None),
        ("金额大于100", "amount", "number", "gt", 100),
        ("订单金额超过一千元", "amount", "number", "gt", 1000),
        ("状态是“已付款”", "status", "string", "equals", "已付款"),
        ("邮箱为空", "email", "string", "empty", None),
    ],
)
def test_a_comparison_is_read(
    said: str, field: str, kind: str, operator: str, right: object
) -> None:
    assert _read(said).tests == [Comparison(FieldOf(field), kind, operator, right)]


def test_two_comparisons_share_what_is_compared() -> None:
    condition = _read("the price is over 10 and below 20")
    assert condition.tests == [
        Comparison(FieldOf("price"), "number", "gt", 10),
        Comparison(FieldOf("price"), "number", "lt", 20),
    ]
    assert not condition.any_of


def test_one_of_several_values() -> None:
    (test,) = _read("priority is 'urgent' or 'high'").tests
    assert (test.operator, test.right) == ("regex", "^(?:urgent|high)$")


@pytest.mark.parametrize("said", ["approved", "I approve", "it was accepted", "批准", "审批通过"])
def test_consent_is_recognized(said: str) -> None:
    condition = _read(said)
    assert condition.tests == [Approved()]
    assert not condition.negated


@pytest.mark.parametrize("said", ["rejected", "it is declined", "拒绝"])
def test_refusal_is_recognized(said: str) -> None:
    condition = _read(said)
    assert condition.tests == [Approved()]
    assert condition.negated


@pytest.mark.parametrize("said", ["the message is a complaint", "the sentiment is negative"])
def test_a_question_of_meaning_is_left_to_a_model(said: str) -> None:
    (test,) = _read(said).tests
    assert isinstance(test, Judgement)


@pytest.mark.parametrize("said", ["it's going to rain", "the moon shines", "天要下雨"])
def test_what_is_about_no_text_is_not_put_to_a_model_unasked(said: str) -> None:
    assert _read(said).tests == [Unread(said)]


def test_a_model_that_is_wished_for_answers_any_question() -> None:
    said = "it's going to rain"
    text = Text.of(f"ask the AI; if {said}, stop")
    assert read_condition(said, text).tests == [Judgement(said)]


@pytest.mark.parametrize(
    "said",
    [
        "it fails", "it is not ok", "it isn't okay", "the request failed", "the site is down",
        "it doesn't respond", "it returns an error", "the API gives a server error", "not ok",
        "something goes wrong", "there is a problem", "it can't be reached", "it times out",
        "the status is not normal", "状态不正常", "不正常", "异常", "不是 ok", "接口返回错误",
        "挂了", "请求失败", "打不开", "网站没有响应", "出现问题",
    ],
)  # fmt: skip
def test_that_it_went_wrong_is_an_outcome(said: str) -> None:
    (test,) = _read(said).tests
    assert isinstance(test, Outcome)
    assert not test.well


@pytest.mark.parametrize(
    "said",
    ["it is ok", "the request succeeds", "it works", "the page is not down", "正常", "状态正常",
     "没问题", "it does not fail"],
)  # fmt: skip
def test_that_it_went_well_is_an_outcome(said: str) -> None:
    (test,) = _read(said).tests
    assert isinstance(test, Outcome)
    assert test.well


@pytest.mark.parametrize(
    ("said", "kind", "operator", "right"),
    [
        ("it returns 404", "number", "equals", 404),
        ("it does not return 200", "number", "not_equals", 200),
        ("the response is anything other than 200", "number", "not_equals", 200),
        ("the response is a 5xx", "string", "regex", "^5"),
        ("状态不是 200", "number", "not_equals", 200),
        ("返回500", "number", "equals", 500),
    ],
)
def test_a_status_in_figures_is_compared(
    said: str, kind: str, operator: str, right: object
) -> None:
    assert _read(said).tests == [Comparison(FieldOf("status"), kind, operator, right)]


def test_more_than_an_outcome_is_no_mere_outcome() -> None:
    condition = _read("it is not ok and the amount is over 100")
    assert condition.tests == [
        Outcome(well=False, state="ok", opposite=True),
        Comparison(FieldOf("amount"), "number", "gt", 100),
    ]


def test_a_condition_ends_where_its_value_does() -> None:
    text = Text.of("the amount is over 100 ask me for approval")
    found = split_condition(text.plain, text)
    assert found is not None
    assert found[1] == "ask me for approval"
