"""No secret of a node's parameters is shown, wherever it stands."""

import json
from typing import Any

import pytest

from engine_service.nodes.http_request import HttpParameters
from engine_service.trial.redact import HIDDEN, redact
from engine_service.triggers.webhook import WebhookParameters

SECRET = "hunter2"


@pytest.mark.parametrize(
    "parameters",
    [
        {"auth": {"kind": "basic", "username": "ada", "password": SECRET}},
        {"auth": {"kind": "bearer", "token": SECRET}},
        {"auth": {"kind": "header", "name": "x-key", "value": SECRET}},
        {"headers": {"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET}},
        {"headers": {"Cookie": [SECRET, SECRET]}},
        {"query": {"access_token": SECRET}},
        {"url": f"https://ada:{SECRET}@example.com/"},
        {"url": f"https://example.com/?page=1&api_key={SECRET}&x=2#end"},
        {"method": "POST", "body": {"user": {"password": SECRET}}},
        {"method": "POST", "body": [{"name": "client_secret", "value": SECRET}]},
        {"method": "POST", "body": f"see https://x:{SECRET}@example.com"},
    ],
)
def test_secrets_of_a_request_are_hidden(parameters: dict[str, Any]) -> None:
    model = HttpParameters.model_validate({"url": "https://example.com/", **parameters})
    shown = json.dumps(redact(model))
    assert SECRET not in shown
    assert HIDDEN in shown


def test_what_is_no_secret_is_shown_as_it_is() -> None:
    parameters = {
        "method": "POST",
        "url": "https://example.com/orders?page=2",
        "headers": {"accept": "text/plain", "x-count": 3},
        "body": {"total": 12.5, "rows": [None, True, {"name": "Ada", "value": 1}], "tokens": 7},
    }
    assert redact(HttpParameters.model_validate(parameters)) == parameters


def test_the_secret_of_a_webhook_is_hidden() -> None:
    webhook = WebhookParameters.model_validate({"path": "in", "auth": "github", "secret": SECRET})
    assert redact(webhook) == {"path": "in", "auth": "github", "secret": HIDDEN}
