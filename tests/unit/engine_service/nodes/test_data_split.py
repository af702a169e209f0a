"""`data.split`: lists, objects, several lists side by side, and what goes along."""

from typing import Any

import pytest

from engine_service.nodes.data_split import DataSplit
from engine_service.sdk.node import Done
from shared.workflow import Item, JsonObject
from tests.support.run_node import given, items, jsons, run_pure


def split(parameters: JsonObject, *objects: JsonObject) -> list[JsonObject]:
    return jsons(run_pure(DataSplit, given(DataSplit, parameters, items(*objects))))


def at(name: str, to: str = "", **more: object) -> JsonObject:
    return {"fields": [{"name": name, "to": to}], **more}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, "b", None], [{"a": 1}, {"a": "b"}, {"a": None}]),
        ([{"x": 1}, {"y": 2}], [{"x": 1}, {"y": 2}]),
        ([[1, 2]], [{"0": 1, "1": 2}]),
        ({"p": {"x": 1}, "q": 2}, [{"x": 1}, {"a": 2}]),
        ("alone", [{"a": "alone"}]),
        ([], []),
    ],
)
def test_members_become_items(value: Any, expected: list[JsonObject]) -> None:
    assert split(at("a"), {"a": value, "b": 0}) == expected


def test_an_item_without_the_field_gives_none() -> None:
    assert split(at("a"), {"b": 1}, {"a": [1]}) == [{"a": 1}]


def test_members_can_go_to_another_field() -> None:
    assert split(at("o.a", "line"), {"o": {"a": [{"x": 1}]}}) == [{"line": {"x": 1}}]


def test_other_fields_can_go_along() -> None:
    source: JsonObject = {"id": 7, "o": {"a": [1, 2], "k": 3}}
    assert split(at("o.a", "n", include="all"), source) == [
        {"id": 7, "o": {"k": 3}, "n": 1},
        {"id": 7, "o": {"k": 3}, "n": 2},
    ]
    chosen = at("o.a", "n", include="selected", include_fields=["id", "none"])
    assert split(chosen, source) == [{"id": 7, "n": 1}, {"id": 7, "n": 2}]


def test_several_lists_are_split_side_by_side() -> None:
    parameters: JsonObject = {"fields": [{"name": "a"}, {"name": "b", "to": "c"}]}
    assert split(parameters, {"a": [{"x": 1}, 2], "b": [3]}) == [
        {"a": {"x": 1}, "c": 3},
        {"a": 2},
    ]


def test_items_say_what_they_come_from_and_may_keep_its_files() -> None:
    source: list[Item] = [{"json": {}}, {"json": {"a": [1, 2]}, "binary": {"f": {"id": "1"}}}]
    outcome = run_pure(DataSplit, given(DataSplit, at("a", include_binary=True), source))
    assert isinstance(outcome, Done)
    assert [item["paired_item"] for item in outcome.outputs["main"]] == [1, 1]
    assert all(item["binary"] == {"f": {"id": "1"}} for item in outcome.outputs["main"])
