"""`data.set`: what it sets, keeps, converts and refuses."""

from typing import Any

import pytest

from engine_service.nodes.data_set import DataSet
from engine_service.sdk.node import Done
from shared.workflow import Item, JsonObject
from tests.support.run_node import given, items, jsons, run_pure


def made(parameters: JsonObject, *objects: JsonObject) -> list[JsonObject]:
    return jsons(run_pure(DataSet, given(DataSet, parameters, items(*(objects or ({},))))))


def assign(name: str, value: Any, kind: str = "any") -> JsonObject:
    return {"assignments": [{"name": name, "value": value, "type": kind}]}


def test_only_what_is_set_is_kept_unless_asked() -> None:
    assert made(assign("b", 2), {"a": 1}) == [{"b": 2}]
    assert made({**assign("b", 2), "include": "all"}, {"a": 1}) == [{"a": 1, "b": 2}]


def test_some_fields_can_be_kept_or_dropped() -> None:
    source = {"a": {"x": 1, "y": 2}, "b": 3, "c": 4}
    assert made({"include": "selected", "fields": ["a.x", "c", "z"]}, source) == [{"x": 1, "c": 4}]
    assert made({"include": "except", "fields": ["a.x", "c"]}, source) == [{"a": {"y": 2}, "b": 3}]
    assert source == {"a": {"x": 1, "y": 2}, "b": 3, "c": 4}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.b", {"a": {"b": 1}}),
        ("a[1]", {"a": [None, 1]}),
        ("a.0.b", {"a": [{"b": 1}]}),
        ("a['x.y']", {"a": {"x.y": 1}}),
        ("a b", {"a b": 1}),
        ("a..b", {"a..b": 1}),
        ("0", {"0": 1}),
    ],
)
def test_names_reach_into_objects(name: str, expected: JsonObject) -> None:
    assert made(assign(name, 1)) == [expected]


def test_setting_inside_a_kept_object_leaves_the_input_alone() -> None:
    source: JsonObject = {"a": {"b": [1, {"c": 2}]}}
    result = made({**assign("a.b[1].c", 9), "include": "all"}, source)
    assert result == [{"a": {"b": [1, {"c": 9}]}}]
    assert source == {"a": {"b": [1, {"c": 2}]}}


def test_a_field_that_bears_a_name_with_dots_is_that_field() -> None:
    source: JsonObject = {"a.b": 1, "c": 2}
    assert made({**assign("a.b", 9), "include": "all"}, source) == [{"a.b": 9, "c": 2}]
    assert made({"include": "except", "fields": ["a.b"]}, source) == [{"c": 2}]
    assert made({"include": "selected", "fields": ["a.b"]}, source) == [{"b": 1}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a.b": 1, "c": [2]}', {"a": {"b": 1}, "c": [2]}),
        ("{a: 'x', 'b': [1,],}", {"a": "x", "b": [1]}),
        ('{"a": , "b":\n}', {"a": None, "b": None}),
        ('{"a": "x: , \\" :}"}', {"a": 'x: , " :}'}),
    ],
)
def test_an_object_may_be_written_loosely(text: str, expected: JsonObject) -> None:
    assert made({"mode": "json", "json": text}) == [expected]


def test_a_field_that_is_given_nothing_can_be_left_out() -> None:
    left_out: JsonObject = {"assignments": [{"name": "a.b"}], "include": "all"}
    source: JsonObject = {"a": {"b": 1, "c": 2}}
    assert made({**left_out, "missing": "leave_out"}, source) == [{"a": {"c": 2}}]
    assert made(left_out, source) == [{"a": {"b": None, "c": 2}}]


def test_names_can_be_taken_literally() -> None:
    assert made({**assign("a.b", 1), "dot_notation": False}) == [{"a.b": 1}]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", 1.0, "1"),
        ("string", {"a": [1]}, '{"a":[1]}'),
        ("string", None, None),
        ("number", " 12.50 ", 12.5),
        ("number", "0x1f", 31),
        ("boolean", "TRUE", True),
        ("boolean", 0, False),
        ("array", '["a", 1]', ["a", 1]),
        ("object", "{a: 'b'}", {"a": "b"}),
        ("date_time", "2026-03-02T10:00", "2026-03-02T10:00:00.000+00:00"),
    ],
)
def test_values_are_converted(kind: str, value: Any, expected: Any) -> None:
    assert made(assign("x", value, kind)) == [{"x": expected}]


def test_what_cannot_be_converted_fails_its_item_only() -> None:
    outcome = run_pure(
        DataSet, given(DataSet, [assign("x", "no", "number"), assign("x", "1", "number")],
                       items({}, {}))
    )  # fmt: skip
    assert isinstance(outcome, Done)
    assert outcome.outputs["main"] == [{"json": {"x": 1}, "paired_item": 1}]
    assert [(failure.index, failure.code) for failure in outcome.failures] == [(0, "wrong_type")]
    assert "x" in outcome.failures[0].message


def test_what_cannot_be_converted_may_stay() -> None:
    assert made({**assign("x", "no", "number"), "ignore_conversion_errors": True}) == [{"x": "no"}]


def test_a_whole_object_can_be_given() -> None:
    assert made({"mode": "json", "json": {"a": 1}, "include": "all"}, {"b": 2}) == [
        {"a": 1, "b": 2}
    ]
    assert made({"mode": "json", "json": '{"a": 1}'}) == [{"a": 1}]
    outcome = run_pure(DataSet, given(DataSet, {"mode": "json", "json": "[1]"}))
    assert isinstance(outcome, Done)
    assert outcome.failures


def test_an_index_can_be_too_large() -> None:
    outcome = run_pure(DataSet, given(DataSet, assign("a[999999999]", 1)))
    assert isinstance(outcome, Done)
    assert outcome.failures


def test_files_stay_with_kept_fields() -> None:
    item: Item = {"json": {"a": 1}, "binary": {"f": {"id": "1"}}}
    for include, kept in (("all", True), ("none", False)):
        outcome = run_pure(DataSet, given(DataSet, {"include": include}, [item]))
        assert isinstance(outcome, Done)
        assert ("binary" in outcome.outputs["main"][0]) == kept
