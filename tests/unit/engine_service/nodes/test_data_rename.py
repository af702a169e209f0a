"""`data.rename`: single names, deep names, and patterns."""

import pytest

from engine_service.nodes.data_rename import DataRename
from engine_service.sdk.node import Done
from shared.workflow import JsonObject
from tests.support.run_node import given, items, jsons, run_pure


def renamed(parameters: JsonObject, fields: JsonObject) -> JsonObject:
    return jsons(run_pure(DataRename, given(DataRename, parameters, items(fields))))[0]


def by_name(name: str, to: str, **more: object) -> JsonObject:
    return {"fields": [{"name": name, "to": to}], **more}


def by_pattern(pattern: str, to: str, **more: object) -> JsonObject:
    return {"patterns": [{"pattern": pattern, "to": to, **more}]}


def test_names_reach_into_objects_and_the_input_stays_as_it_was() -> None:
    source: JsonObject = {"a": {"b": 1, "c": 2}, "d": 3}
    assert renamed(by_name("a.b", "x.y"), source) == {"a": {"c": 2}, "d": 3, "x": {"y": 1}}
    assert source == {"a": {"b": 1, "c": 2}, "d": 3}


def test_a_literal_name_with_a_dot_comes_first() -> None:
    assert renamed(by_name("a.b", "c"), {"a.b": 1, "a": {"b": 2}}) == {"a": {"b": 2}, "c": 1}


def test_dots_can_be_part_of_names() -> None:
    assert renamed(by_name("a", "b.c", dot_notation=False), {"a": 1}) == {"b.c": 1}


def test_what_is_not_there_is_passed_over() -> None:
    assert renamed(by_name("x", "y"), {"a": 1}) == {"a": 1}
    assert renamed(by_name("a", "a"), {"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (by_pattern("^old_", ""), {"a": {"b": [{"c": 1}]}, "k": 2}),
        (by_pattern("^old_", "", depth=0), {"a": {"old_b": [{"old_c": 1}]}, "k": 2}),
        (by_pattern("^OLD_", "", case_sensitive=False), {"a": {"b": [{"c": 1}]}, "k": 2}),
        (by_pattern("old_(?<n>.)", "$<n>_$1$$$&"), {
            "a_a$old_a": {"b_b$old_b": [{"c_c$old_c": 1}]}, "k": 2}),
    ],
)  # fmt: skip
def test_patterns_rename_on_the_levels_that_are_asked_for(
    parameters: JsonObject, expected: JsonObject
) -> None:
    assert renamed(parameters, {"old_a": {"old_b": [{"old_c": 1}]}, "k": 2}) == expected


def test_only_the_first_match_is_replaced() -> None:
    assert renamed(by_pattern("a", "b"), {"aa": 1}) == {"ba": 1}


def test_a_malformed_pattern_fails_its_item() -> None:
    outcome = run_pure(DataRename, given(DataRename, by_pattern("(", ""), items({"a": 1})))
    assert isinstance(outcome, Done)
    assert [failure.code for failure in outcome.failures] == ["bad_pattern"]
