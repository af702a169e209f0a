"""`data.validate`: what fits, what is told of the rest, and schemas that mean harm."""

from typing import Any

import pytest

from engine_service.nodes.data_validate import DataValidate, ValidateParameters
from engine_service.sdk.node import Done, Failed
from engine_service.values.schemas import BadSchema, Schema
from shared.workflow import JsonObject
from tests.support.run_node import given, items, jsons, run_pure

SCHEMA: JsonObject = {
    "type": "object",
    "required": ["a"],
    "properties": {"a": {"type": "integer"}, "b": {"$ref": "#/$defs/word"}},
    "$defs": {"word": {"pattern": "^[a-z]+$"}},
}
DOUBLING: JsonObject = {
    "$ref": "#/$defs/a0",
    "$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(30)}
    | {"a30": {}},
}


def test_items_that_fit_and_others_leave_by_their_ports() -> None:
    objects = items({"a": 1, "b": "x"}, {"a": "1", "b": "X"}, {"b": "x"})
    outcome = run_pure(DataValidate, given(DataValidate, {"schema": SCHEMA}, objects))
    assert jsons(outcome, "valid") == [{"a": 1, "b": "x"}]
    first, second = jsons(outcome, "invalid")
    assert [(e["pointer"], e["keyword"]) for e in first["errors"]] == [
        ("/a", "type"),
        ("/b", "pattern"),
    ]
    assert [(e["pointer"], e["keyword"]) for e in second["errors"]] == [("", "required")]
    assert first["a"] == "1"


def test_items_can_fail_instead() -> None:
    parameters: JsonObject = {"schema": SCHEMA, "on_invalid": "fail"}
    what = given(DataValidate, parameters, items({"a": 1}, {"a": "x", "b": "X"}))
    outcome = run_pure(DataValidate, what)
    assert isinstance(outcome, Done)
    assert [(failure.index, failure.code) for failure in outcome.failures] == [(1, "invalid")]
    assert "1 more" in outcome.failures[0].message


def test_a_field_can_be_checked_and_the_schema_be_text() -> None:
    parameters: JsonObject = {"schema": '{"type": "string"}', "field": "o.x"}
    what = given(DataValidate, parameters, items({"o": {"x": "y"}}, {"o": {}}))
    outcome = run_pure(DataValidate, what)
    assert jsons(outcome, "valid") == [{"o": {"x": "y"}}]
    assert len(jsons(outcome, "invalid")) == 1


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"uniqueItems": True}, [1, True, "1"], [{"a": 1}, {"a": 1.0}]),
        ({"additionalProperties": False, "properties": {"a": {}}, "patternProperties": {"^x_": {}}},
         {"a": 1, "x_b": 1}, {"b": 1}),
        ({"additionalProperties": {"type": "string"}}, {"a": "b"}, {"a": 1}),
        ({"patternProperties": {"^n": {"type": "number"}}}, {"n": 1, "m": "x"}, {"n": "x"}),
        ({"format": "date-time"}, "2026-03-02T09:00:00Z", "2026-03-02T09:00:00"),
        ({"format": "email"}, "a@example.com", "a"),
        ({"format": "uuid"}, "5f0c6f0e-3c8f-4c6e-9a55-0d7f1f0a3a5e", "x"),
    ],
)  # fmt: skip
def test_keywords_with_ways_of_their_own(schema: JsonObject, good: Any, bad: Any) -> None:
    assert Schema(schema).violations(good) == []
    assert len(Schema(schema).violations(bad)) == 1


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"$ref": "#"}, 1),
        ({"$ref": "http://localhost:9/schema.json"}, 1),
        ({"$ref": "#/nowhere"}, 1),
        (DOUBLING, 1),
        ({"pattern": "("}, "a"),
        ({"pattern": "^(a|a|aa)+$"}, "a" * 60 + "b"),
        ({"type": "nothing"}, 1),
    ],
    ids=["circle", "outside", "nowhere", "doubling", "malformed", "backtracking", "type"],
)
def test_harmful_schemas_are_refused(schema: JsonObject, value: Any) -> None:
    with pytest.raises(BadSchema):
        Schema(schema).violations(value)


def test_a_schema_that_is_none_is_found_before_any_run() -> None:
    for schema in ({"type": "nothing"}, "{", 3):
        found = DataValidate.check(ValidateParameters.model_validate({"schema": schema}))
        assert [(pointer, code) for pointer, code, _ in found] == [("/schema", "bad_schema")]


def test_a_schema_that_cannot_be_followed_fails_the_node() -> None:
    parameters = {"schema": {"$ref": "#/nowhere"}}
    outcome = run_pure(DataValidate, given(DataValidate, parameters, items({"a": 1})))
    assert isinstance(outcome, Failed)
    assert outcome.code == "bad_schema"
