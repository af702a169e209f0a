"""Forms and chats: what of that which arrives begins a run, and as what."""

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from engine_service.sdk.trigger import Accepted, IncomingRequest, Refused
from engine_service.triggers.chat import ChatTrigger, ChatTriggerParameters
from engine_service.triggers.form import FormTrigger, FormTriggerParameters
from shared.workflow import JsonObject
from tests.support.run_node import NOW

FORM: JsonObject = {
    "path": "contact",
    "title": "Write to us",
    "fields": [
        {"name": "email", "format": "email"},
        {"name": "age", "type": "number", "required": False},
        {"name": "kind", "type": "number", "choices": [5, 7], "default": 5},
        {"name": "tags", "type": "array", "choices": ["a", "b"], "required": False},
        {"name": "lines", "type": "array", "required": False},
        {"name": "news", "type": "boolean"},
    ],
}
URLENCODED = "application/x-www-form-urlencoded"


def fill(*pairs: tuple[str, str], **changes: Any) -> Accepted | Refused:
    parameters = FormTriggerParameters.model_validate({**FORM, **changes})
    body = urlencode(pairs).encode()
    request = IncomingRequest("POST", "contact", {"content-type": URLENCODED}, "", body, "::1")
    return FormTrigger().receive(parameters, request, "", NOW)


def test_what_a_browser_sends_becomes_what_the_fields_are() -> None:
    taken = fill(
        ("submission", "abc"),
        ("website", ""),
        ("field.email", "ada@example.com"),
        ("field.age", "12.5"),
        ("field.kind", "7"),
        ("field.tags", "a"),
        ("field.tags", "b"),
        ("field.lines", "one\r\n two \r\n\r\n"),
        ("field.news", "on"),
    )
    assert isinstance(taken, Accepted)
    assert taken.delivery_id == "form-abc"
    filled = dict(taken.item["json"])
    assert filled.pop("submitted_at").startswith("2026-")
    assert filled == {
        "email": "ada@example.com",
        "age": 12.5,
        "kind": 7,
        "tags": ["a", "b"],
        "lines": ["one", "two"],
        "news": True,
    }


def test_what_is_left_empty_is_absent_or_what_stands_there() -> None:
    taken = fill(("field.email", "ada@example.com"), ("field.age", " "))
    assert isinstance(taken, Accepted)
    assert {"kind": 5, "news": False}.items() <= taken.item["json"].items()
    assert "age" not in taken.item["json"]


@pytest.mark.parametrize(
    ("pairs", "where"),
    [
        ([], "/form"),
        ([("field.email", "nobody")], "/form/email"),
        ([("field.email", "a@b\r\nBcc: c@d")], "/form/email"),
        ([("field.email", "a@example.com"), ("field.age", "old")], "/form/age"),
        ([("field.email", "a@example.com"), ("field.kind", "other")], "/form/kind"),
        ([("field.email", "a@example.com"), ("field.tags", "c")], "/form/tags/0"),
        ([("field.email", "a@example.com"), ("field.role", "admin")], "/form"),
    ],
)
def test_what_does_not_fit_begins_nothing(pairs: list[tuple[str, str]], where: str) -> None:
    refused = fill(*pairs)
    assert isinstance(refused, Refused)
    assert refused.status == 422
    assert {one.pointer for one in refused.violations} == {where}


def test_programs_that_fill_in_what_nobody_sees_hear_thanks_and_begin_nothing() -> None:
    refused = fill(("field.email", "a@example.com"), ("website", "http://spam.example"))
    assert isinstance(refused, Refused)
    assert refused.status == 202


def test_json_is_taken_with_its_own_types() -> None:
    parameters = FormTriggerParameters.model_validate(FORM)

    def send(value: object) -> Accepted | Refused:
        headers = {"content-type": "application/json"}
        body = orjson.dumps(value)
        request = IncomingRequest("POST", "contact", headers, "", body, "::1")
        return FormTrigger().receive(parameters, request, "", NOW)

    assert isinstance(send({"email": "a@example.com", "news": False}), Accepted)
    assert isinstance(send({"email": "a@example.com", "news": "no"}), Refused)
    assert isinstance(send([1]), Refused)


def test_a_page_with_a_password_takes_nothing_without() -> None:
    refused = fill(("field.email", "a@example.com"), auth="basic", secret="u:p")
    assert isinstance(refused, Refused)
    assert refused.status == 401
    assert FormTrigger.check(
        FormTriggerParameters.model_validate({**FORM, "auth": "basic", "secret": "nothing"})
    )


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"message": "Hello", "session_id": "abcd-1234"}, True),
        ({"message": "", "session_id": "abcd-1234"}, False),
        ({"message": "x" * 20_001, "session_id": "abcd-1234"}, False),
        ({"message": {"a": 1}, "session_id": "abcd-1234"}, False),
        ({"message": "Hello", "session_id": "short"}, False),
        ({"message": "Hello", "session_id": "../../etc/passwd"}, False),
        ({"message": "Hello"}, False),
        (["Hello"], False),
    ],
)
def test_a_message_names_its_session(body: object, fits: bool) -> None:
    parameters = ChatTriggerParameters.model_validate({"path": "help"})
    headers = {"content-type": "application/json"}
    request = IncomingRequest("POST", "help", headers, "", orjson.dumps(body), "::1")
    taken = ChatTrigger().receive(parameters, request, "", NOW)
    assert isinstance(taken, Accepted) is fits
    if isinstance(taken, Accepted):
        assert taken.item == {"json": body}
