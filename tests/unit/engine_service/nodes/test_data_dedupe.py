"""`data.dedupe` and `data.limit`: which items stay."""

from engine_service.nodes.data_dedupe import DataDedupe
from engine_service.nodes.data_limit import DataLimit
from engine_service.sdk.node import Done, Failed
from shared.workflow import JsonObject
from tests.support.run_node import given, items, jsons, run_pure


def kept(parameters: JsonObject, *objects: JsonObject) -> list[JsonObject]:
    return jsons(run_pure(DataDedupe, given(DataDedupe, parameters, items(*objects))))


def test_the_first_of_equal_items_stays_in_its_place() -> None:
    objects = ({"a": 1, "b": [1]}, {"a": 2}, {"b": [1.0], "a": 1}, {"a": True}, {"a": "1"})
    assert kept({}, *objects) == [objects[0], objects[1], objects[3], objects[4]]


def test_some_fields_or_all_but_some_can_decide() -> None:
    objects = ({"id": 1, "o": {"e": "x"}}, {"id": 2, "o": {"e": "x"}}, {"id": 3}, {"id": 4})
    by_field: JsonObject = {"compare": "selected", "fields": ["o.e"]}
    assert [one["id"] for one in kept(by_field, *objects)] == [1, 3]
    without: JsonObject = {"compare": "except", "fields": ["id"]}
    assert [one["id"] for one in kept(without, *objects)] == [1, 3]
    only = kept({**by_field, "remove_other_fields": True}, *objects)
    assert only == [{"o": {"e": "x"}}, {}]


def test_a_selected_field_that_no_item_has_is_a_mistake() -> None:
    parameters = {"compare": "selected", "fields": ["x"]}
    outcome = run_pure(DataDedupe, given(DataDedupe, parameters, items({"a": 1})))
    assert isinstance(outcome, Failed)
    assert outcome.code == "no_such_field"


def test_the_first_or_the_last_items_stay() -> None:
    objects = items({"n": 1}, {"n": 2}, {"n": 3})
    for keep, count, expected in (
        ("first", 2, [1, 2]),
        ("last", 2, [2, 3]),
        ("last", 9, [1, 2, 3]),
    ):
        what = given(DataLimit, {"max_items": count, "keep": keep}, objects)
        outcome = run_pure(DataLimit, what)
        assert isinstance(outcome, Done)
        assert [item["json"]["n"] for item in outcome.outputs["main"]] == expected
        assert [item["paired_item"] + 1 for item in outcome.outputs["main"]] == expected
