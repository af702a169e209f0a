"""Secrets in definitions: hidden from readers, meant by those who send back what they read."""

import json
from typing import Any

import pytest

from engine_service.catalogue import builtin
from engine_service.definitions.hidden import HIDDEN, hide_text, restore, split
from engine_service.nodes.http_request import HttpParameters
from shared.errors import InvalidInput
from shared.workflow import JsonObject, Workflow

SECRET = "hunter2"


def request(**parameters: Any) -> JsonObject:
    filled = {"url": "https://example.com/", **parameters}
    return {"id": "call", "name": "Call", "type": "http.request", "parameters": filled}


def hook() -> JsonObject:
    parameters = {"path": "in", "auth": "header", "secret": SECRET}
    return {"id": "hook", "name": "Hook", "type": "trigger.webhook", "parameters": parameters}


def bearer(token: str = SECRET) -> JsonObject:
    return request(auth={"kind": "bearer", "token": token})


SECRETIVE = [
    hook(),
    bearer(),
    request(auth={"kind": "basic", "username": "ada", "password": SECRET}),
    request(auth={"kind": "header", "value": SECRET}),
    request(auth={"kind": "bearer", "token": f"{SECRET} {{{{ $json.more }}}}"}),
    request(headers={"Authorization": f"Bearer {SECRET}", "accept": "text/plain"}),
    request(query={"api_key": SECRET, "page": 1}),
]


@pytest.mark.parametrize("node", SECRETIVE, ids=lambda node: json.dumps(node["parameters"])[:60])
def test_a_secret_is_hidden_and_comes_back(node: JsonObject) -> None:
    definition = {"nodes": [node]}
    shown = json.loads(hide_text(json.dumps(definition), builtin()))
    assert SECRET not in json.dumps(shown)
    assert HIDDEN in json.dumps(shown)
    read = Workflow.model_validate(shown)
    restore(read, definition, builtin())
    assert read.nodes[0].parameters == node["parameters"]


@pytest.mark.parametrize(
    "node",
    [
        request(auth={"kind": "bearer", "token": "{{ $json.token }}"}),
        request(headers={"accept": "text/plain", "authorization": "{{ $json.token }}"}),
        request(auth={"kind": "bearer"}, body={"total": 7}),
        {"id": "x", "name": "X", "type": "no.such", "parameters": {"secret": SECRET}},
        request(auth="nonsense", headers=[1], query=7),
        request(body=[2**70, 1e300, "\u2028", {"deep": [[[[]]]]}]),
        {"id": "x", "name": "X", "type": "http.request"},
    ],
    ids=lambda node: json.dumps(node)[:60],
)
def test_what_is_no_secret_is_shown_as_it_is(node: JsonObject) -> None:
    text = json.dumps({"nodes": [node]})
    assert json.loads(hide_text(text, builtin())) == {"nodes": [node]}


def test_what_was_changed_stays_changed() -> None:
    read = Workflow.model_validate({"nodes": [bearer("another")]})
    restore(read, {"nodes": [bearer()]}, builtin())
    assert read.nodes[0].parameters["auth"]["token"] == "another"


def test_what_hides_nothing_is_refused_with_its_place() -> None:
    read = Workflow.model_validate({"nodes": [{**bearer(HIDDEN), "id": "renamed"}]})
    with pytest.raises(InvalidInput) as caught:
        restore(read, {"nodes": [bearer()]}, builtin())
    [violation] = caught.value.violations
    assert violation.pointer == "/nodes/0/parameters/auth/token"


def test_a_new_workflow_inherits_no_secrets() -> None:
    read = Workflow.model_validate({"nodes": [bearer(HIDDEN)]})
    restore(read, None, builtin())
    assert read.nodes[0].parameters["auth"] == {"kind": "bearer", "token": ""}


def test_secrets_are_split_off_however_deep_they_stand() -> None:
    parameters = bearer()["parameters"]
    secrets, shown = split(HttpParameters, parameters)
    assert secrets == {"auth.token": SECRET}
    assert shown == {"url": "https://example.com/", "auth": {"kind": "bearer"}}
    assert parameters["auth"]["token"] == SECRET
