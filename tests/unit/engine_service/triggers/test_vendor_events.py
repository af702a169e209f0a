"""`trigger.slack` and `trigger.github`: what they take in, from whom, and what a run gets."""

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from engine_service.sdk.trigger import Accepted, Answered, IncomingRequest, Refused
from engine_service.triggers.github import GitHubTrigger
from engine_service.triggers.slack import SlackTrigger
from shared.workflow import JsonObject
from tests.support.run_node import NOW

SECRET = "a signing secret"
MOMENT = int(NOW.timestamp())
FORM = "application/x-www-form-urlencoded"
Verdict = Accepted | Answered | Refused


def slack(
    body: Any, *, at: int = MOMENT, secret: str = SECRET, method: str = "POST", **parameters: Any
) -> Verdict:
    """Receive what Slack sends: an object as JSON, a text as a form."""
    raw = (body if isinstance(body, str) else json.dumps(body)).encode()
    signed = f"v0:{at}:".encode() + raw
    headers = {
        "content-type": FORM if isinstance(body, str) else "application/json",
        "x-slack-request-timestamp": str(at),
        "x-slack-signature": "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest(),
    }
    request = IncomingRequest(method, "slack", headers, "", raw, "192.0.2.1")
    made = SlackTrigger.Parameters.model_validate(parameters)
    return SlackTrigger().receive(made, request, SECRET, NOW)  # pyright: ignore[reportArgumentType]


def event(**inner: Any) -> JsonObject:
    told = {"type": "message", "channel": "C1", "text": "Hi", "user": "U1", **inner}
    return {"token": "old", "type": "event_callback", "team_id": "T1", "event_id": "Ev1",
            "event": told}  # fmt: skip


def test_an_event_of_slack_starts_a_run_once() -> None:
    verdict = slack(event())
    assert isinstance(verdict, Accepted)
    assert verdict.delivery_id == "Ev1"
    assert verdict.item["json"]["event"]["text"] == "Hi"
    assert "token" not in verdict.item["json"]
    alone = slack(event(), event_only=True)
    assert isinstance(alone, Accepted)
    assert alone.item["json"]["text"] == "Hi"


def test_slack_checks_the_address_once_it_is_known_to_be_slack() -> None:
    asked = {"type": "url_verification", "challenge": "abc"}
    assert slack(asked) == Answered({"challenge": "abc"})
    assert isinstance(slack(asked, secret="another"), Refused)


@pytest.mark.parametrize(
    "wrong", [{"secret": "of another tenant"}, {"at": MOMENT - 301}, {"at": MOMENT + 301}]
)
def test_whoever_is_not_slack_starts_nothing(wrong: dict[str, Any]) -> None:
    verdict = slack(event(), **wrong)
    assert isinstance(verdict, Refused)
    assert verdict.status == 401


@pytest.mark.parametrize(
    ("parameters", "inner", "wanted"),
    [
        ({"events": ["app_mention"]}, {}, False),
        ({"events": ["app_mention"]}, {"type": "app_mention"}, True),
        ({"channels": ["C2"]}, {}, False),
        ({"channels": ["C1"]}, {}, True),
        ({"channels": ["C1"]}, {"channel": None, "item": {"channel": "C1"}}, True),
        ({}, {"bot_id": "B1"}, False),
        ({}, {"subtype": "bot_message"}, False),
        ({"ignore_bots": False}, {"bot_id": "B1"}, True),
    ],
)
def test_only_the_events_that_are_wanted_start_runs(
    parameters: JsonObject, inner: JsonObject, wanted: bool
) -> None:
    verdict = slack(event(**inner), **parameters)
    assert isinstance(verdict, Accepted if wanted else Answered)


