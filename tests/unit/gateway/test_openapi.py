"""The OpenAPI document is complete: every reference resolves, every failure is told."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.app import build_rest

DOCUMENT = build_rest().openapi()
OPERATIONS = [
    (method, path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
IDS = [f"{method} {path}" for method, path, _ in OPERATIONS]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():  # pyright: ignore[reportUnknownVariableType]
            yield from references(value)
    elif isinstance(node, list):
        for value in node:  # pyright: ignore[reportUnknownVariableType]
            yield from references(value)


def test_every_reference_resolves_and_every_schema_is_referred_to() -> None:
    referred = {reference.rpartition("/")[2] for reference in references(DOCUMENT)}
    assert referred == set(DOCUMENT["components"]["schemas"])
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_an_operation_says_how_it_succeeds_and_fails(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    failure = operation["responses"]["default"]["content"]["application/problem+json"]
    assert failure["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert any(status.startswith("2") for status in map(str, operation["responses"]))
    parameters = {parameter["name"] for parameter in operation.get("parameters", [])}
    assert set(re.findall(r"\{(\w+)\}", path)) <= parameters
    if path.startswith("/v1/") and "hooks" not in path:
        assert operation["security"] == [{"bearer": []}]
        keyed = {name.lower() for name in parameters} & {"idempotency-key"}
        assert bool(keyed) == (method == "post")


def test_event_streams_are_told_with_what_they_carry() -> None:
    for path in ("/v1/runs/{run_id}/events", "/v1/sessions/{session_id}/events"):
        content = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]
        assert content["text/event-stream"]["x-event-data"]["$ref"].endswith("Event")


def test_a_definition_is_described_as_the_language_has_it() -> None:
    body = DOCUMENT["components"]["schemas"]["CreateWorkflow"]["properties"]["definition"]
    assert body["$ref"] == "#/components/schemas/WorkflowDefinition"
    assert "nodes" in DOCUMENT["components"]["schemas"]["WorkflowDefinition"]["properties"]
