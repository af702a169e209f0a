"""Conditions as people say them."""

from typing import Any

import pytest

from agent_service.authors.offline.conditions import read_condition, split_condition
from agent_service.authors.offline.reading import Approved, Comparison, FieldOf, Judgement
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
        ("it fails", "status", "number", "gte", 400),
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


@pytest.mark.parametrize(
    "said", ["the message is a complaint", "the sentiment is negative", "it's going to rain"]
)
def test_a_question_of_meaning_is_left_to_a_model(said: str) -> None:
    (test,) = _read(said).tests
    assert isinstance(test, Judgement)


def test_a_condition_ends_where_its_value_does() -> None:
    text = Text.of("the amount is over 100 ask me for approval")
    found = split_condition(text.plain, text)
    assert found is not None
    assert found[1] == "ask me for approval"
