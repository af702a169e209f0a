"""What vendors' errors and schemas mean."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from shared.errors import AppError
from shared.llm_errors import (
    ContextTooLong,
    ModelUnavailable,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    RequestRefused,
)
from shared.llm_wire import (
    Refusal,
    count_at,
    error_for,
    has_free_objects,
    is_strict,
    retry_after_seconds,
)


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Refusal("m", 429, "insufficient_quota"), QuotaExhausted),
        (Refusal("m", 400, "", "prompt is too long: 201 tokens > 200 maximum"), ContextTooLong),
        (Refusal("m", 200, "overloaded_error"), Overloaded),
        (Refusal("m", 200, "429"), RateLimited),
        (Refusal("m", 200, "something_new"), ModelUnavailable),
        (Refusal("m", 418, "something_new"), RequestRefused),
        (Refusal("m", 599, "something_new"), ModelUnavailable),
    ],
)
def test_a_refusal_is_understood(refusal: Refusal, kind: type[AppError]) -> None:
    error = error_for(refusal)
    assert type(error) is kind
    assert error.metadata["model"] == "m"


def test_a_long_message_is_cut() -> None:
    assert len(error_for(Refusal("m", 400, "", "x" * 9000)).message) < 600


def test_an_error_without_words_still_says_something() -> None:
    assert error_for(Refusal("m", 503)).message == "m: The vendor says that it has too much to do."


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("-3", 0.0), ("", None), ("soon", None), ("nan", None)],
)
def test_retry_after_is_seconds(value: str, seconds: float | None) -> None:
    assert retry_after_seconds({"retry-after": value}) == seconds


def test_retry_after_may_be_a_date() -> None:
    moment = datetime.now(UTC) + timedelta(seconds=100)
    for written in (format_datetime(moment, usegmt=True), moment.strftime("%d %b %Y %H:%M:%S")):
        wait = retry_after_seconds({"retry-after": written})
        assert wait is not None
        assert 90 < wait <= 100


CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {}},
    "required": ["a"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "strict", "free"),
    [
        (CLOSED, True, False),
        (CLOSED | {"required": list[str]()}, False, False),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False, False),
        ({"type": "object"}, False, True),
        (CLOSED | {"properties": {"a": {"type": "object"}}}, False, True),
        (CLOSED | {"properties": {"a": {"anyOf": [CLOSED, {"type": "null"}]}}}, True, False),
        (CLOSED | {"properties": {"a": {"anyOf": [{"type": "object"}]}}}, False, True),
        (CLOSED | {"additionalProperties": {"type": "string"}}, False, True),
    ],
)
def test_schemas_are_known_by_how_free_they_are(
    schema: dict[str, Any], strict: bool, free: bool
) -> None:
    assert is_strict(schema) is strict
    assert has_free_objects(schema) is free


def test_a_report_may_leave_numbers_out() -> None:
    report: dict[str, Any] = {"a": 1, "b": None, "c": {"d": 2, "e": None}}
    assert [count_at(report, *path) for path in (["a"], ["b"], ["c", "d"], ["c", "e"])] == [
        1,
        0,
        2,
        0,
    ]
    assert count_at(report, "b", "x") == count_at(report, "y", "x") == 0
