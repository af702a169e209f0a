"""Repairs without thought: what the engine refuses, mended, is what the engine accepts."""

import json
from typing import Any

import pytest

from agent_service.mending import mend
from engine_service.catalogue import builtin
from engine_service.definitions.validate import is_valid, validate_document
from shared.session_events import Finding
from tests.support.catalogues import engine_catalogue

START: dict[str, Any] = {"id": "start", "name": "Start", "type": "trigger.manual"}
CALL: dict[str, Any] = {
    "id": "call",
    "name": "Call",
    "type": "http.request",
    "parameters": {"url": "https://example.com"},
}
EDGE: dict[str, Any] = {"from": "start", "to": "call"}


def _findings(definition: dict[str, Any]) -> list[Finding]:
    return [
        Finding(
            pointer=one.pointer,
            code=one.code,
            severity="error" if one.severity == "error" else "warning",
            message=one.message,
            suggestion=one.suggestion,
        )
        for one in validate_document(json.dumps(definition).encode(), builtin())
        if one.severity == "error"
    ]


@pytest.mark.parametrize(
    ("what", "definition"),
    [
        ("type", {"nodes": [START, {**CALL, "type": "http.requests"}], "connections": [EDGE]}),
        ("version", {"nodes": [START, {**CALL, "version": 7}], "connections": [EDGE]}),
        ("edge", {"nodes": [START, CALL], "connections": []}),
        ("end", {"nodes": [START, CALL], "connections": [{"from": "start", "to": "cal"}]}),
        ("port", {"nodes": [START, CALL], "connections": [{**EDGE, "port": "mian"}]}),
        ("twice", {"nodes": [START, CALL], "connections": [EDGE, EDGE]}),
        ("trigger", {"nodes": [CALL], "connections": []}),
        ("id", {"nodes": [START, CALL, {**CALL}], "connections": [EDGE]}),
        ("zone", {"nodes": [START, CALL], "connections": [EDGE],
                  "settings": {"timezone": "Europe/Berlln"}}),
        ("name", {"nodes": [START, {**CALL, "parameters": {"urll": "https://a.example.com"}}],
                  "connections": [EDGE]}),
        ("number", {"nodes": [START, {**CALL, "parameters": {
            "url": "https://a.example.com", "timeout": "ten"}}], "connections": [EDGE]}),
        ("boolean", {"nodes": [START, {**CALL, "parameters": {
            "url": "https://a.example.com", "verify_tls": "perhaps"}}], "connections": [EDGE]}),
        ("cycle", {"nodes": [START, CALL, {**CALL, "id": "b", "name": "B"}], "connections": [
            EDGE, {"from": "call", "to": "b"}, {"from": "b", "to": "call"}]}),
    ],
)  # fmt: skip
def test_what_a_rule_knows_is_mended(what: str, definition: dict[str, Any]) -> None:
    for _ in range(3):
        findings = _findings(definition)
        if not findings:
            break
        mended = mend(definition, findings, engine_catalogue())
        if mended is None:
            break
        definition = mended
    valid = is_valid(validate_document(json.dumps(definition).encode(), builtin()))
    assert valid == (what not in ("number", "boolean"))


def test_nothing_is_claimed_where_no_rule_fits() -> None:
    findings = [Finding(pointer="/nodes/0", code="unheard_of", severity="error", message="?")]
    assert mend({"nodes": [START]}, findings, engine_catalogue()) is None


def test_the_original_is_left_alone() -> None:
    definition = {"nodes": [START, {**CALL, "type": "http.requests"}], "connections": [EDGE]}
    mend(definition, _findings(definition), engine_catalogue())
    assert definition["nodes"][1]["type"] == "http.requests"


def test_a_text_becomes_the_number_that_it_spells() -> None:
    definition = {
        "nodes": [START, {**CALL, "parameters": {"url": "https://a.example.com", "retries": "3"}}]
    }
    finding = Finding(
        pointer="/nodes/1/parameters/retries",
        code="invalid_parameter",
        severity="error",
        message="It is no number.",
    )
    mended = mend(definition, [finding], engine_catalogue())
    assert mended is not None
    assert mended["nodes"][1]["parameters"]["retries"] == 3