def test_commands_and_presses_come_as_forms() -> None:
    command = urlencode({"token": "old", "command": "/deploy", "text": "now", "channel_id": "C1",
                         "trigger_id": "1.2"})  # fmt: skip
    verdict = slack(command, events=["slash_command"], channels=["C1"])
    assert isinstance(verdict, Accepted)
    said = verdict.item["json"]
    assert (said["type"], said["command"], said["text"]) == ("slash_command", "/deploy", "now")
    assert "token" not in said
    assert verdict.delivery_id == "1.2"
    press = {"type": "block_actions", "trigger_id": "3.4", "channel": {"id": "C1"}}
    pressed = slack(urlencode({"payload": json.dumps(press)}), channels=["C1"])
    assert isinstance(pressed, Accepted)
    assert pressed.item["json"]["payload"] == press
    assert pressed.delivery_id == "3.4"


def test_slack_posts_and_says_objects() -> None:
    assert slack(event(), method="GET") == Refused(405, "This webhook takes POST.")
    assert isinstance(slack([1]), Refused)
    assert isinstance(slack(urlencode({"payload": "{"})), Refused)


def github(
    body: JsonObject,
    name: str = "issues",
    *,
    secret: str = SECRET,
    as_form: bool = False,
    **parameters: Any,
) -> Verdict:
    """Receive what GitHub sends."""
    raw = json.dumps(body).encode()
    if as_form:
        raw = urlencode({"payload": raw}).encode()
    signature = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    headers = {
        "content-type": FORM if as_form else "application/json",
        "x-github-event": name,
        "x-github-delivery": "d-1",
        "x-hub-signature-256": f"sha256={signature}",
    }
    request = IncomingRequest("POST", "github", headers, "", raw, "192.0.2.1")
    made = GitHubTrigger.Parameters.model_validate(parameters)
    return GitHubTrigger().receive(made, request, SECRET, NOW)  # pyright: ignore[reportArgumentType]


OPENED: JsonObject = {
    "action": "opened", "issue": {"number": 1}, "sender": {"login": "ada"},
    "repository": {"full_name": "octo/hello"},
}  # fmt: skip
PUSH: JsonObject = {"ref": "refs/heads/main", "repository": {"full_name": "octo/hello"}}


@pytest.mark.parametrize("as_form", [False, True])
def test_an_event_of_github_starts_a_run_once(as_form: bool) -> None:
    verdict = github(OPENED, as_form=as_form)
    assert isinstance(verdict, Accepted)
    assert verdict.delivery_id == "d-1"
    assert verdict.item["json"] == {
        "event": "issues", "action": "opened", "repository": "octo/hello", "sender": "ada",
        "body": OPENED,
    }  # fmt: skip


def test_githubs_ping_is_answered_and_a_stranger_refused() -> None:
    assert github({"zen": "Keep it simple."}, "ping") == Answered({"pong": True})
    verdict = github(OPENED, secret="of another tenant")
    assert isinstance(verdict, Refused)
    assert verdict.status == 401


@pytest.mark.parametrize(
    ("body", "name", "parameters", "wanted"),
    [
        (OPENED, "issues", {"events": ["push"]}, False),
        (OPENED, "issues", {"events": ["issues"], "actions": ["opened"]}, True),
        (OPENED, "issues", {"actions": ["closed"]}, False),
        (PUSH, "push", {"actions": ["closed"]}, True),
        (OPENED, "issues", {"repositories": ["octo/other"]}, False),
        (PUSH, "push", {"branches": ["main"]}, True),
        (PUSH, "push", {"branches": ["release"]}, False),
        ({"action": "opened", "pull_request": {"base": {"ref": "main"}}}, "pull_request",
         {"branches": ["main"]}, True),
        (OPENED, "issues", {"branches": ["main"]}, True),
    ],
)  # fmt: skip
def test_only_what_is_wanted_of_github_starts_runs(
    body: JsonObject, name: str, parameters: JsonObject, wanted: bool
) -> None:
    assert isinstance(github(body, name, **parameters), Accepted if wanted else Answered)
